//! What goes through the proxies: threads that block, so that only the proxy's own work is like any other's.

use std::fmt;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

/// Connections that ask at once.
const ASKING: u64 = 8;

/// What is sent through a proxy.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Load {
    /// One long stream.
    Stream { bytes: u64 },
    /// Questions, each of which is answered by itself.
    Questions { bytes: u32, count: u64 },
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream { bytes } => write!(f, "A stream of {} MiB; for each MiB:", bytes >> 20),
            Self::Questions { bytes, count } => {
                write!(
                    f,
                    "{count} questions and answers of {bytes} bytes on each of {ASKING} connections; for each:"
                )
            }
        }
    }
}

impl Load {
    /// What is counted.
    pub(crate) fn units(self) -> f64 {
        match self {
            Self::Stream { bytes } => (bytes >> 20) as f64,
            Self::Questions { count, .. } => (count * ASKING) as f64,
        }
    }

    /// Sends it through, and returns how many seconds that took.
    pub(crate) fn run(self, proxy: SocketAddr) -> f64 {
        let begin = Instant::now();
        match self {
            Self::Stream { bytes } => stream(proxy, bytes),
            Self::Questions { bytes, count } => thread::scope(|scope| {
                for _ in 0..ASKING {
                    scope.spawn(|| ask(proxy, bytes, count));
                }
            }),
        }
        begin.elapsed().as_secs_f64()
    }
}

fn stream(proxy: SocketAddr, bytes: u64) {
    let mut connection = TcpStream::connect(proxy).expect("the proxy listens");
    connection.write_all(&0_u32.to_le_bytes()).expect("written");
    let piece = vec![7; 256 << 10];
    for _ in 0..bytes / piece.len() as u64 {
        connection.write_all(&piece).expect("written");
    }
    connection.shutdown(Shutdown::Write).expect("finished");
    let mut counted = [0; 8];
    connection.read_exact(&mut counted).expect("the server says how much it was");
    assert_eq!(u64::from_le_bytes(counted), bytes);
}

fn ask(proxy: SocketAddr, bytes: u32, count: u64) {
    let mut connection = TcpStream::connect(proxy).expect("the proxy listens");
    connection.set_nodelay(true).expect("an option");
    connection.write_all(&bytes.to_le_bytes()).expect("written");
    let mut question = vec![7; bytes as usize];
    for _ in 0..count {
        connection.write_all(&question).expect("written");
        connection.read_exact(&mut question).expect("answered");
    }
}

/// A server that counts streams, and answers questions by themselves.
pub(crate) fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // Checks come here too, and say nothing.
            thread::spawn(|| answer(connection));
        }
    });
    address
}

fn answer(mut connection: TcpStream) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut length = [0; 4];
    connection.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > 0 {
        let mut question = vec![0; length as usize];
        loop {
            connection.read_exact(&mut question)?;
            connection.write_all(&question)?;
        }
    }
    let (mut buffer, mut counted) = (vec![0; 256 << 10], 0_u64);
    loop {
        match connection.read(&mut buffer)? {
            0 => return connection.write_all(&counted.to_le_bytes()),
            read => counted += read as u64,
        }
    }
}
