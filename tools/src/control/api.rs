//! The control service as others see it: the processes of a network, and what its operator can do to them.

pub(crate) mod chat;
pub(crate) mod drills;
mod errors;
pub(crate) mod faults;
pub(crate) mod live;
pub(crate) mod network;
mod processes;
pub(crate) mod tap;
pub(crate) mod weight;
pub(crate) mod why;

use micronet_wire::error::RpcError;
use micronet_wire::service::{CallContext, CallError, Incoming, Outgoing, service};

use self::chat::{Said, Typed};
use self::drills::{Drill, DrillId, Drills, NewDrill};
pub(crate) use self::errors::ControlError;
use self::faults::{Break, Disturb, Fault, FaultId, Faults, Partition};
use self::live::{Alerts, History, HistoryOf, Live, LiveOf};
use self::network::{Declare, Declared};
pub(crate) use self::processes::{
    Line, Lines, LogOf, Named, Process, ProcessState, Processes, Reloaded, Scale, Which,
};
use self::tap::Tap;
use self::weight::Weigh;
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

    /// Starts what doesn't run, an instance or a service, and answers when it is ready and called. A crash loop is forgotten.
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

    /// Gives an instance, or those of a service, another weight: the part of the calls that is fair for it, where 100 is the norm.
    #[rpc(
        http("PUT /api/v1/control/processes/{name}/weight"),
        permission = "control:write",
        idempotent,
        errors(NoSuchProcess)
    )]
    async fn weigh(
        &self,
        context: &CallContext,
        request: Weigh,
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

    /// Begins a drill: a steady load, something that is broken under it for a while, and a report. It answers at once. It is refused where the
    /// network can't spare what would be lost.
    #[rpc(
        http("POST /api/v1/control/drills"),
        permission = "control:write",
        status = 202,
        errors(NoSuchProcess, BeyondBlastRadius, NotPossible)
    )]
    async fn drill(&self, context: &CallContext, request: NewDrill)
    -> Result<Drill, CallError<ControlError>>;

    /// The drill that is under way, and the last ones before it.
    #[rpc(http("GET /api/v1/control/drills"), permission = "control:read", idempotent, rate = "monitoring")]
    async fn drills(&self, context: &CallContext) -> Result<Drills, RpcError>;

    /// One drill: where it stands, what was measured, and what came of it.
    #[rpc(
        http("GET /api/v1/control/drills/{id}"),
        permission = "control:read",
        idempotent,
        rate = "monitoring",
        errors(NoSuchDrill)
    )]
    async fn drill_of(
        &self,
        context: &CallContext,
        request: DrillId,
    ) -> Result<Drill, CallError<ControlError>>;

    /// The same again and again while it goes on, to its end.
    #[rpc(
        http("GET /api/v1/control/drills/{id}/watch"),
        permission = "control:read",
        idempotent,
        rate = "monitoring",
        errors(NoSuchDrill)
    )]
    async fn watch_drill(
        &self,
        context: &CallContext,
        request: DrillId,
        replies: Outgoing<Drill>,
    ) -> Result<(), CallError<ControlError>>;

    /// Gives a drill up. It answers when what was broken is mended.
    #[rpc(
        http("DELETE /api/v1/control/drills/{id}"),
        permission = "control:write",
        idempotent,
        errors(NoSuchDrill)
    )]
    async fn abort(&self, context: &CallContext, request: DrillId) -> Result<Drill, CallError<ControlError>>;

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

    /// Talks with the chat of those who operate the network: lines in, answers and what happens out. What a line does is done on
    /// behalf of who has opened it, and needs their permission for that.
    #[rpc(http("WS /chatops"), permission = "control:read", rate = "monitoring")]
    async fn chat(
        &self,
        context: &CallContext,
        requests: Incoming<Typed>,
        replies: Outgoing<Said>,
    ) -> Result<(), RpcError>;

    /// Tells what passes processes from now on: the calls that end, and copies of the frames of RPC connections. Secrets are masked. It holds up
    /// nothing: what its reader is too slow for is lost, and counted.
    #[rpc(
        http("WS /api/v1/control/tap"),
        permission = "tap:read",
        idempotent,
        rate = "monitoring",
        errors(NoSuchProcess)
    )]
    async fn tap(
        &self,
        context: &CallContext,
        request: Tap,
        replies: Outgoing<Tapped>,
    ) -> Result<(), CallError<ControlError>>;
}
