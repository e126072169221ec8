//! The handlers of the control service: what they are asked is looked up by name, and done by the processes' supervisors.

use std::net::SocketAddr;
use std::rc::Rc;

use micronet_gateway::api::settings::InForce;
use micronet_gateway::api::{GatewayClient, GatewayError};
use micronet_transport::clock;
use micronet_transport::identity::Identity;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::network::Tapped;
use micronet_wire::service::{CallContext, CallError, Incoming, Outgoing};

use super::alerts::Alarms;
use super::api::chat::{Said, Typed};
use super::api::drills::{Drill, DrillId, Drills, NewDrill};
use super::api::faults::{Break, Disturb, Fault, FaultId, Faults, Partition};
use super::api::live::{Alerts, History, HistoryOf, Live, LiveOf};
use super::api::network::{Declare, Declared};
use super::api::tap::Tap;
use super::api::weight::Weigh;
use super::api::why::{Why, WhyOf};
use super::api::{
    Control, ControlError, Line, Lines, LogOf, Named, Process, ProcessState, Processes, Reloaded, Scale,
    Which,
};
use super::chat::Chat;
use super::doing::doing;
use super::drills;
use super::faults::Breaker;
use super::governor::{Governor, name_of, options};
use super::live::{self, Feed, Whose};
use super::logs::{self, Reader};
use super::operations::{Answer, Operations, scalable};
use super::rules::{Kind, Name};
use super::tap;
use super::unix_time;
use super::why::why;
use crate::data_folder::OperatorToken;
use crate::network_plan::Plan;
use crate::up::{Fleet, Instance, State};

/// Lines of a log that are told unless others are asked for.
const LINES: u32 = 20;

/// How far back the past is told unless it is said, in seconds.
const HISTORY_S: u32 = 900;

/// Answers for the processes of one network.
pub(super) struct Controller {
    governor: Rc<Governor>,
    operations: Rc<Operations>,
    breaker: Rc<Breaker>,
    drills: Rc<drills::Drills>,
    chat: Rc<Chat>,
    feed: Rc<Feed>,
}

impl Controller {
    /// Begins to look after these processes; its own service is at that address. Within a runtime only.
    pub(super) fn start(
        fleet: &Rc<Fleet>,
        identity: &Rc<Identity>,
        (plan, operator): (Option<Plan>, OperatorToken),
        own: SocketAddr,
    ) -> Self {
        let governor = Governor::start(fleet, Rc::clone(identity));
        governor.book.borrow_mut().declare(plan);
        let (operations, breaker) = (Operations::new(&governor), Breaker::start(&governor));
        let drills = drills::Drills::new(&governor, &breaker, operator);
        let chat = Chat::new(&governor, identity, own);
        let feed = Feed::start(&governor, Alarms::new(fleet.config().alerts));
        Self { governor, operations, breaker, drills, chat, feed }
    }

    /// Where it is talked.
    pub(super) fn chat(&self) -> Rc<Chat> {
        Rc::clone(&self.chat)
    }

    fn fleet(&self) -> Result<Rc<Fleet>, RpcError> {
        self.governor.fleet()
    }

    fn named(&self, name: &str) -> Answer<Vec<Rc<Instance>>> {
        Ok(chosen(&*self.fleet()?, Some(name))?)
    }

    async fn reload_one(&self, instance: &Instance) -> Answer<InForce> {
        let name = || instance.name().to_owned();
        if instance.plan().service.is_some() {
            let reason = format!("{} has no settings that could be read again: the gateway has", name());
            return Err(ControlError::NotPossible { reason }.into());
        }
        let gateway = GatewayClient::new(self.governor.connection(instance).await?);
        gateway.reload(options()).await.map_err(|error| match error {
            CallError::Service(GatewayError::UnusableSettings { faults }) => {
                ControlError::UnusableSettings { instance: name(), faults }.into()
            }
            CallError::Service(other) => RpcError::new(Code::Internal, other.to_string()).into(),
            CallError::Rpc(error) => error.into(),
        })
    }

    async fn rest(&self, request: &Named, rests: bool) -> Answer<Processes> {
        let instances = self.named(&request.name)?;
        let rest = |instance: &Rc<Instance>| (name_of(instance), rests);
        let names: Vec<(Name, bool)> = instances.iter().map(rest).collect();
        self.governor.say(|book| names.iter().for_each(|(name, rests)| book.rest(name, *rests))).await;
        Ok(self.shown(&instances))
    }

    fn shown(&self, instances: &[Rc<Instance>]) -> Processes {
        let (book, now) = (self.governor.book.borrow(), clock::now());
        let shown = |instance: &Rc<Instance>| Process {
            words: book.words_of(&name_of(instance), now),
            ..process(instance)
        };
        Processes { processes: instances.iter().map(shown).collect() }
    }
}

impl Control for Controller {
    async fn processes(&self, _: &CallContext, request: Which) -> Answer<Processes> {
        let instances = chosen(&*self.fleet()?, request.name.as_deref())?;
        Ok(self.shown(&instances))
    }

    async fn start(&self, context: &CallContext, request: Named) -> Answer<Processes> {
        doing(&self.governor.events, context, ("start", &request.name), async {
            let instances = self.named(&request.name)?;
            self.operations.start(instances.clone()).await?;
            Ok(self.shown(&instances))
        })
        .await
    }

    async fn stop(&self, context: &CallContext, request: Named) -> Answer<Processes> {
        doing(&self.governor.events, context, ("stop", &request.name), async {
            let instances = self.named(&request.name)?;
            self.operations.stop(instances.clone()).await?;
            Ok(self.shown(&instances))
        })
        .await
    }

    async fn restart(&self, context: &CallContext, request: Named) -> Answer<Processes> {
        doing(&self.governor.events, context, ("restart", &request.name), async {
            let instances = self.named(&request.name)?;
            self.operations.restart(instances.clone()).await?;
            Ok(self.shown(&instances))
        })
        .await
    }

    async fn reload(&self, context: &CallContext, request: Named) -> Answer<Reloaded> {
        doing(&self.governor.events, context, ("reload", &request.name), async {
            let mut settings = Vec::new();
            for instance in self.named(&request.name)? {
                settings.push(self.reload_one(&instance).await?);
            }
            Ok(Reloaded { settings })
        })
        .await
    }

    async fn scale(&self, context: &CallContext, request: Scale) -> Answer<Processes> {
        doing(
            &self.governor.events,
            context,
            (&format!("scale to {}", request.count), &request.service),
            async {
                let service = scalable(&*self.fleet()?, &request.service)?;
                self.operations.scale(service, request.count as usize).await?;
                Ok(self.shown(&self.fleet()?.of_service(service.name)))
            },
        )
        .await
    }

    async fn drain(&self, context: &CallContext, request: Named) -> Answer<Processes> {
        doing(&self.governor.events, context, ("drain", &request.name), async {
            self.rest(&request, true).await
        })
        .await
    }

    async fn undrain(&self, context: &CallContext, request: Named) -> Answer<Processes> {
        doing(&self.governor.events, context, ("undrain", &request.name), async {
            self.rest(&request, false).await
        })
        .await
    }

    async fn weigh(&self, context: &CallContext, request: Weigh) -> Answer<Processes> {
        let Weigh { name, weight } = request;
        doing(&self.governor.events, context, (&format!("weight {weight} for"), &name), async {
            let instances = self.named(&name)?;
            let names: Vec<Name> = instances.iter().map(|instance| name_of(instance)).collect();
            self.governor.say(|book| names.iter().for_each(|name| book.weigh(name, weight))).await;
            Ok(self.shown(&instances))
        })
        .await
    }

    async fn fail(&self, context: &CallContext, request: Break) -> Answer<Fault> {
        doing(&self.governor.events, context, ("fail", &request.name), async {
            let (instances, force) = (self.named(&request.name)?, request.force.unwrap_or(false));
            self.breaker.begin(&request.name, &instances, Kind::Fail, request.for_ms, force).await
        })
        .await
    }

    async fn recover(&self, context: &CallContext, request: Named) -> Answer<Faults> {
        doing(&self.governor.events, context, ("recover", &request.name), async {
            let ended = self.breaker.recover(&self.named(&request.name)?).await;
            Ok(Faults { in_force: Vec::new(), past: ended })
        })
        .await
    }

    async fn stall(&self, context: &CallContext, request: Break) -> Answer<Fault> {
        doing(&self.governor.events, context, ("stall", &request.name), async {
            let (instances, force) = (self.named(&request.name)?, request.force.unwrap_or(false));
            self.breaker.begin(&request.name, &instances, Kind::Stall, request.for_ms, force).await
        })
        .await
    }

    async fn disturb(&self, context: &CallContext, request: Disturb) -> Answer<Fault> {
        doing(&self.governor.events, context, ("disturb", &request.name), async {
            let (instances, force) = (self.named(&request.name)?, request.force.unwrap_or(false));
            let kind = Kind::Disturb {
                delay_us: request.delay_us.unwrap_or(0),
                jitter_us: request.jitter_us.unwrap_or(0),
                errors_permille: request.errors_permille.unwrap_or(0),
                drops_permille: request.drops_permille.unwrap_or(0),
            };
            if kind.words().is_empty() {
                return Err(not_possible("it disturbs nothing: say a delay, errors or drops"));
            }
            self.breaker.begin(&request.name, &instances, kind, request.for_ms, force).await
        })
        .await
    }

    async fn partition(&self, context: &CallContext, request: Partition) -> Answer<Fault> {
        doing(&self.governor.events, context, ("partition", &request.name), async {
            let (instances, force) = (self.named(&request.name)?, request.force.unwrap_or(false));
            let mut others = chosen(&*self.fleet()?, request.from.as_deref())?;
            others.retain(|other| instances.iter().all(|instance| !Rc::ptr_eq(instance, other)));
            if others.is_empty() {
                return Err(not_possible("there is nobody else from whom it could be cut off"));
            }
            let kind = Kind::Partition { from: others.iter().map(|other| name_of(other)).collect() };
            self.breaker.begin(&request.name, &instances, kind, request.for_ms, force).await
        })
        .await
    }

    async fn faults(&self, _: &CallContext) -> Result<Faults, RpcError> {
        Ok(self.breaker.faults())
    }

    async fn fault(&self, _: &CallContext, request: FaultId) -> Answer<Fault> {
        Ok(self.breaker.fault(request.id)?)
    }

    async fn clear(&self, context: &CallContext, request: FaultId) -> Answer<Fault> {
        doing(&self.governor.events, context, (&format!("end fault {}", request.id), ""), async {
            Ok(self.breaker.end(request.id).await?)
        })
        .await
    }

    async fn drill(&self, context: &CallContext, request: NewDrill) -> Answer<Drill> {
        let subject = request.service.clone();
        let begun = self.drills.begin(request, context.principal.key());
        doing(&self.governor.events, context, ("drill", &subject), begun).await
    }

    async fn drills(&self, _: &CallContext) -> Result<Drills, RpcError> {
        Ok(self.drills.list())
    }

    async fn drill_of(&self, _: &CallContext, request: DrillId) -> Answer<Drill> {
        Ok(self.drills.drill(request.id)?)
    }

    async fn watch_drill(
        &self,
        context: &CallContext,
        request: DrillId,
        replies: Outgoing<Drill>,
    ) -> Answer<()> {
        self.drills.watch(request.id, &context.principal.key(), replies).await
    }

    async fn abort(&self, context: &CallContext, request: DrillId) -> Answer<Drill> {
        let what = format!("abort drill {}", request.id);
        doing(&self.governor.events, context, (&what, ""), async {
            Ok(self.drills.abort(request.id, &context.principal.key()).await?)
        })
        .await
    }

    async fn network(&self, _: &CallContext) -> Result<Declared, RpcError> {
        Ok(self.governor.book.borrow().plan().map(Declared::from).unwrap_or_default())
    }

    async fn declare(&self, context: &CallContext, request: Declare) -> Answer<Declared> {
        doing(&self.governor.events, context, ("declare a network", ""), async {
            let plan = Plan::read(&request.plan)
                .map_err(|wrong| ControlError::WrongPlan { line: wrong.line as u64, reason: wrong.words })?;
            self.governor.say(|book| book.declare(Some(plan))).await;
            Ok(self.network(context).await?)
        })
        .await
    }

    async fn withdraw(&self, context: &CallContext) -> Result<Declared, RpcError> {
        doing(&self.governor.events, context, ("withdraw the declared network", ""), async {
            self.governor.say(|book| book.declare(None)).await;
            self.network(context).await
        })
        .await
    }

    async fn why(&self, _: &CallContext, request: WhyOf) -> Result<Why, RpcError> {
        let (remembered, silent) = self.governor.requests(&request.request_id).await;
        Ok(why(request.request_id, remembered, silent))
    }

    async fn live(&self, _: &CallContext, request: LiveOf, replies: Outgoing<Live>) -> Result<(), RpcError> {
        live::tell(&self.feed, request, replies).await
    }

    async fn history(&self, _: &CallContext, request: HistoryOf) -> Answer<History> {
        let HistoryOf { service, instance, since_s } = request;
        let whose = match (instance, service) {
            (Some(instance), _) => Whose::Instance(instance),
            (None, Some(service)) => Whose::Service(service),
            (None, None) => Whose::Everything,
        };
        if let Some(told) = self.feed.history(&whose, since_s.unwrap_or(HISTORY_S)) {
            return Ok(told);
        }
        // Nothing was measured yet, or there is none of this name.
        if let Whose::Service(name) | Whose::Instance(name) = &whose {
            self.named(name)?;
        }
        Ok(History::default())
    }

    async fn alerts(&self, _: &CallContext) -> Result<Alerts, RpcError> {
        Ok(self.feed.alerts())
    }

    async fn log(&self, _: &CallContext, request: LogOf) -> Answer<Lines> {
        let instances = chosen(&*self.fleet()?, request.name.as_deref())?;
        let count = request.lines.unwrap_or(LINES) as usize;
        let lines =
            instances.iter().flat_map(|instance| Reader::open(instance.name(), instance.log(), count).1);
        Ok(Lines { lines: lines.collect() })
    }

    async fn follow(&self, _: &CallContext, request: LogOf, replies: Outgoing<Line>) -> Answer<()> {
        let name = request.name;
        chosen(&*self.fleet()?, name.as_deref())?;
        let logs = || {
            let instances = self.fleet().ok().and_then(|fleet| chosen(&fleet, name.as_deref()).ok());
            let log = |instance: &Rc<Instance>| (instance.name().to_owned(), instance.log().clone());
            instances.iter().flatten().map(log).collect()
        };
        let count = request.lines.unwrap_or(LINES) as usize;
        Ok(logs::follow(logs, count, replies).await?)
    }

    async fn chat(
        &self,
        context: &CallContext,
        requests: Incoming<Typed>,
        replies: Outgoing<Said>,
    ) -> Result<(), RpcError> {
        self.chat.converse(context, requests, replies).await
    }

    async fn tap(&self, _: &CallContext, request: Tap, replies: Outgoing<Tapped>) -> Answer<()> {
        let Tap { name, filter } = request;
        chosen(&*self.fleet()?, name.as_deref())?;
        let instances = || {
            let fleet = self.fleet().ok();
            fleet.and_then(|fleet| chosen(&fleet, name.as_deref()).ok()).unwrap_or_default()
        };
        Ok(tap::pass_on(&self.governor, filter, instances, replies).await?)
    }
}

/// The processes of this name: a service's, or one; all without a name.
fn chosen(fleet: &Fleet, name: Option<&str>) -> Result<Vec<Rc<Instance>>, ControlError> {
    let all = fleet.instances();
    let Some(name) = name else { return Ok(all) };
    let is_it = |instance: &&Rc<Instance>| instance.name() == name || instance.plan().service_name() == name;
    let found: Vec<Rc<Instance>> = all.iter().filter(is_it).map(Rc::clone).collect();
    if found.is_empty() {
        let mut known: Vec<String> = Vec::new();
        for instance in &all {
            let service = instance.plan().service_name();
            if !known.iter().any(|name| name == service) {
                known.push(service.to_owned());
            }
            known.push(instance.name().to_owned());
        }
        return Err(ControlError::NoSuchProcess { name: name.to_owned(), known });
    }
    Ok(found)
}

fn not_possible(reason: &str) -> CallError<ControlError> {
    ControlError::NotPossible { reason: reason.to_owned() }.into()
}

/// A process, without what the operator has said of it.
pub(super) fn process(instance: &Instance) -> Process {
    instance.look(|supervisor| Process {
        service: instance.plan().service_name().to_owned(),
        instance: instance.name().to_owned(),
        address: instance.address().map(|address| address.to_string()),
        pid: instance.pid(),
        state: match supervisor.state() {
            State::Stopped => ProcessState::Stopped,
            State::Starting => ProcessState::Starting,
            State::Running => ProcessState::Running,
            State::Stopping => ProcessState::Stopping,
            State::BackingOff => ProcessState::BackingOff,
            State::CrashLoop => ProcessState::CrashLoop,
        },
        since: unix_time(supervisor.since_ns()),
        reason: supervisor.reason().to_owned(),
        restarts: supervisor.restarts(),
        last_exit: supervisor.last_exit().map(str::to_owned),
        words: Vec::new(),
    })
}

impl From<ControlError> for CallError<ControlError> {
    fn from(error: ControlError) -> Self {
        Self::Service(error)
    }
}
