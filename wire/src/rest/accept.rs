//! Which media types a client takes: its `Accept` header (RFC 9110 section 12.5.1).

use crate::http1::RequestHead;

/// Whether a request with these `Accept` headers takes an answer of this type; without any it takes everything. A range that is
/// malformed says nothing.
#[must_use]
pub fn accepts<'a>(headers: impl Iterator<Item = &'a [u8]>, media_type: &str) -> bool {
    let ranges: Vec<Range<'_>> = headers
        .filter_map(|value| std::str::from_utf8(value).ok())
        .flat_map(|value| value.split(','))
        .filter_map(Range::parse)
        .collect();
    if ranges.is_empty() {
        return true;
    }
    // The most specific range that fits decides, wherever it stands.
    let fits = ranges.iter().filter_map(|range| Some((range.precedence(media_type)?, range.wanted)));
    fits.max().is_some_and(|(_, wanted)| wanted)
}

/// Whether a page is what a client would like best: browsers name the type of pages; programs don't, or take anything.
#[must_use]
pub fn prefers_html(head: &RequestHead) -> bool {
    let names_it = |value: &[u8]| value.to_ascii_lowercase().windows(9).any(|part| part == b"text/html");
    head.headers().get_all("Accept").any(names_it)
}

/// A media range.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// Whether its weight is above 0.
    wanted: bool,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim_ascii);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let weight = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim_ascii_end().eq_ignore_ascii_case("q").then(|| value.trim_ascii_start())
        });
        // A weight of `0`, `0.0` and so on is that of what isn't acceptable.
        let refused = weight.is_some_and(|weight| {
            weight.starts_with('0') && !weight.contains(|digit| matches!(digit, '1'..='9'))
        });
        Some(Self { kind, subtype, wanted: !refused })
    }

    /// How exactly it names a type that it fits. Parameters are overlooked: each type is offered in one form.
    fn precedence(&self, media_type: &str) -> Option<u8> {
        let (kind, subtype) = media_type.split_once('/')?;
        match (self.kind, self.subtype) {
            ("*", "*") => Some(0),
            (given, "*") if given.eq_ignore_ascii_case(kind) => Some(1),
            (given, exact) if given.eq_ignore_ascii_case(kind) && exact.eq_ignore_ascii_case(subtype) => {
                Some(2)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_range_decides() {
        let check = |headers: &[&str], expected: bool| {
            let values = headers.iter().map(|value| value.as_bytes());
            assert_eq!(accepts(values, "application/json"), expected, "{headers:?}");
        };
        for good in [
            &[][..],
            &[""],
            &["*/*"],
            &["application/json"],
            &["APPLICATION/*"],
            &["text/html, application/json;q=0.1"],
            &["text/html", "application/json"],
            &["text/html;level=1, */*;q=0.8"],
            &["application/json;charset=utf-8"],
            &["*/*;q=0, application/json"],
            &["nonsense"],
        ] {
            check(good, true);
        }
        for bad in [
            &["text/html"][..],
            &["application/xml, text/*"],
            &["application/json;q=0"],
            &["*/*, application/json; Q = 0.000"],
            &["application/*;q=0.0, */*"],
            &["text/html", "image/png"],
        ] {
            check(bad, false);
        }
    }
}
