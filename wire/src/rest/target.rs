//! What a request asked for, as it may be written down: its path and query without secrets.

use crate::http1::RequestHead;

/// Parameters of queries whose values are secrets, or like it.
const SECRETS: [&str; 10] = [
    "access_token",
    "api_key",
    "apikey",
    "code",
    "key",
    "password",
    "refresh_token",
    "secret",
    "ticket",
    "token",
];

/// What stands for a secret.
const MASK: &str = "***";

/// Appends the path and the query of a request, at most so many bytes, and no secret's value.
pub fn put_target(out: &mut String, head: &RequestHead, bytes_max: usize) {
    let start = out.len();
    out.push_str(head.path());
    if let Some(query) = head.query() {
        let mut before = '?';
        for pair in query.split('&') {
            out.push(before);
            before = '&';
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            out.push_str(name);
            if name.len() != pair.len() {
                out.push('=');
                out.push_str(if is_secret(name) { MASK } else { value });
            }
            if out.len() - start > bytes_max {
                break;
            }
        }
    }
    out.truncate(out.floor_char_boundary((start + bytes_max).min(out.len())));
}

/// Whether the value of a parameter is a secret; one whose name is written in an unusual way is, too.
fn is_secret(name: &str) -> bool {
    name.contains('%') || SECRETS.iter().any(|secret| secret.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::http1::ServerConnection;

    fn shown(target: &str, bytes_max: usize) -> String {
        let mut input = BytesMut::from(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_str());
        let head = ServerConnection::new().poll_head(&mut input).unwrap().unwrap();
        let mut out = String::new();
        put_target(&mut out, &head, bytes_max);
        out
    }

    #[test]
    fn no_secret_is_shown() {
        for (target, expected) in [
            ("/products/Tux", "/products/Tux"),
            ("/a?b=1&c&d=", "/a?b=1&c&d="),
            ("/a?ticket=abc&b=1&Token=x", "/a?ticket=***&b=1&Token=***"),
            ("/a?to%6ben=abc&password=p=q", "/a?to%6ben=***&password=***"),
            ("/a?", "/a?"),
        ] {
            assert_eq!(shown(target, 100), expected);
        }
    }

    #[test]
    fn it_is_cut() {
        assert_eq!(shown("/abcdef?g=h&i=j", 5), "/abcd");
        assert_eq!(shown("/a?token=abcdef", 10), "/a?token=*");
    }
}
