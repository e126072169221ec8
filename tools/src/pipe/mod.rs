//! `micronet pipe`: one message over one connection, by TCP alone, or by the protocol. The two do the same, so that a capture shows
//! what the protocol adds.

mod plain;
mod rpc;

use std::fmt;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::net::{TcpListener, TcpSocket};

use crate::address::HostPort;
use crate::config::{PipeConfig, PipeWork};
use crate::error::CommandError;
use crate::server_process;
use crate::terminal;

/// Connections that the kernel keeps for a server that is busy with another one.
const BACKLOG: u32 = 3;
/// The longest message, in bytes.
const MESSAGE_BYTES_MAX: u64 = 16 << 20;

/// Serves, or sends.
pub(crate) fn run(config: &PipeConfig) -> Result<ExitCode, CommandError> {
    server_process::runtime()?.block_on(async {
        match &config.work {
            PipeWork::Serve { connections } => serve(config, *connections).await,
            PipeWork::Send { message } => send(config, message).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Serves so many connections, one after another; without end where no number is given.
async fn serve(config: &PipeConfig, connections: Option<u64>) -> Result<(), CommandError> {
    let listener = listen(&config.at).await?;
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    let (host, _) = config.at.clone().into_parts();
    terminal::say(&format!("Server listening on ('{host}', {})", address.port()));
    for _ in 0..connections.unwrap_or(u64::MAX) {
        terminal::say("Waiting for connection");
        let (stream, peer) = listener.accept().await.map_err(|error| failed(&error))?;
        let shown = Peer(peer);
        terminal::say(&format!("{shown} established"));
        let received = if config.rpc { rpc::receive(stream).await } else { plain::receive(stream).await };
        match received {
            Ok(()) => terminal::say("Data has been received."),
            // Whoever comes next is served all the same.
            Err(error) => terminal::warn(&format!("{shown}: {error}")),
        }
        terminal::say(&format!("Closing connection at {shown}"));
    }
    Ok(())
}

async fn send(config: &PipeConfig, message: &str) -> Result<(), CommandError> {
    let message = if message == "-" { of_stdin()? } else { message.to_owned() };
    let address = config.at.resolve().await?;
    if config.rpc {
        rpc::send(address, &message).await?;
    } else {
        plain::send(address, &message).await.map_err(|error| {
            CommandError::new(format!("could not send to {}: {error}", config.at))
                .next("does it run? micronet pipe serve, or nc -l PORT")
        })?;
    }
    terminal::say(&format!("Sent data: \"{message}\""));
    Ok(())
}

fn of_stdin() -> Result<String, CommandError> {
    let mut text = String::new();
    io::stdin()
        .take(MESSAGE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|error| CommandError::new(format!("cannot read stdin: {error}")))?;
    Ok(text)
}

async fn listen(at: &HostPort) -> Result<TcpListener, CommandError> {
    let address = at.resolve().await?;
    let bound = (|| {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A server that was just ended has connections in TIME_WAIT, which are no reason to wait.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    })();
    bound.map_err(|error| {
        CommandError::new(format!("can't listen on {at}: {error}"))
            .next("stop what listens there, or choose another port with --at")
    })
}

fn failed(error: &io::Error) -> CommandError {
    CommandError::new(format!("the network failed: {error}"))
}

/// An address as the original showed it.
struct Peer(SocketAddr);

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "('{}', {})", self.0.ip(), self.0.port())
    }
}
