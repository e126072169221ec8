//! A byte stream somebody looks at: all that passes is shown, as it passes.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use micronet_wire::error::RpcError;
use micronet_wire::explain::Side;
use micronet_wire::spiffe::SpiffeId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Client;
use crate::driver::ByteStream;
use crate::identity::Identity;
use crate::tap::Ends;

/// Is shown what a side has sent: bytes of the connection, within TLS where there is TLS.
pub type Watch = Rc<dyn Fn(Side, &[u8])>;

impl Client {
    /// Connects to an instance of this service, as [`connect_to`](Self::connect_to), with somebody who sees every byte of the
    /// connection.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub async fn connect_watched(
        service: &str,
        address: SocketAddr,
        identity: &Identity,
        watch: Watch,
    ) -> Result<Self, RpcError> {
        Self::dial(address, Some(service), identity, Some(watch)).await
    }

    pub(super) fn begin<S: ByteStream>(
        stream: S,
        identity: &Identity,
        peer: Option<SpiffeId>,
        ends: Ends,
        since_ns: u64,
        watch: Option<Watch>,
    ) -> Self {
        match watch {
            None => Self::start(stream, identity, peer, ends, since_ns),
            Some(watch) => Self::start(Watched::new(stream, watch), identity, peer, ends, since_ns),
        }
    }
}

/// A dialler's byte stream with somebody who looks at it.
pub(super) struct Watched<S> {
    stream: S,
    watch: Watch,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, watch: Watch) -> Self {
        Self { stream, watch }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let fresh = &buffer.filled()[before..];
        if !fresh.is_empty() {
            (self.watch)(Side::Acceptor, fresh);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = written {
            (self.watch)(Side::Dialler, &bytes[..count]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
