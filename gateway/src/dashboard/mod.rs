//! The dashboard: the page at `/` for browsers, and its files below `/dashboard/`. They are part of the program; in debug builds they
//! are read from the source folder at each request, so that nothing has to be compiled to see a change.
//!
//! `page/` holds plain ES modules and style sheets, served as they are. The page asks nobody but this gateway.

use micronet_wire::http1::{Method, RequestHead, Status};
use micronet_wire::rest::{Answer, other_methods, prefers_html};
use rust_embed::RustEmbed;

/// Where the page's files are; the metrics count all its requests as this path's.
pub(crate) const PATH: &str = "/dashboard";

/// What the page may do: run our modules, use our style sheets, and ask this gateway, over WebSockets too. Nothing inline is run or
/// used, nothing else is loaded, no form is sent by the browser itself, and nobody may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const CONTENT_TYPES: &[(&str, &str)] = &[
    ("css", "text/css; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("svg", "image/svg+xml"),
];

#[derive(RustEmbed)]
#[folder = "src/dashboard/page"]
struct Page;

/// Whether a request is the dashboard's: for one of its files, or a browser's for `/`. What else asks for `/` gets what the API says
/// of itself.
pub(crate) fn serves(head: &RequestHead, path: &str) -> bool {
    match path.strip_prefix(PATH) {
        Some(file) => file.is_empty() || file.starts_with('/'),
        None => path == "/" && matches!(head.method(), Method::Get | Method::Head) && prefers_html(head),
    }
}

/// The answer to a request that is the dashboard's.
pub(crate) fn answer(head: &RequestHead) -> Answer {
    if !matches!(head.method(), Method::Get | Method::Head) {
        return *other_methods(head.method(), &["GET"]);
    }
    let file = match head.path().strip_prefix(PATH).unwrap_or("/") {
        "" | "/" => "index.html",
        file => &file[1..],
    };
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    let known = CONTENT_TYPES.iter().find(|(of, _)| *of == extension);
    let Some(((_, content_type), found)) = known.zip(Page::get(file)) else {
        let words = format!("the dashboard has no file {file}");
        return Answer::error(Status::NOT_FOUND, "ROUTE_NOT_FOUND", &words, b"");
    };
    let mut answer = Answer::body_of(Status::OK, *content_type, &found.data);
    answer.content_policy = Some(POLICY);
    // Modules name each other without a version, so browsers ask each time whether theirs is the one.
    answer.cache_control = "no-cache";
    answer
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use micronet_wire::http1::ServerConnection;

    use super::*;

    fn head(line: &str) -> RequestHead {
        let (request, accept) = line.split_once(" accepts ").unwrap_or((line, "*/*"));
        let text = format!("{request} HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n");
        let mut input = BytesMut::from(&*text);
        ServerConnection::new().poll_head(&mut input).expect("a sound head").expect("a whole head")
    }

    #[test]
    fn browsers_get_the_page_and_programs_the_api() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for (line, expected) in [
            (format!("GET / accepts {browser}"), true),
            (format!("HEAD / accepts {browser}"), true),
            (format!("POST / accepts {browser}"), false),
            ("GET / accepts */*".to_owned(), false),
            ("GET / accepts application/json".to_owned(), false),
            ("GET /dashboard".to_owned(), true),
            ("POST /dashboard/main.js".to_owned(), true),
            (format!("GET /dashboards accepts {browser}"), false),
            (format!("GET /products accepts {browser}"), false),
        ] {
            let head = head(&line);
            assert_eq!(serves(&head, head.path()), expected, "{line}");
        }
    }

    #[test]
    fn what_there_is_has_its_type_and_the_strict_policy() {
        for (path, content_type) in [
            ("/", "text/html; charset=utf-8"),
            ("/dashboard", "text/html; charset=utf-8"),
            ("/dashboard/", "text/html; charset=utf-8"),
            ("/dashboard/main.js", "text/javascript; charset=utf-8"),
            ("/dashboard/style/base.css", "text/css; charset=utf-8"),
        ] {
            let answer = answer(&head(&format!("GET {path}")));
            assert_eq!((answer.status.code(), answer.content_type()), (200, content_type), "{path}");
            assert!(!answer.body().is_empty() && answer.cache_control == "no-cache", "{path}");
            assert_eq!(answer.content_policy, Some(POLICY), "{path}");
        }
        assert!(!POLICY.contains("unsafe-"));
    }

    #[test]
    fn what_there_is_not_is_said_so() {
        for path in [
            "/dashboard/nothing.js",
            "/dashboard/../mod.rs",
            "/dashboard/%2e%2e/mod.rs",
            "/dashboard//main.js",
        ] {
            assert_eq!(answer(&head(&format!("GET {path}"))).status.code(), 404, "{path}");
        }
        let refused = answer(&head("DELETE /dashboard/main.js"));
        assert_eq!((refused.status.code(), refused.allow.as_deref()), (405, Some("GET, HEAD, OPTIONS")));
    }

    /// The policy forbids what is inline, so a page that has it would be broken; a file without a type would not be served.
    #[test]
    fn no_file_breaks_the_policy() {
        for name in Page::iter() {
            let file = Page::get(&name).expect("it was just listed");
            let text = String::from_utf8(file.data.into_owned()).unwrap_or_default();
            let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
            assert!(CONTENT_TYPES.iter().any(|(of, _)| *of == extension), "{name} has no content type");
            assert!(text.lines().count() <= 400, "{name} is long: what is its second subject?");
            for forbidden in [" style=\"", "<style", "onclick=", "innerHTML", "eval(", "http://", "https://"]
            {
                let is_name = forbidden == "http://" && text.contains("http://www.w3.org/");
                assert!(is_name || !text.contains(forbidden), "{name} holds {forbidden}");
            }
        }
    }
}
