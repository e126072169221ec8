//! Clients that dally: they begin requests and don't end them, don't read what they asked for, or do nothing at all.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// The ways to dally.
pub const MODES: [Mode; 4] = [Mode::Head, Mode::Body, Mode::Read, Mode::Idle];

/// What a slow client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It sends a head, a field at a time.
    Head,
    /// It sends a body, a byte at a time.
    Body,
    /// It asks for much and doesn't read it.
    Read,
    /// It says nothing.
    Idle,
}

/// Slow clients of one server.
#[derive(Debug)]
pub struct Slow {
    clients: Vec<(Mode, TcpStream)>,
}

impl Slow {
    /// So many of them, as many in each mode.
    ///
    /// # Panics
    /// When they can't connect.
    #[must_use]
    pub fn start(server: SocketAddr, count: usize) -> Self {
        let large =
            [b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 16384\r\n\r\n".to_vec(), vec![b'x'; 16_384]];
        let asked = large.concat().repeat(4);
        let clients = (0..count).map(|at| {
            let mode = MODES[at % MODES.len()];
            let mut stream = TcpStream::connect(server).unwrap_or_else(|error| panic!("{at}: {error}"));
            stream.set_nonblocking(true).expect("it can be set");
            let begin: &[u8] = match mode {
                Mode::Head => b"GET /echo HTTP/1.1\r\nHost: a\r\n",
                Mode::Body => b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
                Mode::Read => &asked,
                Mode::Idle => b"",
            };
            // What the server's side has no room for is not sent: it is slow in any case.
            let _ = stream.write(begin);
            (mode, stream)
        });
        Self { clients: clients.collect() }
    }

    /// Each goes on a little: how many still have their connection.
    pub fn go_on(&mut self) -> usize {
        self.clients.retain_mut(|(mode, stream)| {
            let sent = match mode {
                Mode::Head => stream.write(b"X: y\r\n"),
                Mode::Body => stream.write(b"x"),
                Mode::Read | Mode::Idle => Ok(1),
            };
            let read = match mode {
                Mode::Read => Ok(1),
                _ => stream.read(&mut [0; 512]),
            };
            let is_alive = |done: &std::io::Result<usize>| match done {
                Ok(count) => *count > 0,
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            };
            is_alive(&sent) && is_alive(&read)
        });
        self.clients.len()
    }
}
