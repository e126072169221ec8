//! The peer that follows a script: it says bytes, and compares what it hears.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use bytes::BytesMut;

use super::frames::{all_in, ping, pong, take};

/// How long the peer waits for what it expects.
const PATIENCE: Duration = Duration::from_secs(10);
/// The value of the PING after a script, by whose answer it is known that nothing else was said.
const LAST_PING: u64 = 0x6c61_7374;

/// As much of a frame as anybody reads.
fn short(frame: &str) -> &str {
    frame.get(..300).unwrap_or(frame)
}

/// One end of a connection, in the hands of a script.
pub(super) struct Scripted {
    stream: TcpStream,
    input: BytesMut,
    /// Whether what is said goes out byte by byte.
    dribbles: bool,
}

impl Scripted {
    pub(super) fn dial(server: SocketAddr, dribbles: bool) -> Self {
        Self::over(TcpStream::connect(server).expect("the server listens"), dribbles)
    }

    pub(super) fn accept(listener: &TcpListener, dribbles: bool) -> Self {
        Self::over(listener.accept().expect("the client dials").0, dribbles)
    }

    fn over(stream: TcpStream, dribbles: bool) -> Self {
        stream.set_nodelay(true).expect("a socket option");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        Self { stream, input: BytesMut::new(), dribbles }
    }

    /// Says these bytes. That the other side has gone shows in what is heard.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        if self.dribbles {
            let _ = bytes.iter().try_for_each(|byte| self.stream.write_all(&[*byte]));
        } else {
            let _ = self.stream.write_all(bytes);
        }
    }

    /// Says nothing further, but hears on.
    pub(super) fn half_close(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("the connection is there");
    }

    /// Expects what stands in these bytes, and nothing before it but heartbeats.
    pub(super) fn expect(&mut self, bytes: &[u8]) -> Result<(), String> {
        for wanted in all_in(bytes) {
            let found = self.next(wanted.starts_with("PING"))?;
            if found.as_deref() != Some(&wanted) {
                let found = found.as_deref().unwrap_or("the end");
                return Err(format!("wanted {}\n   found {}", short(&wanted), short(found)));
            }
        }
        Ok(())
    }

    /// Expects that the other side ends the connection, and says nothing before.
    pub(super) fn expect_end(&mut self) -> Result<(), String> {
        match self.next(false)? {
            None => Ok(()),
            Some(found) => Err(format!("wanted the end\n   found {found}")),
        }
    }

    /// Expects that the other side is there, and has nothing to say but to answer a PING.
    pub(super) fn expect_nothing(&mut self) -> Result<(), String> {
        self.say(&ping(LAST_PING));
        self.expect(&pong(LAST_PING))
    }

    /// The next thing that the other side says, `None` at its end. Its heartbeats are passed over unless they are wanted.
    fn next(&mut self, pings: bool) -> Result<Option<String>, String> {
        loop {
            while let Some(part) = take(&mut self.input)? {
                if pings || !part.starts_with("PING") {
                    return Ok(Some(part));
                }
            }
            let mut read = [0; 4096];
            match self.stream.read(&mut read) {
                Ok(0) if self.input.is_empty() => return Ok(None),
                Ok(0) => return Err("the end in the middle of a frame".into()),
                Ok(length) => self.input.extend_from_slice(&read[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("nothing came: {error}")),
            }
        }
    }
}
