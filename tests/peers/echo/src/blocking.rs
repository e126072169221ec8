//! One call at a time by the standard library's blocking sockets, or by such as don't block and are asked again and again.

use std::hint::spin_loop;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use harness::command_line::{Load, listening};
use harness::frames;
use harness::meter::Meter;

/// A connection, and what of the next frame was read.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    read: usize,
}

impl Connection {
    fn new(stream: TcpStream, spins: bool) -> Self {
        stream.set_nodelay(true).expect("a socket option");
        stream.set_nonblocking(spins).expect("a socket option");
        Self { stream, buffer: vec![0; 64 << 10], read: 0 }
    }

    /// The next frame, which stays in the buffer until the one after it is asked for.
    fn frame(&mut self) -> io::Result<&[u8]> {
        self.read = 0;
        loop {
            match self.stream.read(&mut self.buffer[self.read..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.read += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => spin_loop(),
                Err(error) => return Err(error),
            }
            if frames::first(&self.buffer[..self.read]) == Some(self.read) {
                return Ok(&self.buffer[..self.read]);
            }
        }
    }
}

pub(crate) fn serve(address: SocketAddr, spins: bool) {
    let listener = TcpListener::bind(address).expect("a free port");
    listening(listener.local_addr().expect("its address"));
    loop {
        let (stream, _) = listener.accept().expect("a connection");
        let mut output = stream.try_clone().expect("a descriptor");
        let mut connection = Connection::new(stream, spins);
        while let Ok(frame) = connection.frame() {
            output.write_all(frame).expect("a frame fits the socket's buffer");
        }
    }
}

pub(crate) fn call(load: &Load, spins: bool) {
    assert_eq!((load.connections, load.in_flight), (1, 1), "one call at a time");
    let stream = TcpStream::connect(load.server).expect("the server listens");
    let mut output = stream.try_clone().expect("a descriptor");
    let mut connection = Connection::new(stream, spins);
    let mut request = Vec::new();
    frames::write(0, &load.payload(), &mut request);
    let meter = Meter::start(&load.times);
    let mut began = Instant::now();
    loop {
        output.write_all(&request).expect("a frame fits the socket's buffer");
        assert_eq!(connection.frame().expect("an answer").len(), request.len());
        meter.ended(&mut began);
    }
}
