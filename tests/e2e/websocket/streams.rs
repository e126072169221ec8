//! Streams of services as WebSockets.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use micronet_tests::patience::until;
use serde_json::json;
use tungstenite::Message;

use super::House;
use super::client::Client;

const COUNT: &str = "/ws/api/v1/feeds/count";

#[test]
fn replies_come_one_by_one_and_then_the_end() {
    let house = House::start(1, "");
    let mut client = Client::open(house.address(), &format!("{COUNT}?to=3"));
    for number in 1..=3 {
        assert_eq!(client.json(), json!({ "through": number, "by": "feeds-1" }));
    }
    assert_eq!(client.closed().0, 1000);
    // The request as the first message.
    let mut client = Client::open(house.address(), COUNT);
    client.send(r#"{"to":1000002,"after":1000000}"#);
    until("the request's own replies", || match client.json()["through"].as_u64() {
        Some(1_000_001) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(client.json()["through"], 1_000_002);
    assert_eq!(client.closed().0, 1000);
    // Where it goes on.
    let mut client = Client::open(house.address(), &format!("{COUNT}?to=9&last_event_id=7"));
    assert_eq!((client.json()["through"].as_u64(), client.json()["through"].as_u64()), (Some(8), Some(9)));
}

#[test]
fn what_fails_is_said_and_has_a_code() {
    let house = House::start(1, "");
    let fails = |path: &str, first: Option<&str>, code: &str, close: u16| {
        let mut client = Client::open(house.address(), path);
        if let Some(first) = first {
            client.send(first);
        }
        let error = client.json();
        assert_eq!(error["error"]["code"], code, "{path}: {error}");
        assert_eq!(client.closed().0, close, "{path}");
    };
    fails(&format!("{COUNT}?to=x"), None, "INVALID_INPUT", 4422);
    fails(&format!("{COUNT}?nothing=1"), None, "INVALID_INPUT", 4422);
    fails("/ws/api/v1/feeds/flood/1?last_event_id=1", None, "BAD_REQUEST", 4400);
    fails("/ws/api/v1/feeds/double", Some("{"), "BAD_REQUEST", 4400);
    fails("/ws/api/v1/feeds/double", Some(r#"{"number":1001}"#), "INVALID_INPUT", 4422);
    fails("/ws/api/v1/feeds/double", Some(r#"{"number":13}"#), "INTERNAL", 1011);
    fails("/ws/api/v1/feeds/secret?to=1", Some("{}"), "UNAUTHENTICATED", 4401);
    fails("/ws/api/v1/feeds/secret?to=1", Some(r#"{"token":"wrong"}"#), "INVALID_CREDENTIALS", 4401);
    let refused = |path: &str, headers: &[&str]| {
        Client::try_open(house.address(), path, headers).err().expect("no 101")
    };
    assert!(refused("/ws/api/v1/feeds/nothing", &[]).starts_with("HTTP/1.1 404 "));
    let wrong = refused(&format!("{COUNT}?to=1"), &["Authorization: Bearer wrong"]);
    assert!(wrong.starts_with("HTTP/1.1 401 "), "{wrong}");
    let spent = refused(&format!("{COUNT}?to=1&ticket=spent"), &[]);
    assert!(spent.starts_with("HTTP/1.1 401 "), "{spent}");
    let spent =
        refused(&format!("{COUNT}?to=1"), &["Sec-WebSocket-Protocol: micronet.v1, micronet.ticket.spent"]);
    assert!(spent.starts_with("HTTP/1.1 401 "), "{spent}");
    let mut client = Client::open(house.address(), "/ws/api/v1/feeds/double");
    client.send(Message::binary(vec![1]));
    assert_eq!(client.closed().0, 1003);
}

#[test]
fn who_has_a_token_says_it_first_or_in_the_header() {
    let house = House::start(1, "");
    let token = house.folder.operator_token();
    let mut client = Client::open(house.address(), "/ws/api/v1/feeds/secret?to=2");
    client.send(json!({ "token": token }).to_string());
    assert_eq!(client.json()["through"], 1);
    let bearer = format!("Authorization: Bearer {token}");
    let mut client =
        Client::try_open(house.address(), "/ws/api/v1/feeds/secret?to=2", &[&bearer]).expect("101");
    assert_eq!((client.json()["through"].as_u64(), client.json()["through"].as_u64()), (Some(1), Some(2)));
}

#[test]
fn requests_are_sent_one_by_one() {
    let house = House::start(1, "");
    let mut client = Client::open(house.address(), "/ws/api/v1/feeds/sum");
    for number in 1..=100 {
        client.send(json!({ "number": number }).to_string());
    }
    client.send("");
    assert_eq!(client.json(), json!({ "number": 5050 }));
    assert_eq!(client.closed().0, 1000);
    let mut client = Client::open(house.address(), "/ws/api/v1/feeds/double");
    for number in 20..=70 {
        client.send(json!({ "number": number }).to_string());
        assert_eq!(client.json(), json!({ "number": 2 * number }));
    }
    client.send("");
    assert_eq!(client.closed().0, 1000);
}

#[test]
fn a_message_that_is_one_text_is_said_as_it_is() {
    let house = House::start(1, "");
    let mut client = Client::open(house.address(), "/ws/api/v1/feeds/echo");
    let heard = |text: &str| json!({ "text": text, "from": "127.0.0.1" });
    for (said, wanted) in
        [("help me", "help me"), (r#" {"text":"help me"}"#, "help me"), (r#""a""#, r#""a""#), ("[1]", "[1]")]
    {
        // What says nothing is not told.
        client.send(" ");
        client.send(said);
        assert_eq!(client.json(), heard(wanted), "{said}");
    }
    client.send("twenty letters and more");
    assert_eq!((client.json()["error"]["code"].clone(), client.closed().0), (json!("INVALID_INPUT"), 4422));
    let mut client = Client::open(house.address(), "/ws/api/v1/feeds/echo");
    client.send(r#"{"word":"a"}"#);
    assert_eq!(client.json()["error"]["code"], "INVALID_INPUT");
}

#[test]
fn a_slow_reader_holds_nothing_up_and_fills_nothing() {
    let house = House::start(1, "");
    let sent = || house.instances[0].sent.load(Ordering::Relaxed);
    let mut client = Client::open(house.address(), "/ws/api/v1/feeds/flood/60000");
    assert!(client.json()["drops"].is_string());
    // What lies in the buffers of two sockets and one stream, and no more.
    let rests = |what: &str| {
        let mut before = sent();
        until(what, || {
            thread::sleep(Duration::from_millis(300));
            let now = sent();
            if std::mem::replace(&mut before, now) == now { Ok(now) } else { Err(format!("{now} were sent")) }
        })
    };
    let first = rests("the service waits for its reader");
    assert!(first < 400, "{first} messages of 60 KB were sent for one that was read");
    // Others are served meanwhile.
    let mut other = Client::open(house.address(), &format!("{COUNT}?to=1"));
    assert_eq!(other.json()["through"], 1);
    for _ in 0..first {
        client.receive();
    }
    assert!(rests("it goes on") > first);
}

#[test]
fn a_stream_goes_on_at_the_next_instance() {
    let mut house = House::start(2, "");
    let mut client = Client::open(house.address(), &format!("{COUNT}?after=100"));
    let first = client.json();
    assert_eq!(first["through"], 101);
    let at = house.instances.iter().position(|instance| first["by"] == instance.name).expect("one of them");
    drop(house.instances.remove(at));
    let (mut expected, left) = (101, house.instances[0].name.clone());
    until("the other instance goes on", || {
        let reply = client.json();
        expected += 1;
        assert_eq!(reply["through"], expected, "none is left out, and none told twice");
        if reply["by"] == left { Ok(()) } else { Err(reply.to_string()) }
    });
}
