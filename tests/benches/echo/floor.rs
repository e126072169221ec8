//! The floor of the spinning rows: sockets that are asked again and again, and bytes that go back as they came.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::listening;
use crate::meter::Meter;
use crate::setting::Load;

pub(crate) fn serve(load: &Load) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listening(listener.local_addr().expect("its address"));
    let (mut stream, _) = listener.accept().expect("a client");
    prepare(&stream);
    let mut bytes = vec![0; load.payload];
    while read(&mut stream, &mut bytes) {
        stream.write_all(&bytes).expect("room for an echo");
    }
}

pub(crate) fn call(server: SocketAddr, load: &Load, meter: &Meter) {
    let mut stream = TcpStream::connect(server).expect("the server listens");
    prepare(&stream);
    let mut bytes = vec![7; load.payload];
    loop {
        stream.write_all(&bytes).expect("room for a call");
        assert!(read(&mut stream, &mut bytes), "the server stays");
        meter.count();
    }
}

fn prepare(stream: &TcpStream) {
    stream.set_nodelay(true).expect("a socket option");
    stream.set_nonblocking(true).expect("a socket option");
}

/// Fills `bytes`; false at the end.
fn read(stream: &mut TcpStream, bytes: &mut [u8]) -> bool {
    let mut filled = 0;
    while filled < bytes.len() {
        match stream.read(&mut bytes[filled..]) {
            Ok(0) => return false,
            Ok(fresh) => filled += fresh,
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
            Err(error) => panic!("{error}"),
        }
    }
    true
}
