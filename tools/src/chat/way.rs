//! The way to the chat: over RPC as the operator, or over a WebSocket of the gateway as who has signed in.

use micronet_transport::client::Client;
use micronet_transport::clock;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::DEADLINE_US_MAX;
use micronet_wire::service::{CallOptions, Incoming, Outgoing};

use super::websocket::Socket;
use crate::config::{ChatConfig, ChatWay};
use crate::control::api::ControlClient;
use crate::control::api::chat::{Said, Typed};
use crate::error::CommandError;
use crate::identity;
use crate::logins;
use crate::network_file::{NetworkFile, Protocol};
use crate::registry::CONTROL;
use crate::shop;

/// A conversation that is open.
pub(super) enum Way {
    /// With the control service.
    Rpc { lines: Option<Outgoing<Typed>>, told: Incoming<Said> },
    /// Through a gateway.
    Socket(Box<Socket>),
}

impl Way {
    pub(super) async fn open(config: &ChatConfig) -> Result<Self, CommandError> {
        match &config.way {
            ChatWay::Login { at, folder } => {
                let at = shop::front::find(at.as_ref(), &config.data)?;
                let token = logins::token(folder, &at).await?.ok_or_else(|| logins::nobody(&at))?;
                Ok(Self::Socket(Box::new(Socket::open(&at, &token).await?)))
            }
            ChatWay::Operator { tls } => {
                let none = || {
                    CommandError::new(format!("no network runs on {}", config.data.display())).next(
                        "start one with `micronet up`, name its folder with --data, or sign in: --login",
                    )
                };
                let network = NetworkFile::of_running_network(&config.data)?.ok_or_else(none)?;
                let entry = network.first(CONTROL, Protocol::Rpc).ok_or_else(none)?;
                let identity = identity::of_tool(tls.as_ref(), Some(&network), &config.data, false)?;
                let failed = |error: RpcError| {
                    CommandError::new(format!("the control service at {}: {error}", entry.address))
                };
                let client = Client::connect_to(CONTROL, entry.address, &identity).await.map_err(failed)?;
                let options = CallOptions {
                    deadline_ns: clock::now() + u64::from(DEADLINE_US_MAX) * 1_000,
                    ..CallOptions::default()
                };
                let (lines, told) = ControlClient::new(client).chat(options).await.map_err(failed)?;
                Ok(Self::Rpc { lines: Some(lines), told })
            }
        }
    }

    /// The next message; `None` after the last one. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Said>, RpcError> {
        match self {
            Self::Rpc { told, .. } => told.next().await,
            Self::Socket(socket) => socket.next().await,
        }
    }

    /// Says a line.
    pub(super) async fn send(&mut self, line: &str) -> Result<(), RpcError> {
        match self {
            Self::Rpc { lines: Some(lines), .. } => lines.send(&Typed { text: line.to_owned() }).await,
            Self::Rpc { lines: None, .. } => Err(RpcError::new(Code::ConnectionLost, "all was said")),
            Self::Socket(socket) => socket.send(line),
        }
    }

    /// Says that nothing more is said.
    pub(super) async fn finish(&mut self) {
        match self {
            Self::Rpc { lines, .. } => {
                if let Some(lines) = lines.take() {
                    lines.finish();
                }
            }
            // An empty text (SPEC 14.8). Who has ended the conversation needs none.
            Self::Socket(socket) => drop(socket.send("")),
        }
    }
}
