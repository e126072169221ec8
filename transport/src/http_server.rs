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

use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use micronet_wire::http1::{HttpError, HttpLimits, Phase, RequestHead, ServerConnection, Status};
use micronet_wire::limits::{HTTP_DRAIN_IDLE_MS, HTTP_READ_BYTES, HTTP_WRITE_BYTES, LINGER_MS_MAX};
use micronet_wire::rest::{Answer, RequestIds};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::time::Instant;

use self::buffered::Buffered;
pub(crate) use self::place::Place;
use crate::alarm::Alarm;
use crate::clock;
use crate::crowd::Guest;
use crate::drain::Drain;
use crate::driver::ByteStream;
use crate::identity::Identity;
use crate::metrics::OpenConnection;
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
pub fn serve_connection<S: ByteStream>(
    stream: S,
    site: Rc<impl Site>,
    drain: Drain,
) -> impl Future<Output = ()> {
    serve_begun(stream, BytesMut::new(), site, drain, Place::Free)
}

/// The same of one of a crowd, which has to make room for others when it idles.
pub fn serve_guest<S: ByteStream>(
    stream: S,
    site: Rc<impl Site>,
    drain: Drain,
    guest: Guest,
) -> impl Future<Output = ()> {
    serve_begun(stream, BytesMut::new(), site, drain, Place::Guest(guest))
}

/// Serves a connection of which `input` was read already. It ends early when its `place` is needed.
///
/// What a connection takes of memory while it waits is what stands here, and little else: whatever needs more is apart while it lasts. It is
/// boxed, or each of the futures that it goes through would have room for it.
pub(crate) fn serve_begun<S: ByteStream>(
    stream: S,
    input: BytesMut,
    site: Rc<impl Site>,
    drain: Drain,
    place: Place,
) -> impl Future<Output = ()> {
    let metrics = site.identity().network.metrics();
    let connection = Box::new(HttpConnection {
        _open: metrics.connection("http"),
        buffered: Buffered::new(metrics.http_buffered()),
        stream,
        site,
        drain,
        place,
        alarm: Alarm::default(),
        parser: ServerConnection::new(),
        input,
        output: BytesMut::new(),
        shared: Bytes::new(),
        head: None,
        reading: None,
        drained_at: None,
        upgrade: None,
    });
    connection.run()
}

struct HttpConnection<S, A> {
    _open: OpenConnection,
    stream: S,
    site: Rc<A>,
    drain: Drain,
    place: Place,
    buffered: Buffered,
    alarm: Alarm,
    parser: ServerConnection,
    input: BytesMut,
    output: BytesMut,
    /// What follows the output of a body that others are given too.
    shared: Bytes,
    /// The head whose body is still on its way.
    head: Option<Box<RequestHead>>,
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
    async fn run(mut self: Box<Self>) {
        if let Err(error) = self.serve().await {
            tracing::debug!(%error, "an HTTP connection failed");
        } else if let Some(upgrade) = self.upgrade.take() {
            Box::pin(self.hand_over(*upgrade)).await;
        }
    }

    /// Serves the connection until it ends, or changes to another protocol.
    async fn serve(&mut self) -> io::Result<()> {
        self.heed_limits();
        loop {
            self.answer_complete().await?;
            self.flush().await?;
            if self.upgrade.is_some() {
                return Ok(());
            }
            if !self.parser.is_open() {
                return Box::pin(self.finish()).await;
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
                    Ok(()) => return Box::pin(self.finish()).await,
                    Err(error) => self.answer_error(&error),
                },
            }
        }
    }

    /// Answers each request that the input holds whole.
    async fn answer_complete(&mut self) -> io::Result<()> {
        while self.parser.is_open() && self.upgrade.is_none() {
            match self.next_answer() {
                Some(answering) => answering.await?,
                None => break,
            }
            if self.output.len() > HTTP_WRITE_BYTES || !self.shared.is_empty() {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Begins to answer the next request, which stands apart while it is answered. There is none behind a broken one.
    fn next_answer(&mut self) -> Option<Pin<Box<impl Future<Output = io::Result<()>>>>> {
        match self.next_request() {
            Ok(request) => request.map(|(head, body)| Box::pin(self.answer(head, body))),
            Err(error) => {
                self.answer_error(&error);
                None
            }
        }
    }

    fn next_request(&mut self) -> Result<Option<(Box<RequestHead>, Bytes)>, HttpError> {
        if self.head.is_none()
            && let Some(head) = self.parser.poll_head(&mut self.input)?
        {
            self.reading = None;
            let bytes_max = self.site.body_bytes_max(&head);
            self.parser.accept_body(&mut self.output, bytes_max as u64)?;
            self.head = Some(Box::new(head));
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

    async fn answer(&mut self, head: Box<RequestHead>, body: Bytes) -> io::Result<()> {
        let request_id = self.site.request_ids().adopt(head.headers().get_str("X-Request-ID"));
        let response = {
            let mut answering = pin!(self.ask(&request_id, &head, &body));
            poll_fn(|cx| match self.place.poll_sent_away(cx) {
                Poll::Ready(()) => Poll::Ready(None),
                Poll::Pending => answering.as_mut().poll(cx).map(Some),
            })
            .await
        };
        let Some(mut response) = response else {
            let error = self.parser.fail(SENT_AWAY);
            self.answer_error(&error);
            return Ok(());
        };
        if let Some(answer) = response.answer_mut() {
            self.site.dress(Some(&head), answer);
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

    /// What is answered: a page by which the process is operated, or what the site says.
    async fn ask(&self, request_id: &str, head: &RequestHead, body: &[u8]) -> Response {
        match Page::at(head.path()).filter(|_| self.site.has_pages()) {
            Some(page) => self.show(page, head).await.into(),
            None => self.site.answer(request_id, head, body).await,
        }
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

    fn flush(&mut self) -> impl Future<Output = io::Result<()>> {
        let (mut stalled, mut written) = (None, 0);
        poll_fn(move |cx| {
            while !self.output.is_empty() || !self.shared.is_empty() {
                if !self.may_keep() {
                    // Nothing else can be said in the middle of an answer.
                    return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
                }
                match self.poll_write(cx)? {
                    Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(more) => written += more,
                    Poll::Pending => {
                        let since = *stalled.get_or_insert_with(Instant::now);
                        return self.poll_stalled(cx, since, written).map(Err);
                    }
                }
            }
            pin!(self.stream.flush()).poll(cx)
        })
    }

    /// Writes once, as much as the client takes.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.shared.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.output))?;
            self.output.advance(written);
            return Poll::Ready(Ok(written));
        }
        pin!(self.stream.write_buf(&mut (&mut self.output).chain(&mut self.shared))).poll(cx)
    }

    /// The client takes nothing just now, of which it has taken so many bytes since then: ready when it isn't waited for any more.
    fn poll_stalled(&mut self, cx: &mut Context<'_>, since: Instant, written: usize) -> Poll<io::Error> {
        // Who doesn't take what was asked for doesn't hold a place for it.
        if self.place.poll_sent_away(cx).is_ready() {
            return Poll::Ready(io::ErrorKind::ConnectionAborted.into());
        }
        let deadline = patience(self.parser.limits(), since, written);
        self.alarm.poll_until(cx, deadline).map(|()| io::ErrorKind::TimedOut.into())
    }

    /// Whether there is memory for what the connection keeps now, and others do.
    fn may_keep(&mut self) -> bool {
        let bytes = self.input.len() + self.parser.body_bytes_collected() + self.output.len();
        self.buffered.keeps(bytes, self.parser.limits().buffered_bytes_max)
    }

    /// Takes over what is configured now.
    fn heed_limits(&mut self) {
        self.parser.set_limits(self.site.limits());
    }

    fn read(&mut self) -> impl Future<Output = io::Result<Read>> {
        self.heed_limits();
        let now = Instant::now();
        let idles = self.parser.phase() == Phase::Idle;
        let deadline = self.deadline(now);
        self.give_back(idles);
        self.place.idles(idles.then_some(now));
        poll_fn(move |cx| {
            let read = ready!(self.poll_read(cx, idles, deadline));
            self.place.idles(None);
            Poll::Ready(read)
        })
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, idles: bool, deadline: Instant) -> Poll<io::Result<Read>> {
        // First, or a connection that always has something to say would never make room.
        let sent_away =
            if idles { self.place.poll_sent_away_idle(cx) } else { self.place.poll_sent_away(cx) };
        if sent_away.is_ready() {
            return Poll::Ready(Ok(Read::SentAway));
        }
        if let Poll::Ready(read) = self.poll_input(cx)? {
            if let Some(reading) = &mut self.reading {
                reading.bytes += read;
            }
            return Poll::Ready(Ok(if read == 0 { Read::End } else { Read::Bytes }));
        }
        if self.drained_at.is_none() && self.drain.poll_begun(cx).is_ready() {
            return Poll::Ready(Ok(Read::Draining));
        }
        self.alarm.poll_until(cx, deadline).map(|()| Ok(Read::TimedOut))
    }

    /// Reads once. Who waits for a request has no buffer for it: what comes first comes by way of the stack.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if !self.input.is_empty() || self.parser.phase() != Phase::Idle {
            self.input.reserve(HTTP_READ_BYTES);
            return pin!(self.stream.read_buf(&mut self.input)).poll(cx);
        }
        let mut space = [MaybeUninit::uninit(); HTTP_READ_BYTES];
        let mut space = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut space))?;
        self.input.extend_from_slice(space.filled());
        Poll::Ready(Ok(space.filled().len()))
    }

    /// Gives back the memory of what was said: all of it, if the connection idles, and else what a long answer has taken.
    fn give_back(&mut self, idles: bool) {
        if idles && self.input.is_empty() {
            self.input = BytesMut::new();
        }
        if self.output.is_empty() && (idles || self.output.capacity() > HTTP_WRITE_BYTES) {
            self.output = BytesMut::new();
        }
    }

    /// When the client must have sent more: a whole head within an absolute time from its first byte, a body in time and at a
    /// minimum rate, the next request within the idle time.
    fn deadline(&mut self, now: Instant) -> Instant {
        let phase = self.parser.phase();
        if !matches!(phase, Phase::ReadingHead | Phase::ReadingBody) {
            self.reading = None;
            return self.drained_at.unwrap_or(now + Duration::from_millis(self.parser.limits().idle_ms_max));
        }
        if self.reading.as_ref().is_none_or(|reading| reading.phase != phase) {
            self.reading = Some(Reading { phase, since: now, bytes: 0 });
        }
        let (since, bytes) = self.reading.as_ref().map_or((now, 0), |reading| (reading.since, reading.bytes));
        match phase {
            Phase::ReadingHead => since + Duration::from_millis(self.parser.limits().head_ms_max),
            _ => patience(self.parser.limits(), since, bytes),
        }
    }

    /// Says the last words, and reads what still comes for a short while: closing a socket with unread bytes sends a reset,
    /// which may overtake those words.
    async fn finish(&mut self) -> io::Result<()> {
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
