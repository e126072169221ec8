//! One drill from its beginning to its end: the task that does what its course says.

use std::rc::Rc;
use std::time::Duration;

use micronet_transport::clock;
use micronet_transport::upstream::fetch_schema;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::schema::{EncodedSchema, Timestamp};

use super::course::{Course, Place, Seen, Step};
use super::figures::Figures;
use super::load::Load;
use super::requests::{self, Request};
use super::{DELAY_MS, Drills, Running, WATCH_MS_MAX, report};
use crate::address::HostPort;
use crate::control::api::drills::{Drill, DrillKind, DrillState, Grade, MomentKind, Route};
use crate::control::api::faults::Fault;
use crate::control::api::live::{EventKind, Severity};
use crate::control::events::Event;
use crate::control::governor::name_of;
use crate::control::rules::Kind;
use crate::registry::GATEWAY;
use crate::up::{Instance, State};

/// How often it is looked how it goes, in milliseconds.
const LOOK_MS: u64 = 100;
/// By so much later than the drill would end it a fault ends by itself, in milliseconds.
const LEASE_MS: u64 = 2_000;
/// What is asked of the service at most, and of each that depends on it.
const READS_MAX: usize = 3;
const READS_OF_CALLERS_MAX: usize = 2;

/// A drill as it goes on.
struct Run {
    drills: Rc<Drills>,
    running: Rc<Running>,
    instances: Vec<Rc<Instance>>,
    load: Load,
    course: Course,
    /// The number of the fault, and the processes that it hit.
    fault: Option<(u64, Vec<Option<u32>>)>,
    mended_ms: Option<u64>,
    /// What was told as events.
    told: Vec<MomentKind>,
}

/// Goes through a drill to its end.
pub(super) async fn run(drills: Rc<Drills>, running: Rc<Running>) {
    let (state, reason) = match prepare(&drills, &running).await {
        Ok(mut run) => run.go_on().await,
        Err(why) => match running.given_up.borrow().clone() {
            Some(why) => (DrillState::Aborted, Some(why)),
            None => (DrillState::Failed, Some(why)),
        },
    };
    {
        let mut drill = running.drill.borrow_mut();
        if !drill.is_over() {
            (drill.state, drill.reason) = (state, reason);
            drill.report.verdict = super::verdict::words(&drill);
        }
    }
    tell_end(&drills, &running.drill.borrow());
    drills.remember(&running);
    running.changes.send_modify(|count| *count += 1);
}

/// Finds out what can be asked, and begins to ask it.
async fn prepare(drills: &Rc<Drills>, running: &Rc<Running>) -> Result<Run, String> {
    let fleet = drills.governor.fleet().map_err(|error| error.to_string())?;
    let gateway = fleet.of_service(GATEWAY).iter().find_map(|gateway| gateway.reachable());
    let gateway: HostPort = gateway.ok_or("the gateway doesn't run: there is no way for the load")?.into();
    let requests = asked(drills, running, &gateway).await?;
    if let Some(why) = running.given_up.borrow().clone() {
        return Err(why);
    }
    let route = |request: &Request| Route {
        route: request.route.clone(),
        service: request.service.clone(),
        ..Route::default()
    };
    let figures = Figures::new(requests.iter().map(route).collect()).map_err(|error| error.to_string())?;
    let load = Load::begin(gateway, requests, running.load_per_s(), figures)
        .map_err(|error| format!("there is no thread for the load: {error}"))?;
    {
        let mut drill = running.drill.borrow_mut();
        (drill.began, drill.state) = (Timestamp(clock::unix_us()), DrillState::Baseline);
    }
    let instances = running.target.instances.iter().filter_map(|name| fleet.named(name)).collect();
    Ok(Run {
        drills: Rc::clone(drills),
        running: Rc::clone(running),
        instances,
        load,
        course: Course::begin(running.times()),
        fault: None,
        mended_ms: None,
        told: Vec::new(),
    })
}

/// What is asked: what was named, or reads of the service; where it is down as a whole, reads of those too that call it.
async fn asked(drills: &Drills, running: &Running, gateway: &HostPort) -> Result<Vec<Request>, String> {
    if let Some(routes) = running.request.routes.as_ref().filter(|routes| !routes.is_empty()) {
        return requests::named(routes);
    }
    let service = &running.target.service;
    let mut requests = reads_of(drills, service, gateway, READS_MAX).await?;
    if requests.is_empty() {
        return Err(format!(
            "{service} has no reads that its schema has examples for and that the gateway answers at {gateway} over plain \
             HTTP: name what is asked, as --route 'GET /path'"
        ));
    }
    if running.request.kind == DrillKind::DependencyDown {
        for caller in drills.network(service).await.map(|network| network.callers).unwrap_or_default() {
            requests
                .extend(reads_of(drills, &caller, gateway, READS_OF_CALLERS_MAX).await.unwrap_or_default());
        }
    }
    Ok(requests)
}

async fn reads_of(
    drills: &Drills,
    service: &str,
    gateway: &HostPort,
    count_max: usize,
) -> Result<Vec<Request>, String> {
    let fleet = drills.governor.fleet().map_err(|error| error.to_string())?;
    let instances = fleet.of_service(service);
    let instance = instances.iter().find(|instance| instance.state() == State::Running);
    let instance = instance.ok_or_else(|| format!("{service} doesn't run"))?;
    let schema = schema_of(drills, instance).await.map_err(|error| format!("{service}: {error}"))?;
    let reads = requests::reads(schema.schema(), drills.token.text());
    let is_instance = |name: &str| instances.iter().any(|instance| instance.name() == name);
    Ok(requests::tried(gateway, reads, is_instance, count_max).await)
}

async fn schema_of(drills: &Drills, instance: &Instance) -> Result<EncodedSchema, RpcError> {
    let client = drills.governor.connection(instance).await?;
    let announced = client.ready().await?.schema;
    let none = || RpcError::new(Code::Unavailable, "it serves no schema");
    fetch_schema(&client, announced.ok_or_else(none)?).await
}

/// Tells what happens in a drill.
fn tell(drills: &Drills, drill: &Drill, severity: Severity, words: &str) {
    let words = format!("drill {}: {words}", drill.id);
    let event = Event::new(EventKind::Drill, severity, &drill.service, words);
    drills.governor.events.tell(Event { who: Some(drill.who.clone()), ..event });
}

/// Tells what a drill has come to.
fn tell_end(drills: &Drills, drill: &Drill) {
    let severity = match (drill.state, drill.report.grade) {
        (DrillState::Done, Grade::Held) => Severity::Info,
        (DrillState::Done, Grade::Broke) => Severity::Critical,
        _ => Severity::Warning,
    };
    tell(drills, drill, severity, &drill.report.verdict);
}

impl Run {
    /// Goes on to the end, and says how that came.
    async fn go_on(&mut self) -> (DrillState, Option<String>) {
        let mut look = tokio::time::interval(Duration::from_millis(LOOK_MS));
        let running = Rc::clone(&self.running);
        loop {
            let given_up = tokio::select! {
                biased;
                () = running.gives_up.notified() => {
                    let why = running.given_up.borrow().clone().unwrap_or_default();
                    Some((DrillState::Aborted, why))
                }
                why = self.load.ended() => Some((DrillState::Failed, why)),
                _ = look.tick() => None,
            };
            if let Some((state, why)) = given_up {
                return self.give_up(state, why).await;
            }
            while let Some(step) = self.course.step(self.now_ms(), self.seen()) {
                if let Err(why) = self.take(step).await {
                    return self.give_up(DrillState::Failed, why).await;
                }
            }
            if self.course.place() == Place::Over {
                self.show(DrillState::Done, None);
                return (DrillState::Done, None);
            }
            self.show(self.state(), None);
            self.miss_watchers();
        }
    }

    /// Mends what is broken, and ends.
    async fn give_up(&mut self, state: DrillState, why: String) -> (DrillState, Option<String>) {
        for step in self.course.give_up() {
            // What can't be ended now ends by itself.
            let _ = self.take(*step).await;
        }
        self.show(state, Some(why.clone()));
        (state, Some(why))
    }

    async fn take(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Break => self.break_it().await,
            Step::Mend => {
                let now_us = self.load.elapsed_us();
                self.load.figures().bounds.mended_us = Some(now_us);
                self.mended_ms = Some(now_us / 1_000);
                if let Some((id, _)) = self.fault {
                    self.drills.breaker.end(id).await.map_err(|error| error.to_string())?;
                }
                Ok(())
            }
            Step::End => Ok(()),
        }
    }

    async fn break_it(&mut self) -> Result<(), String> {
        let fleet = self.drills.governor.fleet().map_err(|error| error.to_string())?;
        let request = &self.running.request;
        let kind = match request.kind {
            DrillKind::KillInstance => Kind::Kill,
            DrillKind::Stall => Kind::Stall,
            DrillKind::Partition | DrillKind::DependencyDown => {
                let is_other =
                    |other: &&Rc<Instance>| !self.instances.iter().any(|each| Rc::ptr_eq(each, other));
                Kind::Partition {
                    from: fleet.instances().iter().filter(is_other).map(|other| name_of(other)).collect(),
                }
            }
            DrillKind::Slow => Kind::Disturb {
                delay_us: u64::from(request.delay_ms.unwrap_or(DELAY_MS)) * 1_000,
                jitter_us: 0,
                errors_permille: 0,
                drops_permille: 0,
            },
            DrillKind::Unknown => return Err("this version knows no such drill".into()),
        };
        let pids = self.instances.iter().map(|instance| instance.pid()).collect();
        let for_ms = self.running.times().fault_ms + LEASE_MS;
        let name =
            if self.instances.len() == 1 { self.instances[0].name() } else { &self.running.target.service };
        let load = &self.load;
        let begins = || load.figures().bounds.broken_us = Some(load.elapsed_us());
        let begun = self.drills.breaker.force(name, &self.instances, kind, Some(for_ms), begins).await;
        let fault = begun.map_err(|error| error.to_string())?;
        self.fault = Some((fault.id, pids));
        Ok(())
    }

    /// What is seen of the fault.
    fn seen(&self) -> Seen {
        let Some(fault) = self.fault() else { return Seen::default() };
        let runs_again = self.running.request.kind == DrillKind::KillInstance && self.runs_again();
        let mended_ms_ago = self.mended_ms.map_or(0, |mended_ms| self.now_ms().saturating_sub(mended_ms));
        Seen { is_over: fault.over || runs_again, is_well: report::is_well(&fault, mended_ms_ago) }
    }

    /// Whether other processes run now than those that were hit.
    fn runs_again(&self) -> bool {
        let Some((_, pids)) = &self.fault else { return false };
        self.instances
            .iter()
            .zip(pids)
            .all(|(instance, pid)| instance.state() == State::Running && instance.pid() != *pid)
    }

    fn fault(&self) -> Option<Fault> {
        let (id, _) = self.fault.as_ref()?;
        self.drills.breaker.fault(*id).ok()
    }

    fn now_ms(&self) -> u64 {
        self.load.elapsed_us() / 1_000
    }

    fn state(&self) -> DrillState {
        match self.course.place() {
            Place::Baseline => DrillState::Baseline,
            Place::Fault { .. } => DrillState::Fault,
            Place::Recovery { .. } | Place::Over => DrillState::Recovery,
        }
    }

    /// Enters how it stands now.
    fn show(&mut self, state: DrillState, reason: Option<String>) {
        let (fault, now_us) = (self.fault(), self.load.elapsed_us());
        let mut drill = self.running.drill.borrow_mut();
        (drill.state, drill.reason) = (state, reason);
        drill.elapsed_ms = now_us / 1_000;
        drill.left_ms = self.course.left_ms(now_us / 1_000);
        report::enter(&mut drill, &mut self.load.figures(), fault.as_ref(), now_us);
        for moment in &drill.timeline {
            if moment.what != MomentKind::End && !self.told.contains(&moment.what) {
                self.told.push(moment.what);
                let severity =
                    if moment.what == MomentKind::Fault { Severity::Warning } else { Severity::Info };
                tell(&self.drills, &drill, severity, &moment.words);
            }
        }
        drop(drill);
        self.running.changes.send_modify(|count| *count += 1);
    }

    /// Gives it up if whoever was to watch it has never come.
    fn miss_watchers(&self) {
        let is_missed = self.running.request.attended == Some(true) && self.running.watchers.get() == 0;
        if is_missed && self.now_ms() > WATCH_MS_MAX {
            self.running.give_up("whoever began it does not watch it".into());
        }
    }
}
