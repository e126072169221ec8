//! Pages for people: tables and nothing else, so that no browser has anything to run or to load.

use bytes::BytesMut;
use micronet_wire::json::{Kind, Reader, SyntaxError};

/// A whole page.
pub(super) fn page(title: &str, words: &str, body: &[u8]) -> BytesMut {
    let mut out = BytesMut::with_capacity(body.len() + 512);
    put(&mut out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>");
    put_text(&mut out, title);
    put(&mut out, "</title></head>\n<body>\n<h1>");
    put_text(&mut out, title);
    put(&mut out, "</h1>\n<p>");
    put_text(&mut out, words);
    put(&mut out, "</p>\n");
    out.extend_from_slice(body);
    put(&mut out, "\n<p><a href=\"/schema\">schema</a> <a href=\"/stats\">stats</a> ");
    put(&mut out, "<a href=\"/connections\">connections</a> <a href=\"/health\">health</a> ");
    put(&mut out, "<a href=\"/metrics\">metrics</a> <a href=\"/docs\">docs</a></p>\n</body>\n</html>\n");
    out
}

/// What there is to be found: pages, and methods by their paths.
pub(super) fn put_contents<'p>(
    out: &mut BytesMut,
    pages: impl Iterator<Item = (&'p str, &'p str)>,
    methods: impl Iterator<Item = [String; 3]>,
) {
    put(out, "<table border=\"1\" cellpadding=\"4\">\n");
    for (path, doc) in pages {
        put(out, "<tr><td><a href=\"");
        put_text(out, path);
        put(out, "\">");
        put_text(out, path);
        put(out, "</a></td><td>");
        put_text(out, doc);
        put(out, "</td></tr>\n");
    }
    put(out, "</table>\n<h2>Methods</h2>\n<table border=\"1\" cellpadding=\"4\">\n");
    for columns in methods {
        put(out, "<tr>");
        for text in &columns {
            put(out, "<td>");
            put_text(out, text);
            put(out, "</td>");
        }
        put(out, "</tr>\n");
    }
    put(out, "</table>\n");
}

/// JSON as tables within tables: an object is one of names and values, an array one of its items.
pub(super) fn put_json(out: &mut BytesMut, json: &[u8]) {
    let mut reader = Reader::new(json);
    // It is of our own making.
    if put_value(out, &mut reader).is_err() {
        tracing::error!("a page of ours is no JSON");
    }
}

fn put_value(out: &mut BytesMut, json: &mut Reader<'_>) -> Result<(), SyntaxError> {
    match json.peek()? {
        Kind::Object => {
            json.begin_object()?;
            put(out, "<table border=\"1\" cellpadding=\"4\">");
            while let Some(name) = json.next_name()? {
                put(out, "<tr><th align=\"left\">");
                put_text(out, &name.unescaped());
                put(out, "</th><td>");
                put_value(out, json)?;
                put(out, "</td></tr>\n");
            }
            put(out, "</table>");
        }
        Kind::Array => {
            json.begin_array()?;
            put(out, "<table>");
            while json.next_item()? {
                put(out, "<tr><td>");
                put_value(out, json)?;
                put(out, "</td></tr>\n");
            }
            put(out, "</table>");
        }
        Kind::String => put_text(out, &json.string()?.unescaped()),
        Kind::Number => put_text(out, json.number()?),
        Kind::Bool => put(out, if json.boolean()? { "true" } else { "false" }),
        Kind::Null => json.null()?,
    }
    Ok(())
}

fn put(out: &mut BytesMut, markup: &str) {
    out.extend_from_slice(markup.as_bytes());
}

/// Text, whatever it holds: names and words come from schemas, paths from whoever asks.
fn put_text(out: &mut BytesMut, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(['<', '>', '&', '"', '\'']) {
        put(out, &rest[..at]);
        put(
            out,
            match rest.as_bytes()[at] {
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'&' => "&amp;",
                b'"' => "&quot;",
                _ => "&#39;",
            },
        );
        rest = &rest[at + 1..];
    }
    put(out, rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_becomes_markup() {
        let mut body = BytesMut::new();
        put_json(&mut body, br#"{"<a>":["\"x'&",1,true,null,{}]}"#);
        let page = page("<script>", "a & b", &body);
        let page = String::from_utf8_lossy(&page);
        assert!(
            page.contains("<th align=\"left\">&lt;a&gt;</th>") && page.contains("&quot;x&#39;&amp;"),
            "{page}"
        );
        assert!(page.contains("<h1>&lt;script&gt;</h1>") && page.contains("a &amp; b"), "{page}");
        for tag in ["table", "tr", "td", "th", "p", "h1", "body", "html"] {
            let begun = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
            assert_eq!(begun, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }
}
