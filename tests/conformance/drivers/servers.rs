//! The servers under test, each in a thread of its own, with one service between them.

use std::net::SocketAddr;
use std::rc::Rc;
use std::thread::JoinHandle;

use bytes::Bytes;
use micronet_transport::drain;
use micronet_transport::identity::Identity;
use micronet_transport::mio::server::{SyncServer, SyncService};
use micronet_transport::{server, socket};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::schema::{EncodedSchema, Fingerprint};
use micronet_wire::service::{Answer, CallContext, Handling, Service, service};

use super::{ANSWER, ECHO, FAILING, METHOD};

/// Only its schema is used.
#[service(name = "product")]
trait Nothing {
    /// Nothing.
    #[rpc(public, idempotent)]
    async fn nothing(&self, context: &CallContext) -> Result<(), RpcError>;
}

struct Nobody;

impl Nothing for Nobody {
    async fn nothing(&self, _: &CallContext) -> Result<(), RpcError> {
        Ok(())
    }
}

struct UnderTest(NothingServer<Nobody>);

impl UnderTest {
    fn new() -> Self {
        Self(NothingServer::new(Nobody).expect("a schema"))
    }
}

fn answer(method: u32, request: Bytes) -> Answer {
    match method {
        METHOD => Ok(Bytes::from_static(ANSWER)),
        ECHO => Ok(request),
        FAILING => Err(RpcError::new(Code::Internal, "oops")),
        _ => Err(RpcError::new(Code::UnknownMethod, "no such method")),
    }
}

impl Service for UnderTest {
    fn schema(&self) -> &EncodedSchema {
        self.0.schema()
    }
    fn handle(&self, _: CallContext, method: u32, request: Bytes) -> Handling {
        Box::pin(std::future::ready(answer(method, request)))
    }
}

/// The same of plain functions.
struct Plain(Fingerprint);

impl SyncService for Plain {
    fn handle(&self, _: &CallContext, method: u32, request: Bytes) -> Answer {
        answer(method, request)
    }
    fn schema(&self) -> Option<Fingerprint> {
        Some(self.0)
    }
}

/// A server that runs.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    drain: Box<dyn FnMut()>,
    thread: JoinHandle<()>,
}

impl Running {
    /// Tells it to drain.
    pub(super) fn drain(&mut self) {
        (self.drain)();
    }

    /// Drains it and waits for its end, which comes once all connections have ended.
    pub(super) fn stop(mut self) -> Result<(), String> {
        self.drain();
        self.thread.join().map_err(|_| "the server panicked".to_owned())
    }
}

pub(super) struct OnTokio;

impl OnTokio {
    pub(super) fn start(identity: &Identity) -> Running {
        let (trigger, drain) = drain::channel();
        let listener = socket::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let identity = identity.clone();
        let thread = std::thread::spawn(move || {
            super::clients::on_runtime(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime");
                server::serve(listener, Rc::new(UnderTest::new()), Rc::new(identity), drain).await;
            });
        });
        Running { address, drain: Box::new(move || trigger.drain()), thread }
    }
}

pub(super) struct OnMio;

impl OnMio {
    pub(super) fn start(identity: &Identity) -> Running {
        let address = ([127, 0, 0, 1], 0).into();
        let service = Plain(UnderTest::new().schema().fingerprint());
        let server = SyncServer::bind(address, service, identity.clone()).expect("a free port");
        let (address, stop) = (server.address(), server.stop_handle());
        let thread = std::thread::spawn(move || server.run().expect("it serves"));
        Running { address, drain: Box::new(move || stop.drain().expect("it can be woken")), thread }
    }
}
