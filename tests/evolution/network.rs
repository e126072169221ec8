//! Servers of either build, and what callers of either build see of them.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use micronet_tests::patience::PATIENCE;
use micronet_transport::drain::{DrainTrigger, channel};
use micronet_transport::identity::Identity;
use micronet_transport::server::serve;
use micronet_transport::socket;
use micronet_transport::upstream::Upstream;
use micronet_wire::builtin::WithBuiltin;
use micronet_wire::error::{Code, Retry, RpcError};
use micronet_wire::hello::{Credential, Secret};
use micronet_wire::schema::{ServiceSchema, Timestamp};
use micronet_wire::service::{CallOptions, Service};
use tokio::runtime::{Builder, LocalOptions};

use crate::{v1, v2};

/// What a server was called for.
#[derive(Debug, Default, Clone)]
pub(crate) struct Calls(Rc<RefCell<Vec<String>>>);

impl Calls {
    pub(crate) fn note(&self, call: impl Into<String>) {
        self.0.borrow_mut().push(call.into());
    }

    /// How many there were since they were taken last.
    pub(crate) fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// The calls since they were taken last.
    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) calls: Calls,
    _drain: DrainTrigger,
}

pub(crate) fn old_server() -> Server {
    old_server_as("shelf-1")
}

pub(crate) fn old_server_as(instance: &str) -> Server {
    start(instance, |calls| v1::ShelfServer::new(v1::Keeper(calls)).unwrap())
}

pub(crate) fn new_server() -> Server {
    new_server_as("shelf-2")
}

pub(crate) fn new_server_as(instance: &str) -> Server {
    start(instance, |calls| v2::ShelfServer::new(v2::Keeper(calls)).unwrap())
}

fn start<S: Service>(instance: &str, service: impl FnOnce(Calls) -> S) -> Server {
    let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let (address, calls) = (listener.local_addr().unwrap(), Calls::default());
    let service = WithBuiltin::new(service(calls.clone()), instance, "0", Timestamp(0)).unwrap();
    let (trigger, drain) = channel();
    tokio::task::spawn_local(serve(listener, Rc::new(service), identity("shelf", instance), drain));
    Server { address, calls, _drain: trigger }
}

pub(crate) fn identity(node: &str, instance: &str) -> Rc<Identity> {
    Rc::new(Identity {
        cluster: "test".into(),
        node: node.into(),
        instance: instance.into(),
        cluster_secret: Some(Secret::new("secret")),
        operator_token: None,
        credential: Some(Credential::Cluster),
        ..Identity::default()
    })
}

/// What a caller of the old build has to the servers.
pub(crate) async fn old_client(servers: &[&Server]) -> v1::ShelfClient<Upstream> {
    v1::ShelfClient::new(upstream(v1::shelf_schema(), servers).await)
}

/// What a caller of the new build has.
pub(crate) async fn new_client(servers: &[&Server]) -> v2::ShelfClient<Upstream> {
    v2::ShelfClient::new(upstream(v2::shelf_schema(), servers).await)
}

async fn upstream(built_with: ServiceSchema, servers: &[&Server]) -> Upstream {
    let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    let upstream = Upstream::connect_typed(built_with, &addresses, &identity("caller", "caller-1")).unwrap();
    upstream.tried().await;
    upstream
}

pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.unwrap() });
}

pub(crate) fn options() -> CallOptions {
    CallOptions::default()
}

/// A call that can't be made on any instance, since they serve another schema.
pub(crate) fn refused(words: &str) -> RpcError {
    RpcError::new(Code::SchemaMismatch, words)
}

/// A call of a method that no instance has.
pub(crate) fn not_served(words: &str) -> RpcError {
    RpcError::new(Code::UnknownMethod, words).retry(Retry::NeverStarted, 0)
}

/// A call that was executed, and whose answer says what the caller has no place for.
pub(crate) fn executed(words: &str) -> RpcError {
    refused(words).retry(Retry::MaybeExecuted, 0)
}
