//! One direction of a connection: what one side says is passed to the other, as fast as that takes it, and then that it has ended.
//!
//! Nothing is read before all that was read is written, so that a slow reader slows the writer down, by TCP's own flow control. What
//! is short is copied: one read, one write, and a short read says that there is no more. A read that fills its buffer is a long
//! stream, which goes through a pipe without a copy (splice(2)) until it pauses.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};

use micronet_transport::{clock, socket};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::limits::{COPY_BYTES, TURN_READS_MAX};
use super::pipe::{Pipe, Pipes, is_refusal};

/// Why a direction broke off.
#[derive(Debug)]
pub(super) enum Broken {
    /// The side that was read from is gone.
    Source(io::Error),
    /// The side that was written to takes nothing more.
    Sink(io::Error),
}

/// What both directions of a connection tell the outside.
#[derive(Debug)]
pub(super) struct Progress {
    /// When something was passed last, by the driver's clock.
    last: Cell<u64>,
}

impl Progress {
    /// From now on.
    pub(super) fn begin() -> Self {
        Self { last: Cell::new(clock::now()) }
    }

    /// When something was passed last, by the driver's clock.
    pub(super) fn last(&self) -> u64 {
        self.last.get()
    }
}

/// What was read and is not written yet.
enum Held {
    Nothing,
    /// So many bytes of [`COPIED`], which nobody else touches before the task waits.
    Copied(usize),
    /// What is left of them, from this place on.
    Left(Vec<u8>, usize),
    InPipe(Pipe),
}

thread_local! {
    /// What is copied passes through here: nothing stays in it while a task waits.
    static COPIED: RefCell<Box<[u8]>> = RefCell::new(vec![0; COPY_BYTES].into_boxed_slice());
}

/// Passes what `from` says to `to` until it ends, and then the end. `count` is told how many bytes each time.
pub(super) async fn pass(
    from: &TcpStream,
    to: &TcpStream,
    pipes: &Pipes,
    progress: &Progress,
    count: impl Fn(u64),
) -> Result<(), Broken> {
    let mut way = Way::new(from, to, pipes);
    let mut reads = 0;
    loop {
        match way.read() {
            Ok(0) => break,
            Ok(_) => progress.last.set(clock::now()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                way.pause();
                reads = 0;
                from.readable().await.map_err(Broken::Source)?;
                continue;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Broken::Source(error)),
        }
        loop {
            match way.write() {
                Ok(0) => break,
                Ok(written) => {
                    count(written as u64);
                    progress.last.set(clock::now());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    tokio::select! {
                        biased;
                        // Nobody waits for a slow reader on behalf of one who is gone.
                        _ = from.ready(Interest::ERROR) => return Err(Broken::Source(ErrorKind::ConnectionReset.into())),
                        ready = to.writable() => ready.map_err(Broken::Sink)?,
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Broken::Sink(error)),
            }
        }
        reads += 1;
        if reads == TURN_READS_MAX {
            reads = 0;
            tokio::task::yield_now().await;
        }
    }
    socket::finish(to).map_err(Broken::Sink)
}

/// Reads what comes and throws it away, until it ends.
pub(super) async fn discard(from: &TcpStream) {
    loop {
        if from.readable().await.is_err() {
            return;
        }
        let read = COPIED.with_borrow_mut(|buffer| from.try_read(buffer));
        match read {
            Ok(0) => return,
            Ok(_) => tokio::task::yield_now().await,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

struct Way<'c> {
    from: &'c TcpStream,
    to: &'c TcpStream,
    pipes: &'c Pipes,
    held: Held,
    /// What has come since it last paused, in bytes, as far as it matters.
    burst: usize,
    /// Whether what comes is worth a pipe.
    is_long: bool,
}

impl<'c> Way<'c> {
    fn new(from: &'c TcpStream, to: &'c TcpStream, pipes: &'c Pipes) -> Self {
        Self { from, to, pipes, held: Held::Nothing, burst: 0, is_long: false }
    }

    /// Reads once. Nothing may be held but an empty pipe.
    fn read(&mut self) -> io::Result<usize> {
        let read = self.splice().unwrap_or_else(|| {
            let read = COPIED.with_borrow_mut(|buffer| self.from.try_read(buffer))?;
            self.held = Held::Copied(read);
            Ok(read)
        })?;
        self.burst = self.burst.saturating_add(read);
        self.is_long |= self.burst >= COPY_BYTES;
        Ok(read)
    }

    /// Reads into a pipe, if it is worth one, and if there is one.
    fn splice(&mut self) -> Option<io::Result<usize>> {
        if !self.is_long {
            return None;
        }
        if !matches!(self.held, Held::InPipe(_)) {
            self.held = Held::InPipe(self.pipes.take()?);
        }
        let Held::InPipe(pipe) = &mut self.held else { return None };
        match self.from.try_io(Interest::READABLE, || pipe.fill(self.from)) {
            Err(error) if is_refusal(&error) => {
                self.pipes.refused();
                None
            }
            read => Some(read),
        }
    }

    /// Writes once what is held; 0 when nothing is.
    fn write(&mut self) -> io::Result<usize> {
        match &mut self.held {
            Held::Nothing => Ok(0),
            Held::Copied(read) => {
                let read = *read;
                COPIED.with_borrow(|copied| {
                    let written = self.to.try_write(&copied[..read]);
                    let rest = &copied[*written.as_ref().unwrap_or(&0)..read];
                    self.held = if rest.is_empty() { Held::Nothing } else { Held::Left(rest.to_vec(), 0) };
                    written
                })
            }
            Held::Left(bytes, at) => {
                let written = self.to.try_write(&bytes[*at..])?;
                *at += written;
                if *at == bytes.len() {
                    self.held = Held::Nothing;
                }
                Ok(written)
            }
            Held::InPipe(pipe) if pipe.is_empty() => Ok(0),
            Held::InPipe(pipe) => match self.to.try_io(Interest::WRITABLE, || pipe.empty(self.to)) {
                Err(error) if is_refusal(&error) => {
                    self.pipes.refused();
                    self.held = Held::Left(pipe.bytes()?, 0);
                    self.write()
                }
                written => written,
            },
        }
    }

    /// Nothing has come: whoever needs a pipe now may have ours.
    fn pause(&mut self) {
        self.is_long = self.burst >= COPY_BYTES;
        self.burst = 0;
        if let Held::InPipe(pipe) = std::mem::replace(&mut self.held, Held::Nothing) {
            self.pipes.give(pipe);
        }
    }
}

/// However it ended, its pipe is of use to others.
impl Drop for Way<'_> {
    fn drop(&mut self) {
        self.pause();
    }
}
