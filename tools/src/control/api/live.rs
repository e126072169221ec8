//! The network as it is now, message by message: what a dashboard reads, and what the charts show of the past.

use micronet_wire::network::InstanceState;
use micronet_wire::schema::{Decimal, Message, Timestamp};

use super::ProcessState;

/// Asks for the network as it is now, and from now on.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LiveOf {
    /// The last event that is known already: the first message tells those after it. The last ones that there were unless given.
    pub(crate) events_since: Option<u64>,
}

/// What changed since the message before. Entries of lists are whole: who knows one of the same name replaces it.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Live {
    /// Counts the messages of this stream, from 1.
    pub(crate) sequence: u64,
    /// When it was so.
    pub(crate) at: Timestamp,
    /// It is all that there is: what was known before is to be forgotten, but for events.
    pub(crate) whole: bool,
    /// The network itself, where something of it changed.
    pub(crate) network: Option<LiveNetwork>,
    /// Everything that passes the gateway, where it changed.
    pub(crate) totals: Option<LiveTotals>,
    /// The services that changed.
    pub(crate) services: Vec<LiveService>,
    /// The instances that changed, the gateway's process among them.
    pub(crate) instances: Vec<LiveInstance>,
    /// The links that changed: who calls whom.
    pub(crate) links: Vec<LiveLink>,
    /// The alerts that changed. One that is over is told once more, and is gone when it is forgotten.
    pub(crate) alerts: Vec<Alert>,
    /// What happened since, the oldest first.
    pub(crate) events: Vec<Told>,
    /// Events since the message before that are not among them: there were too many, or too long ago.
    pub(crate) lost: u64,
    /// What there is no more.
    pub(crate) gone: Option<Gone>,
}

/// A network.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LiveNetwork {
    /// The cluster's name.
    pub(crate) cluster: String,
    /// The version of the program.
    pub(crate) version: String,
    /// When the network was started.
    pub(crate) started: Timestamp,
    /// What it was started as.
    #[field(example = "shop")]
    pub(crate) profile: String,
    /// Where the gateway's clients find it; nothing before it was ready.
    #[field(example = "127.0.0.1:8000")]
    pub(crate) gateway: Option<String>,
    /// How full the disk is on which the data are, in thousandths.
    pub(crate) disk_used_permille: u32,
}

/// Everything that passes the gateway. Figures by the second are of the last whole second.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LiveTotals {
    /// Requests since the gateway's process started.
    pub(crate) requests: u64,
    /// Requests a second.
    pub(crate) per_s: u64,
    /// Those that failed by no fault of the client.
    pub(crate) errors_per_s: u64,
    /// Half of them took no longer, in milliseconds.
    pub(crate) p50_ms: Decimal<3>,
    /// 95 % of them took no longer, in milliseconds.
    pub(crate) p95_ms: Decimal<3>,
    /// 99 % of them took no longer, in milliseconds.
    pub(crate) p99_ms: Decimal<3>,
    /// Connections of clients that are open.
    pub(crate) connections: u64,
    /// How the instances of services are picked, in words.
    #[field(example = "round_robin")]
    pub(crate) balancer: String,
}

/// A service, as its clients have it through the gateway. Figures by the second are of the last whole second.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LiveService {
    /// Its name.
    #[field(example = "product")]
    pub(crate) service: String,
    /// What its port speaks.
    #[field(example = "REST + RPC")]
    pub(crate) protocol: String,
    /// The port of its first instance.
    pub(crate) port: u32,
    /// Whether one of its instances at least gets calls.
    pub(crate) running: bool,
    /// How it is, in a word or two.
    #[field(example = "STOPPED (BLOCKED)")]
    pub(crate) status: String,
    /// Why.
    pub(crate) reason: String,
    /// Since when.
    pub(crate) since: Timestamp,
    /// The algorithm by which its instances are picked.
    #[field(example = "round_robin")]
    pub(crate) algorithm: String,
    /// The algorithm that picks now, and why.
    pub(crate) balancing: String,
    /// Requests of clients a second.
    pub(crate) per_s: u64,
    /// Those that failed by no fault of the client.
    pub(crate) errors_per_s: u64,
    /// Half of them took no longer, in milliseconds.
    pub(crate) p50_ms: Decimal<3>,
    /// 95 % of them took no longer, in milliseconds.
    pub(crate) p95_ms: Decimal<3>,
    /// 99 % of them took no longer, in milliseconds.
    pub(crate) p99_ms: Decimal<3>,
    /// The gateway's calls to it that have no answer yet.
    pub(crate) in_flight: u32,
    /// The gateway's connections to it.
    pub(crate) connections: u32,
    /// The gateway's calls to it that were tried again, since the gateway's process started.
    pub(crate) retries: u64,
    /// How evenly its instances were called lately: Jain's index, 1 when all got what is fair, 1/n when one of n got everything.
    pub(crate) fairness: Decimal<4>,
}

/// An instance, as its supervisor and the gateway see it. Figures by the second are of the last whole second.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LiveInstance {
    /// Its service.
    #[field(example = "product")]
    pub(crate) service: String,
    /// Its name.
    #[field(example = "product-2")]
    pub(crate) instance: String,
    /// Where it listens, or will again; nothing before it was ready for the first time.
    #[field(example = "127.0.0.1:8012")]
    pub(crate) address: Option<String>,
    /// Its process id, while it runs.
    pub(crate) pid: Option<u32>,
    /// Where its process stands.
    pub(crate) process: ProcessState,
    /// How it stands with the gateway; nothing where the gateway doesn't call it, or isn't there to say.
    pub(crate) health: Option<InstanceState>,
    /// Why: of its health while its process runs, else of its process.
    pub(crate) reason: String,
    /// Since when.
    pub(crate) since: Timestamp,
    /// Its weight among the instances; 100 is the norm.
    pub(crate) weight: u32,
    /// The gateway's calls to it a second, repeated ones too. Of the gateway: requests of clients.
    pub(crate) per_s: u64,
    /// Those that failed.
    pub(crate) errors_per_s: u64,
    /// Half of them took no longer, in milliseconds.
    pub(crate) p50_ms: Decimal<3>,
    /// 95 % of them took no longer, in milliseconds.
    pub(crate) p95_ms: Decimal<3>,
    /// 99 % of them took no longer, in milliseconds.
    pub(crate) p99_ms: Decimal<3>,
    /// The gateway's calls to it that have no answer yet.
    pub(crate) in_flight: u32,
    /// The gateway's connections to it.
    pub(crate) connections: u32,
    /// Its part of the service's calls lately, in per cent.
    pub(crate) share_percent: Decimal<2>,
    /// The part that its weight makes fair, in per cent.
    pub(crate) fair_percent: Decimal<2>,
    /// The CPU time that its process lately used, in thousandths of one core.
    pub(crate) cpu_permille: u32,
    /// Its process's memory that is in RAM, in bytes.
    pub(crate) resident_bytes: u64,
    /// What the operator has said of it that is in force: that it rests, and its faults.
    pub(crate) faults: Vec<String>,
}

/// One process calls another, as the calling one sees it.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LiveLink {
    /// The instance that calls.
    #[field(example = "gateway-1")]
    pub(crate) from: String,
    /// The service that it calls.
    #[field(example = "product")]
    pub(crate) to_service: String,
    /// The instance that it calls.
    #[field(example = "product-2")]
    pub(crate) to_instance: String,
    /// Calls a second.
    pub(crate) per_s: u64,
    /// How long they lately took on average, in milliseconds.
    pub(crate) mean_ms: Decimal<3>,
    /// How the called instance stands with the calling one.
    pub(crate) state: InstanceState,
}

/// What there is no more.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Gone {
    /// Services, by name.
    pub(crate) services: Vec<String>,
    /// Instances, by name.
    pub(crate) instances: Vec<String>,
    /// Links, by their ends.
    pub(crate) links: Vec<LinkEnds>,
    /// Alerts that are forgotten.
    pub(crate) alerts: Vec<u64>,
}

/// Names a link.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkEnds {
    /// The instance that calls.
    pub(crate) from: String,
    /// The instance that it calls.
    pub(crate) to_instance: String,
}

/// How much something matters.
#[derive(Message, Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Severity {
    /// It is good to know.
    #[default]
    Info,
    /// Somebody should look at it.
    Warning,
    /// Clients notice it.
    Critical,
    /// A severity that this version doesn't know.
    Unknown,
}

/// What an event is about.
#[derive(Message, Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum EventKind {
    /// A process started, is ready, died, or ended.
    #[default]
    Process,
    /// An instance gets calls or gets none, as the gateway sees it.
    Instance,
    /// A circuit breaker opened or closed.
    Breaker,
    /// An alert was raised or is over.
    Alert,
    /// Somebody has operated the network.
    Operator,
    /// A fault on purpose has begun or is over.
    Fault,
    /// A failure drill goes on.
    Drill,
    /// Something was said in the chat.
    Chat,
    /// Instances are picked in another way.
    Balancer,
    /// A kind that this version doesn't know.
    Unknown,
}

/// Something that has happened in the network.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Its number: later ones have greater ones.
    pub(crate) id: u64,
    /// When.
    pub(crate) at: Timestamp,
    /// What it is about.
    pub(crate) kind: EventKind,
    /// How much it matters.
    pub(crate) severity: Severity,
    /// Whom it concerns: an instance, a service, or nothing for the whole network.
    #[field(example = "product-1")]
    pub(crate) subject: String,
    /// What happened.
    #[field(example = "died: signal: 9 (SIGKILL)")]
    pub(crate) words: String,
    /// Who did it, where somebody did.
    #[field(example = "operator")]
    pub(crate) who: Option<String>,
    /// The request by which it was done.
    pub(crate) request_id: Option<String>,
}

/// What an alert warns of.
#[derive(Message, Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum AlertKind {
    /// An instance that should get calls gets none.
    #[default]
    InstanceUnhealthy,
    /// No instance of a service gets calls.
    ServiceUnhealthy,
    /// Requests take too long.
    ResponseTime,
    /// A process uses most of a core.
    HighCpu,
    /// A process uses much memory.
    HighMemory,
    /// The disk on which the data are is nearly full.
    HighDisk,
    /// There are suddenly many more requests than before.
    TrafficSpike,
    /// Calls are not distributed as is fair, or some take far longer than another algorithm would let them.
    AlgorithmInefficiency,
    /// A circuit breaker is open: too many calls to an instance failed.
    BreakerOpen,
    /// A kind that this version doesn't know.
    Unknown,
}

/// Something that somebody should look at.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Alert {
    /// Its number.
    pub(crate) id: u64,
    /// What it warns of.
    pub(crate) kind: AlertKind,
    /// How much it matters.
    pub(crate) severity: Severity,
    /// Whom it concerns: an instance or a service.
    #[field(example = "product-1")]
    pub(crate) subject: String,
    /// What is wrong, in numbers.
    #[field(example = "P95 of 312 ms over 200 ms")]
    pub(crate) words: String,
    /// Since when.
    pub(crate) since: Timestamp,
    /// Whether it still is.
    pub(crate) active: bool,
    /// When it was over.
    pub(crate) until: Option<Timestamp>,
}

/// Alerts, the newest last.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Alerts {
    /// Those that are active.
    pub(crate) active: Vec<Alert>,
    /// Those that are over: the last ones.
    pub(crate) past: Vec<Alert>,
}

/// Asks for the past.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HistoryOf {
    /// Of this service; of everything that passes the gateway unless a service or an instance is given.
    #[field(min = 1, max = 64, example = "product")]
    pub(crate) service: Option<String>,
    /// Of this instance.
    #[field(min = 1, max = 64, example = "product-2")]
    pub(crate) instance: Option<String>,
    /// How far back, in seconds: 900 unless given. Up to then it is told by the second, before that by ten seconds.
    #[field(min = 1, max = 10_800)]
    pub(crate) since_s: Option<u32>,
}

/// The past, step by step.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// How long a step is, in seconds.
    pub(crate) step_s: u32,
    /// The steps, the oldest first. There is none of a time that nothing is known of.
    pub(crate) points: Vec<Point>,
}

/// What was measured in a step.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Point {
    /// When the step began.
    pub(crate) at: Timestamp,
    /// Requests, or calls of an instance, a second.
    pub(crate) per_s: Decimal<1>,
    /// Those that failed.
    pub(crate) errors_per_s: Decimal<1>,
    /// Half of them took no longer, in milliseconds. Of ten seconds: the highest of a second.
    pub(crate) p50_ms: Decimal<3>,
    /// 95 % of them took no longer, in milliseconds. Of ten seconds: the highest of a second.
    pub(crate) p95_ms: Decimal<3>,
    /// 99 % of them took no longer, in milliseconds. Of ten seconds: the highest of a second.
    pub(crate) p99_ms: Decimal<3>,
    /// Calls without an answer, at its end.
    pub(crate) in_flight: u32,
    /// Open connections, at its end.
    pub(crate) connections: u32,
    /// The CPU time that the process used, in thousandths of one core; 0 of services.
    pub(crate) cpu_permille: u32,
    /// The process's memory, in bytes; 0 of services.
    pub(crate) resident_bytes: u64,
}
