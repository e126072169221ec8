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

use crate::meter::Meter;
use crate::{PAYLOAD, listening, on_runtime};

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
    fn handle(&self, _: CallContext, _: u32, request: Bytes) -> Handling {
        Box::pin(std::future::ready(Ok(request)))
    }
}

fn identity(node: &str) -> Identity {
    Identity {
        cluster: "bench".into(),
        node: node.into(),
        instance: format!("{node}-1"),
        cluster_secret: Some(Secret::new("a secret of this benchmark alone")),
        operator_token: None,
        credential: Some(Credential::Cluster),
        ..Identity::default()
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

pub(crate) fn serve(typed: bool) {
    on_runtime(async move {
        let typed_server = EchoServer::new(Echoing).expect("a schema");
        let service: Rc<dyn Service> =
            if typed { Rc::new(typed_server) } else { Rc::new(Bare(typed_server)) };
        let listener = socket::listen(([127, 0, 0, 1], 0).into()).expect("a free port");
        listening(listener.local_addr().expect("its address"));
        let (_trigger, drain) = drain::channel();
        server::serve(listener, service, Rc::new(identity("server")), drain).await;
    });
}

pub(crate) fn call(server: SocketAddr, typed: bool, in_flight: usize, meter: Meter) {
    on_runtime(async move {
        let client = Client::connect(server, &identity("client")).await.expect("the server listens");
        let meter = Rc::new(meter);
        for _ in 0..in_flight {
            let (client, meter) = (client.clone(), Rc::clone(&meter));
            tokio::task::spawn_local(async move {
                let typed_client = EchoClient::new(client.clone());
                let (bytes, payload) =
                    (Bytes::from_static(&PAYLOAD), Payload { bytes: Blob(PAYLOAD.to_vec()) });
                loop {
                    let length = if typed {
                        typed_client.echo(&payload, options()).await.expect("a reply").bytes.0.len()
                    } else {
                        client.call(METHOD, bytes.clone(), options()).await.expect("a reply").body.len()
                    };
                    assert_eq!(length, PAYLOAD.len());
                    meter.count();
                }
            });
        }
        client.closed().await.expect("the server stays");
    });
}

pub(crate) fn serve_sync() {
    let echo = |_: &CallContext, _, request| Ok(request);
    let server =
        SyncServer::bind(([127, 0, 0, 1], 0).into(), echo, &identity("server")).expect("a free port");
    listening(server.address());
    server.run().expect("the server serves");
}

pub(crate) fn call_sync(server: SocketAddr, in_flight: usize, meter: &Meter) {
    let mut client = SyncClient::connect(server, &identity("client")).expect("the server listens");
    for _ in 0..in_flight {
        client.start(METHOD, &Bytes::from_static(&PAYLOAD), options()).expect("room for a call");
    }
    while let Some((_, end)) = client.next_end(Duration::from_secs(5)) {
        assert_eq!(end.expect("a reply").body.len(), PAYLOAD.len());
        meter.count();
        client.start(METHOD, &Bytes::from_static(&PAYLOAD), options()).expect("room for a call");
    }
}
