//! Templates of paths as a tree, by which a path is found segment by segment, whatever their number.

/// A place in the tree: the templates that have the same segments up to here.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// By the literal that comes next, in the order of their texts.
    literals: Vec<(String, Tree)>,
    /// Where something else comes next.
    parameter: Option<Box<Tree>>,
    /// The routes whose template ends here, by their places.
    pub(super) routes: Vec<usize>,
}

/// A part of a template.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Segment {
    /// Exactly this. Literals come first: `/orders/log` goes before `/orders/{order_num}`.
    Literal(String),
    /// A field of the request with this name.
    Parameter(String),
}

impl Segment {
    pub(super) fn parse(text: &str) -> Self {
        match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => Self::Parameter(name.to_owned()),
            None => Self::Literal(text.to_owned()),
        }
    }
}

impl Tree {
    /// Adds the template of a route.
    pub(super) fn add(&mut self, template: &[Segment], route: usize) {
        let Some((first, rest)) = template.split_first() else { return self.routes.push(route) };
        let next = match first {
            Segment::Parameter(_) => self.parameter.get_or_insert_default(),
            Segment::Literal(text) => {
                let at = self.place(text).unwrap_or_else(|at| {
                    self.literals.insert(at, (text.clone(), Self::default()));
                    at
                });
                &mut self.literals[at].1
            }
        };
        next.add(rest, route);
    }

    /// The most exact template that a path fits, of which the first slash was taken; and the segments that stand for its parameters, still
    /// escaped. At each segment a literal goes before a parameter, and a parameter is never empty.
    pub(super) fn find<'p>(&self, path: &'p str, values: &mut Vec<&'p str>) -> Option<&Self> {
        let (segment, rest) = match path.bytes().position(|byte| byte == b'/') {
            Some(at) => (&path[..at], Some(&path[at + 1..])),
            None => (path, None),
        };
        let literal = self.place(segment).ok().map(|at| &self.literals[at].1);
        if let Some(found) = literal.and_then(|next| next.go_on(rest, values)) {
            return Some(found);
        }
        let next = self.parameter.as_deref().filter(|_| !segment.is_empty())?;
        values.push(segment);
        let found = next.go_on(rest, values);
        if found.is_none() {
            values.pop();
        }
        found
    }

    fn go_on<'p>(&self, rest: Option<&'p str>, values: &mut Vec<&'p str>) -> Option<&Self> {
        match rest {
            Some(rest) => self.find(rest, values),
            None => Some(self).filter(|end| !end.routes.is_empty()),
        }
    }

    fn place(&self, text: &str) -> Result<usize, usize> {
        self.literals.binary_search_by(|(literal, _)| (**literal).cmp(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The template that a path fits, and what its parameters are.
    fn find(templates: &[&str], path: &str) -> Option<(usize, Vec<String>)> {
        let mut tree = Tree::default();
        for (at, template) in templates.iter().enumerate() {
            let segments: Vec<Segment> = template[1..].split('/').map(Segment::parse).collect();
            tree.add(&segments, at);
        }
        let mut values = Vec::new();
        let routes = &tree.find(&path[1..], &mut values)?.routes;
        Some((routes[0], values.into_iter().map(str::to_owned).collect()))
    }

    #[test]
    fn the_most_exact_template_is_found() {
        let templates = ["/", "/a", "/a/{x}", "/a/log", "/{x}/{y}/c", "/a/{x}/c/d", "/{x}/b/{z}"];
        let check = |path: &str, expected: Option<(usize, &[&str])>| {
            let expected =
                expected.map(|(at, values)| (at, values.iter().map(|value| (*value).to_owned()).collect()));
            assert_eq!(find(&templates, path), expected, "{path}");
        };
        check("/", Some((0, &[])));
        check("/a", Some((1, &[])));
        check("/a/", None);
        check("/a/7", Some((2, &["7"])));
        check("/a/log", Some((3, &[])));
        // What looked more exact at first leads nowhere.
        check("/a/log/c", Some((4, &["a", "log"])));
        check("/a/1/c/d", Some((5, &["1"])));
        check("/q/b/c", Some((6, &["q", "c"])));
        check("/q/r/c", Some((4, &["q", "r"])));
        check("/q//c", None);
        check("/q/r/s", None);
        check("/A", None);
    }
}
