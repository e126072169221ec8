//! Who opens a stream, by a ticket or a token; and that it ends with the session.

use micronet_tests::http_client::HttpClient;
use micronet_tests::network::Network;
use serde_json::{Value, json};

use super::client::Client;
use super::events::Events;

/// A stream that not everybody may read.
const LOGS: &str = "/api/v1/control/logs/follow";

/// Somebody who has signed in.
struct Session {
    http: HttpClient,
    bearer: String,
    token: String,
}

impl Session {
    fn begin(network: &Network, email: &str, password: &str) -> Self {
        let mut http = network.http();
        let login = json!({ "email": email, "password": password }).to_string();
        let token = http.post("/auth/login", &login).check(200).at("/data/access_token");
        let token = token.as_str().expect("a token").to_owned();
        Self { http, bearer: format!("Bearer {token}"), token }
    }

    fn ticket(&mut self) -> String {
        let headers = [("Authorization", &*self.bearer)];
        let ticket = self.http.request("POST", "/auth/tickets", &headers, b"").check(201).at("/data/ticket");
        ticket.as_str().expect("a ticket").to_owned()
    }

    fn end(&mut self) {
        let headers = [("Authorization", &*self.bearer), ("Content-Type", "application/json")];
        self.http.request("POST", "/auth/logout", &headers, b"{}").check(200);
    }
}

/// Reads on until the stream fails: with which code, and how the connection is closed.
#[track_caller]
fn failure(client: &mut Client) -> (Value, u16) {
    loop {
        let message = client.json();
        if let Some(error) = message.get("error") {
            return (error["code"].clone(), client.closed().0);
        }
    }
}

#[test]
fn a_ticket_opens_one_stream_and_the_end_of_the_session_ends_it() {
    let network = Network::start("shop");
    let (gateway, sockets) = (network.gateway(), format!("/ws{LOGS}"));
    let mut manager = Session::begin(&network, "manager@demo.example", "manager-demo");
    let ticket = manager.ticket();
    let mut first = Client::open(gateway, &format!("{sockets}?ticket={ticket}"));
    assert!(first.json().get("error").is_none());
    let spent =
        Client::try_open(gateway, &format!("{sockets}?ticket={ticket}"), &[]).err().expect("it is spent");
    assert!(spent.starts_with("HTTP/1.1 401 "), "{spent}");
    let protocol = format!("Sec-WebSocket-Protocol: micronet.v1, micronet.ticket.{}", manager.ticket());
    let mut second = Client::try_open(gateway, &sockets, &[&protocol]).expect("101");
    assert!(second.json().get("error").is_none());
    let mut third = Client::open(gateway, &sockets);
    third.send(json!({ "token": manager.token }).to_string());
    assert!(third.json().get("error").is_none());
    let mut events = Events::open(gateway, &format!("{LOGS}?ticket={}", manager.ticket()), &[]);
    assert!(events.block()[0].starts_with("data: "));
    // Another session is not concerned.
    let mut other = Session::begin(&network, "manager@demo.example", "manager-demo");
    let mut kept = Client::open(gateway, &format!("{sockets}?ticket={}", other.ticket()));
    manager.end();
    for client in [&mut first, &mut second, &mut third] {
        assert_eq!(failure(client), (json!("INVALID_CREDENTIALS"), 4401));
    }
    let mut rest = String::new();
    events.rest(&mut rest);
    let last = rest.trim_end().rsplit("\n\n").next().expect("an event").to_owned();
    assert!(last.starts_with("event: failed\ndata: {\"error\":{\"code\":\"INVALID_CREDENTIALS\""), "{last}");
    assert!(kept.json().get("error").is_none());
}

#[test]
fn what_somebody_may_not_do_is_refused() {
    let network = Network::start("shop");
    let mut client = Session::begin(&network, "client@demo.example", "client-demo");
    let path = format!("/ws/api/v1/products/upload?ticket={}", client.ticket());
    let mut upload = Client::open(network.gateway(), &path);
    assert_eq!(failure(&mut upload), (json!("INSUFFICIENT_PERMISSIONS"), 4403));
    // What happens to products is nobody's secret.
    let mut news = Client::open(network.gateway(), "/ws/api/v1/events/products/watch?after=0");
    assert!(news.json()["through"].is_u64());
}

#[test]
fn a_tap_tells_a_browser_the_calls_that_it_asked_for() {
    let network = Network::start("shop");
    let mut manager = Session::begin(&network, "manager@demo.example", "manager-demo");
    let path = format!("/ws/api/v1/control/tap?ticket={}", manager.ticket());
    let mut tap = Client::open(network.gateway(), &path);
    let calls = json!({ "kind": "Edge", "service": "product", "code": "404", "failed": false, "slower_than_us": 0, "one_in": 1 });
    tap.send(json!({ "filter": { "calls": calls, "messages": false } }).to_string());
    // A tap hears what ends after it has reached the process, so it is asked until one was heard.
    let heard = (0..).find_map(|_| {
        manager.http.get("/products/Tux").check(200);
        manager.http.get("/products/Nobody").check(404);
        let told = tap.json();
        told["items"].as_array().expect("items").first().cloned()
    });
    let record = heard.expect("a call")["Call"]["record"].clone();
    assert_eq!((&record["http"]["status"], &record["service"]), (&json!(404), &json!("product")), "{record}");
    // Who may look at the network needn't be somebody who may listen.
    let mut client = Session::begin(&network, "client@demo.example", "client-demo");
    let mut refused =
        Client::open(network.gateway(), &format!("/ws/api/v1/control/tap?ticket={}", client.ticket()));
    refused.send(json!({ "filter": { "messages": false } }).to_string());
    assert_eq!(failure(&mut refused), (json!("INSUFFICIENT_PERMISSIONS"), 4403));
}
