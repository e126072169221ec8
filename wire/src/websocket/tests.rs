use bytes::BytesMut;

use super::*;
use crate::http1::{RequestHead, ServerConnection};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

fn head(lines: &[&str]) -> RequestHead {
    let mut input = BytesMut::from(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes());
    ServerConnection::new().poll_head(&mut input).expect("HTTP").expect("a whole head")
}

/// The handshake's request with lines changed: one that is given replaces that of the same name, and an empty value leaves it out.
fn request(changes: &[&str]) -> RequestHead {
    let name = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    let mut lines = vec![
        "GET /ws HTTP/1.1",
        "Host: a.example:8000",
        "Connection: keep-alive, Upgrade",
        "Upgrade: WebSocket",
        "Sec-WebSocket-Version: 13",
        KEY,
    ];
    lines.retain(|line| !changes.iter().any(|change| name(change) == name(line)));
    lines.extend(changes.iter().filter(|change| !change.ends_with(':')));
    if let Some(at) = lines.iter().position(|line| line.contains(" HTTP/1.")) {
        lines.swap(0, at);
    }
    head(&lines)
}

#[test]
fn a_handshake_gives_its_key_and_its_protocols() {
    let head = request(&["Sec-WebSocket-Protocol: other, micronet.ticket.abc", "X: 1"]);
    let handshake = Handshake::of(&head, b"").expect("in order");
    assert_eq!(handshake.key(), "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(handshake.ticket(), Some("abc"));
    assert_eq!(handshake.agree("other"), Some("other"));
    assert_eq!(handshake.agree("micronet.v1"), Some("micronet.ticket.abc"), "or a browser would hang up");
    let head = request(&[]);
    let handshake = Handshake::of(&head, b"").expect("in order");
    assert_eq!((handshake.ticket(), handshake.agree("micronet.v1")), (None, None));
}

#[test]
fn what_is_no_handshake_is_refused() {
    let check = |changes: &[&str], body: &[u8], status: u16| {
        let refused = Handshake::of(&request(changes), body).expect_err("no handshake");
        assert_eq!(refused.status.code(), status, "{changes:?}");
        let says = |name| {
            refused
                .headers
                .iter()
                .any(|(given, value)| *given == name && matches!(&**value, "13" | "websocket"))
        };
        assert_eq!(
            (says("Upgrade"), says("Sec-WebSocket-Version")),
            (status == 426, status == 426),
            "{changes:?}"
        );
    };
    check(&["Connection:"], b"", 426);
    check(&["Upgrade:"], b"", 426);
    check(&["Upgrade: h2c"], b"", 426);
    check(&["Sec-WebSocket-Version:"], b"", 426);
    check(&["Sec-WebSocket-Version: 8"], b"", 426);
    check(&["Sec-WebSocket-Version: 13, 8"], b"", 426);
    check(&["Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13"], b"", 400);
    for key in
        ["", " AAAA", " dGhlIHNhbXBsZSBub25jZQ", " dGhlIHNhbXBsZSBub25jZR==", " dGhl?HNhbXBsZSBub25jZQ=="]
    {
        check(&[&format!("Sec-WebSocket-Key:{key}")], b"", 400);
    }
    check(&[KEY, KEY], b"", 400);
    check(&[], b"body", 400);
    check(&["Sec-WebSocket-Protocol: a, a"], b"", 400);
    check(&["Sec-WebSocket-Protocol: a b"], b"", 400);
    let many: Vec<String> = (0..17).map(|n| format!("p{n}")).collect();
    check(&[&format!("Sec-WebSocket-Protocol: {}", many.join(", "))], b"", 400);
    let refused = |first: &str| {
        let lines =
            [first, "Host: a", "Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", KEY];
        Handshake::of(&head(&lines), b"").expect_err("no handshake").status.code()
    };
    assert_eq!(refused("POST /ws HTTP/1.1"), 405);
    assert_eq!(refused("GET /ws HTTP/1.0"), 426);
}

#[test]
fn pages_of_elsewhere_are_kept_out() {
    let listed = Origins::of(&["https://app.example", "http://localhost:3000"]).expect("origins");
    let check = |host: &str, origin: &str, own: bool, with_list: bool| {
        let head = head(&["GET / HTTP/1.1", &format!("Host: {host}"), origin]);
        assert_eq!(Origins::default().allow(&head), own, "{host} {origin}");
        assert_eq!(listed.allow(&head), with_list, "{host} {origin}");
    };
    check("a.example:8000", "X: no origin", true, true);
    check("a.example:8000", "Origin: http://a.example:8000", true, true);
    check("A.example:8000", "Origin: http://a.EXAMPLE:8000", true, true);
    check("a.example", "Origin: https://a.example", true, true);
    check("a.example:443", "Origin: https://a.example", true, true);
    check("a.example", "Origin: http://a.example:80", true, true);
    check("[::1]:8000", "Origin: http://[::1]:8000", true, true);
    check("[::1]", "Origin: http://[::1]", true, true);
    check("a.example:8000", "Origin: http://a.example", false, false);
    check("a.example:8000", "Origin: http://b.example:8000", false, false);
    check("a.example", "Origin: http://a.example.evil.example", false, false);
    check("a.example", "Origin: null", false, false);
    check("a.example", "Origin: ftp://a.example", false, false);
    check("a.example", "Origin: http://a.example\r\nOrigin: http://a.example", false, false);
    check("a.example", "Origin: https://app.example", false, true);
    check("a.example", "Origin: http://localhost:3000", false, true);
    check("a.example", "Origin: http://localhost:3001", false, false);
    let all = Origins::of(&["*"]).expect("all");
    assert!(all.allow(&head(&["GET / HTTP/1.1", "Host: a", "Origin: null"])));
    for wrong in ["app.example", "https://", "https://app.example/", "wss://app.example", "https://a b"] {
        assert_eq!(Origins::of(&[wrong]), None, "{wrong}");
    }
}
