//! Routes: from an HTTP method and a path to the RPC method that is bound to it. They come from schemas, and nothing else.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

use micronet_wire::http1::{DecodeError, decode_component, segments};
use micronet_wire::schema::EncodedSchema;

/// All routes of a gateway.
#[derive(Debug, Default)]
pub struct Routes {
    routes: Vec<Route>,
    /// The upstreams whose schema is known.
    known: BTreeSet<usize>,
}

/// One route: where it leads.
#[derive(Debug)]
pub struct Route {
    /// GET, POST, …
    http_method: String,
    segments: Vec<Segment>,
    /// Which of the gateway's upstreams serves it.
    pub upstream: usize,
    /// The id of the RPC method.
    pub method: u32,
}

/// A part of a route's path.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// Exactly this. Literals come first: `/orders/log` goes before `/orders/{order_num}`.
    Literal(String),
    /// A field of the request with this name.
    Parameter(String),
}

/// Fields of a request by name, filled by segments of the path.
pub type Parameters<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// What a path leads to.
#[derive(Debug)]
pub enum Found<'a> {
    /// This route, with the fields that the path fills.
    Route(&'a Route, Parameters<'a>),
    /// Routes for other HTTP methods: what `Allow` says.
    OtherMethods(String),
    /// Nothing.
    Nothing,
    /// A segment's percent-encoding is malformed.
    Malformed(DecodeError),
}

impl Routes {
    /// The routes of these schemas, each with the index of the upstream that serves it. A route that two schemas claim belongs to
    /// the first.
    pub fn from_schemas(schemas: impl IntoIterator<Item = (usize, Rc<EncodedSchema>)>) -> Self {
        let mut all = Self::default();
        for (upstream, schema) in schemas {
            all.known.insert(upstream);
            for method in &schema.schema().methods {
                for binding in &method.http {
                    all.routes.push(Route {
                        http_method: binding.method.clone(),
                        segments: segments(&binding.path).map(Segment::parse).collect(),
                        upstream,
                        method: method.id,
                    });
                }
            }
        }
        // Sorted so that at each segment a literal goes before a parameter; the first match is the most exact one.
        all.routes.sort_by(|a, b| (&a.segments, &a.http_method).cmp(&(&b.segments, &b.http_method)));
        all
    }

    /// Whether the schema of an upstream is known. What an unknown one serves could be anything.
    #[must_use]
    pub fn knows(&self, upstream: usize) -> bool {
        self.known.contains(&upstream)
    }

    /// What an HTTP method and a path (still percent-encoded) lead to. HEAD goes where GET goes.
    #[must_use]
    pub fn find<'a>(&'a self, http_method: &str, path: &'a str) -> Found<'a> {
        let wanted = if http_method == "HEAD" { "GET" } else { http_method };
        let mut others = BTreeSet::new();
        for route in &self.routes {
            match route.matches(path) {
                Ok(None) => {}
                Err(error) => return Found::Malformed(error),
                Ok(Some(parameters)) if route.http_method == wanted => {
                    return Found::Route(route, parameters);
                }
                Ok(Some(_)) => {
                    others.insert(route.http_method.as_str());
                }
            }
        }
        if others.is_empty() {
            return Found::Nothing;
        }
        if others.contains("GET") {
            others.insert("HEAD");
        }
        others.insert("OPTIONS");
        Found::OtherMethods(others.into_iter().collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Display for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for route in &self.routes {
            write!(f, "{} ", route.http_method)?;
            for segment in &route.segments {
                match segment {
                    Segment::Literal(text) => write!(f, "/{text}")?,
                    Segment::Parameter(name) => write!(f, "/{{{name}}}")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Route {
    /// The fields that the path fills, or `None` when it is another path.
    fn matches<'a>(&'a self, path: &'a str) -> Result<Option<Parameters<'a>>, DecodeError> {
        let mut parameters = Vec::new();
        let mut given = segments(path);
        for segment in &self.segments {
            let Some(text) = given.next() else { return Ok(None) };
            match segment {
                Segment::Literal(literal) if literal == text => {}
                Segment::Literal(_) => return Ok(None),
                Segment::Parameter(_) if text.is_empty() => return Ok(None),
                Segment::Parameter(name) => parameters.push((name.as_str(), text)),
            }
        }
        if given.next().is_some() {
            return Ok(None);
        }
        let decoded = parameters.into_iter().map(|(name, text)| Ok((name, decode_component(text)?)));
        decoded.collect::<Result<_, _>>().map(Some)
    }
}

impl Segment {
    fn parse(text: &str) -> Self {
        match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => Self::Parameter(name.to_owned()),
            None => Self::Literal(text.to_owned()),
        }
    }
}
