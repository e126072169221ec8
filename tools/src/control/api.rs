//! The control service as others see it: the processes of a network, and what its operator can do to them.

use std::fmt;

use micronet_wire::schema::{Message, Timestamp};
use micronet_wire::service::{CallContext, CallError, Outgoing, service};

/// The operation of a network: its processes and their logs.
#[service(name = "control")]
pub(crate) trait Control {
    /// The processes and how they are: all, those of a service, or one.
    #[rpc(
        http("GET /api/v1/control/processes"),
        permission = "control:read",
        idempotent,
        rate = "monitoring"
    )]
    async fn processes(
        &self,
        context: &CallContext,
        request: Which,
    ) -> Result<Processes, CallError<ControlError>>;

    /// Starts what doesn't run, an instance or a service, and answers when it is ready. A crash loop is forgotten.
    #[rpc(http("POST /api/v1/control/processes/{name}/start"), permission = "control:write", idempotent)]
    async fn start(
        &self,
        context: &CallContext,
        request: Named,
    ) -> Result<Processes, CallError<ControlError>>;

    /// Stops an instance or a service: running requests finish. It answers when they have ended.
    #[rpc(http("POST /api/v1/control/processes/{name}/stop"), permission = "control:write", idempotent)]
    async fn stop(&self, context: &CallContext, request: Named)
    -> Result<Processes, CallError<ControlError>>;

    /// The last lines of a log: of all instances, of a service's, or of one.
    #[rpc(http("GET /api/v1/control/logs"), permission = "control:read", idempotent, rate = "monitoring")]
    async fn log(&self, context: &CallContext, request: LogOf) -> Result<Lines, CallError<ControlError>>;

    /// The same line by line, and what is added to it as it comes.
    #[rpc(permission = "control:read", idempotent, rate = "monitoring")]
    async fn follow(
        &self,
        context: &CallContext,
        request: LogOf,
        replies: Outgoing<Line>,
    ) -> Result<(), CallError<ControlError>>;
}

/// Chooses processes.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Which {
    /// A service, or an instance; all processes unless given.
    #[field(min = 1, max = 64, example = "product")]
    pub(crate) name: Option<String>,
}

/// Names an instance, or all of a service.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// The instance's name, or the service's.
    #[field(min = 1, max = 64, example = "product-1")]
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

/// Chooses lines of logs.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LogOf {
    /// A service, or an instance; all of them unless given.
    #[field(min = 1, max = 64, example = "product-1")]
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

/// Why the control service says no.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) enum ControlError {
    /// No process of the network has this name.
    #[status(404)]
    NoSuchProcess {
        /// The name.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A process that was started has not become ready.
    #[status(503)]
    DidNotStart {
        /// Its name.
        instance: String,
        /// How it ended, or what it waits for.
        reason: String,
    },
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchProcess { name, known } => {
                write!(
                    f,
                    "no process or service of this network is called {name:?}; there are {}",
                    known.join(", ")
                )
            }
            Self::DidNotStart { instance, reason } => write!(f, "{instance} did not start: {reason}"),
        }
    }
}
