//! The bytes of a text connection: what was read and not yet obeyed, and what is still to be written.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use micronet_wire::limits::{HTTP_WRITE_BYTES, LINGER_MS_MAX, TEXT_LINE_BYTES_MAX, TEXT_STALL_MS_MAX};
use micronet_wire::text::{Line, Lines, TooLong};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::sent_away;
use crate::clock;
use crate::driver::ByteStream;
use crate::http_server::Place;

/// What one read takes at most, and what is kept of the buffer between lines, in bytes.
const READ_BYTES: usize = 4 << 10;

pub(super) struct TextWire<S> {
    stream: S,
    input: BytesMut,
    lines: Lines,
    /// Nothing more comes.
    ended: bool,
    /// When something came last.
    pub(super) read_ns: u64,
    pub(super) output: BytesMut,
}

impl<S: ByteStream> TextWire<S> {
    pub(super) fn begun(stream: S, input: BytesMut, ended: bool) -> Self {
        let (lines, output) = (Lines::default(), BytesMut::new());
        Self { stream, input, lines, ended, read_ns: clock::now(), output }
    }

    /// The next line that is there.
    pub(super) fn line(&mut self) -> Result<Option<Line>, TooLong> {
        self.lines.next(&mut self.input, self.ended)
    }

    /// Whether another line is there.
    pub(super) fn has_line(&self) -> bool {
        self.lines.has_next(&self.input) || (self.ended && !self.input.is_empty())
    }

    /// Whether all that was read was obeyed.
    pub(super) fn is_idle(&self) -> bool {
        self.input.is_empty()
    }

    /// Whether nothing more comes.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Reads what has come, or the end.
    pub(super) async fn read(&mut self) -> io::Result<()> {
        if self.input.is_empty() && self.input.capacity() > READ_BYTES {
            // What a long line has made of the buffer is given back.
            self.input = BytesMut::new();
        }
        self.input.reserve(READ_BYTES);
        self.ended = self.stream.read_buf(&mut self.input).await? == 0;
        self.read_ns = clock::now();
        Ok(())
    }

    /// Reads ahead while a command is at work, as far as there is room. Completes when the client is gone, which is more than having
    /// said everything.
    pub(super) async fn gone(&mut self) -> io::Error {
        while !self.ended && self.input.len() <= TEXT_LINE_BYTES_MAX {
            if let Err(error) = self.read().await {
                return error;
            }
        }
        std::future::pending().await
    }

    /// Reads on until another line is there. Completes with an error when the client is gone; never when it has said everything.
    pub(super) async fn another_line(&mut self) -> io::Result<()> {
        while !self.has_line() && self.input.len() <= TEXT_LINE_BYTES_MAX {
            if self.ended {
                std::future::pending::<()>().await;
            }
            self.read().await?;
        }
        Ok(())
    }

    /// Writes everything that there is to say. Who takes nothing of it for too long is given up.
    pub(super) async fn flush(&mut self, place: &Place) -> io::Result<()> {
        while !self.output.is_empty() {
            tokio::select! {
                biased;
                wrote = self.stream.write_buf(&mut self.output) => if wrote? == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                },
                // Who doesn't take what was asked for doesn't hold a place for it; who does is told why it has to go.
                () = place.sent_away() => return Err(sent_away()),
                () = tokio::time::sleep(Duration::from_millis(TEXT_STALL_MS_MAX)) => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
        }
        if self.output.capacity() > HTTP_WRITE_BYTES {
            self.output = BytesMut::new();
        }
        self.stream.flush().await
    }

    /// Says the last words, and reads what still comes for a short while: closing a socket with unread bytes sends a reset, which may
    /// overtake those words.
    pub(super) async fn finish(mut self, place: &Place) -> io::Result<()> {
        self.flush(place).await?;
        self.stream.shutdown().await?;
        let mut ignored = [0; 1024];
        let lingering = async { while matches!(self.stream.read(&mut ignored).await, Ok(1..)) {} };
        let _ = tokio::time::timeout(Duration::from_millis(LINGER_MS_MAX), lingering).await;
        Ok(())
    }
}
