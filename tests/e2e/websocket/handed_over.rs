//! Connections that last, while the gateway is started anew and its sockets are handed over.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use tungstenite::Message;
use tungstenite::protocol::CloseFrame;

use super::client::Client;

const WATCH: &str = "/ws/api/v1/events/products/watch?after=0";

/// How many connections there are: at 100 a second they are ended within 0.4 seconds.
const CLIENTS: usize = 40;
/// What lies between the first that is ended and the last, at least: each has a moment that chance decides.
const WAVE_MIN: Duration = Duration::from_millis(100);

/// Reads until the connection is closed: when, by which code, and the place where its stream stood.
fn until_closed(client: &mut Client) -> (Instant, u16, u64) {
    let mut through = 0;
    loop {
        match client.receive() {
            Message::Close(Some(CloseFrame { code, .. })) => return (Instant::now(), code.into(), through),
            Message::Text(text) => {
                let message: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                through = message["through"].as_u64().unwrap_or(through);
            }
            other => panic!("{other}"),
        }
    }
}

/// Opens a stream again, at the first try, and hears of it.
fn back(gateway: SocketAddr, through: u64) -> Client {
    let mut client = Client::open(gateway, &format!("{WATCH}&last_event_id={through}"));
    assert!(client.json()["through"].as_u64() >= Some(through));
    client
}

#[test]
fn streams_end_in_a_wave_and_come_back_at_once_while_the_gateway_is_started_anew() {
    let network = Network::start_in(Folder::new(), &["--demo", "shop", "--no-l4", "--debug-routes"]);
    let gateway = network.gateway();
    let open = |_| {
        let mut client = Client::open(gateway, WATCH);
        assert!(client.json()["through"].is_u64());
        client
    };
    let clients: Vec<Client> = (0..CLIENTS).map(open).collect();
    let mut echo = Client::open(gateway, "/ws/echo");
    echo.send("before");
    assert_eq!(echo.receive(), Message::text("before"));
    let readers: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            thread::spawn(move || {
                let (at, code, through) = until_closed(&mut client);
                (at, code, back(gateway, through))
            })
        })
        .collect();
    network.command(&["restart", "gateway"]).check(0);
    let mut ended = Vec::new();
    let mut clients = Vec::new();
    for reader in readers {
        let (at, code, client) = reader.join().expect("it came back");
        assert!(matches!(code, 1001 | 1012), "{code}");
        ended.push(at);
        clients.push(client);
    }
    let wave = ended.iter().max().zip(ended.iter().min()).map(|(last, first)| *last - *first);
    assert!(wave >= Some(WAVE_MIN), "they were all ended within {wave:?}");
    assert_eq!(until_closed(&mut echo).1, 1001);
    // Those that came back are with the next one, which has not ended them, and tells what happens from now on.
    network.command(&["call", "product.restock", r#"{"name":"Tux","quantity":1}"#]).check(0);
    for client in &mut clients {
        while !client.json()["change"].is_object() {}
    }
    network.stop();
}
