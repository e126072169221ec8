//! Streams of replies as Server-Sent Events.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use micronet_tests::http_client::{HttpClient, connected};
use micronet_tests::process;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::House;

const COUNT: &str = "/api/v1/feeds/count";

/// A stream of events.
pub(super) struct Events(BufReader<TcpStream>);

impl Events {
    #[track_caller]
    pub(super) fn open(server: SocketAddr, path: &str, headers: &[&str]) -> Self {
        let mut stream = connected(server);
        let further: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        // An old client's answer isn't divided into chunks.
        let request = format!("GET {path} HTTP/1.0\r\nHost: a\r\nAccept: text/event-stream\r\n{further}\r\n");
        stream.write_all(request.as_bytes()).expect("it can be sent");
        let mut events = Self(BufReader::new(stream));
        let head = events.block();
        assert!(head[0].starts_with("HTTP/1.1 200 "), "{head:?}");
        assert!(head.contains(&"Content-Type: text/event-stream".to_owned()), "{head:?}");
        assert_eq!(events.block(), ["retry: 2000"]);
        events
    }

    /// The lines up to an empty one.
    pub(super) fn block(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("text");
            match line.trim_end() {
                "" => return lines,
                line => lines.push(line.to_owned()),
            }
        }
    }

    /// What comes until the end.
    pub(super) fn rest(&mut self, rest: &mut String) {
        self.0.read_to_string(rest).expect("it ends");
    }

    /// The next event: its lines, with its data as JSON.
    #[track_caller]
    fn next(&mut self) -> (String, Value) {
        let block = self.block();
        let [name, data] = &block[..] else { panic!("{block:?}") };
        let data = data.strip_prefix("data: ").unwrap_or_else(|| panic!("{block:?}"));
        (name.clone(), serde_json::from_str(data).expect("JSON"))
    }
}

#[test]
fn replies_are_events_that_say_where_they_stand() {
    let house = House::start(1, "");
    let mut events = Events::open(house.address(), &format!("{COUNT}?to=2"), &[]);
    assert_eq!(events.next(), ("id: 1".into(), json!({ "through": 1, "by": "feeds-1" })));
    assert_eq!(events.next(), ("id: 2".into(), json!({ "through": 2, "by": "feeds-1" })));
    assert_eq!(events.next(), ("event: end".into(), json!({})));
    assert_eq!(events.0.read(&mut [0]).ok(), Some(0));
    let mut events = Events::open(house.address(), &format!("{COUNT}?to=9"), &["Last-Event-ID: 8"]);
    assert_eq!(events.next().0, "id: 9");
}

#[test]
fn what_fails_at_once_is_answered_as_any_call() {
    let house = House::start(1, "");
    let mut http = HttpClient::connect(house.address());
    let events = [("Accept", "text/event-stream")];
    let mut status = |path: &str, headers: &[(&str, &str)]| http.request("GET", path, headers, b"").status();
    assert_eq!(status(COUNT, &[]), 406);
    assert_eq!(status(COUNT, &[("Accept", "*/*")]), 406);
    assert_eq!(status(&format!("{COUNT}?to=x"), &events), 422);
    assert_eq!(status("/api/v1/feeds/secret", &events), 401);
    assert_eq!(status("/api/v1/feeds/secret?ticket=spent", &events), 401);
    assert_eq!(status("/api/v1/feeds/flood/1", &[events[0], ("Last-Event-ID", "1")]), 400);
    assert_eq!(status(COUNT, &[events[0], ("Last-Event-ID", "x")]), 400);
    assert_eq!(status("/api/v1/feeds/double", &events), 404, "that is a WebSocket and nothing else");
    let head = http.request("HEAD", COUNT, &events, b"").check(200);
    assert_eq!(head.header("Content-Type"), Some("text/event-stream"));
}

#[test]
fn curl_reads_events_and_the_connection_goes_on() {
    let house = House::start(1, "");
    let url = format!("http://{}{COUNT}?to=1", house.address());
    let mut curl = Command::new("curl");
    curl.args(["-sN", "-H", "Accept: text/event-stream", &url, &url]);
    let said = process::run(curl).check(0).stdout;
    let once = "retry: 2000\n\nid: 1\ndata: {\"through\":1,\"by\":\"feeds-1\"}\n\nevent: end\ndata: {}\n\n";
    assert_eq!(said, once.repeat(2));
}

#[test]
fn events_go_on_at_the_next_instance_and_end_well_when_the_gateway_goes() {
    let mut house = House::start(2, "");
    let mut events = Events::open(house.address(), COUNT, &[]);
    let (_, first) = events.next();
    let at = house.instances.iter().position(|instance| first["by"] == instance.name).expect("one of them");
    drop(house.instances.remove(at));
    let mut expected = 1;
    loop {
        expected += 1;
        let (id, reply) = events.next();
        assert_eq!((&*id, reply["through"].as_u64()), (&*format!("id: {expected}"), Some(expected)));
        if reply["by"] == house.instances[0].name {
            break;
        }
    }
    house.gateway.process().signal(Signal::TERM);
    let mut rest = String::new();
    events.rest(&mut rest);
    assert!(rest.is_empty() || rest.ends_with("\n\n"), "{rest}");
    assert!(house.gateway.process().wait().success());
}
