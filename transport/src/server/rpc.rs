//! One RPC connection of a server: its calls, answered by a service.
//!
//! One task owns a connection. A handler is polled in place, in the same turn in which its request was read, and goes to the
//! background only if it waits; all answers of a turn leave in one write. One-way calls finish also when their connection is over.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::BytesMut;
use micronet_wire::conn::{Config, Connection, Event, Standing, Timing};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::service::Service;

use super::background::{Answering, Background, Finished};
use super::handling::Handler;
use super::unheard::Unheard;
use crate::clock;
use crate::drain::Drain;
use crate::driver::{ByteStream, Wire};
use crate::strangers::Stranger;

/// Who answers, and who hears of calls that nobody waits for.
pub(super) struct Answers {
    pub(super) service: Rc<dyn Service>,
    pub(super) unheard: Rc<Unheard>,
}

/// Serves a connection of which `input` was read already, to its end.
pub(super) async fn serve<S: ByteStream>(
    stream: S,
    input: BytesMut,
    accepted_ns: u64,
    answers: Answers,
    config: Config,
    mut drain: Drain,
    stranger: Stranger,
) {
    let mut connection = Connection::new(config, accepted_ns);
    let mut wire = Wire::begun(stream, input, &mut connection);
    let mut background = Background::default();
    let mut draining = std::pin::pin!(async move { drain.begun().await });
    let mut told_to_drain = false;
    let mut sent_away = std::pin::pin!(stranger.sent_away());
    let mut stranger = Some(stranger);
    loop {
        while let Some(event) = connection.poll_event() {
            act(event, &mut connection, &answers, &mut background).await;
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
            while let Poll::Ready(finished) = background.poll_finished(cx) {
                answer_call(&mut connection, &answers.unheard, finished);
                answered = true;
            }
            let drains = !told_to_drain && draining.as_mut().poll(cx).is_ready();
            if drains {
                told_to_drain = true;
                connection.drain();
            }
            let received = wire.poll_receive(cx, &mut connection).is_ready();
            let timed = wire.poll_timer(cx, &mut connection).is_ready();
            let woken = answered || drains || received || timed || connection.is_closed();
            if woken { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
    // Nobody waits for the others any more, and what they hold (a database connection, a lock) is wanted elsewhere.
    background.keep_one_way();
    let outliving = async {
        tokio::select! {
            () = finish_one_way(background, &answers.unheard) => {}
            () = &mut sent_away, if stranger.is_some() => {}
        }
    };
    tokio::join!(wire.finish(connection.output()), outliving);
}

async fn act(event: Event, connection: &mut Connection, answers: &Answers, background: &mut Background) {
    match event {
        // SPEC 5.9: what has waited for longer than its deadline isn't executed.
        Event::Request { stream, method, context, .. }
            if context.one_way && context.deadline_ns <= clock::now() =>
        {
            let now = clock::now();
            let answer = Err(RpcError::new(Code::DeadlineExceeded, "it waited beyond its deadline"));
            let late = Finished { stream, method, one_way: true, started_ns: now, answer };
            answer_call(connection, &answers.unheard, late);
        }
        Event::Request { stream, method, context, request } => {
            let one_way = context.one_way.then_some(context.deadline_ns);
            let started_ns = clock::now();
            let handler = Handler::start(&*answers.service, *context, method, request);
            let mut answering = Answering { stream, method, one_way, started_ns, handler };
            match poll_fn(|cx| Poll::Ready(Pin::new(&mut answering).poll(cx))).await {
                Poll::Ready(finished) => answer_call(connection, &answers.unheard, finished),
                Poll::Pending => background.add(answering),
            }
        }
        Event::Abandoned { stream } => {
            if let Some(method) = background.abandon(stream) {
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
        | Event::Goaway
        | Event::Reply { .. }
        | Event::Failed { .. } => {}
    }
}

fn answer_call(connection: &mut Connection, unheard: &Unheard, finished: Finished) {
    let finished_ns = clock::now();
    let Finished { stream, method, one_way, started_ns, answer } = finished;
    let timing = Timing { started_ns, finished_ns };
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
