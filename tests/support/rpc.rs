//! The binary RPC for tests that block: one connection, one piece of work.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;

use micronet_transport::client::Client;
use micronet_transport::drain;
use micronet_transport::identity::Identity;
use micronet_transport::server::serve;
use micronet_transport::socket;
use micronet_wire::builtin::WithBuiltin;
use micronet_wire::error::RpcError;
use micronet_wire::hello::{Credential, Secret};
use micronet_wire::service::Service;
use tokio::runtime::{Builder, LocalOptions};

use crate::folder::Folder;

/// As whom a test calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Without any credential.
    Stranger,
    /// With the operator's token.
    Operator,
    /// As a process of the cluster of this name, as `gateway` or `order`.
    Member(&'static str),
}

impl Caller {
    /// What the caller proves, with the secrets of this folder.
    #[must_use]
    pub fn identity(self, folder: &Folder) -> Identity {
        match self {
            Self::Stranger => Identity::default(),
            Self::Operator => Identity {
                operator_token: Some(Secret::new(folder.operator_token())),
                credential: Some(Credential::Operator),
                ..Identity::default()
            },
            Self::Member(node) => Identity {
                cluster: "micronet".into(),
                node: node.into(),
                instance: format!("{node}-of-a-test"),
                cluster_secret: Some(Secret::new(folder.cluster_secret())),
                operator_token: None,
                credential: Some(Credential::Cluster),
                ..Identity::default()
            },
        }
    }
}

/// Connects and does some work on the connection.
///
/// # Errors
/// When the connection can't be made.
///
/// # Panics
/// When the runtime doesn't start.
pub fn try_call<T>(
    server: SocketAddr,
    identity: &Identity,
    work: impl AsyncFnOnce(Client) -> T,
) -> Result<T, RpcError> {
    run(async { Ok(work(Client::connect(server, identity).await?).await) })
}

/// Does some work on a runtime of its own.
///
/// # Panics
/// When the runtime doesn't start.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .expect("the runtime starts");
    runtime.block_on(work)
}

/// The same where the connection has to be made.
///
/// # Panics
/// When it can't.
#[track_caller]
pub fn call<T>(server: SocketAddr, identity: &Identity, work: impl AsyncFnOnce(Client) -> T) -> T {
    try_call(server, identity, work).unwrap_or_else(|error| panic!("{server}: {error}"))
}

/// A service that is served by a thread of its own. It drains when this is dropped.
#[derive(Debug)]
pub struct Served {
    /// Where it listens.
    pub address: SocketAddr,
    _alive: mpsc::Sender<()>,
}

impl Served {
    /// Serves what is made there, on a free port.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn start<S: Service + 'static>(
        identity: impl FnOnce() -> Identity + Send + 'static,
        make: impl FnOnce() -> WithBuiltin<S> + Send + 'static,
    ) -> Self {
        let (ready, address) = mpsc::channel();
        let (alive, ended) = mpsc::channel::<()>();
        thread::spawn(move || {
            run(async {
                let listener = socket::listen("127.0.0.1:0".parse().expect("an address")).expect("a port");
                ready.send(listener.local_addr().expect("an address")).expect("the test waits");
                let (trigger, drain) = drain::channel();
                let (gone, told) = tokio::sync::oneshot::channel();
                thread::spawn(move || {
                    let _ = ended.recv();
                    let _ = gone.send(());
                });
                tokio::join!(serve(listener, Rc::new(make()), Rc::new(identity()), drain), async {
                    let _ = told.await;
                    trigger.drain();
                });
            });
        });
        Self { address: address.recv().expect("it listens"), _alive: alive }
    }
}
