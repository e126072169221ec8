//! Drills: something is broken on purpose while a steady load is measured, and mended again.

use micronet_wire::schema::{Message, Timestamp};

use super::faults::Noticed;

/// Begins a drill. It is quiet at first, to measure what is usual; then the fault comes, and then it is quiet again until all is well.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NewDrill {
    /// What happens.
    pub(crate) kind: DrillKind,
    /// To one instance of this service, the last one that is well; or to this instance.
    #[field(min = 1, max = 64, example = "product")]
    pub(crate) service: String,
    /// Requests a second: 200 unless given.
    #[field(min = 1, max = 2_000, example = 200)]
    pub(crate) load_per_s: Option<u32>,
    /// How long the fault lasts, in seconds: 10 unless given. One that is killed is missing until its supervisor has it running again, and so
    /// long at most.
    #[field(min = 1, max = 300, example = 10)]
    pub(crate) duration_s: Option<u32>,
    /// How long it is quiet before the fault and after it, in seconds: 5 unless given.
    #[field(min = 1, max = 120, example = 5)]
    pub(crate) quiet_s: Option<u32>,
    /// How much longer calls take where the instance is slow, in milliseconds: 300 unless given.
    #[field(min = 1, max = 30_000, example = 300)]
    pub(crate) delay_ms: Option<u32>,
    /// What is asked, as `GET /products/Tux` or `POST /orders {…}`, of the gateway; reads of the service unless given.
    #[field(max = 16)]
    pub(crate) routes: Option<Vec<String>>,
    /// Whether a service may lose its last healthy instance, or more than half of them.
    pub(crate) force: Option<bool>,
    /// Whether it is aborted when whoever began it doesn't watch it: for a caller that may be lost.
    pub(crate) attended: Option<bool>,
}

/// What happens in a drill.
#[derive(Message, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum DrillKind {
    /// The process of an instance is killed (SIGKILL).
    #[default]
    KillInstance,
    /// It is stopped where it stands (SIGSTOP).
    Stall,
    /// It is cut off from all others, and nobody is told.
    Partition,
    /// Its calls take longer.
    Slow,
    /// A service that others call is cut off as a whole.
    DependencyDown,
    /// One that this version doesn't know.
    Unknown,
}

/// Names a drill.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct DrillId {
    /// Its number.
    pub(crate) id: u64,
}

/// Drills, the newest last.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Drills {
    /// The one that is under way, and the last ones before it; without their figures by the second.
    pub(crate) drills: Vec<Drill>,
}

/// A drill.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Drill {
    /// Its number.
    pub(crate) id: u64,
    /// What happens in it.
    pub(crate) kind: DrillKind,
    /// The service to which it happens.
    #[field(example = "product")]
    pub(crate) service: String,
    /// The same in words.
    #[field(example = "product-2 is stalled")]
    pub(crate) what: String,
    /// The instances that are concerned.
    pub(crate) instances: Vec<String>,
    /// Who began it.
    #[field(example = "operator")]
    pub(crate) who: String,
    /// Requests a second.
    pub(crate) load_per_s: u32,
    /// How long the fault lasts, in seconds.
    pub(crate) duration_s: u32,
    /// How long it is quiet before the fault and after it, in seconds.
    pub(crate) quiet_s: u32,
    /// Where it stands.
    pub(crate) state: DrillState,
    /// Why it ended as it did, where that was not as planned.
    pub(crate) reason: Option<String>,
    /// When it began: all of its other times count from here.
    pub(crate) began: Timestamp,
    /// For how long it has gone on, in milliseconds.
    pub(crate) elapsed_ms: u64,
    /// About how long what it does now still takes, in milliseconds, where that is known.
    pub(crate) left_ms: Option<u64>,
    /// The fault's number among the control service's faults, once there is one.
    pub(crate) fault: Option<u64>,
    /// What happened, in its order.
    pub(crate) timeline: Vec<Moment>,
    /// What was measured, second by second.
    pub(crate) seconds: Vec<Second>,
    /// What came of it so far.
    pub(crate) report: DrillReport,
}

/// Where a drill stands.
#[derive(Message, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum DrillState {
    /// It is found out what can be asked.
    #[default]
    Preparing,
    /// Nothing is broken: what is usual is measured.
    Baseline,
    /// It is broken.
    Fault,
    /// It is mended, and callers may not have noticed yet.
    Recovery,
    /// It is over.
    Done,
    /// It was given up before its end, and what was broken is mended.
    Aborted,
    /// It could not go on, and what was broken is mended.
    Failed,
    /// A state that this version doesn't know.
    Unknown,
}

impl Drill {
    /// What has happened and was not told yet; it counts as told now. What is heard of late stands before what was told, and is told
    /// all the same.
    pub(crate) fn untold(&self, told: &mut Vec<MomentKind>) -> Vec<&Moment> {
        let new: Vec<&Moment> = self.timeline.iter().filter(|moment| !told.contains(&moment.what)).collect();
        told.extend(new.iter().map(|moment| moment.what));
        new
    }
}

/// Something that happened in a drill.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    /// When, in milliseconds from its beginning.
    pub(crate) at_ms: u64,
    /// What it was.
    pub(crate) what: MomentKind,
    /// The same in words.
    pub(crate) words: String,
}

/// What can happen in a drill.
#[derive(Message, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum MomentKind {
    /// The load began.
    #[default]
    Load,
    /// Something was broken.
    Fault,
    /// Callers noticed.
    Detected,
    /// They gave it no more calls.
    Ejected,
    /// It was mended.
    Mended,
    /// Callers use it again.
    Recovered,
    /// It is over.
    End,
    /// Something that this version doesn't know.
    Unknown,
}

/// What was measured in a second. Latencies count from when a request was due, in microseconds.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Second {
    /// Which one, from the drill's beginning.
    pub(crate) at_s: u32,
    /// Requests that came to an end in it.
    pub(crate) requests: u32,
    /// Those of them that were lost.
    pub(crate) lost: u32,
    /// The median of the answers' latencies.
    pub(crate) p50_us: u64,
    /// Their 99th percentile.
    pub(crate) p99_us: u64,
    /// The longest one.
    pub(crate) max_us: u64,
}

/// What a drill came to.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DrillReport {
    /// When the gateway first saw an instance otherwise than before; another caller, where the gateway doesn't call it.
    pub(crate) detected: Option<Noticed>,
    /// When it first gave one no calls any more.
    pub(crate) ejected: Option<Noticed>,
    /// How long after it was mended (of one that was killed: after it was) all of them got calls again, in milliseconds.
    pub(crate) recovered_after_ms: Option<u64>,
    /// Requests that came to an end.
    pub(crate) requests: u64,
    /// Those that were lost: no answer, or a server's error.
    pub(crate) lost: u64,
    /// The same by what came instead.
    pub(crate) lost_by_kind: Vec<Lost>,
    /// Calls that were tried again elsewhere while it lasted, by whoever calls the service.
    pub(crate) retried: u64,
    /// The requests that had come to an end before the fault.
    pub(crate) before: Phase,
    /// Those that were under way when it came, or due while it lasted.
    pub(crate) during: Phase,
    /// Those that were due after it.
    pub(crate) after: Phase,
    /// The same by what was asked.
    pub(crate) routes: Vec<Route>,
    /// How it went.
    pub(crate) grade: Grade,
    /// The same in words.
    pub(crate) verdict: String,
}

/// Requests that were lost in one way.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    /// What came instead of an answer.
    #[field(example = "503 UNAVAILABLE")]
    pub(crate) kind: String,
    /// How many.
    pub(crate) count: u64,
}

/// A part of a drill. Latencies are those of answers, from when the request was due, in microseconds.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Phase {
    /// How long it lasted, in milliseconds.
    pub(crate) lasted_ms: u64,
    /// Its requests that have come to an end.
    pub(crate) requests: u64,
    /// Those of them that were lost.
    pub(crate) lost: u64,
    /// The median.
    pub(crate) p50_us: u64,
    /// The 95th percentile.
    pub(crate) p95_us: u64,
    /// The 99th percentile.
    pub(crate) p99_us: u64,
    /// The longest one.
    pub(crate) max_us: u64,
}

/// What is asked in a drill, and what came of that.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Route {
    /// What is asked.
    #[field(example = "GET /products/Tux")]
    pub(crate) route: String,
    /// The service that answers it, where that is known.
    pub(crate) service: Option<String>,
    /// Requests that came to an end.
    pub(crate) requests: u64,
    /// Those of them that were lost.
    pub(crate) lost: u64,
    /// Those that were lost during the fault.
    pub(crate) lost_during: u64,
}

/// How a drill went.
#[derive(Message, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Grade {
    /// Nothing can be said yet.
    #[default]
    Open,
    /// Nobody noticed: no request was lost, and all is well again.
    Held,
    /// Some requests were lost, and all is well again.
    Bent,
    /// It is not well again.
    Broke,
    /// One that this version doesn't know.
    Unknown,
}
