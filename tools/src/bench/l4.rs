//! Connections through a proxy to an echo: each is made, used and closed.

use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::lane::{lost, unconnected};
use super::tally::{Begun, End, Kind};
use super::work::{TIMEOUT, Work, Worker};

/// Bytes that are written at once, and read.
const CHUNK_BYTES: usize = 64 << 10;

/// One of those who connect.
pub(super) struct Connector {
    address: SocketAddr,
    /// Bytes that go each way.
    bytes: u64,
    chunk: Bytes,
    buffer: Vec<u8>,
}

impl Connector {
    /// Makes a connection, and closes it: the proxy answers.
    pub(super) async fn open(address: SocketAddr, bytes: u64) -> Result<Self, Kind> {
        TcpStream::connect(address).await.map_err(|error| unconnected(&error))?;
        Ok(Self { address, bytes, chunk: vec![7; CHUNK_BYTES].into(), buffer: vec![0; CHUNK_BYTES] })
    }

    async fn work(&mut self, work: &Work) {
        while let Some(due) = work.turns.next().await {
            let sent = Instant::now();
            if work.gives_up(due, sent) {
                continue;
            }
            let passed = timeout(work.timeout, self.pass()).await;
            let (now, mut tally) = (Instant::now(), work.tally());
            let end = match passed {
                Ok(Ok(())) => {
                    let bytes = usize::try_from(self.bytes).unwrap_or(usize::MAX);
                    tally.moved(now, bytes, bytes);
                    End::Good
                }
                Ok(Err(kind)) => End::Failed(kind),
                Err(_) => End::GivenUp(TIMEOUT.into()),
            };
            tally.ended(Begun { due, sent }, now, end);
        }
    }

    /// One connection, from its beginning to its end.
    async fn pass(&mut self) -> Result<(), Kind> {
        let mut stream = TcpStream::connect(self.address).await.map_err(|error| unconnected(&error))?;
        stream.set_nodelay(true).map_err(|error| lost(&error))?;
        let (mut unsent, mut missing) = (self.bytes, self.bytes);
        let (mut reader, mut writer) = stream.split();
        while missing > 0 {
            let next = usize::try_from(unsent).unwrap_or(usize::MAX).min(CHUNK_BYTES);
            tokio::select! {
                biased;
                read = reader.read(&mut self.buffer) => match read.map_err(|error| lost(&error))? {
                    0 => return Err("connection lost".into()),
                    count => missing = missing.saturating_sub(count as u64),
                },
                written = writer.write(&self.chunk[..next]), if unsent > 0 => {
                    unsent -= written.map_err(|error| lost(&error))? as u64;
                }
            }
        }
        Ok(())
    }
}

impl Worker for Connector {
    fn run(mut self: Box<Self>, work: Rc<Work>) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move { self.work(&work).await })
    }
}
