//! A Redis server of a test's own, which it may stop, crash and start again.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::patience::until;
use crate::ports;
use crate::process::Process;

/// A running server that keeps nothing on the disk. It is killed when this is dropped.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    process: Process,
}

impl RedisServer {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When it doesn't start; `tests/run` installs redis-server.
    #[must_use]
    pub fn start() -> Self {
        let port = ports::free();
        Self { port, process: started(port) }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it at once, and all that it held is gone.
    pub fn crash(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port, with nothing in it.
    ///
    /// # Panics
    /// When it doesn't start.
    pub fn restart(&mut self) {
        self.process = started(self.port);
    }

    /// Stops it where it is: connections stay open, and nothing is answered.
    pub fn freeze(&mut self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&mut self) {
        self.process.signal(Signal::CONT);
    }

    /// What it answers to a command, as it comes.
    ///
    /// # Panics
    /// When it doesn't answer.
    #[must_use]
    pub fn ask(&self, command: &str) -> String {
        ask(self.port, command).expect("Redis answers")
    }
}

fn started(port: u16) -> Process {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.current_dir(std::env::temp_dir());
    let process = Process::start("redis-server", &mut command);
    until("Redis answers", || match ask(port, "PING") {
        Some(answer) if answer.starts_with("+PONG") => Ok(()),
        other => Err(format!("{other:?}; {}", process.said())),
    });
    process
}

fn ask(port: u16, command: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    // The server closes after it, so the answer is all that comes.
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
