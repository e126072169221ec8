//! One HTTP connection: read, answer what is complete, write; under the timers that its phase calls for.
//!
//! What is answered is a [`Site`]'s affair: a gateway's, or a service's on its own port. It may be an answer, a body that goes on, or
//! another protocol, which gets the connection.

mod buffered;
mod place;
mod response;
mod streamed;
mod upgraded;

pub use self::response::{Response, Streamed, Upgrade, Upgraded};

use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use micronet_wire::http1::{HttpError, HttpLimits, Phase, RequestHead, ServerConnection, Status};
use micronet_wire::limits::{
    HTTP_DRAIN_IDLE_MS, HTTP_READ_BYTES, HTTP_READ_IDLE_BYTES, HTTP_WRITE_BYTES, LINGER_MS_MAX,
};
use micronet_wire::rest::{Answer, RequestIds};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use self::buffered::Buffered;
pub(crate) use self::place::Place;
use crate::alarm::Alarm;
use crate::clock;
use crate::crowd::Guest;
use crate::drain::Drain;
use crate::driver::ByteStream;
use crate::identity::Identity;
use crate::ops::Page;

/// What answers the requests of HTTP connections.
pub trait Site: 'static {
    /// Where request ids come from.
    fn request_ids(&self) -> &RequestIds;

    /// The process that answers, as the pages by which it is operated tell.
    fn identity(&self) -> &Identity;

    /// What connections may take now, and for how long they may dally.
    fn limits(&self) -> HttpLimits {
        HttpLimits::default()
    }

    /// The largest body of this request, in bytes.
    fn body_bytes_max(&self, head: &RequestHead) -> usize {
        let _ = head;
        self.limits().body_bytes_max
    }

    /// Whether it answers the pages by which the process is operated.
    fn has_pages(&self) -> bool {
        true
    }

    /// Answers one request.
    fn answer(&self, request_id: &str, head: &RequestHead, body: &[u8]) -> impl Future<Output = Response>;

    /// Adds to an answer what each one says, also the pages by which a process is operated, and what refuses a broken request, which has no head.
    fn dress(&self, _head: Option<&RequestHead>, _answer: &mut Answer) {}
}

/// Serves one connection to its end.
pub async fn serve_connection<S: ByteStream>(stream: S, site: Rc<impl Site>, drain: Drain) {
    serve_begun(stream, BytesMut::new(), site, drain, Place::Free).await;
}

/// The same of one of a crowd, which has to make room for others when it idles.
pub async fn serve_guest<S: ByteStream>(stream: S, site: Rc<impl Site>, drain: Drain, guest: Guest) {
    serve_begun(stream, BytesMut::new(), site, drain, Place::Guest(guest)).await;
}

/// Serves a connection of which `input` was read already. It ends early when its `place` is needed.
pub(crate) async fn serve_begun<S: ByteStream>(
    stream: S,
    input: BytesMut,
    site: Rc<impl Site>,
    drain: Drain,
    place: Place,
) {
    let _open = site.identity().network.metrics().connection("http");
    let buffered = Buffered::new(site.identity().network.metrics().http_buffered());
    let connection = HttpConnection {
        buffered,
        stream,
        site,
        drain,
        place,
        limits: HttpLimits::default(),
        alarm: Alarm::default(),
        parser: ServerConnection::new(),
        input,
        output: BytesMut::new(),
        shared: Bytes::new(),
        head: None,
        reading: None,
        drained_at: None,
        upgrade: None,
    };
    if let Err(error) = connection.run().await {
        tracing::debug!(%error, "an HTTP connection failed");
    }
}

struct HttpConnection<S, A> {
    stream: S,
    site: Rc<A>,
    drain: Drain,
    place: Place,
    limits: HttpLimits,
    buffered: Buffered,
    alarm: Alarm,
    parser: ServerConnection,
    input: BytesMut,
    output: BytesMut,
    /// What follows the output of a body that others are given too.
    shared: Bytes,
    /// The head whose body is still on its way.
    head: Option<RequestHead>,
    /// What is being read, a head or a body.
    reading: Option<Reading>,
    /// When the connection ends unless a request comes, where the process drains.
    drained_at: Option<Instant>,
    /// The protocol that the connection has changed to.
    upgrade: Option<Box<Upgrade>>,
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
    SentAway,
}

/// What is said to a client whose body there is no memory for.
const NO_MEMORY: HttpError = HttpError::new(Status::SERVICE_UNAVAILABLE, "too much is on its way already");

/// What is said to a connection that has to make room in the middle of a request.
const SENT_AWAY: HttpError = HttpError::new(Status::SERVICE_UNAVAILABLE, "too many connections");

impl<S: ByteStream, A: Site> HttpConnection<S, A> {
    async fn run(mut self) -> io::Result<()> {
        self.heed_limits();
        loop {
            self.answer_complete().await?;
            self.flush().await?;
            if let Some(upgrade) = self.upgrade.take() {
                Box::pin(self.hand_over(*upgrade)).await;
                return Ok(());
            }
            if !self.parser.is_open() {
                return self.finish().await;
            }
            match self.read().await? {
                Read::Bytes => {}
                Read::Draining => {
                    // A client that has just come, or come back, may have sent a request already: it is answered, and the
                    // connection closed with it.
                    self.drained_at = Some(Instant::now() + Duration::from_millis(HTTP_DRAIN_IDLE_MS));
                    if self.parser.phase() != Phase::Idle {
                        self.parser.close_after_response();
                    }
                }
                // There is nothing to say, and nothing to wait for.
                read @ (Read::TimedOut | Read::SentAway) if self.parser.phase() == Phase::Idle => {
                    if matches!(read, Read::SentAway) {
                        self.site.identity().network.metrics().connection_shed("idle", 1);
                    }
                    return self.stream.shutdown().await;
                }
                Read::TimedOut => {
                    let error = self.parser.fail(HttpError::TIMEOUT);
                    self.answer_error(&error);
                }
                Read::SentAway => {
                    let error = self.parser.fail(SENT_AWAY);
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
        while self.parser.is_open() && self.upgrade.is_none() {
            match self.next_request() {
                Ok(Some((head, body))) => self.answer(&head, &body).await?,
                Ok(None) => break,
                Err(error) => self.answer_error(&error),
            }
            if self.output.len() > HTTP_WRITE_BYTES || !self.shared.is_empty() {
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
            let bytes_max = self.site.body_bytes_max(&head);
            self.parser.accept_body(&mut self.output, bytes_max as u64)?;
            self.head = Some(head);
        }
        if self.head.is_none() {
            return Ok(None);
        }
        let body = self.parser.poll_body(&mut self.input)?;
        if !self.may_keep() {
            return Err(self.parser.fail(NO_MEMORY));
        }
        let Some(body) = body else { return Ok(None) };
        self.reading = None;
        Ok(self.head.take().map(|head| (head, body)))
    }

    async fn answer(&mut self, head: &RequestHead, body: &[u8]) -> io::Result<()> {
        let request_id = self.site.request_ids().adopt(head.headers().get_str("X-Request-ID"));
        let answering = async {
            match Page::at(head.path()).filter(|_| self.site.has_pages()) {
                Some(page) => self.show(page, head).await.into(),
                None => self.site.answer(&request_id, head, body).await,
            }
        };
        let response = tokio::select! {
            biased;
            () = self.place.sent_away() => None,
            response = answering => Some(response),
        };
        let Some(mut response) = response else {
            let error = self.parser.fail(SENT_AWAY);
            self.answer_error(&error);
            return Ok(());
        };
        if let Some(answer) = response.answer_mut() {
            self.site.dress(Some(head), answer);
        }
        tracing::debug!(
            request_id,
            method = head.method_name(),
            path = head.path(),
            status = response.status(),
            instance = response.answer_mut().and_then(|answer| answer.instance.as_deref()),
            "answered"
        );
        if self.drain.has_begun() {
            // The answer says that no other follows.
            self.parser.close_after_response();
        }
        match response {
            Response::Answer(answer) => self.write(answer, &request_id),
            Response::Stream(streamed) => return Box::pin(self.stream(*streamed, &request_id)).await,
            Response::Upgrade(upgrade) => self.switch(upgrade, &request_id),
        }
        Ok(())
    }

    /// Shows a page by which the process is operated.
    async fn show(&self, page: Page, head: &RequestHead) -> Answer {
        let (identity, since) = (self.site.identity(), clock::now());
        let answer = page.show(head, identity, self.drain.has_begun()).await;
        let meter = identity.network.metrics().http_of(head, head.path());
        meter.answered(answer.status.code(), clock::now() - since);
        answer
    }

    /// Answers a request that breaks HTTP; the connection closes after it.
    fn answer_error(&mut self, error: &HttpError) {
        self.head = None;
        // Nobody looks at the rest any more, and there may be no memory for it.
        self.input = BytesMut::new();
        let request_id = self.site.request_ids().adopt(None);
        tracing::debug!(request_id, status = error.status.code(), reason = error.reason, "refused");
        self.site.identity().network.metrics().http_broken().answered(error.status.code(), 0);
        let mut answer = Answer::http_error(error);
        self.site.dress(None, &mut answer);
        self.write(answer, &request_id);
    }

    fn write(&mut self, answer: Answer, request_id: &str) {
        if let Some(words) = &answer.for_the_log {
            tracing::error!(request_id, words, "an answer that can't be shown");
        }
        match answer.write(&mut self.parser, &mut self.output, clock::unix_us(), request_id) {
            Ok(shared) => self.shared = shared,
            Err(error) => tracing::error!(request_id, %error, "an answer could not be written"),
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        let (since, mut written) = (Instant::now(), 0);
        while !self.output.is_empty() || !self.shared.is_empty() {
            if !self.may_keep() {
                // Nothing else can be said in the middle of an answer.
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            let deadline = patience(&self.limits, since, written);
            let writing = async {
                if self.shared.is_empty() {
                    return self.stream.write_buf(&mut self.output).await;
                }
                self.stream.write_buf(&mut (&mut self.output).chain(&mut self.shared)).await
            };
            written += tokio::select! {
                biased;
                // Who doesn't take what was asked for doesn't hold a place for it.
                () = self.place.sent_away() => return Err(io::ErrorKind::ConnectionAborted.into()),
                wrote = writing => match wrote? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    more => more,
                },
                () = tokio::time::sleep_until(deadline) => return Err(io::ErrorKind::TimedOut.into()),
            };
        }
        self.stream.flush().await
    }

    /// Whether there is memory for what the connection keeps now, and others do.
    fn may_keep(&mut self) -> bool {
        let bytes = self.input.len() + self.parser.body_bytes_collected() + self.output.len();
        self.buffered.keeps(bytes, self.limits.buffered_bytes_max)
    }

    /// Takes over what is configured now.
    fn heed_limits(&mut self) {
        self.limits = self.site.limits();
        self.parser.set_limits(self.limits);
    }

    async fn read(&mut self) -> io::Result<Read> {
        self.heed_limits();
        let idle_since = (self.parser.phase() == Phase::Idle).then(Instant::now);
        let deadline = self.deadline();
        self.make_space(idle_since.is_some());
        self.place.idles(idle_since);
        let read = tokio::select! {
            biased;
            // First, or a connection that always has something to say would never make room.
            () = self.place.sent_away(), if idle_since.is_none() => return Ok(Read::SentAway),
            () = self.place.sent_away_idle(), if idle_since.is_some() => return Ok(Read::SentAway),
            read = self.stream.read_buf(&mut self.input) => read?,
            () = self.drain.begun(), if self.drained_at.is_none() => return Ok(Read::Draining),
            () = self.alarm.wait_until(deadline) => return Ok(Read::TimedOut),
        };
        self.place.idles(None);
        if let Some(reading) = &mut self.reading {
            reading.bytes += read;
        }
        Ok(if read == 0 { Read::End } else { Read::Bytes })
    }

    /// Makes space for what is read next. A connection that idles keeps little of it: what large bodies have made of the buffer is
    /// given back.
    fn make_space(&mut self, idles: bool) {
        let empty = self.input.is_empty();
        if idles && empty && self.input.capacity() > HTTP_READ_BYTES {
            self.input = BytesMut::new();
        }
        self.input.reserve(if idles && empty { HTTP_READ_IDLE_BYTES } else { HTTP_READ_BYTES });
        if self.output.is_empty() && self.output.capacity() > HTTP_WRITE_BYTES {
            self.output = BytesMut::new();
        }
    }

    /// When the client must have sent more: a whole head within an absolute time from its first byte, a body in time and at a
    /// minimum rate, the next request within the idle time.
    fn deadline(&mut self) -> Instant {
        let (phase, now) = (self.parser.phase(), Instant::now());
        if !matches!(phase, Phase::ReadingHead | Phase::ReadingBody) {
            self.reading = None;
            return self.drained_at.unwrap_or(now + Duration::from_millis(self.limits.idle_ms_max));
        }
        if self.reading.as_ref().is_none_or(|reading| reading.phase != phase) {
            self.reading = Some(Reading { phase, since: now, bytes: 0 });
        }
        let (since, bytes) = self.reading.as_ref().map_or((now, 0), |reading| (reading.since, reading.bytes));
        match phase {
            Phase::ReadingHead => since + Duration::from_millis(self.limits.head_ms_max),
            _ => patience(&self.limits, since, bytes),
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
fn patience(limits: &HttpLimits, since: Instant, bytes: usize) -> Instant {
    let gap = Duration::from_millis(limits.body_gap_ms_max);
    let earned = Duration::from_millis(bytes as u64 * 1000 / limits.rate_bytes_per_s_min.max(1));
    (Instant::now() + gap).min(since + gap + earned)
}

#[cfg(test)]
mod tests;
