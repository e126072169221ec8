//! Pipes in the kernel, through which bytes go from socket to socket without being copied to this process and back.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use super::limits::{PIPE_BYTES, PIPES_SPARE_MAX};

/// A pipe, and how much is in it.
#[derive(Debug)]
pub(super) struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    held: usize,
}

impl Pipe {
    fn new() -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // The kernel may refuse: a user's pipes have a limit together. A small pipe does too.
        let _ = fcntl_setpipe_size(&writer, PIPE_BYTES);
        Ok(Self { reader, writer, held: 0 })
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Moves what a socket has received into the pipe, which is empty. 0 is the end of what will come.
    pub(super) fn fill(&mut self, socket: &impl AsFd) -> io::Result<usize> {
        debug_assert_eq!(
            self.held, 0,
            "it could not be told then whether the socket or the pipe is the one that blocks"
        );
        self.held =
            splice(socket, None, &self.writer, None, PIPE_BYTES, SpliceFlags::NONBLOCK | SpliceFlags::MOVE)?;
        Ok(self.held)
    }

    /// Moves what is in the pipe to a socket, as far as that takes it.
    pub(super) fn empty(&mut self, socket: &impl AsFd) -> io::Result<usize> {
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        let moved = splice(&self.reader, None, socket, None, self.held, flags)?;
        self.held -= moved;
        Ok(moved)
    }

    /// Takes what is in the pipe out to here.
    pub(super) fn bytes(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; std::mem::take(&mut self.held)];
        let mut read = 0;
        while read < bytes.len() {
            match rustix::io::read(&self.reader, &mut bytes[read..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => read += count,
            }
        }
        Ok(bytes)
    }
}

/// Empty pipes, kept for whoever needs one next: to make one takes longer than to use it.
///
/// A direction has a pipe only while a long stream goes through it, so that connections that say little cost none.
#[derive(Debug)]
pub(super) struct Pipes {
    spare: RefCell<Vec<Pipe>>,
    /// Whether splice(2) can't be used here, or isn't to be.
    refused: Cell<bool>,
}

impl Pipes {
    /// None yet; none ever, unless `splice`.
    pub(super) fn new(splice: bool) -> Self {
        Self { spare: RefCell::default(), refused: Cell::new(!splice) }
    }

    /// An empty pipe; `None` where none is to be had, as when file descriptors have run out, or is of any use.
    pub(super) fn take(&self) -> Option<Pipe> {
        if self.refused.get() {
            return None;
        }
        let spare = self.spare.borrow_mut().pop();
        spare.or_else(|| {
            Pipe::new().inspect_err(|error| tracing::debug!(%error, "no pipe: it is copied")).ok()
        })
    }

    /// Gives a pipe back. One that isn't empty is of no use to anybody else.
    pub(super) fn give(&self, pipe: Pipe) {
        let mut spare = self.spare.borrow_mut();
        if pipe.held == 0 && spare.len() < PIPES_SPARE_MAX {
            spare.push(pipe);
        }
    }

    /// How many are kept.
    #[cfg(test)]
    pub(super) fn spare(&self) -> usize {
        self.spare.borrow().len()
    }

    /// The kernel doesn't splice here: from now on everything is copied.
    pub(super) fn refused(&self) {
        if !self.refused.replace(true) {
            tracing::info!("splice(2) is refused here: TCP is passed through by copying");
        }
    }
}

/// Whether an error says that `splice` can't be used at all here, rather than that something happened to a socket: a kernel
/// without it, or a sandbox that refuses it.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    let refusals = [rustix::io::Errno::INVAL, rustix::io::Errno::NOSYS, rustix::io::Errno::PERM];
    refusals.iter().any(|refusal| error.raw_os_error() == Some(refusal.raw_os_error()))
}
