//! One connection of text (SPEC.md section 17): a line is read, obeyed and answered, and then the next one.
//!
//! A connection has one command at work. What its client sends meanwhile is read as far as there is room for one line, and then waits
//! in its socket; so does the client, when it doesn't read its answers.

mod calls;
mod exchange;
mod session;
mod streams;
mod trace;
mod wire;

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use micronet_wire::limits::{
    HTTP_WRITE_BYTES, TEXT_IDLE_MS_MAX, TEXT_LINE_BYTES_MAX, TEXT_LINE_MS_MAX, TEXT_MISTAKES_MAX,
};
use micronet_wire::principal::Principal;
use micronet_wire::text::{Command, Line, Writer};
use tokio::time::Instant;

use self::session::Session;
use self::wire::TextWire;
use super::Port;
use super::connections::Open;
use crate::driver::ByteStream;
use crate::http_server::Place;

/// Serves a connection of which `input` was read already, to its end; where `ended`, nothing follows that. Without a token it is `peer`
/// who asks.
pub(super) async fn serve<S: ByteStream>(
    stream: S,
    (input, ended): (BytesMut, bool),
    port: Port,
    (peer, open): (Principal, Open),
    place: Place,
) {
    let metrics = std::rc::Rc::clone(port.identity.network.metrics());
    let _open = metrics.connection("text");
    let connection = TextConnection {
        wire: TextWire::begun(stream, input, ended),
        session: Session::new(peer),
        writer: Writer::default(),
        port,
        open,
        place,
        line_due: None,
        mistakes: 0,
    };
    if let Err(error) = connection.run().await {
        tracing::debug!(%error, "a text connection failed");
    }
}

struct TextConnection<S> {
    port: Port,
    open: Open,
    place: Place,
    wire: TextWire<S>,
    session: Session,
    writer: Writer,
    /// When the line that is being read must be whole.
    line_due: Option<Instant>,
    /// Lines in a row that were no commands.
    mistakes: usize,
}

/// What comes next.
enum Next {
    Line(Line),
    /// The client has said everything.
    End,
    /// The connection has to end: the code, and the words.
    Leave(&'static str, &'static str),
}

/// Whether there is more to be done on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    GoOn,
    End,
}

/// The client made room for another, or doesn't take what was asked for.
fn sent_away() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "it made room for another connection")
}

impl<S: ByteStream> TextConnection<S> {
    async fn run(mut self) -> io::Result<()> {
        loop {
            let then = match self.next().await? {
                Next::Line(line) => {
                    self.writer.crlf = line.crlf;
                    self.obey(&line.text).await?
                }
                Next::End => Then::End,
                Next::Leave(code, words) => {
                    self.refuse(code, words);
                    Then::End
                }
            };
            // Answers to lines that came together leave together.
            let more_waits = then == Then::GoOn && self.wire.has_line();
            if !more_waits || self.wire.output.len() > HTTP_WRITE_BYTES {
                self.wire.flush(&self.place).await?;
            }
            if then == Then::End {
                return self.wire.finish(&self.place).await;
            }
        }
    }

    /// The next line, under the timer that it calls for.
    async fn next(&mut self) -> io::Result<Next> {
        let idle_due = Instant::now() + Duration::from_millis(TEXT_IDLE_MS_MAX);
        loop {
            match self.wire.line() {
                Ok(Some(line)) => {
                    self.line_due = None;
                    return Ok(Next::Line(line));
                }
                Ok(None) if self.wire.ended() => return Ok(Next::End),
                Ok(None) => {}
                Err(_) => {
                    const _: () = assert!(TEXT_LINE_BYTES_MAX == 64 << 10);
                    return Ok(Next::Leave("LINE_TOO_LONG", "a line has at most 64 KiB"));
                }
            }
            let begun = !self.wire.is_idle();
            let due = match begun {
                true => *self
                    .line_due
                    .get_or_insert_with(|| Instant::now() + Duration::from_millis(TEXT_LINE_MS_MAX)),
                false => idle_due,
            };
            tokio::select! {
                biased;
                () = self.place.sent_away() => {
                    return Ok(Next::Leave("OVERLOADED", "too many connections that have proved nothing"));
                }
                read = self.wire.read() => read?,
                () = self.port.drain.begun() => {
                    return Ok(Next::Leave("DRAINING", "this instance stops: connect to another one"));
                }
                () = tokio::time::sleep_until(due) => {
                    return Ok(match begun {
                        true => Next::Leave("REQUEST_TIMEOUT", "a line has to be whole within 30 seconds"),
                        false => Next::Leave("IDLE", "nothing was said for 5 minutes"),
                    });
                }
            }
        }
    }

    /// Does what a line says, and puts the answer into the output.
    async fn obey(&mut self, line: &[u8]) -> io::Result<Then> {
        let mistake = match Command::parse(line) {
            Ok(None) => return Ok(Then::GoOn),
            Ok(Some(command)) => {
                self.mistakes = 0;
                let then = self.carry_out(command).await;
                self.open.seen().has_calls(0);
                return then;
            }
            Err(mistake) => mistake,
        };
        self.refuse(mistake.code, &mistake.words);
        self.mistakes += 1;
        if self.mistakes < TEXT_MISTAKES_MAX {
            return Ok(Then::GoOn);
        }
        self.refuse("TOO_MANY_MISTAKES", "so many lines in a row are no commands");
        Ok(Then::End)
    }

    /// An answer that is an error, and nothing else.
    fn refuse(&mut self, code: &str, words: &str) {
        self.writer.err(&mut self.wire.output, code, words);
        self.writer.end(&mut self.wire.output);
    }
}
