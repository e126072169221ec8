//! `/ws/echo`: the handshake, frames, limits, close codes, backpressure, and the end of the gateway.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use micronet_tests::http_client::HttpClient;
use micronet_tests::patience::until;
use rustix::process::Signal;
use tungstenite::Message;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};

use super::House;
use super::client::{Client, shake_hands};

#[test]
fn messages_come_back_whole_or_in_pieces() {
    let house = House::start(0, "");
    let mut client = Client::open(house.address(), "/ws/echo");
    client.send("héllo");
    assert_eq!(client.receive(), Message::text("héllo"));
    client.send(Message::binary(vec![0, 255, 1]));
    assert_eq!(client.receive(), Message::binary(vec![0, 255, 1]));
    let frame = |text: &'static [u8], code, is_last| {
        Message::Frame(Frame::message(text, OpCode::Data(code), is_last))
    };
    client.send(frame("h\u{e9}".as_bytes().split_at(2).0, Data::Text, false));
    client.send(Message::Ping("between".into()));
    client.send(frame("h\u{e9}".as_bytes().split_at(2).1, Data::Continue, false));
    client.send(frame(b"llo", Data::Continue, true));
    assert_eq!(client.receive(), Message::Pong("between".into()));
    assert_eq!(client.receive(), Message::text("héllo"));
    // A message as long as may be, in frames as long as may be.
    let long = "x".repeat(1 << 20);
    client.send(Message::Frame(Frame::message(long.clone(), OpCode::Data(Data::Text), false)));
    for is_last in [false, false, true] {
        client.send(Message::Frame(Frame::message(long.clone(), OpCode::Data(Data::Continue), is_last)));
    }
    assert_eq!(client.receive().len(), 4 << 20);
    client.close();
    assert!(matches!(client.receive(), Message::Close(None)), "the goodbye is answered");
}

#[test]
fn what_breaks_the_rules_ends_with_its_code() {
    let house = House::start(0, "[websocket]\nmessage = \"64KiB\"\nframe = \"32KiB\"\n");
    let ends_with = |code: u16, bytes: &[u8]| {
        let mut client = Client::open(house.address(), "/ws/echo");
        client.bytes().write_all(bytes).expect("it can be sent");
        assert_eq!(client.closed().0, code, "{:02x?}", &bytes[..bytes.len().min(20)]);
        assert_eq!(client.bytes().read(&mut [0]).ok(), Some(0), "the connection ends");
    };
    let masked = |first: u8, payload: &[u8]| {
        let length = u16::try_from(payload.len()).expect("short");
        let mut frame = vec![first, 0x80 | 126];
        frame.extend(length.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(payload);
        frame
    };
    ends_with(1002, &[0x81, 0x02, b'h', b'i']); // not masked
    ends_with(1002, &[0xc1, 0x80, 0, 0, 0, 0]); // a reserved bit
    ends_with(1002, &[0x83, 0x80, 0, 0, 0, 0]); // a reserved opcode
    ends_with(1002, &[0x80, 0x80, 0, 0, 0, 0]); // a continuation of nothing
    ends_with(1002, &[0x09, 0x80, 0, 0, 0, 0]); // a ping in pieces
    ends_with(1002, &masked(0x89, &[0; 126])); // a long ping
    ends_with(1002, &[0x88, 0x81, 0, 0, 0, 0, 3]); // half a close code
    ends_with(1002, &[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xee]); // 1006 isn't said
    ends_with(1007, &masked(0x81, b"\xff\xfe"));
    ends_with(1009, &masked(0x82, &[0; 33 << 10]));
    let pieces: Vec<u8> = [0x02, 0, 0].iter().flat_map(|first| masked(*first, &[0; 30 << 10])).collect();
    ends_with(1009, &pieces);
    ends_with(1000, &[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
    ends_with(4999, &[0x88, 0x82, 0, 0, 0, 0, 0x13, 0x87]);
}

#[test]
fn a_handshake_is_checked() {
    let house = House::start(0, "[websocket]\norigins = [\"https://app.example\"]\n");
    let address = house.address();
    let open = |headers: &[&str]| shake_hands(address, "/ws/echo", headers).1;
    let agreed = open(&["Sec-WebSocket-Protocol: other, micronet.echo"]);
    assert!(agreed.contains("\r\nSec-WebSocket-Protocol: micronet.echo\r\n"), "{agreed}");
    let none = open(&["Sec-WebSocket-Protocol: other"]);
    assert!(none.starts_with("HTTP/1.1 101 ") && !none.contains("Protocol:"), "{none}");
    for (origin, status) in [
        (format!("http://{address}"), "101"),
        ("https://app.example".into(), "101"),
        ("https://evil.example".into(), "403"),
        ("null".into(), "403"),
    ] {
        let answer = open(&[&format!("Origin: {origin}")]);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{origin}: {answer}");
    }
    assert!(open(&["Sec-WebSocket-Version: 13"]).starts_with("HTTP/1.1 400 "), "twice");
    let mut http = HttpClient::connect(address);
    let answer = http.get("/ws/echo").check(426);
    assert_eq!(
        (answer.header("Upgrade"), answer.header("Sec-WebSocket-Version")),
        (Some("websocket"), Some("13"))
    );
    assert_eq!(answer.header("Connection"), Some("keep-alive, upgrade"));
    http.post("/ws/echo", "{}").check(405);
    http.get("/echo").check(200);
}

#[test]
fn who_does_not_read_is_not_read_and_then_let_go() {
    let house = House::start(0, "[websocket]\nstall = \"500ms\"\n");
    let mut client = Client::open(house.address(), "/ws/echo");
    let stream = client.bytes();
    stream.set_write_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    let mut frame = vec![0x82, 0xff, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0];
    frame.resize(14 + (32 << 10), 7);
    let (mut sent, begin) = (0, Instant::now());
    let stopped = loop {
        match stream.write(&frame[sent % frame.len()..]) {
            Ok(written) => sent += written,
            Err(error) => break error,
        }
        assert!(sent < 256 << 20, "it never stops reading");
    };
    // It stops reading first, and then it is over.
    assert!(
        matches!(stopped.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        "{stopped}"
    );
    until("the gateway lets go", || match stream.write(&frame) {
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => Ok(()),
        other => Err(format!("{other:?} after {:?}", begin.elapsed())),
    });
}

#[test]
fn who_says_nothing_is_asked_and_then_let_go() {
    let house = House::start(0, "[websocket]\nping = \"100ms\"\npong = \"200ms\"\n");
    let (mut stream, head) = shake_hands(house.address(), "/ws/echo", &[]);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).expect("it ends");
    assert_eq!(heard, [0x89, 0x00], "a ping, and the end");
    // Who answers stays.
    let mut client = Client::open(house.address(), "/ws/echo");
    let begin = Instant::now();
    for turn in 0..5 {
        client.send(format!("{turn}"));
        assert_eq!(client.receive(), Message::text(format!("{turn}")));
        let silence = begin + Duration::from_millis(150) * (turn + 1);
        while Instant::now() < silence {
            client.bytes().set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
            client.answer_pings();
        }
    }
}

#[test]
fn idle_connections_are_closed() {
    let house = House::start(0, "[websocket]\nidle = \"200ms\"\n");
    let mut client = Client::open(house.address(), "/ws/echo");
    assert_eq!(client.closed().0, 1000);
}

#[test]
fn all_are_told_when_the_gateway_goes() {
    let mut house = House::start(0, "");
    let mut clients: Vec<Client> = (0..50).map(|_| Client::open(house.address(), "/ws/echo")).collect();
    let mut http = HttpClient::connect(house.address());
    let page = http.get("/metrics").text();
    assert!(page.contains("{protocol=\"websocket\"} 50"), "{page}");
    house.gateway.process().signal(Signal::TERM);
    for client in &mut clients {
        assert_eq!(client.closed(), (1001, "the gateway is going away".into()));
    }
    assert!(house.gateway.process().wait().success());
}
