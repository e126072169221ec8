//! One WebSocket connection: frames, timers and backpressure, over any byte stream.
//!
//! Nothing more is read of a client that has not taken what is there for it, or sends more messages than it may. So what it sends waits with it, and so does what it
//! would be sent.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use micronet_transport::driver::ByteStream;
use micronet_wire::limits::{
    LINGER_MS_MAX, WEBSOCKET_CLOSE_MS_MAX, WEBSOCKET_READ_BYTES, WEBSOCKET_WRITE_BYTES,
};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tungstenite::error::{CapacityError, Error};
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Message, Utf8Bytes};

use super::pace::Pace;
use super::pipe::Pipe;
use super::times::{Late, Times};
use crate::settings;

/// A connection on which the handshake is over.
pub(crate) struct Socket {
    stream: Box<dyn ByteStream>,
    frames: WebSocketContext,
    pipe: Pipe,
    settings: settings::WebSocketSettings,
    timer: Pin<Box<Sleep>>,
    times: Times,
    pace: Pace,
}

/// What has happened on a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A text.
    Text(Utf8Bytes),
    /// Bytes.
    Binary(Bytes),
    /// There is room to say more.
    Room,
    /// It is over.
    Over(Ended),
}

/// Why a connection is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The client has closed it, with this code; 1005 for none.
    ByClient(u16),
    /// The client did what ends a connection with this code, and these words.
    Refused(u16, &'static str),
    /// It is closed here, with this code and words.
    Here(u16, &'static str),
    /// It broke, or the client is not there any more.
    Broken(String),
}

impl Socket {
    /// A connection of which `input` was read already.
    pub(crate) fn new(
        stream: Box<dyn ByteStream>,
        input: BytesMut,
        settings: settings::WebSocketSettings,
    ) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(WEBSOCKET_READ_BYTES)
            .write_buffer_size(0)
            .max_frame_size(Some(settings.frame))
            .max_message_size(Some(settings.message));
        let now = Instant::now();
        Self {
            stream,
            frames: WebSocketContext::new(Role::Server, Some(config)),
            pipe: Pipe { input, output: BytesMut::new() },
            settings,
            timer: Box::pin(sleep_until(now)),
            times: Times::begin(now),
            pace: Pace::begin(now),
        }
    }

    /// Whether more may be said: without it, what is said waits in memory.
    pub(crate) fn has_room(&self) -> bool {
        self.pipe.output.len() < WEBSOCKET_WRITE_BYTES
    }

    /// Says a text.
    pub(crate) fn say(&mut self, text: impl Into<Utf8Bytes>) {
        self.put(Data::Text, text.into().into());
    }

    /// There is nothing to say, and more may come: it isn't idle.
    pub(crate) fn lasts(&mut self) {
        self.times.spoken(Instant::now());
    }

    /// Sends bytes.
    pub(crate) fn send(&mut self, bytes: Bytes) {
        self.put(Data::Binary, bytes);
    }

    /// Long messages go in several frames, so that the buffer in which one is made stays small.
    fn put(&mut self, kind: Data, mut message: Bytes) {
        self.times.spoken(Instant::now());
        let mut code = OpCode::Data(kind);
        loop {
            let piece = message.split_to(message.len().min(WEBSOCKET_WRITE_BYTES));
            let is_last = message.is_empty();
            // What is said after the end is lost, as what is on its way when the client goes.
            let _ = self.frames.write(&mut self.pipe, Message::Frame(Frame::message(piece, code, is_last)));
            if is_last {
                return;
            }
            code = OpCode::Data(Data::Continue);
        }
    }

    /// Goes on until something has happened. Messages are read only if somebody `listens`. Dropping the future loses nothing.
    pub(crate) async fn turn(&mut self, listens: bool) -> Turn {
        loop {
            let hold = self.pace.hold(self.settings.messages.as_ref(), Instant::now());
            let reads = listens && hold.is_none();
            if reads && self.has_room() {
                match self.next_message() {
                    Ok(Some(Message::Text(text))) => return Turn::Text(text),
                    Ok(Some(Message::Binary(bytes))) => return Turn::Binary(bytes),
                    Ok(Some(Message::Close(frame))) => {
                        let code = frame.map_or(CloseCode::Status, |frame| frame.code);
                        return Turn::Over(Ended::ByClient(code.into()));
                    }
                    Ok(Some(_)) => continue,
                    Ok(None) => {}
                    Err(ended) => return Turn::Over(ended),
                }
            }
            let had_room = self.has_room();
            if let Err(error) = self.exchange(reads, hold.filter(|_| listens)).await {
                return Turn::Over(Ended::Broken(error.to_string()));
            }
            match self.times.late(Instant::now(), &self.settings, reads && self.has_room()) {
                None if self.has_room() && !had_room => return Turn::Room,
                None => {}
                Some(Late::Silent) => {
                    let _ = self.frames.write(&mut self.pipe, Message::Ping(Bytes::new()));
                }
                Some(Late::Gone(words)) => return Turn::Over(Ended::Broken(words.into())),
                Some(Late::Idle) => return Turn::Over(Ended::Here(1000, "nothing was said for long")),
            }
        }
    }

    /// Ends the connection as is right for how it came to that: with a goodbye, if there is somebody to hear it.
    pub(crate) async fn end(mut self, ended: &Ended) {
        match ended {
            Ended::ByClient(_) => {}
            Ended::Refused(code, words) => self.say_goodbye(*code, words),
            Ended::Here(code, words) => {
                self.say_goodbye(*code, words);
                self.hear_goodbye().await;
            }
            Ended::Broken(_) => return,
        }
        self.finish().await;
    }

    /// Waits for the answer to a goodbye.
    async fn hear_goodbye(&mut self) {
        let due = Instant::now() + Duration::from_millis(WEBSOCKET_CLOSE_MS_MAX);
        self.timer.as_mut().reset(due);
        while Instant::now() < due {
            match self.next_message() {
                Ok(Some(Message::Close(_))) | Err(_) => return,
                Ok(Some(_)) => {}
                Ok(None) => {
                    if poll_fn(|cx| self.poll_exchange(cx, true)).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn say_goodbye(&mut self, code: u16, words: &'static str) {
        // After the client's own it says nothing.
        let goodbye = CloseFrame { code: code.into(), reason: Utf8Bytes::from_static(words) };
        let _ = self.frames.close(&mut self.pipe, Some(goodbye));
    }

    /// Writes what is left, and reads what still comes for a short while: closing a socket with unread bytes sends a reset, which may
    /// overtake the last words.
    async fn finish(&mut self) {
        let lingering = async {
            self.stream.write_all_buf(&mut self.pipe.output).await?;
            self.stream.shutdown().await?;
            let mut ignored = [0; 1024];
            while self.stream.read(&mut ignored).await? > 0 {}
            Ok::<(), io::Error>(())
        };
        // Whatever goes wrong now, the connection is over.
        let _ = timeout(Duration::from_millis(LINGER_MS_MAX), lingering).await;
    }

    /// The next message that was read whole.
    fn next_message(&mut self) -> Result<Option<Message>, Ended> {
        match self.frames.read(&mut self.pipe) {
            Ok(message) => {
                let now = Instant::now();
                self.pace.count(self.settings.messages.as_ref(), now);
                if matches!(message, Message::Text(_) | Message::Binary(_)) {
                    self.times.spoken(now);
                }
                // The answer to a ping or a close goes with the next write.
                let _ = self.frames.flush(&mut self.pipe);
                Ok(Some(message))
            }
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(Error::Capacity(CapacityError::MessageTooLong { .. })) => {
                Err(Ended::Refused(1009, "the message is too long"))
            }
            Err(Error::Utf8(_)) => Err(Ended::Refused(1007, "a text has to be UTF-8")),
            Err(_) => Err(Ended::Refused(1002, "this is not as RFC 6455 says")),
        }
    }

    /// Writes what there is, and reads, until either has happened or it is time for something else.
    async fn exchange(&mut self, reads: bool, hold: Option<Instant>) -> io::Result<()> {
        let due = self.times.due(&self.settings, reads && self.has_room());
        self.timer.as_mut().reset(hold.map_or(due, |hold| due.min(hold)));
        poll_fn(|cx| self.poll_exchange(cx, reads)).await
    }

    fn poll_exchange(&mut self, cx: &mut Context<'_>, listens: bool) -> Poll<io::Result<()>> {
        let mut happened = self.poll_write(cx)?;
        if listens && self.has_room() {
            self.pipe.input.reserve(WEBSOCKET_READ_BYTES);
            match pin!(self.stream.read_buf(&mut self.pipe.input)).poll(cx)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(_) => {
                    self.times.heard(Instant::now());
                    happened = true;
                }
                Poll::Pending => {}
            }
        }
        if happened || self.timer.as_mut().poll(cx).is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// True when something was written.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut happened = false;
        while !self.pipe.output.is_empty() {
            self.times.offered(Instant::now());
            match Pin::new(&mut self.stream).poll_write(cx, &self.pipe.output) {
                Poll::Pending => break,
                Poll::Ready(written) => {
                    let written = written?;
                    if written == 0 {
                        return Err(io::ErrorKind::WriteZero.into());
                    }
                    self.pipe.output.advance(written);
                    self.times.took(Instant::now(), written);
                    happened = true;
                }
            }
        }
        if happened && self.pipe.output.is_empty() {
            self.times.took_all();
            // What a long message has made of the buffer is given back.
            self.pipe.output = BytesMut::new();
        }
        // TLS keeps bytes of its own.
        if let Poll::Ready(flushed) = Pin::new(&mut self.stream).poll_flush(cx) {
            flushed?;
        }
        Ok(happened)
    }
}
