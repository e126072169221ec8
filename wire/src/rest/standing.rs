//! The header fields that each answer of a site has: what browsers may do with it.

use crate::http1::{HeaderBlock, WriteError};

/// Header fields, as fields and as the bytes that are written of them.
macro_rules! fields {
    ($fields:ident, $bytes:ident: $(($key:literal, $name:literal, $value:literal)),+ $(,)?) => {
        const $fields: &[(&str, &str, &str)] = &[$(($key, $name, $value)),+];
        const $bytes: &[u8] = concat!($($name, ": ", $value, "\r\n"),+).as_bytes();
    };
}

// What holds unless a site says otherwise: no browser shows an answer in a frame, guesses its type, lets a page of another origin embed
// it, or loads and runs anything because of it. The names are those of the Fetch and HTML standards; `X-Frame-Options` is for browsers
// from before `frame-ancestors`.
fields!(
    FIELDS, STRICT:
    ("content_type_options", "X-Content-Type-Options", "nosniff"),
    ("referrer_policy", "Referrer-Policy", "no-referrer"),
    ("frame_options", "X-Frame-Options", "DENY"),
    ("cross_origin_opener_policy", "Cross-Origin-Opener-Policy", "same-origin"),
    ("cross_origin_embedder_policy", "Cross-Origin-Embedder-Policy", "require-corp"),
    ("cross_origin_resource_policy", "Cross-Origin-Resource-Policy", "same-origin"),
    (
        "permissions_policy",
        "Permissions-Policy",
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
    ),
);

// The content policy of what isn't meant to be a page. `default-src` doesn't cover the last three.
fields!(
    POLICY, NO_PAGE:
    (
        "content_security_policy",
        "Content-Security-Policy",
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
);

/// The header fields that each answer of a site has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    fields: HeaderBlock,
    content_policy: HeaderBlock,
}

impl Default for Standing {
    fn default() -> Self {
        Self::STRICT
    }
}

impl Standing {
    /// The fields: the name in settings, that of the header, and its value unless something else is set.
    pub const FIELDS: &[(&str, &str, &str)] = FIELDS;
    /// The content policy of answers that don't bring their own.
    pub const CONTENT_POLICY: (&str, &str) = (POLICY[0].1, POLICY[0].2);

    /// What holds where a site says nothing.
    pub const STRICT: Self =
        Self { fields: HeaderBlock::of_static(STRICT), content_policy: HeaderBlock::of_static(NO_PAGE) };

    /// These fields instead, and this content policy for answers that don't bring their own; none where it is empty.
    ///
    /// # Errors
    /// When one of them breaks a header.
    pub fn of<'a>(
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
        content_policy: &str,
    ) -> Result<Self, WriteError> {
        let mut standing = Self { fields: HeaderBlock::default(), content_policy: HeaderBlock::default() };
        for (name, value) in fields {
            standing.fields.put(name, value)?;
        }
        if !content_policy.is_empty() {
            standing.content_policy.put(Self::CONTENT_POLICY.0, content_policy)?;
        }
        Ok(standing)
    }

    /// The fields without the content policy.
    pub(super) fn fields(&self) -> &HeaderBlock {
        &self.fields
    }

    /// The content policy of answers that don't bring their own.
    pub(super) fn content_policy(&self) -> &HeaderBlock {
        &self.content_policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_as_bytes_is_what_would_be_written_as_fields() {
        let fields = Standing::FIELDS.iter().map(|(_, name, value)| (*name, *value));
        assert_eq!(Standing::of(fields, Standing::CONTENT_POLICY.1), Ok(Standing::default()));
    }

    #[test]
    fn a_broken_field_is_refused() {
        assert!(Standing::of([("A", "b\r\n")], "").is_err());
        assert!(Standing::of([], "a\nb").is_err());
    }
}
