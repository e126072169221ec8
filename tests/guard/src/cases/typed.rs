//! A typed call by runtime, client, port, dispatch and service, over a pipe in memory: with all that is watched.

use std::hint::black_box;
use std::rc::Rc;

use micronet_transport::client::Client;
use micronet_transport::identity::Identity;
use micronet_transport::{clock, drain, server};
use micronet_wire::builtin::WithBuiltin;
use micronet_wire::hello::{Credential, Secret};
use micronet_wire::request::TraceContext;
use micronet_wire::schema::{Blob, Timestamp};
use micronet_wire::service::CallOptions;
use tokio::runtime::{Builder, LocalRuntime};

use super::shop::{Payload, Shelf, ShopClient, ShopServer};
use crate::meter::Meter;

pub(crate) fn all(meter: &mut Meter) {
    let name = |in_flight: usize| format!("typed call by runtime and service, {in_flight} at a time");
    for in_flight in
        [1, 50].into_iter().filter(|in_flight| meter.wants(&name(*in_flight))).collect::<Vec<_>>()
    {
        let runtime = runtime();
        let (client, _drain) = runtime.block_on(async {
            let (ours, theirs) = tokio::io::duplex(1 << 20);
            let service = ShopServer::new(Shelf).expect("a schema");
            let service = WithBuiltin::new(service, "shop-1", "0", Timestamp(0)).expect("a schema");
            let (trigger, drain) = drain::channel();
            tokio::task::spawn_local(server::serve_connection(
                theirs,
                Rc::new(service),
                identity("shop"),
                drain,
            ));
            let client = Client::over(ours, &identity("gateway"));
            client.ready().await.expect("they shake hands");
            (client, trigger)
        });
        meter.batches(&name(in_flight), |times| {
            let each = times as usize / in_flight;
            runtime.block_on(async {
                let callers = (0..in_flight).map(|_| tokio::task::spawn_local(calls(client.clone(), each)));
                for caller in callers.collect::<Vec<_>>() {
                    caller.await.expect("every call is answered");
                }
            });
        });
    }
}

async fn calls(client: Client, times: usize) {
    let client = ShopClient::new(client);
    let payload = Payload { bytes: Blob(vec![7; 64]) };
    for _ in 0..times {
        let options = CallOptions {
            deadline_ns: clock::now() + 5_000_000_000,
            request_id: "req-0123456789abcdef".into(),
            trace: TraceContext { trace_id: [7; 16], span_id: [8; 8], flags: 1 },
            ..CallOptions::default()
        };
        let reply = client.echo(black_box(&payload), options).await.expect("a reply");
        assert_eq!(reply.bytes.0.len(), 64);
    }
}

/// The runtime that each process has.
pub(crate) fn runtime() -> LocalRuntime {
    Builder::new_current_thread().enable_all().build_local(Default::default()).expect("a runtime")
}

/// A part of the cluster.
pub(crate) fn identity(node: &str) -> Rc<Identity> {
    Rc::new(Identity {
        cluster: "guard".into(),
        node: node.into(),
        instance: format!("{node}-1"),
        cluster_secret: Some(Secret::new("a secret of the guard alone")),
        credential: Some(Credential::Cluster),
        ..Identity::default()
    })
}
