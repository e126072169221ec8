//! Bytes that come back over TCP, and no protocol at all: what everything else stands on. The client's side, and the server's.

use std::net::SocketAddr;

use bytes::{Buf, Bytes, BytesMut};
use micronet_transport::drain::Drain;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::lane::Protocol;
use super::tally::{End, Kind};
use crate::error::CommandError;
use crate::server_process::{self, drain_at, not_bound};
use crate::stop_signal::Ends;

/// Bytes that are read at once.
const READ_BYTES: usize = 64 << 10;

/// One connection, on which messages of the same length follow each other.
pub(super) struct Echo {
    message: Bytes,
    /// Bytes that are still to come of the message that comes.
    missing: usize,
}

impl Echo {
    /// Sends this, again and again. It isn't empty.
    pub(super) fn new(message: Bytes) -> Self {
        Self { missing: message.len(), message }
    }
}

impl Protocol for Echo {
    async fn open(&mut self, _: &mut TcpStream) -> Result<(), Kind> {
        self.missing = self.message.len();
        Ok(())
    }

    fn ask(&mut self, output: &mut BytesMut) -> Result<(), Kind> {
        output.extend_from_slice(&self.message);
        Ok(())
    }

    fn answer(&mut self, input: &mut BytesMut) -> Result<Option<End>, Kind> {
        let taken = self.missing.min(input.len());
        let sent = &self.message[self.message.len() - self.missing..];
        if input[..taken] != sent[..taken] {
            return Err("other bytes came back".into());
        }
        input.advance(taken);
        self.missing -= taken;
        if self.missing > 0 {
            return Ok(None);
        }
        self.missing = self.message.len();
        Ok(Some(End::Good))
    }
}

/// Gives back what comes on every connection, until the process is told to stop.
pub(crate) fn serve(listen: SocketAddr, supervised: bool) -> Result<(), CommandError> {
    let ends = Ends { with_parent: supervised, with_terminal: true };
    server_process::run(ends, async move |ready, stop| {
        let listener =
            TcpListener::bind(listen).await.map_err(|error| not_bound(listen, "the echo", &error))?;
        ready.announce(listener.local_addr().unwrap_or(listen));
        accept(listener, drain_at(stop)).await;
        Ok(())
    })
}

async fn accept(listener: TcpListener, mut drain: Drain) {
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                tokio::task::spawn_local(give_back(stream));
            },
            () = drain.begun() => return,
        }
    }
}

/// One connection, until its client has said all.
async fn give_back(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}
