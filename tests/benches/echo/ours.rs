//! micronet's own: the driver on tokio with a service of bytes, the same with a typed service, and the synchronous driver. All with
//! checksums, proof of the cluster's secret, deadline, request id, trace context and the account of time.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use micronet_transport::client::Client;
use micronet_transport::identity::Identity;
use micronet_transport::mio::client::SyncClient;
use micronet_transport::mio::server::SyncServer;
use micronet_transport::{clock, drain, server, socket};
use micronet_wire::error::RpcError;
use micronet_wire::hello::{Credential, Secret};
use micronet_wire::request::TraceContext;
use micronet_wire::schema::{Blob, EncodedSchema, Message};
use micronet_wire::service::{CallContext, CallOptions, Caller, Handling, Service, service};

use crate::certificates;
use crate::meter::Meter;
use crate::setting::Load;
use crate::{listening, on_runtime};

const METHOD: u32 = 7;

#[derive(Message, Debug, Clone, PartialEq)]
struct Payload {
    bytes: Blob,
}

/// What the typed rows call.
#[service(name = "echo")]
trait Echo {
    /// The same again.
    #[rpc(service, idempotent)]
    async fn echo(&self, context: &CallContext, request: Payload) -> Result<Payload, RpcError>;
}

struct Echoing;

impl Echo for Echoing {
    async fn echo(&self, _: &CallContext, request: Payload) -> Result<Payload, RpcError> {
        Ok(request)
    }
}

/// A service of bytes, with the schema of the typed one.
struct Bare(EchoServer<Echoing>);

impl Service for Bare {
    fn schema(&self) -> &EncodedSchema {
        self.0.schema()
    }
    fn handle(&self, _: Box<CallContext>, _: u32, request: Bytes) -> Handling {
        Box::pin(std::future::ready(Ok(request)))
    }
}

/// Proved by a certificate in TLS, by the cluster's secret without.
fn identity(node: &str, load: &Load) -> Identity {
    let identity = Identity {
        cluster: "bench".into(),
        node: node.into(),
        instance: format!("{node}-1"),
        operator_token: None,
        ..Identity::default()
    };
    match &load.certificates {
        Some(folder) => Identity { tls: Some(certificates::tls(folder, node)), ..identity },
        None => Identity {
            cluster_secret: Some(Secret::new("a secret of this benchmark alone")),
            credential: Some(Credential::Cluster),
            ..identity
        },
    }
}

/// What a call in a chain of calls says.
fn options() -> CallOptions {
    CallOptions {
        deadline_ns: clock::now() + 5_000_000_000,
        request_id: "req-0123456789abcdef".into(),
        trace: TraceContext { trace_id: [7; 16], span_id: [8; 8], flags: 1 },
        ..CallOptions::default()
    }
}

pub(crate) fn serve(typed: bool, load: &Load) {
    let identity = Rc::new(identity("server", load));
    on_runtime(async move {
        let typed_server = EchoServer::new(Echoing).expect("a schema");
        let service: Rc<dyn Service> =
            if typed { Rc::new(typed_server) } else { Rc::new(Bare(typed_server)) };
        let listener = socket::listen(([127, 0, 0, 1], 0).into()).expect("a free port");
        listening(listener.local_addr().expect("its address"));
        let (_trigger, drain) = drain::channel();
        server::serve(listener, service, identity, drain).await;
    });
}

pub(crate) fn call(server: SocketAddr, typed: bool, load: &Load, meter: Meter) {
    on_runtime(async move {
        let identity = identity("client", load);
        let mut clients = Vec::new();
        for _ in 0..load.connections {
            clients.push(Client::connect(server, &identity).await.expect("the server listens"));
        }
        let meter = Rc::new(meter);
        let payload = Payload { bytes: Blob(vec![7; load.payload]) };
        for client in clients.iter().cycle().take(load.in_flight) {
            let (client, meter, payload) = (client.clone(), Rc::clone(&meter), payload.clone());
            tokio::task::spawn_local(async move {
                let typed_client = EchoClient::new(client.clone());
                let bytes = Bytes::from(payload.bytes.0.clone());
                loop {
                    let length = if typed {
                        typed_client.echo(&payload, options()).await.expect("a reply").bytes.0.len()
                    } else {
                        client.call(METHOD, bytes.clone(), options()).await.expect("a reply").body.len()
                    };
                    assert_eq!(length, bytes.len());
                    meter.count();
                }
            });
        }
        clients[0].closed().await.expect("the server stays");
    });
}

pub(crate) fn serve_sync(load: &Load) {
    let echo = |_: &CallContext, _, request| Ok(request);
    let identity = identity("server", load);
    let mut server = SyncServer::bind(([127, 0, 0, 1], 0).into(), echo, &identity).expect("a free port");
    server.spin(load.spin);
    listening(server.address());
    server.run().expect("the server serves");
}

pub(crate) fn call_sync(server: SocketAddr, load: &Load, meter: &Meter) {
    let mut client = SyncClient::connect(server, &identity("client", load)).expect("the server listens");
    client.spin(load.spin);
    let payload = Bytes::from(vec![7; load.payload]);
    for _ in 0..load.in_flight {
        client.start(METHOD, &payload, &options()).expect("room for a call");
    }
    while let Some((_, end)) = client.next_end(Duration::from_secs(5)) {
        assert_eq!(end.expect("a reply").body.len(), payload.len());
        meter.count();
        client.start(METHOD, &payload, &options()).expect("room for a call");
    }
}
