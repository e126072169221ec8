//! A connection under observation: it makes no calls, and counts what is needed to say how the way to an instance is.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

use micronet_wire::conn::{Connection, Event, Role};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::hello::Hello;
use micronet_wire::limits::HEARTBEAT_INTERVAL_MS_MAX;
use micronet_wire::spiffe::SpiffeId;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::clock;
use crate::diagnosis::Fresh;
use crate::driver::{ByteStream, Wire};
use crate::identity::Identity;
use crate::kernel_queue::{self, Unacknowledged};
use crate::socket;
use crate::tap::Point;

/// A connection to an instance over TCP, or TLS over TCP, with the counts of what went over it.
///
/// Its own heartbeat is as slow as it may be: it is for the observer to say what silence means.
pub struct Probe {
    wire: Wire<Box<dyn ByteStream>>,
    connection: Connection,
    /// Its own end of the TCP connection, and the peer's.
    ends: Option<(SocketAddr, SocketAddr)>,
    heard_ns: u64,
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("ends", &self.ends).finish_non_exhaustive()
    }
}

impl Probe {
    /// A probe on a TCP connection that was just made, with the TLS handshake where the identity has a certificate: then the peer has
    /// to be an instance of this service, if one is named. [`next`](Self::next) does what else the handshake needs.
    ///
    /// # Errors
    /// [`Code::WrongIdentity`] when the two don't accept each other's certificates, [`Code::Protocol`] when the peer doesn't speak
    /// TLS, [`Code::Unavailable`] when the connection breaks, [`Code::Silent`] when the TLS handshake takes too long.
    pub async fn over(
        stream: TcpStream,
        service: Option<&str>,
        identity: &Identity,
    ) -> Result<Self, RpcError> {
        let ends = stream.local_addr().ok().zip(stream.peer_addr().ok());
        let since_ns = clock::now();
        Ok(match &identity.tls {
            None => Self::new(Box::new(stream), ends, identity, None, since_ns),
            Some(tls) => {
                let (stream, peer) = tls.dial(stream, service).await?;
                Self::new(Box::new(stream), ends, identity, Some(peer), since_ns)
            }
        })
    }

    fn new(
        stream: Box<dyn ByteStream>,
        ends: Option<(SocketAddr, SocketAddr)>,
        identity: &Identity,
        certified: Option<SpiffeId>,
        since_ns: u64,
    ) -> Self {
        let mut config = identity.config(Role::Dialler, None, certified);
        config.hello.heartbeat_interval_ms = HEARTBEAT_INTERVAL_MS_MAX;
        let connection = Connection::new(config, since_ns);
        Self { wire: Wire::new(stream, Point::nowhere()), connection, ends, heard_ns: since_ns }
    }

    /// The peer's HELLO, once it has come.
    #[must_use]
    pub fn peer(&self) -> Option<&Hello> {
        self.connection.peer()
    }

    /// Sends a PING, whose PONG has this number again. `None` when it can't be sent: too many have no answer yet, or the connection
    /// isn't open.
    pub fn ping(&mut self) -> Option<u64> {
        let now = clock::now();
        self.connection.ping(now).then_some(now)
    }

    /// The next thing that happens; `None` when the connection is over. It may be dropped at any time, and called again. That the
    /// peer doesn't take our certificate is an end with [`Code::WrongIdentity`].
    pub async fn next(&mut self) -> Option<Event> {
        let Self { wire, connection, heard_ns, .. } = self;
        poll_fn(|cx| {
            loop {
                if let Some(mut event) = connection.poll_event() {
                    if let Event::Closed { error: Some(error), by_peer } = &mut event
                        && wire.is_refused()
                    {
                        error.code = Code::WrongIdentity;
                        *by_peer = true;
                    }
                    return Poll::Ready(Some(event));
                }
                // Where it is over these are its last words; whether they arrive makes no difference any more.
                wire.poll_transmit(cx, connection);
                if connection.is_closed() {
                    return Poll::Ready(None);
                }
                let before = connection.bytes_received();
                let received = wire.poll_receive(cx, connection).is_ready();
                if connection.bytes_received() > before {
                    *heard_ns = clock::now();
                }
                if !received && wire.poll_timer(cx, connection).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// Bytes of the connection that the kernel has taken, or TLS, which adds its own to them.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.wire.bytes_written()
    }

    /// Bytes that are not taken.
    pub fn backlog_bytes(&mut self) -> u64 {
        self.connection.bytes_waiting() as u64
    }

    /// When something was heard last, on the driver's clock.
    #[must_use]
    pub fn heard_ns(&self) -> u64 {
        self.heard_ns
    }

    /// What the kernel knows of the way out.
    #[must_use]
    pub fn unacknowledged(&self) -> Option<Unacknowledged> {
        let (own, peer) = self.ends?;
        kernel_queue::unacknowledged(own, peer)
    }
}

/// What becomes of a new connection to an address; a peer that doesn't speak within `patience` is silent.
pub async fn try_fresh(address: SocketAddr, identity: &Identity, patience: Duration) -> Fresh {
    let stream = match socket::connect(address).await {
        Ok(stream) => stream,
        Err(error) => return unconnected(&error),
    };
    timeout(patience, speaks(stream, identity)).await.unwrap_or(Fresh::Silent)
}

/// Whether the peer says anything. One that doesn't want us speaks, too; one that ends the connection without a word doesn't.
async fn speaks(stream: TcpStream, identity: &Identity) -> Fresh {
    let mut probe = match Probe::over(stream, None, identity).await {
        Ok(probe) => probe,
        Err(error) if matches!(error.code, Code::Silent | Code::Unavailable) => return Fresh::Silent,
        Err(_) => return Fresh::Speaks,
    };
    loop {
        match probe.next().await {
            Some(Event::Ready(_)) => return Fresh::Speaks,
            Some(_) => {}
            // In TLS it has shaken hands already.
            None if identity.tls.is_some() || probe.connection.bytes_received() > 0 => return Fresh::Speaks,
            None => return Fresh::Silent,
        }
    }
}

/// What it means that no connection could be made.
#[must_use]
pub fn unconnected(error: &io::Error) -> Fresh {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Fresh::Refused,
        _ => Fresh::Unreachable,
    }
}
