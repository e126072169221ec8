//! CALL: one request, or an array of them, and one answer.

use std::io;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::json::{Reader, SyntaxError};
use micronet_wire::ledger::{Ledger, micros};
use micronet_wire::limits::TEXT_REQUESTS_MAX;
use micronet_wire::request::TraceContext;
use micronet_wire::rest::{refused, untranscodable};
use micronet_wire::schema::{CallShape, EncodedSchema, Method};
use micronet_wire::service::{CallContext, authorize};
use micronet_wire::transcode::{to_binary, to_json};

use super::exchange::TextExchange;
use super::session::milliseconds;
use super::{TextConnection, Then, sent_away};
use crate::bearers::Asker;
use crate::clock;
use crate::driver::ByteStream;
use crate::identity::random_bytes;
use crate::records::Story;
use crate::server::handling::Handler;
use crate::server::places::Place as Seat;
use crate::tasks;
use crate::vitals::Share;

/// A call that may be made.
pub(super) struct Ready {
    pub(super) schema: EncodedSchema,
    pub(super) method: Method,
    pub(super) asker: Asker,
    pub(super) context: CallContext,
    pub(super) message: Bytes,
    /// The call's messages, where it has a stream of them.
    pub(super) exchange: Option<Rc<TextExchange>>,
}

/// A call whose handler has started.
pub(super) struct Started {
    pub(super) handler: Handler,
    pub(super) seat: Option<Seat>,
    pub(super) started_ns: u64,
    pub(super) receive_queue_us: u32,
    pub(super) story: Story,
}

impl Ready {
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.schema.schema().name, self.method.name)
    }
}

impl<S: ByteStream> TextConnection<S> {
    pub(super) async fn call(&mut self, name: &str, json: &str) -> io::Result<Then> {
        let Some(mut call) = self.prepare(name, json, false).await else { return Ok(Then::GoOn) };
        if call.method.shape == CallShape::OneWay {
            self.send(call);
            return Ok(Then::GoOn);
        }
        let _share = Share::of_one_call();
        let deadline = clock::instant(call.context.deadline_ns);
        let Started { handler, seat, started_ns, receive_queue_us, story } = self.start(&mut call);
        let outcome = tokio::select! {
            biased;
            () = self.place.sent_away() => Err(sent_away()),
            answer = handler => Ok(answer),
            error = self.wire.gone() => Err(error),
            () = tokio::time::sleep_until(deadline) => {
                Ok(Err(RpcError::new(Code::DeadlineExceeded, "the deadline passed")))
            }
        };
        let (finished_ns, meters) = (clock::now(), &self.port.meters);
        let answer = match outcome {
            Ok(answer) => answer,
            Err(error) => {
                meters.abandoned(call.method.id, finished_ns - started_ns);
                return Err(error);
            }
        };
        story.ended(finished_ns, answer.as_ref());
        if let Some(seat) = seat {
            seat.answered(finished_ns, &answer);
        }
        let failed = answer.as_ref().err().map(|error| error.code);
        meters.ended(call.method.id, failed, finished_ns - started_ns);
        match &answer {
            Ok(reply) => self.show_reply(&call, reply, finished_ns - started_ns),
            Err(error) => {
                let answer = refused(call.schema.schema(), &call.method, error);
                self.refuse_as(&answer, &call.context.request_id);
            }
        }
        let ledger = Ledger {
            receive_queue_us,
            handler_us: micros(finished_ns - started_ns),
            credit_wait_us: 0,
            write_queue_us: micros(clock::now() - finished_ns),
        };
        self.note(&call, Some(&answer), &ledger);
        self.writer.end(&mut self.wire.output);
        self.session.last = Some((call.name(), ledger));
        Ok(Then::GoOn)
    }

    fn show_reply(&mut self, call: &Ready, reply: &[u8], ns: u64) {
        let mut json = BytesMut::new();
        match to_json(call.schema.schema(), call.method.reply, reply, &mut json) {
            Ok(()) => {
                let words = format!("{} {} ms", call.name(), milliseconds(ns / 1_000));
                self.writer.ok(&mut self.wire.output, words);
                self.writer.line(&mut self.wire.output, |out| out.extend_from_slice(&json));
            }
            Err(error) => {
                tracing::error!(%error, "a reply that can't be shown");
                self.writer.err(&mut self.wire.output, "BAD_GATEWAY", "the service's answer can't be shown");
            }
        }
    }

    /// Starts a one-way call, whose end nobody waits for.
    fn send(&mut self, mut call: Ready) {
        call.context.one_way = true;
        let name = call.name();
        let deadline = clock::instant(call.context.deadline_ns);
        let Started { handler, seat, started_ns, story, .. } = self.start(&mut call);
        let (meters, unheard, method) =
            (Rc::clone(&self.port.meters), Rc::clone(&self.port.unheard), call.method.id);
        tasks::spawn("one-way call", async move {
            let late = || Err(RpcError::new(Code::DeadlineExceeded, "the deadline passed"));
            let answer = tokio::time::timeout_at(deadline, handler).await.unwrap_or_else(|_| late());
            let now = clock::now();
            story.ended(now, answer.as_ref());
            if let Some(seat) = seat {
                seat.answered(now, &answer);
            }
            meters.ended(method, answer.as_ref().err().map(|error| error.code), now - started_ns);
            if let Err(error) = answer {
                unheard.tell(method, &error);
            }
        });
        self.answer_words(&format!("{name} was sent; nothing is heard of it again"));
    }

    /// Makes a call of what a line says, or answers why there is none.
    pub(super) async fn prepare(&mut self, name: &str, json: &str, streams: bool) -> Option<Ready> {
        let (schema, method) = self.find(name)?;
        let asker = match self.asker().await {
            Ok(asker) => asker,
            Err(error) => {
                self.refuse_by(&error);
                return None;
            }
        };
        // Who may not call hears nothing about the request. The dispatch checks it too.
        if let Err(error) = authorize(asker.principal(), &method.access) {
            self.refuse_by(&error);
            return None;
        }
        let gives_many = matches!(method.shape, CallShape::ServerStream | CallShape::Bidirectional);
        if gives_many != streams {
            let (count, verb) = if gives_many { ("many messages", "STREAM") } else { ("one", "CALL") };
            let words = format!("{}.{} answers with {count}: {verb} it", schema.schema().name, method.name);
            self.refuse("BAD_REQUEST", &words);
            return None;
        }
        let takes_many = matches!(method.shape, CallShape::ClientStream | CallShape::Bidirectional);
        let requests = match takes_many {
            false => vec![json],
            true => match items(json) {
                Ok(items) => items,
                Err(words) => {
                    self.refuse("BAD_REQUEST", &words);
                    return None;
                }
            },
        };
        let mut messages = Vec::new();
        for request in requests {
            let mut message = BytesMut::new();
            if let Err(error) =
                to_binary(schema.schema(), method.request, request.as_bytes(), &[], &mut message)
            {
                self.refuse_as(&untranscodable(&error), "");
                self.writer.end(&mut self.wire.output);
                return None;
            }
            messages.push(message.freeze());
        }
        let message = if takes_many { Bytes::new() } else { messages.pop().unwrap_or_default() };
        let exchange = method.is_stream().then(|| Rc::new(TextExchange::of(messages)));
        let mut context = self.context(&asker, &method);
        context.many = takes_many;
        context.exchange = exchange.clone().map(|exchange| exchange as _);
        Some(Ready { schema, method, asker, context, message, exchange })
    }

    fn context(&mut self, asker: &Asker, method: &Method) -> CallContext {
        let trace = match self.session.traces {
            true => TraceContext { trace_id: random_bytes(), span_id: random_bytes(), flags: 1 },
            false => TraceContext::default(),
        };
        let token = self.session.token.take();
        CallContext {
            principal: asker.principal().clone(),
            deadline_ns: clock::now() + u64::from(self.session.deadline_us) * 1_000,
            request_id: self.port.site.request_ids.adopt(None).into(),
            trace,
            token: token.or_else(|| Some(format!("{:032x}", u128::from_ne_bytes(random_bytes())))),
            bulk: method.is_bulk(),
            ..CallContext::default()
        }
    }

    pub(super) fn start(&mut self, call: &mut Ready) -> Started {
        let (started_ns, read_ns) = (clock::now(), self.wire.read_ns);
        let receive_queue_us = micros(started_ns.saturating_sub(read_ns));
        let from = self.open.seen().from();
        let (entry, context) = (&self.port.entry, &mut call.context);
        let called = (call.method.id, entry.served(call.method.id));
        let story = entry.begins(started_ns, context, called, &call.message, &from);
        story.waited(receive_queue_us);
        let (context, message) = (call.context.clone(), call.message.clone());
        self.open.seen().has_calls(1);
        let (handler, seat) = entry.start(started_ns, Box::new(context), call.method.id, message);
        tracing::debug!(
            request_id = call.context.request_id.as_str(),
            method = call.name(),
            "called in text"
        );
        Started { handler, seat, started_ns, receive_queue_us, story }
    }
}

/// The items of an array, each as its JSON.
fn items(json: &str) -> Result<Vec<&str>, String> {
    let wrong = |error: SyntaxError| {
        format!("the method takes many requests, as an array of them; byte {}: {}", error.offset, error.words)
    };
    let mut reader = Reader::new(json.as_bytes());
    reader.begin_array().map_err(wrong)?;
    let mut items = Vec::new();
    while reader.next_item().map_err(wrong)? {
        if items.len() == TEXT_REQUESTS_MAX {
            return Err(format!("a line gives at most {TEXT_REQUESTS_MAX} requests"));
        }
        let start = reader.offset();
        reader.skip().map_err(wrong)?;
        items.push(json.get(start..reader.offset()).unwrap_or_default());
    }
    reader.end().map_err(wrong)?;
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_stand_in_an_array() {
        assert_eq!(items(r#" [ {"a":[1,2]} , 3,"]" ]"#).unwrap(), [r#"{"a":[1,2]}"#, "3", "\"]\""]);
        assert_eq!(items("[]").unwrap(), [""; 0]);
        for wrong in ["", "{}", "[1", "[1] 2", "[1,]"] {
            assert!(items(wrong).is_err(), "{wrong}");
        }
        let many = format!("[{}0]", "0,".repeat(TEXT_REQUESTS_MAX));
        assert!(items(&many).is_err_and(|words| words.contains("1024")));
    }
}
