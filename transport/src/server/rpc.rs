//! One RPC connection of a server: its calls, answered by a service.
//!
//! One task owns a connection. A handler is polled in place, in the same turn in which its request was read, and goes to the
//! background only if it waits; all answers of a turn leave in one write. One-way calls finish also when their connection is over.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::BytesMut;
use micronet_wire::conn::{Connection, Event, Role, Standing, Timing};
use micronet_wire::error::{Code, Retry, RpcError};
use micronet_wire::service::Service;

use super::background::{Answering, Background, Finished};
use super::handling::Handler;
use super::streams::{Shapes, Streams};
use super::unheard::Unheard;
use crate::clock;
use crate::drain::Drain;
use crate::driver::{ByteStream, Wire};
use crate::identity::Identity;
use crate::strangers::Stranger;
use crate::vitals;

/// Who answers, and who hears of calls that nobody waits for.
pub(super) struct Answers {
    pub(super) service: Rc<dyn Service>,
    pub(super) shapes: Rc<Shapes>,
    pub(super) unheard: Rc<Unheard>,
}

/// Serves a connection of which `input` was read already, to its end.
pub(super) async fn serve<S: ByteStream>(
    stream: S,
    input: BytesMut,
    accepted_ns: u64,
    answers: Answers,
    identity: &Identity,
    mut drain: Drain,
    stranger: Stranger,
) {
    let config = identity.config(Role::Acceptor, Some(answers.service.schema().fingerprint()));
    let mut connection = Connection::new(config, accepted_ns);
    let mut wire = Wire::begun(stream, input, &mut connection);
    let mut work = Work::default();
    let mut draining = std::pin::pin!(async move { drain.begun().await });
    let mut told_to_drain = false;
    let mut sent_away = std::pin::pin!(stranger.sent_away());
    let mut stranger = Some(stranger);
    loop {
        while let Some(event) = connection.poll_event() {
            act(event, &mut connection, &answers, &mut work).await;
        }
        if connection.is_closed() {
            break;
        }
        if connection.standing() != Standing::Anonymous {
            stranger = None;
        }
        poll_fn(|cx| {
            if stranger.is_some() && sent_away.as_mut().poll(cx).is_ready() {
                stranger = None;
                connection.close(Code::Overloaded, "too many connections that have proved nothing");
            }
            wire.poll_transmit(cx, &mut connection);
            let mut answered = false;
            while let Poll::Ready(finished) = work.background.poll_finished(cx) {
                answer_call(&mut connection, &answers.unheard, &mut work.streams, finished);
                answered = true;
            }
            answered |= work.streams.carry(cx, &mut connection);
            let drains = !told_to_drain && draining.as_mut().poll(cx).is_ready();
            if drains {
                told_to_drain = true;
                connection.drain();
                work.send_streams_elsewhere(&mut connection);
            }
            let received = wire.poll_receive(cx, &mut connection).is_ready();
            let timed = wire.poll_timer(cx, &mut connection).is_ready();
            let woken = answered || drains || received || timed || connection.is_closed();
            if woken { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
    // Nobody waits for the others any more, and what they hold (a database connection, a lock) is wanted elsewhere.
    let Work { mut background, .. } = work;
    background.keep_one_way();
    let outliving = async {
        tokio::select! {
            () = finish_one_way(background, &answers.unheard) => {}
            () = &mut sent_away, if stranger.is_some() => {}
        }
    };
    tokio::join!(wire.finish(connection.output()), outliving);
}

/// The calls of a connection that are not over.
#[derive(Default)]
struct Work {
    background: Background,
    streams: Streams,
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

async fn act(event: Event, connection: &mut Connection, answers: &Answers, work: &mut Work) {
    match event {
        // SPEC 6.1, 5.9: what has waited for longer than its deadline isn't executed.
        Event::Request { stream, method, context, .. } if context.deadline_ns <= clock::now() => {
            let now = clock::now();
            vitals::queued(now, connection.start(now, stream).unwrap_or(0));
            let answer = Err(RpcError::new(Code::DeadlineExceeded, "it waited beyond its deadline"));
            let late = Finished { stream, method, one_way: context.one_way, started_ns: now, answer };
            answer_call(connection, &answers.unheard, &mut work.streams, late);
        }
        Event::Request { stream, method, mut context, request } => {
            let one_way = context.one_way.then_some(context.deadline_ns);
            let started_ns = clock::now();
            match connection.start(started_ns, stream) {
                Some(waited_us) => vitals::queued(started_ns, waited_us),
                // SPEC 5.9: one-way calls outlive their connection.
                None if context.one_way => {}
                // SPEC 5.4: what was given up while it waited isn't executed; it has been answered.
                None => return,
            }
            if let Some(shape) = answers.shapes.get(method) {
                context.exchange = Some(work.streams.open(stream, shape));
            }
            let handler = Handler::start(&*answers.service, *context, method, request);
            let mut answering = Answering { stream, method, one_way, started_ns, handler };
            match poll_fn(|cx| Poll::Ready(Pin::new(&mut answering).poll(cx))).await {
                Poll::Ready(finished) => {
                    answer_call(connection, &answers.unheard, &mut work.streams, finished);
                }
                Poll::Pending => work.background.add(answering),
            }
        }
        Event::Message { stream, message } => work.streams.request(stream, message),
        Event::MessagesEnded { stream } => work.streams.requests_ended(stream),
        Event::Room { stream } => work.streams.room(stream),
        Event::Abandoned { stream } => {
            work.streams.end(stream);
            if let Some(method) = work.background.abandon(stream) {
                answers.unheard.tell(method, &too_late());
            }
        }
        Event::Dropped { method, error, .. } => answers.unheard.tell(method, &error),
        Event::Ready(peer) => {
            tracing::debug!(peer = peer.instance, standing = ?connection.standing(), "peer said hello");
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
}

fn answer_call(connection: &mut Connection, unheard: &Unheard, streams: &mut Streams, finished: Finished) {
    let finished_ns = clock::now();
    let Finished { stream, method, one_way, started_ns, answer } = finished;
    let timing = Timing { started_ns, finished_ns };
    // What the handler sent last goes before its answer.
    streams.carry_one(stream, connection);
    streams.end(stream);
    match &answer {
        Ok(reply) => connection.reply(finished_ns, stream, reply, timing),
        Err(error) => {
            if one_way {
                unheard.tell(method, error);
            }
            connection.fail(finished_ns, stream, error, timing);
        }
    }
}

/// Lets one-way calls go on after their connection has ended, to their own ends or their deadlines.
async fn finish_one_way(mut background: Background, unheard: &Unheard) {
    while let Some(due_ns) = background.next_deadline() {
        tokio::select! {
            finished = poll_fn(|cx| background.poll_finished(cx)) => {
                if let Err(error) = finished.answer {
                    unheard.tell(finished.method, &error);
                }
            }
            () = tokio::time::sleep_until(clock::instant(due_ns)) => {
                for method in background.stop_late(clock::now()) {
                    unheard.tell(method, &too_late());
                }
            }
        }
    }
}

fn too_late() -> RpcError {
    RpcError::new(Code::DeadlineExceeded, "the deadline passed")
}
