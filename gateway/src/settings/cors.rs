//! `[cors]`: pages of which other origins may ask, and what.

use std::time::Duration;

use micronet_wire::http1::{HeaderBlock, WriteError};

use super::Section;

const LISTED_MAX: usize = 64;
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// What a page may send: everything that means something here.
const HEADERS: &[&str] = &[
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "X-Request-ID",
    "traceparent",
];
/// What a page may read besides what each may (Fetch standard, "CORS-safelisted response-header name").
const EXPOSED: &[&str] = &[
    "ETag",
    "Location",
    "RateLimit-Limit",
    "RateLimit-Policy",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "X-API-Version",
    "X-Cache",
    "X-Micronet-Instance",
    "X-Request-ID",
];

/// Pages of which other origins may ask, and what. Without origins, none may.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cors {
    /// Origins, as `https://app.example`; empty for none.
    origins: Vec<String>,
    /// Every origin may ask, but with no credentials of the browser's own.
    any: bool,
    methods: Vec<String>,
    /// What each answer to such a page says.
    answer: HeaderBlock,
    /// What the answer to a preflight says besides.
    preflight: HeaderBlock,
}

impl Cors {
    /// Reads the table.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let origins = section
            .list("origins", "origins as \"https://app.example\", or \"*\" for all", origin)
            .unwrap_or_default();
        let listed = |given: Option<Vec<String>>, default: &[&str]| {
            given.unwrap_or_else(|| default.iter().map(|text| (*text).to_owned()).collect())
        };
        let methods = section.list("methods", "of GET, HEAD, POST, PUT, PATCH and DELETE", |text| {
            METHODS.contains(&text).then(|| text.to_owned())
        });
        let methods = listed(methods, METHODS);
        let headers = listed(section.list("headers", "names of headers", name), HEADERS);
        let exposed = listed(section.list("exposed", "names of headers", name), EXPOSED);
        let credentials = section.flag("credentials", false);
        let hour = Duration::from_secs(3_600);
        let max_age = section.duration("max_age", hour / 6, Duration::ZERO..=24 * hour);
        let any = origins.iter().any(|origin| origin == "*");
        if any && credentials {
            section
                .fault("credentials", "can't be true where every origin may ask (\"*\"): name the origins");
        }
        for (key, many) in
            [("origins", origins.len()), ("headers", headers.len()), ("exposed", exposed.len())]
        {
            if many > LISTED_MAX {
                section.fault(key, format!("has to be at most {LISTED_MAX}"));
            }
        }
        if origins.is_empty() {
            return Self::default();
        }
        let blocks = || -> Result<_, WriteError> {
            let (mut answer, mut preflight) = (HeaderBlock::default(), HeaderBlock::default());
            if credentials {
                answer.put("Access-Control-Allow-Credentials", "true")?;
            }
            preflight.extend(&answer);
            answer.put("Access-Control-Expose-Headers", exposed.join(", "))?;
            preflight.put("Access-Control-Allow-Methods", methods.join(", "))?;
            preflight.put("Access-Control-Allow-Headers", headers.join(", "))?;
            preflight.put("Access-Control-Max-Age", max_age.as_secs().to_string())?;
            Ok((answer, preflight))
        };
        // Names and numbers break no header.
        let (answer, preflight) = blocks().unwrap_or_default();
        Self { origins, any, methods, answer, preflight }
    }

    /// Whether pages of any other origin may ask at all.
    pub(crate) fn is_open(&self) -> bool {
        !self.origins.is_empty()
    }

    /// Whether answers differ by who asks: then caches have to know.
    pub(crate) fn varies(&self) -> bool {
        self.is_open() && !self.any
    }

    /// What to tell a page of this origin that it is, if it may ask.
    pub(crate) fn allows<'o>(&self, origin: &'o [u8]) -> Option<&'o [u8]> {
        if self.any {
            return Some(b"*");
        }
        self.origins.iter().any(|allowed| allowed.as_bytes() == origin).then_some(origin)
    }

    /// Whether a page may use this method.
    pub(crate) fn allows_method(&self, method: &[u8]) -> bool {
        self.methods.iter().any(|allowed| allowed.as_bytes() == method)
    }

    /// What each answer to such a page says besides its origin.
    pub(crate) fn answer(&self) -> &HeaderBlock {
        &self.answer
    }

    /// What the answer to a preflight says besides the origin.
    pub(crate) fn preflight(&self) -> &HeaderBlock {
        &self.preflight
    }
}

/// An origin as browsers write it: scheme, host and perhaps a port, and nothing behind it. `null` is none: anybody can be that.
fn origin(text: &str) -> Option<String> {
    let is_origin = text.split_once("://").is_some_and(|(scheme, host)| {
        matches!(scheme, "http" | "https")
            && !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@*\\,".contains(&byte))
            && host.bytes().all(|byte| !byte.is_ascii_uppercase())
    });
    (text == "*" || is_origin).then(|| text.to_owned())
}

fn name(text: &str) -> Option<String> {
    let is_name = !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    is_name.then(|| text.to_owned())
}
