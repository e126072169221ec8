//! `/echo`: gives requests back, so that whoever examines the gateway's HTTP sees what it made of them. It is there with
//! `--debug-routes` only.

use micronet_wire::http1::{Method, RequestHead, Status};
use micronet_wire::rest::{Answer, other_methods};

/// Where it is.
pub(crate) const PATH: &str = "/echo";

/// The type of a body that says none (RFC 9110 section 8.3).
const OF_NO_TYPE: &str = "application/octet-stream";

/// What a page of any site can send by a form alone: it gets nothing back that a browser could show in this gateway's name.
const OF_FORMS: [&str; 2] = ["application/x-www-form-urlencoded", "multipart/form-data"];

/// The request's own body and content type.
pub(crate) fn answer(head: &RequestHead, body: &[u8]) -> Answer {
    let content_type = head.headers().get_str("Content-Type").unwrap_or(OF_NO_TYPE);
    let media = content_type.split(';').next().unwrap_or_default().trim();
    match head.method() {
        _ if OF_FORMS.iter().any(|form| media.eq_ignore_ascii_case(form)) => {
            Answer::refusal(415, "forms aren't given back")
        }
        Method::Get | Method::Head | Method::Post | Method::Put | Method::Patch => {
            Answer::body_of(Status::OK, content_type.to_owned(), body)
        }
        // RFC 9110 section 9.1: a method that isn't known is answered 501.
        Method::Extension => Answer::refusal(501, "the method is not implemented"),
        method => *other_methods(method, &["GET", "POST", "PUT", "PATCH"]),
    }
}
