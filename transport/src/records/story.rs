//! The story of one request while it is under way: whoever has a part in it notes what it did.

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::net::IpAddr;
use std::rc::Rc;

use bytes::Bytes;
use micronet_wire::error::{Code, Fault, RpcError};
use micronet_wire::http1::{RequestHead, Version};
use micronet_wire::ledger::Ledger;
use micronet_wire::network::{InstanceState, RecordKind};
use micronet_wire::principal::Principal;
use micronet_wire::request::TraceContext;
use micronet_wire::rest::{Answer, Lead, OUTCOME_TEMPLATE, Routes, put_target, trace_context};
use micronet_wire::service::{CallContext, CallOptions};

use super::Records;
use super::limits::{ATTEMPTS_NOTED_MAX, CANDIDATES_NOTED_MAX, TEXT_BYTES_MAX};
use super::noted::{ABANDONED, AttemptNoted, CandidateNoted, LimitNoted, NOBODY, Noted, OK};
use super::texts::Text;
use crate::balance::{Algorithm, Candidate};

/// The story of one request or call. Clones tell the same one. It is recorded when the last of them is dropped: as abandoned, unless it
/// was said how it ended.
#[derive(Default, Clone)]
pub struct Story(Option<Told>);

#[derive(Clone)]
struct Told {
    records: Rc<Records>,
    noted: Rc<RefCell<Noted>>,
}

/// Whose part in a call is told.
#[derive(Debug, Clone, Copy)]
pub struct Called<'a> {
    /// The service.
    pub service: &'a str,
    /// Its method.
    pub method: &'a str,
    /// The method's id.
    pub id: u32,
}

impl Story {
    /// One that is told to nobody.
    #[must_use]
    pub const fn untold() -> Self {
        Self(None)
    }

    /// Begins with a request over HTTP.
    #[must_use]
    pub fn edge(
        records: &Rc<Records>,
        now: u64,
        request_id: &str,
        head: &RequestHead,
        bytes_in: usize,
    ) -> Self {
        let given = head.headers().get_str("traceparent").and_then(trace_context);
        let story = Self::begin(records, RecordKind::Edge, now, request_id, given.unwrap_or_default());
        story.with(|noted| {
            noted.texts.note(Text::Verb, head.method_name());
            noted.texts.write(Text::Target, |out| put_target(out, head, TEXT_BYTES_MAX));
            noted.bytes_in = bytes_in as u64;
        });
        if story.is_followed() {
            story.with(|noted| noted.more_of(head));
        }
        story
    }

    /// Begins with a call that this process serves; its context is that of the call's own span from now on.
    #[must_use]
    pub fn served(
        records: &Rc<Records>,
        now: u64,
        context: &mut CallContext,
        called: Called<'_>,
        from: &str,
        request: &Bytes,
    ) -> Self {
        let story = Self::begin(records, RecordKind::Served, now, &context.request_id, context.trace);
        story.sends(request);
        story.with(|noted| {
            context.trace = noted.trace;
            noted.is_stream = context.exchange.is_some();
            noted.texts.note(Text::From, from);
            noted.calls(called);
            noted.bytes_in = request.len() as u64;
            noted.asks(&context.principal);
        });
        story
    }

    /// Begins with a call that this process makes of a service.
    #[must_use]
    pub fn made(
        records: &Rc<Records>,
        now: u64,
        options: &CallOptions,
        called: Called<'_>,
        request: &Bytes,
    ) -> Self {
        let story = Self::begin(records, RecordKind::Made, now, &options.request_id, options.trace);
        story.sends(request);
        story.with(|noted| {
            noted.calls(called);
            noted.bytes_in = request.len() as u64;
            if let Some(principal) = &options.principal {
                noted.asks(principal);
            }
        });
        story
    }

    fn begin(
        records: &Rc<Records>,
        kind: RecordKind,
        now: u64,
        request_id: &str,
        within: TraceContext,
    ) -> Self {
        let noted = records.notes.blank();
        {
            let mut noted = noted.borrow_mut();
            (noted.kind, noted.started_ns) = (kind, now);
            noted.texts.note(Text::RequestId, request_id);
            (noted.trace, noted.parent) = records.within(within);
        }
        Self(Some(Told { records: Rc::clone(records), noted }))
    }

    /// The ids of the request and its trace, unless somebody is about to note something.
    pub(super) fn ids(&self, look: impl FnOnce(&str, &[u8; 16])) {
        if let Some(told) = &self.0
            && let Ok(noted) = told.noted.try_borrow()
        {
            look(noted.request_id(), &noted.trace.trace_id);
        }
    }

    fn with<T: Default>(&self, note: impl FnOnce(&mut Noted) -> T) -> T {
        self.0.as_ref().map_or_else(T::default, |told| note(&mut told.noted.borrow_mut()))
    }

    /// Whether nobody is told.
    #[must_use]
    pub fn is_untold(&self) -> bool {
        self.0.is_none()
    }

    fn is_followed(&self) -> bool {
        self.0.as_ref().is_some_and(|told| told.records.is_followed())
    }

    /// Its trace, and its own span in it.
    #[must_use]
    pub fn trace(&self) -> TraceContext {
        self.with(|noted| noted.trace)
    }

    // ---- who and where to ----

    /// From where it comes, as far as that can be believed.
    pub fn comes_from(&self, from: IpAddr, tls: bool) {
        self.with(|noted| {
            noted.tls = tls;
            noted.texts.write(Text::From, |out| put_address(out, from));
        });
    }

    /// On whose behalf it is.
    pub fn asks(&self, principal: &Principal) {
        self.with(|noted| noted.asks(principal));
    }

    /// Where it leads.
    pub fn goes(&self, lead: &Lead<'_>, routes: &Routes) {
        match lead {
            Lead::Method(route, _) => self.with(|noted| {
                let (service, method) = (&route.service_name, &route.method_name);
                noted.calls(Called { service, method, id: route.method });
                noted.texts.note(Text::Route, &route.template);
            }),
            Lead::Outcome(route) => {
                let Some((schema, method)) = routes.served(route.service, route.method) else { return };
                self.with(|noted| {
                    noted.calls(Called { service: &schema.name, method: &method.name, id: method.id });
                    noted.texts.note(Text::Route, OUTCOME_TEMPLATE);
                });
            }
            Lead::Answered(_) | Lead::Nowhere(_) => {}
        }
    }

    /// It lasts as long as somebody wants it.
    pub fn is_stream(&self) {
        self.with(|noted| noted.is_stream = true);
    }

    // ---- what it meets ----

    /// It met a limit of rate: so many requests were left afterwards of so many that may come at once, or it was refused.
    pub fn limit(&self, name: &'static str, left: u32, burst: u32, refused: bool) {
        self.with(|noted| noted.limits.push(LimitNoted { name, left, burst, refused }));
    }

    /// An instance is picked by this algorithm at `now`, among so many; [`candidate`](Self::candidate) tells of each of them.
    pub fn picks(&self, now: u64, algorithm: Algorithm, members: usize) {
        let span = self.0.as_ref().map(|told| told.records.span()).unwrap_or_default();
        self.with(|noted| {
            if noted.attempts.len() >= ATTEMPTS_NOTED_MAX {
                // A stream that is opened again and again.
                noted.attempts.clear();
                noted.candidates.clear();
            }
            let known = noted.candidates.len();
            noted.attempts.push(AttemptNoted {
                instance: None,
                span,
                began_ns: now,
                ended_ns: 0,
                code: NOBODY,
                words: String::new(),
                ledger: None,
                probe: false,
                algorithm,
                members,
                candidates: known..known,
            });
        });
    }

    /// An instance that might be picked, unless it says why it can't be.
    pub fn candidate(
        &self,
        name: &Rc<str>,
        state: InstanceState,
        candidate: &Candidate,
        excluded: impl FnOnce() -> String,
    ) {
        self.with(|noted| {
            let Some(attempt) = noted.attempts.last_mut() else { return };
            if attempt.candidates.len() < CANDIDATES_NOTED_MAX {
                attempt.candidates.end += 1;
                let score = candidate.score(attempt.algorithm);
                noted.candidates.push(CandidateNoted {
                    name: Rc::clone(name),
                    state,
                    excluded: excluded(),
                    candidate: *candidate,
                    score,
                });
            }
        });
    }

    /// The instance that was picked; the trace context that its call bears.
    pub fn tries(&self, instance: &Rc<str>, probe: bool) -> TraceContext {
        self.with(|noted| {
            let trace = noted.trace;
            let Some(attempt) = noted.attempts.last_mut() else { return trace };
            (attempt.instance, attempt.probe) = (Some(Rc::clone(instance)), probe);
            attempt.code = ABANDONED;
            TraceContext { span_id: attempt.span, ..trace }
        })
    }

    /// What the attempt has come to.
    pub fn tried(&self, now: u64, outcome: Option<Result<(), &RpcError>>, ledger: Option<Ledger>) {
        self.with(|noted| {
            let Some(attempt) = noted.attempts.last_mut() else { return };
            (attempt.ended_ns, attempt.ledger) = (now, ledger);
            match outcome {
                Some(Ok(())) => attempt.code = OK,
                Some(Err(error)) => {
                    attempt.code = error.code.name();
                    attempt.words.push_str(clipped(&error.message));
                }
                // Nothing was called.
                None => attempt.code = "REFUSED",
            }
        });
    }

    /// No instance can be picked, for this reason.
    pub fn nobody(&self, now: u64, error: &RpcError) {
        self.with(|noted| {
            let Some(attempt) = noted.attempts.last_mut().filter(|attempt| attempt.instance.is_none()) else {
                return;
            };
            (attempt.ended_ns, attempt.code) = (now, error.code.name());
            attempt.words.push_str(clipped(&error.message));
        });
    }

    // ---- what it comes to ----

    /// The message that goes to the instance, for those who follow.
    pub fn sends(&self, request: &Bytes) {
        if self.is_followed() {
            self.with(|noted| noted.request = request.clone());
        }
    }

    /// The message that came back.
    pub fn gets(&self, reply: &Bytes) {
        if self.is_followed() {
            self.with(|noted| noted.reply = reply.clone());
        }
    }

    /// How long it waited before its handler, in microseconds.
    pub fn waited(&self, receive_queue_us: u32) {
        self.with(|noted| noted.ledger = Some(Ledger { receive_queue_us, ..Ledger::default() }));
    }

    /// A request over HTTP is answered so.
    pub fn answered_by(&self, now: u64, answer: &Answer) {
        let cache = answer.headers.iter().find(|(name, _)| *name == "X-Cache");
        if let Some((_, said)) = cache {
            self.with(|noted| noted.texts.note(Text::Cache, said));
        }
        let error = answer.error_code().map(|code| (code, answer.error_words().unwrap_or_default()));
        let error = error.as_ref().map(|(code, words)| (*code, words.as_str()));
        self.answered(now, answer.status.code(), error, answer.body().len());
    }

    /// The same: with this status, the code and the words of its error if it is one.
    pub fn answered(&self, now: u64, status: u16, error: Option<(&str, &str)>, bytes_out: usize) {
        self.with(|noted| {
            noted.ended_ns = now;
            noted.status = status;
            noted.failed = status >= 500;
            noted.bytes_out = bytes_out as u64;
            noted.texts.note(Text::Code, error.map_or(OK, |(code, _)| code));
            if let Some((_, words)) = error {
                noted.texts.note(Text::Words, clipped(words));
            }
        });
    }

    /// A call has ended so.
    pub fn ended(&self, now: u64, answer: Result<&Bytes, &RpcError>) {
        if let Ok(reply) = answer {
            self.gets(reply);
        }
        self.with(|noted| {
            noted.bytes_out = answer.map_or(0, Bytes::len) as u64;
            noted.end(now, answer.err());
            if let Some(ledger) = &mut noted.ledger {
                ledger.handler_us = micronet_wire::ledger::micros(now.saturating_sub(noted.started_ns));
            }
        });
    }

    /// A stream that was opened has failed after all.
    pub fn fails(&self, status: u16, code: &str, words: &str) {
        self.with(|noted| {
            noted.failed |= status >= 500;
            noted.texts.note(Text::Code, code);
            noted.texts.note(Text::Words, clipped(words));
        });
    }

    /// Bytes of its answer that follow those that were counted.
    pub fn says(&self, bytes: usize) {
        self.with(|noted| noted.bytes_out += bytes as u64);
    }
}

impl Noted {
    fn calls(&mut self, called: Called<'_>) {
        self.texts.note(Text::Service, called.service);
        self.texts.note(Text::Method, called.method);
        self.method_id = called.id;
    }

    fn asks(&mut self, principal: &Principal) {
        self.texts.write(Text::Principal, |out| put_principal(out, principal));
    }

    /// What matters only where it is written down at once.
    fn more_of(&mut self, head: &RequestHead) {
        let version = if head.version() == Version::Http10 { "HTTP/1.0" } else { "HTTP/1.1" };
        self.texts.note(Text::Version, version);
        for (text, name) in [(Text::Referer, "Referer"), (Text::UserAgent, "User-Agent")] {
            self.texts.note(text, clipped(head.headers().get_str(name).unwrap_or_default()));
        }
    }

    fn end(&mut self, now: u64, error: Option<&RpcError>) {
        self.ended_ns = now;
        self.texts.note(Text::Code, error.map_or(OK, |error| error.code.name()));
        if let Some(error) = error {
            self.texts.note(Text::Words, clipped(&error.message));
            self.failed = error.code != Code::Application && error.code.fault() != Fault::Caller;
        }
    }
}

/// As much of it as is kept.
fn clipped(words: &str) -> &str {
    &words[..words.floor_char_boundary(TEXT_BYTES_MAX)]
}

/// An address as it is written; of one of IPv4 without the detour of formatting.
fn put_address(out: &mut String, address: IpAddr) {
    let IpAddr::V4(v4) = address else {
        let _ = write!(out, "{address}");
        return;
    };
    for (at, octet) in v4.octets().into_iter().enumerate() {
        if at > 0 {
            out.push('.');
        }
        for (unit, least) in [(100, 100), (10, 10), (1, 0)] {
            if octet >= least {
                out.push(char::from(b'0' + octet / unit % 10));
            }
        }
    }
}

fn put_principal(out: &mut String, principal: &Principal) {
    match principal {
        Principal::Anonymous => out.push_str("anonymous"),
        Principal::Operator => out.push_str("operator"),
        Principal::Service { name } => {
            out.push_str("service:");
            out.push_str(name);
        }
        Principal::User { subject, .. } => {
            out.push_str("user:");
            out.push_str(subject);
        }
    }
}

#[cfg(test)]
#[test]
fn addresses_are_written_as_ever() {
    for address in ["0.0.0.0", "127.0.0.1", "255.10.100.99", "1.20.101.200", "::1", "2001:db8::7"] {
        let mut out = String::new();
        put_address(&mut out, address.parse().expect("an address"));
        assert_eq!(out, address);
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if let Some(Told { records, noted }) = self.0.take()
            && Rc::strong_count(&noted) == 1
        {
            records.ended(noted);
        }
    }
}

impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Story").field("told", &self.0.is_some()).finish_non_exhaustive()
    }
}
