//! What is noted of a request while it is under way, and how it becomes a record.
//!
//! Notes are kept from one request to the next, so that none allocates; a record is encoded straight from them, field by field as
//! [`Record`](micronet_wire::network::Record) is.

use std::ops::Range;
use std::rc::Rc;

use bytes::Bytes;
use micronet_wire::encoding::{Encode, EncodeError, Encoder};
use micronet_wire::ledger::Ledger;
use micronet_wire::network::{InstanceState, RecordKind};
use micronet_wire::request::TraceContext;

use super::limits::SLOW_MS;
use crate::balance::{Algorithm, Candidate};

/// The code of what nobody wanted the answer of any more.
pub(super) const ABANDONED: &str = "ABANDONED";
/// The code of an attempt for which there was no instance.
pub(super) const NOBODY: &str = "NO_INSTANCE";
/// The code of what went well.
pub(super) const OK: &str = "OK";

/// Notes on one request.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) kind: RecordKind,
    pub(super) request_id: String,
    /// Its trace, and its own span in it.
    pub(super) trace: TraceContext,
    pub(super) parent: [u8; 8],
    pub(super) started_ns: u64,
    /// When it ended; 0 until it has.
    pub(super) ended_ns: u64,
    pub(super) from: String,
    pub(super) principal: String,
    pub(super) service: String,
    pub(super) method: String,
    pub(super) method_id: u32,
    pub(super) http: HttpNoted,
    pub(super) code: String,
    pub(super) words: String,
    /// Neither this side nor what is behind it did what it should.
    pub(super) failed: bool,
    /// It lasts as long as somebody wants it.
    pub(super) is_stream: bool,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) ledger: Option<Ledger>,
    pub(super) limits: Vec<LimitNoted>,
    pub(super) cache: String,
    pub(super) attempts: Vec<AttemptNoted>,
    pub(super) candidates: Vec<CandidateNoted>,
    /// The messages, where somebody follows.
    pub(super) request: Bytes,
    pub(super) reply: Bytes,
}

#[derive(Debug, Default)]
pub(super) struct HttpNoted {
    /// Empty where it was none.
    pub(super) method: String,
    pub(super) target: String,
    pub(super) route: String,
    pub(super) status: u16,
    pub(super) tls: bool,
    pub(super) version: &'static str,
    pub(super) referer: String,
    pub(super) user_agent: String,
}

#[derive(Debug)]
pub(super) struct LimitNoted {
    pub(super) name: &'static str,
    pub(super) left: u32,
    pub(super) burst: u32,
    pub(super) refused: bool,
}

#[derive(Debug)]
pub(super) struct AttemptNoted {
    pub(super) instance: Option<Rc<str>>,
    pub(super) span: [u8; 8],
    pub(super) began_ns: u64,
    pub(super) ended_ns: u64,
    pub(super) code: &'static str,
    pub(super) words: String,
    pub(super) ledger: Option<Ledger>,
    pub(super) probe: bool,
    pub(super) algorithm: Algorithm,
    pub(super) members: usize,
    /// Those of the candidates that were noted for it.
    pub(super) candidates: Range<usize>,
}

#[derive(Debug)]
pub(super) struct CandidateNoted {
    pub(super) name: Rc<str>,
    pub(super) state: InstanceState,
    pub(super) excluded: String,
    pub(super) candidate: Candidate,
    pub(super) score: u64,
}

impl Noted {
    /// Forgets everything but the memory that it took.
    pub(super) fn clear(&mut self) {
        let texts = [
            &mut self.request_id,
            &mut self.from,
            &mut self.principal,
            &mut self.service,
            &mut self.method,
            &mut self.code,
            &mut self.words,
            &mut self.cache,
            &mut self.http.method,
            &mut self.http.target,
            &mut self.http.route,
            &mut self.http.referer,
            &mut self.http.user_agent,
        ];
        texts.into_iter().for_each(String::clear);
        self.limits.clear();
        self.attempts.clear();
        self.candidates.clear();
        (self.request, self.reply) = (Bytes::new(), Bytes::new());
        (self.http.status, self.http.tls, self.http.version) = (0, false, "");
        (self.parent, self.ended_ns, self.method_id) = ([0; 8], 0, 0);
        (self.failed, self.is_stream, self.ledger) = (false, false, None);
        (self.bytes_in, self.bytes_out) = (0, 0);
    }

    /// Whether it is to be remembered for longer than others: it failed, was slow, or was tried more than once.
    pub(super) fn is_notable(&self) -> bool {
        let is_slow = !self.is_stream && self.took_us() >= SLOW_MS * 1_000;
        self.failed || is_slow || self.attempts.len() > 1
    }

    fn took_us(&self) -> u64 {
        self.ended_ns.saturating_sub(self.started_ns) / 1_000
    }
}

/// Notes as a record.
pub(super) struct Packed<'a> {
    pub(super) noted: &'a Noted,
    /// When it ended, in microseconds since 1970.
    pub(super) ended_us: i64,
    /// With all instances that might have been picked.
    pub(super) whole: bool,
}

/// An id in lower-case hexadecimal digits.
pub(super) fn hex<'t>(bytes: &[u8], text: &'t mut [u8; 32]) -> &'t str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    let length = if bytes.iter().all(|byte| *byte == 0) { 0 } else { 2 * bytes.len() };
    std::str::from_utf8(&text[..length]).unwrap_or_default()
}

fn put_hex<E: Encoder>(bytes: &[u8], encoder: &mut E) -> Result<(), EncodeError> {
    hex(bytes, &mut [0; 32]).encode(encoder)
}

fn put_ledger<E: Encoder>(ledger: Option<Ledger>, encoder: &mut E) -> Result<(), EncodeError> {
    let Some(ledger) = ledger else { return 0u8.encode(encoder) };
    1u8.encode(encoder)?;
    ledger.receive_queue_us.encode(encoder)?;
    ledger.handler_us.encode(encoder)?;
    ledger.credit_wait_us.encode(encoder)?;
    ledger.write_queue_us.encode(encoder)
}

fn put_length<E: Encoder>(length: usize, encoder: &mut E) -> Result<(), EncodeError> {
    (length as u64).encode(encoder)
}

impl Encode for Packed<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let noted = self.noted;
        noted.kind.encode(encoder)?;
        noted.request_id.encode(encoder)?;
        put_hex(&noted.trace.trace_id, encoder)?;
        put_hex(&noted.trace.span_id, encoder)?;
        put_hex(&noted.parent, encoder)?;
        (noted.trace.flags & 1 == 1).encode(encoder)?;
        let took_us = noted.took_us();
        self.ended_us.saturating_sub_unsigned(took_us).encode(encoder)?;
        took_us.encode(encoder)?;
        noted.from.encode(encoder)?;
        noted.principal.encode(encoder)?;
        noted.service.encode(encoder)?;
        noted.method.encode(encoder)?;
        noted.method_id.encode(encoder)?;
        noted.http.encode(encoder)?;
        noted.code.encode(encoder)?;
        noted.words.encode(encoder)?;
        noted.bytes_in.encode(encoder)?;
        noted.bytes_out.encode(encoder)?;
        put_ledger(noted.ledger, encoder)?;
        put_length(noted.limits.len(), encoder)?;
        for limit in &noted.limits {
            limit.name.encode(encoder)?;
            limit.left.encode(encoder)?;
            limit.burst.encode(encoder)?;
            limit.refused.encode(encoder)?;
        }
        noted.cache.encode(encoder)?;
        put_length(noted.attempts.len(), encoder)?;
        noted.attempts.iter().try_for_each(|attempt| self.attempt(attempt, encoder))
    }
}

impl Packed<'_> {
    fn attempt<E: Encoder>(&self, attempt: &AttemptNoted, encoder: &mut E) -> Result<(), EncodeError> {
        match &attempt.instance {
            None => 0u8.encode(encoder)?,
            Some(instance) => {
                1u8.encode(encoder)?;
                (**instance).encode(encoder)?;
            }
        }
        put_hex(&attempt.span, encoder)?;
        (attempt.began_ns.saturating_sub(self.noted.started_ns) / 1_000).encode(encoder)?;
        // One that has no end was given up together with the whole.
        let ended_ns = if attempt.ended_ns == 0 { self.noted.ended_ns } else { attempt.ended_ns };
        (ended_ns.saturating_sub(attempt.began_ns) / 1_000).encode(encoder)?;
        attempt.code.encode(encoder)?;
        attempt.words.encode(encoder)?;
        put_ledger(attempt.ledger, encoder)?;
        attempt.probe.encode(encoder)?;
        attempt.algorithm.name().encode(encoder)?;
        u32::try_from(attempt.members).unwrap_or(u32::MAX).encode(encoder)?;
        let candidates = self.noted.candidates.get(attempt.candidates.clone()).unwrap_or_default();
        let is_told = |candidate: &&CandidateNoted| {
            self.whole || attempt.instance.as_ref().is_some_and(|picked| *picked == candidate.name)
        };
        put_length(candidates.iter().filter(is_told).count(), encoder)?;
        candidates.iter().filter(is_told).try_for_each(|candidate| candidate.encode(encoder))
    }

    /// Whether any instance could not be picked.
    pub(super) fn has_excluded(noted: &Noted) -> bool {
        noted.candidates.iter().any(|candidate| !candidate.excluded.is_empty())
    }
}

impl Encode for HttpNoted {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        if self.method.is_empty() {
            return 0u8.encode(encoder);
        }
        1u8.encode(encoder)?;
        self.method.encode(encoder)?;
        self.target.encode(encoder)?;
        self.route.encode(encoder)?;
        u32::from(self.status).encode(encoder)?;
        self.tls.encode(encoder)?;
        self.version.encode(encoder)?;
        self.referer.encode(encoder)?;
        self.user_agent.encode(encoder)
    }
}

impl Encode for CandidateNoted {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let of = &self.candidate;
        (*self.name).encode(encoder)?;
        self.state.encode(encoder)?;
        self.excluded.encode(encoder)?;
        of.in_flight.encode(encoder)?;
        (of.mean_ns / 1_000).encode(encoder)?;
        (of.response_ns / 1_000).encode(encoder)?;
        of.weight.encode(encoder)?;
        of.share_permille.encode(encoder)?;
        self.score.encode(encoder)
    }
}
