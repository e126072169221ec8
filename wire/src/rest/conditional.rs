//! Conditional requests (RFC 9110 section 13): what was answered has a tag, and who has it already isn't sent it again.

use super::answer::{Answer, Refused};
use crate::http1::{Method, RequestHead, Status};

/// The entity tag of an answer: of its body's hash. It is weak where the answer is in the envelope, since `meta` differs each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityTag {
    /// The hash of what doesn't differ each time.
    pub hash: u64,
    /// Whether the tag stands for every byte.
    pub strong: bool,
}

impl EntityTag {
    /// How the tag is written: 16 hexadecimal digits in quotes.
    fn opaque(self) -> [u8; 18] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'"'; 18];
        for (pair, byte) in text[1..17].chunks_exact_mut(2).zip(self.hash.to_be_bytes()) {
            pair.copy_from_slice(&[byte >> 4, byte & 0xf].map(|digit| DIGITS[usize::from(digit)]));
        }
        text
    }

    /// Has it written as a header's value.
    pub(super) fn show<T>(self, write: impl FnOnce(&[u8]) -> T) -> T {
        let mut text = [0; 20];
        text[..2].copy_from_slice(b"W/");
        text[2..].copy_from_slice(&self.opaque());
        write(if self.strong { &text[2..] } else { &text })
    }

    /// Whether this is what a client says in `If-None-Match` that it has (RFC 9110 section 13.1.2): compared weakly.
    fn is_had(self, head: &RequestHead) -> bool {
        let mine = self.opaque();
        head.headers()
            .list("If-None-Match")
            .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == mine)
    }
}

/// Makes an answer what goes to whoever asked: what was read well gets its tag, and becomes 304 for who has it.
pub fn conditional(head: &RequestHead, answer: &mut Answer) {
    if !matches!(head.method(), Method::Get | Method::Head) || answer.status != Status::OK {
        return;
    }
    let tag = answer.tagged();
    // What somebody may see because of who they are is kept by nobody else; and everybody asks again before it is used again.
    if answer.cache_control.is_empty() {
        let is_personal = head.headers().get("Authorization").is_some();
        answer.cache_control = if is_personal { "private, no-cache" } else { "no-cache" };
    }
    if tag.is_had(head) {
        answer.status = Status::NOT_MODIFIED;
    }
}

/// The refusal of a write under a condition that can't be held.
///
/// `If-Match` compares strongly (RFC 9110 section 13.1.1), and what a write would change is shown with weak tags only: so it is never
/// met. To go on as if nothing had been asked would be to overwrite what the client wanted to protect. `If-Match: *` asks for something that
/// is there, which the method itself says.
#[must_use]
pub fn unmet_precondition(head: &RequestHead) -> Option<Refused> {
    if matches!(head.method(), Method::Get | Method::Head | Method::Options) {
        return None;
    }
    let asks = |name: &str| head.headers().list(name).any(|tag| name != "If-Match" || tag != b"*");
    let name = ["If-Match", "If-None-Match"].into_iter().find(|name| asks(name))?;
    let words =
        format!("{name} can't be held for a write here: what it would change has no strong entity tag");
    Some(Box::new(Answer::refusal(412, &words)))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::http1::ServerConnection;

    fn head(method: &str, lines: &str) -> RequestHead {
        let mut input = BytesMut::from(&*format!("{method} /x HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
        ServerConnection::new().poll_head(&mut input).expect("a sound head").expect("a whole head")
    }

    fn enveloped() -> Answer {
        Answer::data(Status::OK, |out| {
            out.extend_from_slice(b"1");
            Ok::<(), ()>(())
        })
        .expect("it is written")
    }

    fn conditioned(head: &RequestHead, mut answer: Answer) -> Answer {
        conditional(head, &mut answer);
        answer
    }

    /// What `ETag` says in the answer to a GET.
    fn tag(answer: Answer) -> String {
        let tag = conditioned(&head("GET", ""), answer).entity_tag.expect("it was read well");
        tag.show(|text| String::from_utf8_lossy(text).into_owned())
    }

    #[test]
    fn a_tag_stands_for_the_body() {
        let (text, other) = (tag(Answer::text(Status::OK, "a")), tag(Answer::text(Status::OK, "b")));
        assert!(text.len() == 18 && text.starts_with('"') && text.ends_with('"'), "{text}");
        assert_ne!(text, other);
        assert_eq!(text, tag(Answer::text(Status::OK, "a")));
        assert!(tag(enveloped()).starts_with("W/\""));
    }

    #[test]
    fn who_has_it_is_not_sent_it_again() {
        let mine = tag(enveloped());
        let strong = mine.trim_start_matches("W/").to_owned();
        let code = |method: &str, sent: &str| {
            let asked = head(method, &format!("If-None-Match: {sent}\r\n"));
            conditioned(&asked, enveloped()).status.code()
        };
        for sent in [mine.clone(), strong.clone(), format!("\"x\", {mine}"), "*".to_owned()] {
            assert_eq!((code("GET", &sent), code("HEAD", &sent)), (304, 304), "{sent}");
        }
        for sent in ["\"x\"".to_owned(), strong.trim_matches('"').to_owned(), String::new()] {
            assert_eq!(code("GET", &sent), 200, "{sent}");
        }
        let missing = conditioned(&head("GET", "If-None-Match: *\r\n"), Answer::refusal(404, "no"));
        assert_eq!((missing.status.code(), missing.entity_tag), (404, None));
    }

    #[test]
    fn caches_ask_again_and_keep_nothing_of_a_person() {
        let kept = |lines: &str, answer: Answer| conditioned(&head("GET", lines), answer).cache_control;
        assert_eq!(kept("", enveloped()), "no-cache");
        assert_eq!(kept("Authorization: Bearer x\r\n", enveloped()), "private, no-cache");
        let mut page = Answer::text(Status::OK, "a");
        page.cache_control = "max-age=60";
        assert_eq!(kept("", page), "max-age=60");
        assert_eq!(kept("", Answer::refusal(404, "no")), "");
    }

    #[test]
    fn a_condition_that_can_not_be_held_is_not_ignored() {
        let code = |method: &str, lines: &str| {
            unmet_precondition(&head(method, lines)).map(|refused| refused.status.code())
        };
        for method in ["PUT", "PATCH", "DELETE", "POST"] {
            assert_eq!(code(method, "If-Match: \"x\"\r\n"), Some(412));
            assert_eq!(code(method, "If-Match: W/\"x\"\r\n"), Some(412));
            assert_eq!(code(method, "If-None-Match: *\r\n"), Some(412));
            assert_eq!(code(method, "If-Match: *\r\n"), None);
            assert_eq!(code(method, ""), None);
        }
        assert_eq!(code("GET", "If-Match: \"x\"\r\nIf-None-Match: *\r\n"), None);
    }
}
