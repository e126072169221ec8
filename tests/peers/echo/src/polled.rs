//! The floor: epoll (mio), and what has come is answered by one write, from the buffer into which it was read. No runtime, no tasks,
//! and no allocation for a request.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use harness::command_line::{Load, listening};
use harness::frames;
use harness::meter::Meter;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

/// Room for all that is in flight on a connection.
const BUFFER: usize = 512 << 10;
const EVENTS: usize = 1024;
const LISTENER: Token = Token(usize::MAX);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// A connection of the server.
struct Echo {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Up to where it was written back, ends the last whole frame, and was read: each at most the next.
    written: usize,
    whole: usize,
    read: usize,
}

impl Echo {
    fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: vec![0; BUFFER], written: 0, whole: 0, read: 0 }
    }

    /// Reads and writes until one of the two can't go on; false at the end of the connection.
    fn turn(&mut self) -> io::Result<bool> {
        loop {
            let room = self.buffer.len() - self.read;
            let read = unless_blocked(self.stream.read(&mut self.buffer[self.read..]))?;
            if read == Some(0) && room > 0 {
                return Ok(false);
            }
            self.read += read.unwrap_or(0);
            while let Some(frame) = frames::first(&self.buffer[self.whole..self.read]) {
                self.whole += frame;
            }
            while self.written < self.whole {
                match unless_blocked(self.stream.write(&self.buffer[self.written..self.whole]))? {
                    Some(written) => self.written += written,
                    None => return Ok(true),
                }
            }
            self.buffer.copy_within(self.written..self.read, 0);
            (self.read, self.written, self.whole) = (self.read - self.written, 0, 0);
            if read.is_none_or(|read| read < room) {
                return Ok(true);
            }
        }
    }
}

/// A connection of the client, with as many calls in flight as it may have.
struct Calls {
    stream: TcpStream,
    payload: Vec<u8>,
    began: Vec<Instant>,
    input: Vec<u8>,
    read: usize,
    output: Vec<u8>,
    written: usize,
}

impl Calls {
    fn new(stream: TcpStream, in_flight: usize, payload: Vec<u8>) -> Self {
        let mut output = Vec::with_capacity(BUFFER);
        for number in 0..in_flight {
            frames::write(number as u64, &payload, &mut output);
        }
        let began = vec![Instant::now(); in_flight];
        Self { stream, payload, began, input: vec![0; BUFFER], read: 0, output, written: 0 }
    }

    fn turn(&mut self, meter: &Meter) -> io::Result<()> {
        loop {
            let room = self.input.len() - self.read;
            let read = unless_blocked(self.stream.read(&mut self.input[self.read..]))?;
            assert_ne!(read, Some(0), "the server stays");
            self.read += read.unwrap_or(0);
            self.answered(meter);
            self.flush()?;
            if read.is_none_or(|read| read < room) {
                return Ok(());
            }
        }
    }

    /// Each call that was answered is followed by another one. The latency of the first stands for those that came with it.
    fn answered(&mut self, meter: &Meter) {
        let now = Instant::now();
        let (mut at, mut calls, mut latency) = (0, 0, None);
        while let Some(frame) = frames::first(&self.input[at..self.read]) {
            let number = frames::number(&self.input[at..]);
            let began = usize::try_from(number).ok().and_then(|number| self.began.get_mut(number));
            let began = std::mem::replace(began.expect("a number of ours"), now);
            latency.get_or_insert(now - began);
            frames::write(number, &self.payload, &mut self.output);
            (at, calls) = (at + frame, calls + 1);
        }
        self.input.copy_within(at..self.read, 0);
        self.read -= at;
        if let Some(latency) = latency {
            meter.count(latency, calls, now);
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.written < self.output.len() {
            match unless_blocked(self.stream.write(&self.output[self.written..]))? {
                Some(written) => self.written += written,
                None => return Ok(()),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }
}

fn unless_blocked(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) fn serve(address: SocketAddr) {
    let mut poll = Poll::new().expect("epoll");
    let mut listener = TcpListener::bind(address).expect("a free port");
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("epoll takes it");
    listening(listener.local_addr().expect("its address"));
    let mut connections: Slab<Echo> = Slab::new();
    let mut events = Events::with_capacity(EVENTS);
    loop {
        poll.poll(&mut events, None).expect("epoll waits");
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true).expect("a socket option");
                    let entry = connections.vacant_entry();
                    poll.registry().register(&mut stream, Token(entry.key()), BOTH).expect("epoll takes it");
                    entry.insert(Echo::new(stream));
                }
            } else if let Some(connection) = connections.get_mut(event.token().0)
                && !connection.turn().unwrap_or(false)
            {
                connections.remove(event.token().0);
            }
        }
    }
}

pub(crate) fn call(load: &Load) {
    let mut poll = Poll::new().expect("epoll");
    let connect = |token| {
        let stream = std::net::TcpStream::connect(load.server).expect("the server listens");
        stream.set_nodelay(true).expect("a socket option");
        stream.set_nonblocking(true).expect("a socket option");
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(token), BOTH).expect("epoll takes it");
        Calls::new(stream, load.in_flight_each(), load.payload())
    };
    let mut connections: Vec<Calls> = (0..load.connections).map(connect).collect();
    let meter = Meter::start(&load.times);
    let mut events = Events::with_capacity(EVENTS);
    loop {
        poll.poll(&mut events, None).expect("epoll waits");
        for event in &events {
            connections[event.token().0].turn(&meter).expect("the server stays");
        }
    }
}
