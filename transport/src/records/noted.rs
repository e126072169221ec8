//! What is noted of a request while it is under way. Notes are kept from one request to the next, so that none allocates.

use std::ops::Range;
use std::rc::Rc;

use bytes::Bytes;
use micronet_wire::ledger::Ledger;
use micronet_wire::network::{InstanceState, RecordKind};
use micronet_wire::request::TraceContext;

use super::limits::SLOW_MS;
use super::texts::{Text, Texts};
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
    pub(super) texts: Texts,
    /// Its trace, and its own span in it.
    pub(super) trace: TraceContext,
    pub(super) parent: [u8; 8],
    /// When it began; 0 while nothing is noted here.
    pub(super) started_ns: u64,
    /// When it ended; 0 until it has.
    pub(super) ended_ns: u64,
    pub(super) method_id: u32,
    /// The status of the answer over HTTP, and whether that was over TLS.
    pub(super) status: u16,
    pub(super) tls: bool,
    /// Neither this side nor what is behind it did what it should.
    pub(super) failed: bool,
    /// It lasts as long as somebody wants it.
    pub(super) is_stream: bool,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) ledger: Option<Ledger>,
    pub(super) limits: Vec<LimitNoted>,
    pub(super) attempts: Vec<AttemptNoted>,
    pub(super) candidates: Vec<CandidateNoted>,
    /// The messages, where somebody follows.
    pub(super) request: Bytes,
    pub(super) reply: Bytes,
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
        self.texts.clear();
        self.limits.clear();
        self.attempts.clear();
        self.candidates.clear();
        (self.request, self.reply) = (Bytes::new(), Bytes::new());
        (self.status, self.tls) = (0, false);
        (self.parent, self.started_ns, self.ended_ns, self.method_id) = ([0; 8], 0, 0, 0);
        (self.failed, self.is_stream, self.ledger) = (false, false, None);
        (self.bytes_in, self.bytes_out) = (0, 0);
    }

    pub(super) fn request_id(&self) -> &str {
        self.texts.get(Text::RequestId)
    }

    /// Whether it is to be remembered for longer than others: it failed, was slow, or was tried more than once.
    pub(super) fn is_notable(&self) -> bool {
        let is_slow = !self.is_stream && self.took_us() >= SLOW_MS * 1_000;
        self.failed || is_slow || self.attempts.len() > 1
    }

    /// Whether any instance could not be picked.
    pub(super) fn has_excluded(&self) -> bool {
        self.candidates.iter().any(|candidate| !candidate.excluded.is_empty())
    }

    pub(super) fn took_us(&self) -> u64 {
        self.ended_ns.saturating_sub(self.started_ns) / 1_000
    }
}

/// An id in lower-case hexadecimal digits; one of zeros has none.
pub(super) fn hex<'t>(bytes: &[u8], text: &'t mut [u8; 32]) -> &'t str {
    if bytes.iter().all(|byte| *byte == 0) {
        return "";
    }
    let digit = |value: u8| value + if value > 9 { b'a' - 10 } else { b'0' };
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        (pair[0], pair[1]) = (digit(byte >> 4), digit(byte & 15));
    }
    std::str::from_utf8(&text[..2 * bytes.len()]).unwrap_or_default()
}
