//! STREAM: a call whose messages are told as they come, until they end, or the client says something else.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use micronet_wire::error::{Code, Retry, RpcError};
use micronet_wire::ledger::{Ledger, micros};
use micronet_wire::limits::{BEARER_RECHECK_MS, STREAM_LIFETIME_MS_MAX, TEXT_BEAT_MS};
use micronet_wire::rest::refused;
use micronet_wire::service::Answer;
use micronet_wire::transcode::to_json;
use tokio::time::Instant;

use super::calls::{Ready, Started};
use super::exchange::TextExchange;
use super::{TextConnection, Then, sent_away};
use crate::bearers::{Asker, Bearers};
use crate::clock;
use crate::driver::ByteStream;
use crate::vitals::Share;

/// What happens on a stream.
enum Happening {
    Message(Bytes),
    /// The handler has returned, or something had to end the call.
    Ended(Answer),
    /// The client says something else.
    Stopped,
    /// Nothing, for long enough.
    Silence,
}

impl<S: ByteStream> TextConnection<S> {
    pub(super) async fn stream(&mut self, name: &str, json: &str) -> io::Result<Then> {
        let Some(mut call) = self.prepare(name, json, true).await else { return Ok(Then::GoOn) };
        let Some(exchange) = call.exchange.clone() else { return Ok(Then::GoOn) };
        let _share = Share::of_one_call();
        let started = self.start(&mut call);
        let (started_ns, receive_queue_us) = (started.started_ns, started.receive_queue_us);
        let story = started.story.clone();
        self.writer.ok(&mut self.wire.output, format_args!("{}; your next line ends it", call.name()));
        let (mut count, mut stalled_ns) = (0_u64, 0);
        let carried = self.carry(&call, started, &exchange, &mut count, &mut stalled_ns).await;
        let (finished_ns, meters) = (clock::now(), &self.port.meters);
        let ended = match carried {
            Ok(ended) => ended,
            Err(error) => {
                meters.abandoned(call.method.id, finished_ns - started_ns);
                return Err(error);
            }
        };
        match &ended {
            None => meters.abandoned(call.method.id, finished_ns - started_ns),
            Some(answer) => {
                story.ended(finished_ns, answer.as_ref());
                let failed = answer.as_ref().err().map(|error| error.code);
                meters.ended(call.method.id, failed, finished_ns - started_ns);
            }
        }
        match &ended {
            None => self.writer.over(&mut self.wire.output, format_args!("{count} messages; you ended it")),
            Some(Ok(_)) => self.writer.over(&mut self.wire.output, format_args!("{count} messages")),
            Some(Err(error)) => {
                let answer = refused(call.schema.schema(), &call.method, error);
                self.refuse_as(&answer, &call.context.request_id);
            }
        }
        let ledger = Ledger {
            receive_queue_us,
            handler_us: micros((finished_ns - started_ns).saturating_sub(stalled_ns)),
            credit_wait_us: micros(stalled_ns),
            write_queue_us: micros(clock::now() - finished_ns),
        };
        self.note(&call, None, &ledger);
        self.writer.end(&mut self.wire.output);
        self.session.last = Some((call.name(), ledger));
        Ok(Then::GoOn)
    }

    /// Tells messages until the call is over; `None` when the client has ended it.
    async fn carry(
        &mut self,
        call: &Ready,
        started: Started,
        exchange: &TextExchange,
        count: &mut u64,
        stalled_ns: &mut u64,
    ) -> io::Result<Option<Answer>> {
        let Started { mut handler, seat, .. } = started;
        let mut due = clock::instant(call.context.deadline_ns);
        let lifetime = Instant::now() + Duration::from_millis(STREAM_LIFETIME_MS_MAX);
        let bearers = Rc::clone(&self.port.identity.bearers);
        let mut doubted = std::pin::pin!(doubted(&bearers, &call.asker));
        loop {
            let beat = Instant::now() + Duration::from_millis(TEXT_BEAT_MS);
            let happening = tokio::select! {
                biased;
                () = self.place.sent_away() => return Err(sent_away()),
                message = poll_fn(|cx| exchange.poll_take(cx)) => Happening::Message(message),
                answer = &mut handler => Happening::Ended(answer),
                line = self.wire.another_line() => line.map(|()| Happening::Stopped)?,
                error = &mut doubted => Happening::Ended(Err(error)),
                () = self.port.drain.begun() => Happening::Ended(Err(draining())),
                () = tokio::time::sleep_until(due) => Happening::Ended(Err(late())),
                () = tokio::time::sleep_until(beat) => Happening::Silence,
            };
            // What the handler sent last goes before its answer.
            let (message, ended) = match happening {
                Happening::Message(message) => (Some(message), None),
                Happening::Ended(answer) => (exchange.take(), Some(Some(answer))),
                Happening::Stopped => (None, Some(None)),
                Happening::Silence => {
                    self.writer.note(&mut self.wire.output, "still there");
                    (None, None)
                }
            };
            if let Some(message) = message {
                *count += 1;
                due = lifetime;
                if let Err(error) = self.show_message(call, &message) {
                    return Ok(Some(Err(error)));
                }
            }
            if let Some(ended) = ended {
                if let (Some(seat), Some(answer)) = (seat, &ended) {
                    seat.answered(clock::now(), answer);
                }
                return Ok(ended);
            }
            let since = clock::now();
            self.wire.flush(&self.place).await?;
            *stalled_ns += clock::now() - since;
        }
    }

    fn show_message(&mut self, call: &Ready, message: &[u8]) -> Result<(), RpcError> {
        let mut json = BytesMut::new();
        to_json(call.schema.schema(), call.method.reply, message, &mut json).map_err(|error| {
            tracing::error!(%error, "a message that can't be shown");
            RpcError::new(Code::Internal, "a message of the service can't be shown")
        })?;
        self.writer.line(&mut self.wire.output, |out| out.extend_from_slice(&json));
        Ok(())
    }
}

/// Completes when somebody is not to be believed any more: the token has expired, or was revoked.
async fn doubted(bearers: &Bearers, asker: &Asker) -> RpcError {
    let Asker::Bearer(verified) = asker else { return std::future::pending().await };
    let mut revisions = bearers.revisions();
    loop {
        revisions.mark_unchanged();
        if let Err(error) = bearers.recheck(verified, clock::unix_us()) {
            return error;
        }
        // Expiry is no revision, and the time of day may be set.
        let _ = tokio::time::timeout(Duration::from_millis(BEARER_RECHECK_MS), revisions.changed()).await;
    }
}

fn draining() -> RpcError {
    RpcError::new(Code::Draining, "this instance stops: open the stream elsewhere")
        .retry(Retry::MaybeExecuted, 0)
}

fn late() -> RpcError {
    RpcError::new(Code::DeadlineExceeded, "the deadline passed")
}
