//! Faults on purpose, and what they came to.

use micronet_wire::schema::{Message, Timestamp};

/// Breaks something for a while.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Break {
    /// The instance's name, or the service's.
    #[field(min = 1, max = 64, example = "node-3")]
    pub(crate) name: String,
    /// For how long, in milliseconds: a minute unless given, an hour at most.
    #[field(min = 1, max = 3_600_000, example = 30_000)]
    pub(crate) for_ms: Option<u64>,
    /// Whether a service may be left without a healthy instance.
    pub(crate) force: Option<bool>,
}

/// Makes calls to instances worse for a while.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Disturb {
    /// The instance's name, or the service's.
    #[field(min = 1, max = 64, example = "node-3")]
    pub(crate) name: String,
    /// For how long, in milliseconds: a minute unless given, an hour at most.
    #[field(min = 1, max = 3_600_000, example = 30_000)]
    pub(crate) for_ms: Option<u64>,
    /// Whether a service may be left without a healthy instance.
    pub(crate) force: Option<bool>,
    /// Each call takes so much longer, in microseconds.
    #[field(max = 60_000_000)]
    pub(crate) delay_us: Option<u64>,
    /// And by chance up to so much longer than that.
    #[field(max = 60_000_000)]
    pub(crate) jitter_us: Option<u64>,
    /// So many of 1,000 calls fail.
    #[field(max = 1_000)]
    pub(crate) errors_permille: Option<u32>,
    /// So many of 1,000 calls get no answer.
    #[field(max = 1_000)]
    pub(crate) drops_permille: Option<u32>,
}

/// Cuts instances off for a while.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Partition {
    /// The instance's name, or the service's.
    #[field(min = 1, max = 64, example = "node-3")]
    pub(crate) name: String,
    /// From which instance, or from those of which service; from all others unless given.
    #[field(min = 1, max = 64, example = "gateway")]
    pub(crate) from: Option<String>,
    /// For how long, in milliseconds: a minute unless given, an hour at most.
    #[field(min = 1, max = 3_600_000, example = 30_000)]
    pub(crate) for_ms: Option<u64>,
    /// Whether a service may be left without a healthy instance.
    pub(crate) force: Option<bool>,
}

/// Names a fault.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct FaultId {
    /// Its number.
    pub(crate) id: u64,
}

/// Faults, the newest last.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Those in force.
    pub(crate) in_force: Vec<Fault>,
    /// Those that are over: the last ones.
    pub(crate) past: Vec<Fault>,
}

/// A fault on purpose.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Its number.
    pub(crate) id: u64,
    /// What is broken.
    pub(crate) kind: FaultKind,
    /// The same in words.
    #[field(example = "product-1 is stalled")]
    pub(crate) what: String,
    /// The instances that are concerned.
    pub(crate) instances: Vec<String>,
    /// Since when.
    pub(crate) since: Timestamp,
    /// Until when: as it was asked for, or when it was ended before.
    pub(crate) until: Timestamp,
    /// Whether it is over.
    pub(crate) over: bool,
    /// What was seen of it so far.
    pub(crate) report: Report,
}

/// What a fault breaks.
#[derive(Message, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// Nobody calls it.
    #[default]
    Fail,
    /// Its process is stopped where it stands.
    Stall,
    /// Its calls take longer, fail, or get no answer.
    Disturb,
    /// It is cut off.
    Partition,
    /// Its process is killed, and missing until it runs again: by a drill.
    Kill,
    /// One that this version doesn't know.
    Unknown,
}

/// What callers noticed of a fault, and what it cost.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// When the gateway first saw an instance otherwise than before; another caller, where the gateway doesn't call it.
    pub(crate) detected: Option<Noticed>,
    /// When it first gave one no calls any more.
    pub(crate) ejected: Option<Noticed>,
    /// Calls to the instances that have ended meanwhile, as all callers counted.
    pub(crate) calls: u64,
    /// Those that failed. One that was tried again elsewhere with success is among them.
    pub(crate) failed: u64,
    /// Calls to their services that were tried again.
    pub(crate) tried_again: u64,
    /// How long after the end of the fault all of them got calls again, in milliseconds.
    pub(crate) recovered_after_ms: Option<u64>,
}

/// A change of state that somebody saw.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Noticed {
    /// Who saw it.
    #[field(example = "gateway-1")]
    pub(crate) by: String,
    /// Of which instance.
    #[field(example = "product-1")]
    pub(crate) instance: String,
    /// How long after the beginning of the fault, in milliseconds.
    pub(crate) after_ms: u64,
    /// What state it was then.
    #[field(example = "suspect")]
    pub(crate) state: String,
    /// Why, in words.
    pub(crate) reason: String,
}
