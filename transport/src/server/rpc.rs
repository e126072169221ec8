//! One RPC connection of a server: its calls, answered by a service.
//!
//! One task owns a connection, and works in turns. A handler is polled in place, in the same turn in which its request was read, and
//! goes to the background only if it waits. All answers of a turn leave in one write, but for the first of many. One-way calls finish also
//! when their connection is over.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use micronet_wire::conn::{Config, Connection, Event, Standing, Timing};
use micronet_wire::error::{Code, Retry, RpcError};
use micronet_wire::principal::Principal;
use micronet_wire::service::CallContext;

use super::background::{Answering, Background, Finished, Stopped};
use super::connections::Seen;
use super::entry::Entry;
use super::streams::Streams;
use super::unheard::Unheard;
use crate::clock;
use crate::drain::Drain;
use crate::driver::{ByteStream, Wire};
use crate::metrics::ServerMeters;
use crate::strangers::Stranger;
use crate::tap::Point;
use crate::vitals;

/// Whoever has sent so much at once has more to do than to wait for the first answers.
const BUSY_BYTES: usize = 16 << 10;

/// Who answers, and who hears of calls that nobody waits for.
pub(super) struct Answers {
    pub(super) entry: Rc<Entry>,
    pub(super) unheard: Rc<Unheard>,
    pub(super) meters: Rc<ServerMeters>,
    /// The connection as people see it.
    pub(super) seen: Rc<Seen>,
}

impl Answers {
    /// A handler was stopped, since nobody wants its answer any more.
    fn stopped(&self, now: u64, stopped: &Stopped) {
        self.meters.abandoned(stopped.method, now - stopped.started_ns);
        if stopped.one_way {
            self.unheard.tell(stopped.method, &too_late());
        }
    }
}

/// A connection of which `input` was read already.
pub(super) struct Begun<S> {
    pub(super) stream: S,
    pub(super) input: BytesMut,
    pub(super) accepted_ns: u64,
    /// Where it is tapped.
    pub(super) point: Point,
}

/// Serves a connection to its end.
pub(super) async fn serve<S: ByteStream>(
    begun: Begun<S>,
    answers: Answers,
    config: Config,
    mut drain: Drain,
    stranger: Stranger,
) {
    let Begun { stream, input, accepted_ns, point } = begun;
    let mut connection = Connection::new(config, accepted_ns);
    let mut wire = Wire::begun(stream, input, point, &mut connection);
    let mut work = Work::default();
    let mut told_to_drain = false;
    let mut sent_away = std::pin::pin!(stranger.sent_away());
    let mut stranger = Some(stranger);
    poll_fn(|cx| {
        loop {
            act_on_events(cx, &mut connection, &answers, &mut work);
            // The first answers leave while the others are made: the caller works on them meanwhile, instead of sleeping.
            if (1..BUSY_BYTES).contains(&wire.unfinished_bytes()) {
                wire.poll_transmit(cx, &mut connection);
            }
            while wire.receive_more(&mut connection) {
                act_on_events(cx, &mut connection, &answers, &mut work);
            }
            if connection.is_closed() {
                return Poll::Ready(());
            }
            if stranger.is_some() && connection.standing() != Standing::Anonymous {
                stranger = None;
                answers.seen.is_of(principal(&connection));
            }
            answers.seen.has_calls(connection.calls_served());
            if stranger.is_some() && sent_away.as_mut().poll(cx).is_ready() {
                stranger = None;
                connection.close(Code::Overloaded, "too many connections that have proved nothing");
            }
            wire.poll_transmit(cx, &mut connection);
            let mut answered = false;
            while let Poll::Ready(finished) = work.background.poll_finished(cx) {
                answer_call(&mut connection, &answers, &mut work.streams, finished);
                answered = true;
            }
            answered |= work.streams.carry(cx, &mut connection);
            let drains = !told_to_drain && drain.poll_begun(cx).is_ready();
            if drains {
                told_to_drain = true;
                connection.drain();
                work.send_streams_elsewhere(&mut connection);
            }
            let received = wire.poll_receive(cx, &mut connection).is_ready();
            let timed = wire.poll_timer(cx, &mut connection).is_ready();
            let told = connection.has_event() || connection.is_closed();
            if !(answered || drains || received || timed || told) {
                return Poll::Pending;
            }
        }
    })
    .await;
    // Nobody waits for the others any more, and what they hold (a database connection, a lock) is wanted elsewhere.
    let Work { mut background, .. } = work;
    background.keep_one_way();
    let outliving = async {
        tokio::select! {
            () = finish_one_way(background, &answers) => {}
            () = &mut sent_away, if stranger.is_some() => {}
        }
    };
    wire.tap_output(&mut connection);
    tokio::join!(wire.finish(connection.output()), outliving);
}

/// Who the peer has proved to be.
fn principal(connection: &Connection) -> Principal {
    match connection.standing() {
        Standing::Anonymous => Principal::Anonymous,
        Standing::Operator => Principal::Operator,
        Standing::Cluster => {
            Principal::Service { name: connection.peer().map_or("", |peer| &peer.node).into() }
        }
    }
}

/// The calls of a connection that are not over.
#[derive(Default)]
struct Work {
    background: Background,
    streams: Streams,
    /// Who calls, as it has called itself.
    peer: Rc<str>,
}

impl Work {
    /// Draining: streams of replies would hold it up until their ends. Whoever reads them goes on at another instance.
    fn send_streams_elsewhere(&mut self, connection: &mut Connection) {
        let error = RpcError::new(Code::Draining, "this instance drains: open the stream elsewhere")
            .retry(Retry::MaybeExecuted, 0);
        let now = clock::now();
        for stream in self.streams.with_replies() {
            self.background.abandon(stream);
            self.streams.end(stream);
            connection.fail(now, stream, &error, Timing { started_ns: now, finished_ns: now });
        }
    }
}

fn act_on_events(cx: &mut Context<'_>, connection: &mut Connection, answers: &Answers, work: &mut Work) {
    if !connection.has_event() {
        return;
    }
    let mut now = clock::now();
    while let Some(event) = connection.poll_event() {
        now = act(cx, event, now, connection, answers, work);
    }
}

/// Acts on an event at `now`; the time afterwards. A small call costs little more than reading the clock, so that it is read no
/// more often than something may have taken long.
fn act(
    cx: &mut Context<'_>,
    event: Event,
    now: u64,
    connection: &mut Connection,
    answers: &Answers,
    work: &mut Work,
) -> u64 {
    match event {
        Event::Request { stream, method, context, request } => {
            // SPEC 5.4: what was given up while it waited isn't executed; it has been answered. But one-way calls outlive their
            // connection (SPEC 5.9).
            let waited_us = match connection.start(now, stream) {
                Some(waited_us) => waited_us,
                None if context.one_way => 0,
                None => return now,
            };
            vitals::queued(now, waited_us);
            let call = Call { stream, method, context, request, waited_us };
            return call.handle(cx, now, connection, answers, work);
        }
        Event::Message { stream, message } => work.streams.request(stream, message),
        Event::MessagesEnded { stream } => work.streams.requests_ended(stream),
        Event::Room { stream } => work.streams.room(stream),
        Event::Abandoned { stream } => {
            work.streams.end(stream);
            if let Some(stopped) = work.background.abandon(stream) {
                answers.stopped(now, &stopped);
            }
        }
        Event::Dropped { method, error, .. } => answers.unheard.tell(method, &error),
        Event::Ready(peer) => {
            answers.seen.is_called(&peer.instance);
            tracing::debug!(peer = peer.instance, standing = ?connection.standing(), "peer said hello");
            work.peer = peer.instance.as_str().into();
        }
        Event::Closed { error: Some(error), by_peer } => tracing::info!(%error, by_peer, "connection ended"),
        // The others are a dialler's.
        Event::Closed { .. }
        | Event::Pong { .. }
        | Event::Announced(_)
        | Event::Goaway
        | Event::Reply { .. }
        | Event::Failed { .. } => {}
    }
    now
}

/// A call whose handler is to start.
struct Call {
    stream: u32,
    method: u32,
    context: Box<CallContext>,
    request: Bytes,
    waited_us: u32,
}

impl Call {
    /// Polls its handler in place, and leaves it to the background if it waits; the time afterwards.
    fn handle(
        self,
        cx: &mut Context<'_>,
        started_ns: u64,
        connection: &mut Connection,
        answers: &Answers,
        work: &mut Work,
    ) -> u64 {
        let Self { stream, method, mut context, request, waited_us } = self;
        let served = answers.entry.served(method);
        if let Some(shape) = served.and_then(|served| served.stream) {
            context.exchange = Some(work.streams.open(stream, shape));
        }
        let story = answers.entry.begins(started_ns, &mut context, (method, served), &request, &work.peer);
        story.waited(waited_us);
        let finished = if context.deadline_ns <= started_ns {
            // SPEC 6.1, 5.9: what has waited for longer than its deadline isn't executed.
            let answer = Err(RpcError::new(Code::DeadlineExceeded, "it waited beyond its deadline"));
            Poll::Ready(Finished {
                stream,
                method,
                one_way: context.one_way,
                started_ns,
                answer,
                place: None,
                story,
            })
        } else {
            let one_way = context.one_way.then_some(context.deadline_ns);
            let (handler, place) = answers.entry.start(started_ns, context, method, request);
            let mut answering = Answering { stream, method, one_way, started_ns, handler, place, story };
            let polled = Pin::new(&mut answering).poll(cx);
            if polled.is_pending() {
                work.background.add(answering);
            }
            polled
        };
        match finished {
            Poll::Ready(finished) => answer_call(connection, answers, &mut work.streams, finished),
            Poll::Pending => clock::now(),
        }
    }
}

/// Answers a call; when that was.
fn answer_call(
    connection: &mut Connection,
    answers: &Answers,
    streams: &mut Streams,
    finished: Finished,
) -> u64 {
    let finished_ns = clock::now();
    let Finished { stream, method, one_way, started_ns, answer, place, story } = finished;
    story.ended(finished_ns, answer.as_ref());
    if let Some(place) = place {
        place.answered(finished_ns, &answer);
    }
    let timing = Timing { started_ns, finished_ns };
    answers.meters.ended(method, answer.as_ref().err().map(|error| error.code), finished_ns - started_ns);
    // What the handler sent last goes before its answer.
    streams.carry_one(stream, connection);
    streams.end(stream);
    match &answer {
        Ok(reply) => connection.reply(finished_ns, stream, reply, timing),
        Err(error) => {
            if one_way {
                answers.unheard.tell(method, error);
            }
            connection.fail(finished_ns, stream, error, timing);
        }
    }
    finished_ns
}

/// Lets one-way calls go on after their connection has ended, to their own ends or their deadlines.
async fn finish_one_way(mut background: Background, answers: &Answers) {
    while let Some(due_ns) = background.next_deadline() {
        tokio::select! {
            finished = poll_fn(|cx| background.poll_finished(cx)) => {
                let Finished { method, started_ns, answer, story, .. } = finished;
                story.ended(clock::now(), answer.as_ref());
                let code = answer.as_ref().err().map(|error| error.code);
                answers.meters.ended(method, code, clock::now() - started_ns);
                if let Err(error) = answer {
                    answers.unheard.tell(method, &error);
                }
            }
            () = tokio::time::sleep_until(clock::instant(due_ns)) => {
                let now = clock::now();
                for stopped in background.stop_late(now) {
                    answers.stopped(now, &stopped);
                }
            }
        }
    }
}

fn too_late() -> RpcError {
    RpcError::new(Code::DeadlineExceeded, "the deadline passed")
}
