//! What TRACE shows of a call: its ids, where its time went, and the frames that it would have been in the binary protocol.

use bytes::{BufMut, BytesMut};
use micronet_wire::encoding::ENCODING_ID;
use micronet_wire::error::RpcError;
use micronet_wire::explain::{self, Schemas, Side};
use micronet_wire::frame::{Label, put_error, put_frame};
use micronet_wire::header::{Kind, flags};
use micronet_wire::ledger::Ledger;
use micronet_wire::limits::{FRAGMENT_BYTES_MAX, TEXT_TRACE_LINES_MAX};
use micronet_wire::request::RequestHead;
use micronet_wire::service::{Answer, CallContext};

use super::TextConnection;
use super::calls::Ready;
use crate::driver::ByteStream;

/// The stream of the only call of a connection.
const STREAM: u32 = 1;

impl<S: ByteStream> TextConnection<S> {
    /// Shows a call, where that is wanted.
    pub(super) fn note(&mut self, call: &Ready, answer: Option<&Answer>, ledger: &Ledger) {
        if !self.session.traces {
            return;
        }
        let CallContext { request_id, trace, token, .. } = &call.context;
        let trace_id = u128::from_be_bytes(trace.trace_id);
        self.say(format_args!("request id {request_id}, trace id {trace_id:032x}"));
        if let Some(token) = token {
            self.say(format_args!("idempotency token {token}"));
        }
        self.say(format_args!(
            "ledger, in us: receive queue {}, handler {}, credit wait {}, write queue {}",
            ledger.receive_queue_us, ledger.handler_us, ledger.credit_wait_us, ledger.write_queue_us
        ));
        // Messages of streams, and long ones, travel in frames of their own: these are told by a tap.
        if call.exchange.is_none() && call.message.len() <= FRAGMENT_BYTES_MAX {
            let deadline_us = self.session.deadline_us;
            self.frame(call, Side::Dialler, |out| {
                head(call, deadline_us).encode(out)?;
                out.put_slice(&call.message);
                Ok(Kind::Request)
            });
        }
        match answer {
            Some(Ok(reply)) if reply.len() <= FRAGMENT_BYTES_MAX => self.frame(call, Side::Acceptor, |out| {
                out.extend_from_slice(&ledger.encode());
                out.put_slice(reply);
                Ok(Kind::Reply)
            }),
            Some(Err(error)) => self.frame(call, Side::Acceptor, |out| {
                put_error(out, error, ledger);
                Ok(Kind::Error)
            }),
            _ => {}
        }
    }

    fn say(&mut self, words: std::fmt::Arguments<'_>) {
        self.writer.note(&mut self.wire.output, words);
    }

    /// Shows a frame of the call, whose payload `put` writes: what each of its bytes means, without secrets.
    fn frame(&mut self, call: &Ready, from: Side, put: impl FnOnce(&mut BytesMut) -> Result<Kind, RpcError>) {
        let mut payload = BytesMut::new();
        let Ok(kind) = put(&mut payload) else { return };
        let (stream, method, encoding) = (STREAM, call.method.id, ENCODING_ID);
        let (label, mut frame) =
            (Label { kind, flags: flags::END, encoding, stream, method }, BytesMut::new());
        let put_payload = |out: &mut BytesMut| {
            out.put_slice(&payload);
            Ok::<(), RpcError>(())
        };
        if put_frame(&mut frame, label, true, put_payload).is_err() {
            return;
        }
        let mut schemas = Schemas::new();
        schemas.add(call.schema.clone());
        let (arrow, length) = (if from == Side::Dialler { ">" } else { "<" }, frame.len());
        let explained = explain::frame(frame.freeze(), Some(from), &schemas);
        self.say(format_args!(
            "{arrow} {} of {length} bytes, as the binary protocol has it",
            explained.title
        ));
        let lines = explain::lines(&explained);
        for line in lines.iter().take(TEXT_TRACE_LINES_MAX) {
            self.say(format_args!("{arrow} {line}"));
        }
        if let Some(left) = lines.len().checked_sub(TEXT_TRACE_LINES_MAX).filter(|left| *left > 0) {
            self.say(format_args!("{arrow} … and {left} lines"));
        }
    }
}

/// The head of the request.
fn head(call: &Ready, deadline_us: u32) -> RequestHead {
    let context = &call.context;
    RequestHead {
        deadline_us,
        trace: context.trace,
        request_id: context.request_id.clone(),
        token: context.token.clone(),
        principal: Some(context.principal.clone()),
        bulk: context.bulk,
        metadata: context.metadata.clone(),
    }
}
