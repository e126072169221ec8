//! `[headers]`: what each answer tells browsers.

use std::rc::Rc;

use micronet_wire::rest::Standing;

use super::Section;

/// What each answer tells browsers. Pages bring a content policy of their own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Headers {
    pub(crate) standing: Rc<Standing>,
}

impl Headers {
    /// Reads the table: a key for each header, `""` to leave it out.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let mut fields = Vec::new();
        for &(key, name, default) in Standing::FIELDS {
            let given = section.parsed(key, "the text of a header", value);
            fields.push((name, given.unwrap_or_else(|| default.to_owned())));
        }
        let (_, policy) = Standing::CONTENT_POLICY;
        let policy = section
            .parsed("content_security_policy", "the text of a header", value)
            .unwrap_or_else(|| policy.to_owned());
        let fields = fields.iter().filter(|(_, value)| !value.is_empty());
        let standing = Standing::of(fields.map(|(name, value)| (*name, value.as_str())), &policy);
        // The values were looked at.
        Self { standing: Rc::new(standing.unwrap_or_default()) }
    }
}

fn value(text: &str) -> Option<String> {
    let is_value = text.len() <= 1 << 10 && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    is_value.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use micronet_wire::rest::Standing;

    use crate::settings::Settings;

    #[test]
    fn a_header_can_be_changed_and_left_out() {
        let read = |text: &str| Settings::read(text).map(|settings| settings.headers.standing);
        assert_eq!(read("").expect("no file").as_ref(), &Standing::default());
        assert_eq!(read("[headers]\n").expect("nothing in it").as_ref(), &Standing::default());
        let text = "[headers]\nreferrer_policy = \"same-origin\"\nframe_options = \"\"\n";
        let changed = format!("{:?}", read(text).expect("a sound file"));
        assert!(changed != format!("{:?}", Standing::default()));
        assert!(read("[headers]\nreferrer_policy = \"a\\r\\nSet-Cookie: b\"\n").is_err());
    }
}
