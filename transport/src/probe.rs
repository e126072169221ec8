//! A connection under observation: it makes no calls, and counts what is needed to say how the way to an instance is.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use micronet_wire::conn::{Config, Connection, Event};
use micronet_wire::hello::Hello;
use micronet_wire::limits::READ_BYTES;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::clock;
use crate::diagnosis::Fresh;
use crate::kernel_queue::{self, Unacknowledged};
use crate::socket;
use crate::vitals::{self, Share};

/// A TCP connection to an instance, with the counts of what went over it.
#[derive(Debug)]
pub struct Probe {
    stream: TcpStream,
    connection: Connection,
    input: BytesMut,
    bytes_sent: u64,
    heard_ns: u64,
    share: Share,
}

impl Probe {
    /// Connects over TCP; [`next`](Self::next) shakes hands.
    ///
    /// # Errors
    /// Those of the operating system, and `TimedOut`.
    pub async fn connect(address: SocketAddr, config: Config) -> io::Result<Self> {
        let stream = socket::connect(address).await?;
        vitals::watch_lag();
        let now = clock::now();
        Ok(Self {
            stream,
            connection: Connection::new(config, now),
            input: BytesMut::new(),
            bytes_sent: 0,
            heard_ns: now,
            share: Share::default(),
        })
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

    /// The next thing that happens; `None` when the connection is over. It may be dropped at any time, and called again.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.connection.poll_event() {
                return Some(event);
            }
            if self.connection.is_closed() {
                // Its last words; whether they arrive makes no difference any more.
                let _ = self.stream.try_write(self.connection.output());
                return None;
            }
            self.write();
            let waits_to_write = !self.connection.output().is_empty();
            let interest =
                if waits_to_write { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
            let due = self.connection.next_deadline();
            let timer = async {
                match due {
                    Some(due) => tokio::time::sleep_until(clock::instant(due)).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                ready = self.stream.ready(interest) => match ready {
                    Ok(ready) if ready.is_readable() || ready.is_read_closed() => self.read(),
                    Ok(_) => {}
                    Err(error) => self.connection.peer_gone(&error.to_string()),
                },
                () = timer => self.connection.handle_timeout(clock::now()),
            }
        }
    }

    /// Bytes that the kernel has taken.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.bytes_sent
    }

    /// Bytes that the kernel doesn't take.
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
        kernel_queue::unacknowledged(self.stream.local_addr().ok()?, self.stream.peer_addr().ok()?)
    }

    fn write(&mut self) {
        let output = self.connection.output();
        while !output.is_empty() {
            match self.stream.try_write(output) {
                Ok(written) => {
                    self.bytes_sent += written as u64;
                    output.advance(written);
                }
                // What the peer said before is still read; the end comes from there.
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return output.clear(),
                Err(_) => return,
            }
        }
    }

    fn read(&mut self) {
        self.input.reserve(READ_BYTES);
        match self.stream.try_read_buf(&mut self.input) {
            Ok(0) => self.connection.peer_gone("the peer closed the connection"),
            Ok(fresh) => {
                self.heard_ns = clock::now();
                self.connection.observe(self.share.vitals(self.heard_ns));
                self.connection.receive(self.heard_ns, &mut self.input, fresh);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.connection.peer_gone(&error.to_string()),
        }
    }
}

/// What becomes of a new connection to an address; a peer that doesn't speak within `patience` is silent.
pub async fn try_fresh(address: SocketAddr, config: Config, patience: Duration) -> Fresh {
    let mut probe = match Probe::connect(address, config).await {
        Ok(probe) => probe,
        Err(error) => return unconnected(&error),
    };
    let speaks = async {
        loop {
            match probe.next().await {
                Some(Event::Ready(_)) => return Fresh::Speaks,
                Some(_) => {}
                // One that doesn't want us speaks, too; one that ends the connection without a word doesn't.
                None if probe.connection.bytes_received() > 0 => return Fresh::Speaks,
                None => return Fresh::Silent,
            }
        }
    };
    timeout(patience, speaks).await.unwrap_or(Fresh::Silent)
}

/// What it means that no connection could be made.
#[must_use]
pub fn unconnected(error: &io::Error) -> Fresh {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Fresh::Refused,
        _ => Fresh::Unreachable,
    }
}
