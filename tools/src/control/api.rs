//! The control service as others see it: the processes of a network, and what its operator can do to them.

pub(crate) mod faults;
pub(crate) mod live;
pub(crate) mod network;
mod processes;
pub(crate) mod tap;
pub(crate) mod why;

use std::fmt;

use micronet_wire::error::RpcError;
use micronet_wire::schema::Message;
use micronet_wire::service::{CallContext, CallError, Outgoing, service};

use self::faults::{Break, Disturb, Fault, FaultId, Faults, Partition};
use self::live::{Alerts, History, HistoryOf, Live, LiveOf};
use self::network::{Declare, Declared};
pub(crate) use self::processes::{
    Line, Lines, LogOf, Named, Process, ProcessState, Processes, Reloaded, Scale, Which,
};
use self::tap::Tap;
use self::why::{Why, WhyOf};
use micronet_wire::network::Tapped;

/// The operation of a network: its processes, their logs and their faults.
#[service(name = "control")]
pub(crate) trait Control {
    /// The processes and how they are: all, those of a service, or one.
    #[rpc(
        http("GET /api/v1/control/processes"),
        permission = "control:read",
        idempotent,
        rate = "monitoring",
        errors(NoSuchProcess)
    )]
    async fn processes(
        &self,
        context: &CallContext,
        request: Which,
    ) -> Result<Processes, CallError<ControlError>>;

    /// Starts what doesn't run, an instance or a service, and answers when it is ready. A crash loop is forgotten.
    #[rpc(
        http("POST /api/v1/control/processes/{name}/start"),
        permission = "control:write",
        idempotent,
        errors(NoSuchProcess, Busy, DidNotStart)
    )]
    async fn start(
        &self,
        context: &CallContext,
        request: Named,
    ) -> Result<Processes, CallError<ControlError>>;

    /// Stops an instance or a service: running requests finish. It answers when they have ended.
    #[rpc(
        http("POST /api/v1/control/processes/{name}/stop"),
        permission = "control:write",
        idempotent,
        errors(NoSuchProcess, Busy)
    )]
    async fn stop(&self, context: &CallContext, request: Named)
    -> Result<Processes, CallError<ControlError>>;

    /// Starts an instance anew, or those of a service one by one: callers leave it first, its running requests finish, and the next
    /// one's turn comes when callers give the new process calls. Of a service with one instance another stands in meanwhile. The
    /// gateway's new process takes its sockets over when it is ready; if it never is, the one before goes on.
    #[rpc(
        http("POST /api/v1/control/processes/{name}/restart"),
        permission = "control:write",
        errors(NoSuchProcess, Busy, NotPossible, DidNotStart)
    )]
    async fn restart(
        &self,
        context: &CallContext,
        request: Named,
    ) -> Result<Processes, CallError<ControlError>>;

    /// Has the gateway read its settings and certificates again, and apply them without dropping a connection. If something is wrong
    /// with them, everything that is wrong is told, and what held before holds.
    #[rpc(http("POST /api/v1/control/processes/{name}/reload"), permission = "control:write", idempotent)]
    async fn reload(
        &self,
        context: &CallContext,
        request: Named,
    ) -> Result<Reloaded, CallError<ControlError>>;

    /// Runs so many instances of a service. New ones get names and free ports; those that go are those with the highest numbers, when
    /// their running requests have finished.
    #[rpc(
        http("POST /api/v1/control/services/{service}/scale"),
        permission = "control:write",
        idempotent,
        errors(NoSuchProcess, Busy, NotPossible, DidNotStart)
    )]
    async fn scale(
        &self,
        context: &CallContext,
        request: Scale,
    ) -> Result<Processes, CallError<ControlError>>;

    /// Lets an instance, or those of a service, rest: they get calls only where no other can take them.
    #[rpc(
        http("POST /api/v1/control/processes/{name}/drain"),
        permission = "control:write",
        idempotent,
        errors(NoSuchProcess)
    )]
    async fn drain(
        &self,
        context: &CallContext,
        request: Named,
    ) -> Result<Processes, CallError<ControlError>>;

    /// Takes that back.
    #[rpc(
        http("POST /api/v1/control/processes/{name}/undrain"),
        permission = "control:write",
        idempotent,
        errors(NoSuchProcess)
    )]
    async fn undrain(
        &self,
        context: &CallContext,
        request: Named,
    ) -> Result<Processes, CallError<ControlError>>;

    /// Makes an instance, or all of a service, fail: nobody calls it, until it recovers or the time is over.
    #[rpc(
        http("POST /api/v1/control/processes/{name}/fail"),
        permission = "control:write",
        errors(NoSuchProcess, LastHealthy, NotPossible)
    )]
    async fn fail(&self, context: &CallContext, request: Break) -> Result<Fault, CallError<ControlError>>;

    /// Ends all faults of an instance, or of those of a service.
    #[rpc(
        http("POST /api/v1/control/processes/{name}/recover"),
        permission = "control:write",
        idempotent,
        errors(NoSuchProcess)
    )]
    async fn recover(&self, context: &CallContext, request: Named)
    -> Result<Faults, CallError<ControlError>>;

    /// Stops the processes of an instance or a service where they stand (SIGSTOP), and lets them go on when the time is over.
    #[rpc(
        http("POST /api/v1/control/processes/{name}/stall"),
        permission = "control:write",
        errors(NoSuchProcess, LastHealthy, NotPossible)
    )]
    async fn stall(&self, context: &CallContext, request: Break) -> Result<Fault, CallError<ControlError>>;

    /// Makes an instance, or those of a service, slow or unreliable: calls to it take longer, fail, or get no answer.
    #[rpc(
        http("POST /api/v1/control/processes/{name}/disturb"),
        permission = "control:write",
        errors(NoSuchProcess, LastHealthy, NotPossible)
    )]
    async fn disturb(
        &self,
        context: &CallContext,
        request: Disturb,
    ) -> Result<Fault, CallError<ControlError>>;

    /// Cuts an instance, or those of a service, off from the others: nothing passes between them, and nobody is told.
    #[rpc(
        http("POST /api/v1/control/processes/{name}/partition"),
        permission = "control:write",
        errors(NoSuchProcess, LastHealthy, NotPossible)
    )]
    async fn partition(
        &self,
        context: &CallContext,
        request: Partition,
    ) -> Result<Fault, CallError<ControlError>>;

    /// The faults that are in force, and what the last ones came to.
    #[rpc(http("GET /api/v1/control/faults"), permission = "control:read", idempotent, rate = "monitoring")]
    async fn faults(&self, context: &CallContext) -> Result<Faults, RpcError>;

    /// One fault, in force or past.
    #[rpc(
        http("GET /api/v1/control/faults/{id}"),
        permission = "control:read",
        idempotent,
        rate = "monitoring",
        errors(NoSuchFault)
    )]
    async fn fault(&self, context: &CallContext, request: FaultId) -> Result<Fault, CallError<ControlError>>;

    /// Ends a fault before its time.
    #[rpc(
        http("DELETE /api/v1/control/faults/{id}"),
        permission = "control:write",
        idempotent,
        errors(NoSuchFault)
    )]
    async fn clear(&self, context: &CallContext, request: FaultId) -> Result<Fault, CallError<ControlError>>;

    /// The network as it was declared: its segments, its links, and who may call whom.
    #[rpc(http("GET /api/v1/control/network"), permission = "control:read", idempotent, rate = "monitoring")]
    async fn network(&self, context: &CallContext) -> Result<Declared, RpcError>;

    /// Declares another network, which holds at once, for connections that are open too. It answers when all have heard it.
    #[rpc(http("PUT /api/v1/control/network"), permission = "control:write", idempotent, errors(WrongPlan))]
    async fn declare(
        &self,
        context: &CallContext,
        request: Declare,
    ) -> Result<Declared, CallError<ControlError>>;

    /// Declares none: all are as near to each other as the machine has them, and may call each other.
    #[rpc(http("DELETE /api/v1/control/network"), permission = "control:write", idempotent)]
    async fn withdraw(&self, context: &CallContext) -> Result<Declared, RpcError>;

    /// Why a request went as it did: its way through the network, as the processes on it remember that.
    #[rpc(
        http("GET /api/v1/control/requests/{request_id}"),
        permission = "tap:read",
        idempotent,
        rate = "monitoring"
    )]
    async fn why(&self, context: &CallContext, request: WhyOf) -> Result<Why, RpcError>;

    /// The network as it is now, and then what changes: at most once a second, or at once when a state does. Each message is made when its
    /// reader takes it: a slow one gets fewer, never old ones.
    #[rpc(http("GET /api/v1/control/live"), permission = "control:read", idempotent, rate = "monitoring")]
    async fn live(
        &self,
        context: &CallContext,
        request: LiveOf,
        replies: Outgoing<Live>,
    ) -> Result<(), RpcError>;

    /// What passed the gateway in the last seconds or hours, a service, or an instance.
    #[rpc(
        http("GET /api/v1/control/history"),
        permission = "control:read",
        idempotent,
        rate = "monitoring",
        errors(NoSuchProcess)
    )]
    async fn history(
        &self,
        context: &CallContext,
        request: HistoryOf,
    ) -> Result<History, CallError<ControlError>>;

    /// The alerts that are active, and the last ones that were.
    #[rpc(http("GET /api/v1/control/alerts"), permission = "control:read", idempotent, rate = "monitoring")]
    async fn alerts(&self, context: &CallContext) -> Result<Alerts, RpcError>;

    /// The last lines of a log: of all instances, of a service's, or of one.
    #[rpc(
        http("GET /api/v1/control/logs"),
        permission = "control:read",
        idempotent,
        rate = "monitoring",
        errors(NoSuchProcess)
    )]
    async fn log(&self, context: &CallContext, request: LogOf) -> Result<Lines, CallError<ControlError>>;

    /// The same line by line, and what is added to it as it comes.
    #[rpc(
        http("GET /api/v1/control/logs/follow"),
        permission = "control:read",
        idempotent,
        rate = "monitoring",
        errors(NoSuchProcess)
    )]
    async fn follow(
        &self,
        context: &CallContext,
        request: LogOf,
        replies: Outgoing<Line>,
    ) -> Result<(), CallError<ControlError>>;

    /// Tells what passes processes from now on: the calls that end, and copies of the frames of RPC connections. Secrets are masked. It holds up
    /// nothing: what its reader is too slow for is lost, and counted.
    #[rpc(permission = "tap:read", idempotent, rate = "monitoring", errors(NoSuchProcess))]
    async fn tap(
        &self,
        context: &CallContext,
        request: Tap,
        replies: Outgoing<Tapped>,
    ) -> Result<(), CallError<ControlError>>;
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
    /// No fault has this number, or it is too long past.
    #[status(404)]
    NoSuchFault {
        /// The number.
        id: u64,
    },
    /// It would leave a service without a healthy instance; `force` does it all the same.
    #[status(409)]
    LastHealthy {
        /// The service.
        service: String,
        /// Those that would be lost.
        instances: Vec<String>,
    },
    /// Another operation on the service is under way.
    #[status(409)]
    Busy {
        /// The service.
        service: String,
    },
    /// That can't be done with it.
    #[status(409)]
    NotPossible {
        /// Why not.
        reason: String,
    },
    /// A plan of a network is not right.
    #[status(409)]
    WrongPlan {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A process that was started has not become ready.
    #[status(503)]
    DidNotStart {
        /// Its name.
        instance: String,
        /// How it ended, or what it waits for.
        reason: String,
    },
    /// The settings that were to be read again can't be used; those from before hold.
    #[status(422)]
    UnusableSettings {
        /// Whose.
        instance: String,
        /// Everything that is wrong with them.
        faults: Vec<String>,
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
            Self::NoSuchFault { id } => write!(f, "there is no fault {id}, or it is too long past"),
            Self::LastHealthy { service, instances } => {
                let instances = instances.join(", ");
                write!(
                    f,
                    "{service} would have no healthy instance without {instances}: force does it all the same"
                )
            }
            Self::Busy { service } => write!(f, "another operation on {service} is under way"),
            Self::NotPossible { reason } => f.write_str(reason),
            Self::WrongPlan { line, reason } => write!(f, "the plan, line {line}: {reason}"),
            Self::UnusableSettings { instance, faults } => {
                write!(f, "the settings of {instance} can't be used: {}", faults.join("; "))
            }
            Self::DidNotStart { instance, reason } => write!(f, "{instance} did not start: {reason}"),
        }
    }
}
