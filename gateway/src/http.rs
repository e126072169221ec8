//! One HTTP connection: read, answer what is complete, write; under the timers that its phase calls for.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use micronet_transport::clock;
use micronet_transport::drain::Drain;
use micronet_transport::driver::ByteStream;
use micronet_wire::http1::{HttpDate, HttpError, Phase, RequestHead, ServerConnection};
use micronet_wire::limits::{
    HTTP_BODY_BYTES_MAX, HTTP_BODY_GAP_MS_MAX, HTTP_HEAD_MS_MAX, HTTP_IDLE_MS_MAX, HTTP_RATE_BYTES_PER_S_MIN,
    HTTP_READ_BYTES, HTTP_WRITE_BYTES, LINGER_MS_MAX,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::config::Gateway;
use crate::proxy;
use crate::respond::Answer;

/// Serves one connection to its end.
pub async fn serve_connection<S: ByteStream>(stream: S, gateway: Rc<Gateway>, drain: Drain) {
    let connection = HttpConnection {
        stream,
        gateway,
        drain,
        parser: ServerConnection::new(),
        input: BytesMut::new(),
        output: BytesMut::new(),
        head: None,
        reading: None,
    };
    if let Err(error) = connection.run().await {
        tracing::debug!(%error, "an HTTP connection failed");
    }
}

struct HttpConnection<S> {
    stream: S,
    gateway: Rc<Gateway>,
    drain: Drain,
    parser: ServerConnection,
    input: BytesMut,
    output: BytesMut,
    /// The head whose body is still on its way.
    head: Option<RequestHead>,
    /// What is being read, a head or a body.
    reading: Option<Reading>,
}

/// A head or a body on its way.
struct Reading {
    phase: Phase,
    since: Instant,
    bytes: usize,
}

/// Why a read ended.
enum Read {
    Bytes,
    End,
    TimedOut,
    Draining,
}

impl<S: ByteStream> HttpConnection<S> {
    async fn run(mut self) -> io::Result<()> {
        let mut draining = false;
        loop {
            self.answer_complete().await?;
            self.flush().await?;
            if !self.parser.is_open() {
                return self.finish().await;
            }
            match self.read(draining).await? {
                Read::Bytes => {}
                Read::Draining => {
                    draining = true;
                    self.parser.close_after_response();
                }
                Read::TimedOut if self.parser.phase() == Phase::Idle => return self.finish().await,
                Read::TimedOut => {
                    let error = self.parser.fail(HttpError::TIMEOUT);
                    self.answer_error(&error);
                }
                Read::End => match self.parser.handle_close() {
                    Ok(()) => return self.finish().await,
                    Err(error) => self.answer_error(&error),
                },
            }
        }
    }

    /// Answers each request that the input holds whole.
    async fn answer_complete(&mut self) -> io::Result<()> {
        while self.parser.is_open() {
            match self.next_request() {
                Ok(Some((head, body))) => self.answer(&head, &body).await,
                Ok(None) => break,
                Err(error) => self.answer_error(&error),
            }
            if self.output.len() > HTTP_WRITE_BYTES {
                self.flush().await?;
            }
        }
        Ok(())
    }

    fn next_request(&mut self) -> Result<Option<(RequestHead, Bytes)>, HttpError> {
        if self.head.is_none()
            && let Some(head) = self.parser.poll_head(&mut self.input)?
        {
            self.reading = None;
            self.parser.accept_body(&mut self.output, HTTP_BODY_BYTES_MAX as u64)?;
            self.head = Some(head);
        }
        if self.head.is_none() {
            return Ok(None);
        }
        let Some(body) = self.parser.poll_body(&mut self.input)? else { return Ok(None) };
        self.reading = None;
        Ok(self.head.take().map(|head| (head, body)))
    }

    async fn answer(&mut self, head: &RequestHead, body: &[u8]) {
        let request_id = self.gateway.request_ids.adopt(head.headers().get_str("X-Request-ID"));
        let answer = proxy::answer(&self.gateway, &request_id, head, body).await;
        tracing::debug!(
            request_id,
            method = head.method_name(),
            path = head.path(),
            status = answer.status.code(),
            instance = answer.instance.as_deref(),
            "answered"
        );
        if self.drain.has_begun() {
            // The answer says that no other follows.
            self.parser.close_after_response();
        }
        answer.write(&mut self.parser, &mut self.output, &date(), &request_id);
    }

    /// Answers a request that breaks HTTP; the connection closes after it.
    fn answer_error(&mut self, error: &HttpError) {
        self.head = None;
        let request_id = self.gateway.request_ids.adopt(None);
        tracing::debug!(request_id, status = error.status.code(), reason = error.reason, "refused");
        Answer::http_error(&request_id, error).write(
            &mut self.parser,
            &mut self.output,
            &date(),
            &request_id,
        );
    }

    async fn flush(&mut self) -> io::Result<()> {
        let (since, mut written) = (Instant::now(), 0);
        while !self.output.is_empty() {
            let write = self.stream.write_buf(&mut self.output);
            match tokio::time::timeout_at(patience(since, written), write).await {
                Ok(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(more) => written += more?,
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
        self.stream.flush().await
    }

    async fn read(&mut self, draining: bool) -> io::Result<Read> {
        let deadline = self.deadline();
        if self.input.is_empty() && self.parser.phase() == Phase::Idle {
            // What large bodies have made of the buffer is given back.
            self.input = BytesMut::new();
        }
        self.input.reserve(HTTP_READ_BYTES);
        let read = tokio::select! {
            biased;
            read = self.stream.read_buf(&mut self.input) => read?,
            () = self.drain.begun(), if !draining => return Ok(Read::Draining),
            () = tokio::time::sleep_until(deadline) => return Ok(Read::TimedOut),
        };
        if let Some(reading) = &mut self.reading {
            reading.bytes += read;
        }
        Ok(if read == 0 { Read::End } else { Read::Bytes })
    }

    /// When the client must have sent more: a whole head within an absolute time from its first byte, a body in time and at a
    /// minimum rate, the next request within the idle time.
    fn deadline(&mut self) -> Instant {
        let (phase, now) = (self.parser.phase(), Instant::now());
        if !matches!(phase, Phase::ReadingHead | Phase::ReadingBody) {
            self.reading = None;
            return now + Duration::from_millis(HTTP_IDLE_MS_MAX);
        }
        if self.reading.as_ref().is_none_or(|reading| reading.phase != phase) {
            self.reading = Some(Reading { phase, since: now, bytes: 0 });
        }
        let (since, bytes) = self.reading.as_ref().map_or((now, 0), |reading| (reading.since, reading.bytes));
        match phase {
            Phase::ReadingHead => since + Duration::from_millis(HTTP_HEAD_MS_MAX),
            _ => patience(since, bytes),
        }
    }

    /// Says the last words, and reads what still comes for a short while: closing a socket with unread bytes sends a reset,
    /// which may overtake those words.
    async fn finish(mut self) -> io::Result<()> {
        self.flush().await?;
        self.stream.shutdown().await?;
        let mut ignored = [0; 1024];
        let lingering = async { while matches!(self.stream.read(&mut ignored).await, Ok(1..)) {} };
        let _ = tokio::time::timeout(Duration::from_millis(LINGER_MS_MAX), lingering).await;
        Ok(())
    }
}

/// Until when the next bytes of a transfer must have come: each within a gap, and all of them at a minimum rate.
fn patience(since: Instant, bytes: usize) -> Instant {
    let gap = Duration::from_millis(HTTP_BODY_GAP_MS_MAX);
    let earned = Duration::from_millis(bytes as u64 * 1000 / HTTP_RATE_BYTES_PER_S_MIN);
    (Instant::now() + gap).min(since + gap + earned)
}

fn date() -> HttpDate {
    HttpDate::from_unix_s(u64::try_from(clock::unix_us() / 1_000_000).unwrap_or(0))
}
