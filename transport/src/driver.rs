//! What moves a connection's bytes: the socket, the buffer that is read into, and the timer.
//!
//! Server and client each have one visible loop over this: wait, feed, act on events, transmit.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use micronet_wire::conn::Connection;
use micronet_wire::limits::{LINGER_MS_MAX, READ_BYTES};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Sleep;

use crate::clock;
use crate::frames::FrameCount;
use crate::tap::Point;
use crate::tls;
use crate::vitals::{self, Share};

/// A byte stream that a connection can run on: TCP, TLS over TCP, or a pipe in memory.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> ByteStream for S {}

/// A socket with its read buffer and timer.
pub(crate) struct Wire<S> {
    stream: S,
    input: BytesMut,
    /// When it was read, where frames of it may be left.
    unfinished_ns: Option<u64>,
    /// When something was read in this turn.
    read_ns: Option<u64>,
    timer: Pin<Box<Sleep>>,
    /// Why nothing can be written any more.
    write_error: Option<String>,
    /// When the timer fires; the connection's deadline may have moved later since, but not earlier.
    armed_ns: u64,
    /// The connection's part in what this process is working on.
    share: Share,
    /// Bytes that the stream has taken.
    written: u64,
    /// The frames that came and went, for /metrics.
    frames: [FrameCount; 2],
    /// The peer has ended the connection because of our certificate.
    refused: bool,
    /// Where its frames are copied from, while somebody taps them.
    point: Point,
}

impl<S: ByteStream> Wire<S> {
    /// A socket from which nothing was read yet.
    pub(crate) fn new(stream: S, point: Point) -> Self {
        let far = Duration::from_secs(86_400);
        vitals::watch_lag();
        Self {
            stream,
            input: BytesMut::new(),
            unfinished_ns: None,
            read_ns: None,
            timer: Box::pin(tokio::time::sleep(far)),
            write_error: None,
            armed_ns: u64::MAX,
            share: Share::default(),
            written: 0,
            frames: Default::default(),
            refused: false,
            point,
        }
    }

    /// A socket from which `input` was read already: the connection hears it at once.
    pub(crate) fn begun(stream: S, mut input: BytesMut, point: Point, connection: &mut Connection) -> Self {
        let fresh = input.len();
        let mut wire = Self::new(stream, point);
        vitals::frames_received(wire.frames[0].ended_in(&input));
        if wire.point.is_tapped() {
            wire.point.reads(connection, &input);
        }
        connection.receive(clock::now(), &mut input, fresh);
        Self { input, ..wire }
    }

    /// Reads what is there into the buffer; ready with the number of bytes once there are some, 0 at the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.input.capacity() - self.input.len() < READ_BYTES / 4 {
            self.input.reserve(READ_BYTES);
        }
        pin!(self.stream.read_buf(&mut self.input)).poll(cx)
    }

    /// Feeds the connection with more of what was read before; false when there is nothing. Nothing else may be read before that.
    pub(crate) fn receive_more(&mut self, connection: &mut Connection) -> bool {
        let Some(read_ns) = self.unfinished_ns else { return false };
        if !connection.receive_more(read_ns, &mut self.input) {
            self.unfinished_ns = None;
        }
        self.share.set(connection.calls_served());
        true
    }

    /// Bytes for [`receive_more`](Self::receive_more).
    pub(crate) fn unfinished_bytes(&self) -> usize {
        self.unfinished_ns.map_or(0, |_| self.input.len())
    }

    /// Reads once and feeds the connection, which may leave something for [`receive_more`](Self::receive_more). Ready when something
    /// came, also the end.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>, connection: &mut Connection) -> Poll<()> {
        self.share.set(connection.calls_served());
        self.read_ns = None;
        match self.poll_read(cx) {
            // What the peer had said before the socket failed has been read by now.
            Poll::Pending => match self.write_error.take() {
                Some(error) => connection.peer_gone(&error),
                None => return Poll::Pending,
            },
            Poll::Ready(Ok(0)) => connection.peer_gone("the peer closed the connection"),
            Poll::Ready(Ok(fresh)) => {
                let now = clock::now();
                self.read_ns = Some(now);
                vitals::frames_received(self.frames[0].ended_in(&self.input[self.input.len() - fresh..]));
                if self.point.is_tapped() {
                    self.point.reads(connection, &self.input);
                }
                connection.observe(self.share.vitals(now));
                self.unfinished_ns = connection.receive_some(now, &mut self.input, fresh).then_some(now);
                self.share.set(connection.calls_served());
            }
            Poll::Ready(Err(error)) => {
                self.refused = tls::is_refusal(&error);
                connection.peer_gone(&format!("the connection failed: {}", tls::words(&error)));
            }
        }
        Poll::Ready(())
    }

    /// Writes what the connection has to say, as far as the socket takes it.
    pub(crate) fn poll_transmit(&mut self, cx: &mut Context<'_>, connection: &mut Connection) {
        while !connection.output().is_empty() {
            self.tap_output(connection);
            match Pin::new(&mut self.stream).poll_write(cx, connection.output()) {
                Poll::Pending => return,
                Poll::Ready(Ok(0)) => return self.give_up_writing(connection, "it takes no more bytes"),
                Poll::Ready(Ok(written)) => {
                    self.written += written as u64;
                    let batch = connection.output();
                    vitals::frames_sent(self.frames[1].ended_in(&batch[..written]));
                    if written == batch.len() {
                        // It begins again where it began, with all of its memory.
                        batch.clear();
                        self.point.wrote_all(self.written);
                    } else {
                        batch.advance(written);
                    }
                }
                Poll::Ready(Err(error)) => return self.give_up_writing(connection, &tls::words(&error)),
            }
        }
        // TLS keeps bytes of its own; for TCP this does nothing.
        let _ = Pin::new(&mut self.stream).poll_flush(cx);
    }

    /// Shows what is about to be written to whoever taps.
    pub(crate) fn tap_output(&mut self, connection: &mut Connection) {
        if self.point.is_tapped() {
            self.point.writes(connection, self.written);
        }
    }

    /// Bytes of the connection that the stream has taken; in TLS they are the bytes inside it.
    pub(crate) fn bytes_written(&self) -> u64 {
        self.written
    }

    /// Whether the peer has refused our certificate. The dialler's own handshake is over before it learns of that.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused
    }

    /// Nothing can be written any more. The end comes from the reading side, which may still hold the peer's last words.
    fn give_up_writing(&mut self, connection: &mut Connection, why: &str) {
        connection.output().clear();
        self.write_error = Some(format!("the connection failed: {why}"));
    }

    /// Lets the connection act on its deadlines. Ready when one had passed.
    pub(crate) fn poll_timer(&mut self, cx: &mut Context<'_>, connection: &mut Connection) -> Poll<()> {
        let Some(due) = connection.next_deadline() else { return Poll::Pending };
        if due < self.armed_ns {
            self.arm(due);
        }
        // Where something was read, it is known what time it is, and a turn without that comes before anybody sleeps.
        let is_early = self.read_ns.is_some_and(|now| now < self.armed_ns);
        if is_early || self.timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        connection.handle_timeout(clock::now());
        self.armed_ns = u64::MAX; // Armed again by the next poll.
        Poll::Ready(())
    }

    fn arm(&mut self, due: u64) {
        self.armed_ns = due;
        self.timer.as_mut().reset(clock::instant(due));
    }

    /// Writes the connection's last words, and reads what still comes for a short while: closing a socket with unread bytes
    /// sends a reset, which may overtake those words.
    pub(crate) async fn finish(mut self, last_words: &[u8]) {
        let lingering = async {
            vitals::frames_sent(self.frames[1].ended_in(last_words));
            self.stream.write_all(last_words).await?;
            self.stream.shutdown().await?;
            let mut ignored = [0; 1024];
            while self.stream.read(&mut ignored).await? > 0 {}
            Ok::<(), io::Error>(())
        };
        // Whatever goes wrong now, the connection is over.
        let _ = tokio::time::timeout(Duration::from_millis(LINGER_MS_MAX), lingering).await;
    }
}
