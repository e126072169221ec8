//! The driver on tokio, and the client that the macro makes of a service.

use std::rc::Rc;
use std::time::Instant;

use harness::command_line::Load;
use harness::meter::Meter;
use micronet_transport::client::Client;
use micronet_wire::schema::Blob;
use tokio::task::spawn_local;

use crate::api::{BenchClient, Payload};
use crate::membership::{Membership, options};

pub(crate) async fn call(load: &Load, membership: &Membership) {
    let identity = membership.identity();
    let meter = Rc::new(Meter::start(&load.times));
    let mut connections = Vec::new();
    for _ in 0..load.connections {
        let client = Client::connect(load.server, &identity).await.expect("the server listens");
        for _ in 0..load.in_flight_each() {
            let (client, meter) = (BenchClient::new(client.clone()), Rc::clone(&meter));
            let payload = Payload { bytes: Blob(load.payload()) };
            spawn_local(async move {
                let mut began = Instant::now();
                loop {
                    let reply = client.echo(&payload, options()).await.expect("a reply");
                    assert_eq!(reply.bytes.0.len(), payload.bytes.0.len());
                    meter.ended(&mut began);
                }
            });
        }
        connections.push(client);
    }
    for connection in connections {
        connection.closed().await.expect("the server stays");
    }
}
