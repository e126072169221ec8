//! The same message as a call: it has a length, a checksum, a deadline, and an answer that says that it has arrived.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use micronet_transport::client::Client;
use micronet_transport::clock;
use micronet_transport::drain::{self, DrainTrigger};
use micronet_transport::identity::Identity;
use micronet_transport::server;
use micronet_wire::builtin::WithBuiltin;
use micronet_wire::error::RpcError;
use micronet_wire::schema::{Message, SchemaError, Timestamp};
use micronet_wire::service::{CallContext, CallOptions, service};
use tokio::net::TcpStream;

use crate::call::exit_code;
use crate::error::CommandError;
use crate::terminal;

/// Takes a message and keeps nothing of it.
#[service(name = "pipe")]
pub(crate) trait Pipe {
    /// Shows a message. Nothing of it comes back.
    #[rpc(public)]
    async fn say(&self, context: &CallContext, request: Said) -> Result<(), RpcError>;
}

/// A message.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// Its text.
    pub(crate) message: String,
}

/// Shows what it is told, and then wants no more.
struct Ear {
    heard: Rc<Cell<bool>>,
    enough: DrainTrigger,
}

impl Pipe for Ear {
    async fn say(&self, _: &CallContext, request: Said) -> Result<(), RpcError> {
        terminal::say(&format!("Received: {}", request.message));
        self.heard.set(true);
        self.enough.drain();
        Ok(())
    }
}

/// Serves one connection until it has heard a message, or the connection is over.
pub(super) async fn receive(stream: TcpStream) -> Result<(), String> {
    let broken = |error: SchemaError| format!("the service's schema breaks a rule: {error}");
    let heard = Rc::new(Cell::new(false));
    let (enough, drain) = drain::channel();
    let ear = PipeServer::new(Ear { heard: Rc::clone(&heard), enough }).map_err(broken)?;
    let started = Timestamp(clock::unix_us());
    let service = WithBuiltin::new(ear, "pipe-1", env!("CARGO_PKG_VERSION"), started).map_err(broken)?;
    let identity = Identity { node: "pipe".into(), instance: "pipe-1".into(), ..Identity::default() };
    server::serve_connection(stream, Rc::new(service), Rc::new(identity), drain).await;
    if heard.get() { Ok(()) } else { Err("the connection ended without a message".into()) }
}

/// Calls `pipe.say`.
pub(super) async fn send(address: SocketAddr, message: &str) -> Result<(), CommandError> {
    let failed = |error: RpcError| {
        CommandError::new(format!("could not send to {address}: {error}"))
            .with_exit_code(exit_code(error.code))
            .next("does it run? micronet pipe serve --rpc")
    };
    let client = Client::connect(address, &Identity::default()).await.map_err(failed)?;
    let said = Said { message: message.to_owned() };
    PipeClient::new(client.clone()).say(&said, CallOptions::default()).await.map_err(failed)?;
    client.drain();
    // The answer has come: however the connection ends now, the message has arrived.
    let _ = client.closed().await;
    Ok(())
}
