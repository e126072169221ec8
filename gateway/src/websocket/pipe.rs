//! The bytes of a connection between its socket and its frames: what was read, and what is to be written.

use std::io::{self, ErrorKind, Read, Write};

use bytes::{Buf, BytesMut};

/// Both directions, in memory.
#[derive(Debug, Default)]
pub struct Pipe {
    /// What was read of the socket.
    pub input: BytesMut,
    /// What is to be written to it.
    pub output: BytesMut,
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let taken = into.len().min(self.input.len());
        self.input.copy_to_slice(&mut into[..taken]);
        Ok(taken)
    }
}

/// It takes everything: whoever writes asks first whether there is room.
impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
