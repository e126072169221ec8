//! The floor of a transcoding gateway: epoll (mio), one connection to the backend, no tasks, and no routing, timers, limits or logs.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use harness::command_line::listening;
use harness::frames;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::items::{Item, Posted};
use crate::request;

const BACKEND_BUFFER: usize = 256 << 10;
const CLIENT_BUFFER: usize = 4 << 10;
const EVENTS: usize = 1024;
const LISTENER: Token = Token(usize::MAX);
const BACKEND: Token = Token(usize::MAX - 1);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// A connection of a client, or that to the backend.
struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    read: usize,
    output: Vec<u8>,
    written: usize,
}

impl Connection {
    fn new(stream: TcpStream, buffer: usize) -> Self {
        stream.set_nodelay(true).expect("a socket option");
        Self { stream, input: vec![0; buffer], read: 0, output: Vec::new(), written: 0 }
    }

    /// Reads what there is, as far as there is room for it; false at the end.
    fn fill(&mut self) -> bool {
        let room = self.input.len() - self.read;
        match self.stream.read(&mut self.input[self.read..]) {
            Ok(0) => room == 0,
            Ok(read) => {
                self.read += read;
                true
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }

    /// What was read up to here has been dealt with.
    fn consume(&mut self, bytes: usize) {
        self.input.copy_within(bytes..self.read, 0);
        self.read -= bytes;
    }

    /// Writes as much as is taken.
    fn flush(&mut self) -> io::Result<()> {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }
}

struct Gateway {
    backend: Connection,
    clients: Slab<Connection>,
    /// For the bodies of answers.
    body: Vec<u8>,
}

impl Gateway {
    /// Makes a call of a client's request, when it is there. A client asks for one thing at a time.
    fn ask(&mut self, client: usize) -> Option<()> {
        let connection = self.clients.get_mut(client)?;
        let posted = request::body(&connection.input[..connection.read])?;
        let item = serde_json::from_slice::<Posted<'_>>(&connection.input[posted.clone()]).ok()?;
        let mut message = Vec::with_capacity(64);
        item.write(&mut message);
        frames::write(client as u64, &message, &mut self.backend.output);
        connection.consume(posted.end);
        Some(())
    }

    /// Answers whoever has got a reply.
    fn replies(&mut self) {
        let mut at = 0;
        while let Some(length) = frames::first(&self.backend.input[at..self.backend.read]) {
            let frame = &self.backend.input[at..at + length];
            at += length;
            let client = usize::try_from(frames::number(frame)).unwrap_or(usize::MAX);
            let Some(connection) = self.clients.get_mut(client) else { continue };
            let Some(item) = Item::read(&frame[frames::HEAD..]) else { continue };
            request::answer(&item, &mut self.body, &mut connection.output);
            if connection.flush().is_err() {
                self.clients.remove(client);
            }
        }
        self.backend.consume(at);
    }

    /// What happened to a client's socket.
    fn client(&mut self, client: usize, readable: bool) {
        let Some(connection) = self.clients.get_mut(client) else { return };
        if (readable && !connection.fill()) || connection.flush().is_err() {
            self.clients.remove(client);
        } else if readable {
            self.ask(client);
        }
    }
}

pub(crate) fn serve(address: SocketAddr, backend: SocketAddr) {
    let mut poll = Poll::new().expect("epoll");
    let mut listener = TcpListener::bind(address).expect("a free port");
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("epoll takes it");
    let stream = std::net::TcpStream::connect(backend).expect("the backend listens");
    stream.set_nonblocking(true).expect("a socket option");
    let mut stream = TcpStream::from_std(stream);
    poll.registry().register(&mut stream, BACKEND, BOTH).expect("epoll takes it");
    let backend = Connection::new(stream, BACKEND_BUFFER);
    let mut gateway = Gateway { backend, clients: Slab::new(), body: Vec::new() };
    listening(listener.local_addr().expect("its address"));
    let mut events = Events::with_capacity(EVENTS);
    loop {
        poll.poll(&mut events, None).expect("epoll waits");
        for event in &events {
            match event.token() {
                LISTENER => {
                    while let Ok((mut stream, _)) = listener.accept() {
                        let client = gateway.clients.vacant_entry();
                        poll.registry()
                            .register(&mut stream, Token(client.key()), BOTH)
                            .expect("epoll takes it");
                        client.insert(Connection::new(stream, CLIENT_BUFFER));
                    }
                }
                BACKEND => {
                    assert!(gateway.backend.fill(), "the backend stays");
                    gateway.replies();
                }
                Token(client) => gateway.client(client, event.is_readable()),
            }
        }
        gateway.backend.flush().expect("the backend stays");
    }
}
