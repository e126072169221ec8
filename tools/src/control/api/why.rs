//! Why a request went as it did.

use micronet_wire::network::{LedgerRecord, Requests};
use micronet_wire::schema::{Message, Timestamp};

/// Asks why a request went as it did.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WhyOf {
    /// The request's id, as each answer has it; or the id of its trace, 32 hexadecimal digits.
    #[field(min = 1, max = 64)]
    pub(crate) request_id: String,
}

/// Why a request went as it did, as far as anybody remembers it.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Why {
    /// What was asked for.
    pub(crate) request_id: String,
    /// The id of its trace; empty where nobody remembers it.
    pub(crate) trace_id: String,
    /// When it began; where nobody remembers it, now.
    pub(crate) at: Timestamp,
    /// What became of it, in words: a sentence each.
    pub(crate) outcome: Vec<String>,
    /// Where it went, each place behind the one that sent it there. None where nobody remembers it.
    pub(crate) hops: Vec<Hop>,
    /// What each process remembers of it, and how far it remembers at all.
    pub(crate) processes: Vec<Requests>,
    /// Processes that didn't answer.
    pub(crate) silent: Vec<String>,
}

/// A place to which a request went.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hop {
    /// How many places are before it.
    pub(crate) depth: u32,
    /// The instance; empty where none could be picked.
    pub(crate) instance: String,
    /// What it was asked, as `GET /products/{name}` or `product.query`.
    pub(crate) what: String,
    /// When that was, in microseconds after the request began.
    pub(crate) after_us: u64,
    /// How long it took, as whoever asked it saw that, in microseconds.
    pub(crate) took_us: u64,
    /// How it ended: `OK`, the name of an error's code, or `ABANDONED`.
    pub(crate) code: String,
    /// What the error said.
    pub(crate) words: String,
    /// The instance's own account of the time, where it gave one.
    pub(crate) ledger: Option<LedgerRecord>,
}
