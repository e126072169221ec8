//! What moves a connection's bytes: a socket that never blocks, and what is known of its readiness.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;

use bytes::{Buf, BytesMut};
use micronet_wire::conn::Connection;
use micronet_wire::limits::READ_BYTES;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::clock;

/// What one read goes into. All connections of a thread take turns with one: only what no frame has used yet is kept for each.
pub(super) struct ReadBuffer(Box<[u8]>);

impl ReadBuffer {
    pub(super) fn new() -> Self {
        Self(vec![0; READ_BYTES].into_boxed_slice())
    }
}

/// A socket, and the bytes of a frame that isn't there whole yet.
pub(super) struct Socket {
    stream: TcpStream,
    input: BytesMut,
    /// When it was read, where frames of it may be left.
    unfinished_ns: Option<u64>,
    /// The peer has said something.
    heard: bool,
    /// There may be something to read. The operating system tells of it once (it is edge-triggered), so it is kept here.
    readable: bool,
    /// The peer has said its last; nothing further will be told of, so reading goes on until the end is read.
    read_closed: bool,
    /// Why nothing can be written any more.
    write_error: Option<String>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            unfinished_ns: None,
            heard: false,
            readable: false,
            read_closed: false,
            write_error: None,
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.stream, token, Interest::READABLE | Interest::WRITABLE)
    }

    /// Notes what the operating system has told.
    pub(super) fn heed(&mut self, event: &Event) {
        let over = event.is_read_closed() || event.is_error();
        self.readable |= event.is_readable() || over;
        self.read_closed |= over;
    }

    /// Whether reading may bring something.
    pub(super) fn is_readable(&self) -> bool {
        self.readable || self.write_error.is_some()
    }

    /// Whether the peer has said anything.
    pub(super) fn has_heard(&self) -> bool {
        self.heard
    }

    /// Feeds the connection with more of what was read before; false when there is nothing. Nothing else may be read before that.
    pub(super) fn receive_more(&mut self, connection: &mut Connection) -> bool {
        let Some(read_ns) = self.unfinished_ns else { return false };
        if !connection.receive_more(read_ns, &mut self.input) {
            self.unfinished_ns = None;
        }
        true
    }

    /// Reads once and feeds the connection with what came, which may be the end; false when nothing did. It may leave something for
    /// [`receive_more`](Self::receive_more).
    pub(super) fn receive(&mut self, connection: &mut Connection, buffer: &mut ReadBuffer) -> bool {
        match self.read(buffer) {
            Ok(0) => connection.peer_gone("the peer closed the connection"),
            Ok(fresh) => {
                self.heard = true;
                self.input.extend_from_slice(&buffer.0[..fresh]);
                let now = clock::now();
                self.unfinished_ns = connection.receive_some(now, &mut self.input, fresh).then_some(now);
            }
            // What the peer had said before the socket failed has been read by now.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let Some(error) = self.write_error.take() else { return false };
                connection.peer_gone(&error);
            }
            Err(error) => connection.peer_gone(&format!("the connection failed: {error}")),
        }
        true
    }

    /// Reads so many times in vain, without a pause: whether something came.
    pub(super) fn spin(&mut self, times: u32, connection: &mut Connection, buffer: &mut ReadBuffer) -> bool {
        (0..times).any(|_| self.receive(connection, buffer))
    }

    fn read(&mut self, buffer: &mut ReadBuffer) -> io::Result<usize> {
        loop {
            match self.stream.read(&mut buffer.0) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(fresh) => {
                    // Less than was asked for means that nothing is left (epoll(7), question 9), unless the end is.
                    self.readable = self.read_closed || fresh == buffer.0.len();
                    return Ok(fresh);
                }
                Err(error) => {
                    self.readable = false;
                    return Err(error);
                }
            }
        }
    }

    /// Writes what the connection has to say, as far as the socket takes it. True when nothing is left.
    pub(super) fn transmit(&mut self, connection: &mut Connection) -> bool {
        while !connection.output().is_empty() {
            match self.stream.write(connection.output()) {
                Ok(0) => self.give_up_writing(connection, "it takes no more bytes"),
                Ok(written) => connection.output().advance(written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) => self.give_up_writing(connection, &error.to_string()),
            }
        }
        true
    }

    /// Nothing can be written any more. The end comes from the reading side, which may still hold the peer's last words.
    fn give_up_writing(&mut self, connection: &mut Connection, why: &str) {
        while !connection.output().is_empty() {
            connection.output().clear();
        }
        self.write_error = Some(format!("the connection failed: {why}"));
    }

    /// After the last words have been written: says so to the peer.
    pub(super) fn finish_writing(&self) {
        // Whatever goes wrong now, the connection is over.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads what nobody wants any more; true once the peer has ended too. Closing a socket with unread bytes sends a reset, which
    /// may overtake our last words.
    pub(super) fn has_ended(&mut self, buffer: &mut ReadBuffer) -> bool {
        loop {
            match self.read(buffer) {
                Ok(1..) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Ok(0) | Err(_) => return true,
            }
        }
    }
}
