//! `/docs`: the description as a page on which it can be tried. It is made of three files of ours, and loads nothing else.

use crate::http1::{Method, RequestHead, Status};
use crate::rest::{Answer, other_methods};

/// Where the page is.
pub const DOCS_PATH: &str = "/docs";

/// What the page may do: run our script, use our style, and ask this server. Nothing else is loaded, and nobody may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("docs/page.html");
const STYLE: &str = include_str!("docs/page.css");
const SCRIPT: &str = include_str!("docs/page.js");

/// The answer to a request for the page, or for one of its files; `None` for another path.
#[must_use]
pub fn docs(head: &RequestHead, path: &str) -> Option<Answer> {
    let (content_type, text) = match path {
        DOCS_PATH | "/docs/" => ("text/html; charset=utf-8", PAGE),
        "/docs/page.css" => ("text/css; charset=utf-8", STYLE),
        "/docs/page.js" => ("text/javascript; charset=utf-8", SCRIPT),
        _ => return None,
    };
    if !matches!(head.method(), Method::Get | Method::Head) {
        return Some(*other_methods(head.method(), &["GET"]));
    }
    let mut answer = Answer::body_of(Status::OK, content_type, text.as_bytes());
    answer.content_policy = Some(POLICY);
    Some(answer)
}
