//! The processes of a network, and their logs.

use micronet_gateway::api::settings::InForce;
use micronet_wire::schema::{Message, Timestamp};

/// Chooses processes.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Which {
    /// A service, or an instance; all processes unless given.
    #[field(min = 1, max = 64, example = "node")]
    pub(crate) name: Option<String>,
}

/// Names an instance, or all of a service.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// The instance's name, or the service's.
    #[field(min = 1, max = 64, example = "node-3")]
    pub(crate) name: String,
}

/// Some processes.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Processes {
    /// The processes, service by service.
    pub(crate) processes: Vec<Process>,
}

/// A process that the network consists of.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its service.
    pub(crate) service: String,
    /// Its own name.
    #[field(example = "product-1")]
    pub(crate) instance: String,
    /// Where it listens, or will again; nothing before it was ready for the first time.
    #[field(example = "127.0.0.1:8002")]
    pub(crate) address: Option<String>,
    /// Its process id, while it runs.
    pub(crate) pid: Option<u32>,
    /// Where it stands.
    pub(crate) state: ProcessState,
    /// Since when.
    pub(crate) since: Timestamp,
    /// Why, in words.
    pub(crate) reason: String,
    /// How often it was started again.
    pub(crate) restarts: u64,
    /// How it last ended, if it ever did.
    #[field(example = "signal: 9 (SIGKILL)")]
    pub(crate) last_exit: Option<String>,
    /// What the operator has said of it that is in force: that it rests, and its faults.
    pub(crate) words: Vec<String>,
}

/// Where a process stands with its supervisor.
#[derive(Message, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ProcessState {
    /// It doesn't run, and nobody wants it to.
    #[default]
    Stopped,
    /// It was started, and isn't ready yet.
    Starting,
    /// It is ready.
    Running,
    /// It was told to end, and lets running requests finish.
    Stopping,
    /// It has died, and is started again after a pause.
    BackingOff,
    /// It has died too often: an operator has to start it.
    CrashLoop,
    /// A state that this version doesn't know.
    Unknown,
}

/// How many instances a service has.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scale {
    /// The service.
    #[field(min = 1, max = 64, example = "node")]
    pub(crate) service: String,
    /// So many.
    #[field(min = 1, max = 16, example = 3)]
    pub(crate) count: u32,
}

/// Chooses lines of logs.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LogOf {
    /// A service, or an instance; all of them unless given.
    #[field(min = 1, max = 64, example = "node-3")]
    pub(crate) name: Option<String>,
    /// How many lines of each log's end; 20 unless given.
    #[field(max = 1_000)]
    pub(crate) lines: Option<u32>,
}

/// Lines of logs.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    /// The lines, log by log.
    pub(crate) lines: Vec<Line>,
}

/// A line of a log.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Whose log it is.
    pub(crate) instance: String,
    /// The line. A very long one comes in pieces.
    pub(crate) text: String,
}

/// The settings that processes have read again.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reloaded {
    /// What holds now, process by process.
    pub(crate) settings: Vec<InForce>,
}
