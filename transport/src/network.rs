//! What one process knows of the network around it: whom it calls, and what its operator wants of it.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};

use micronet_wire::network::{CalledService, Governed, Instances, InstancesOf, Order, Requests, Rules};
use tokio::sync::watch;

use crate::balance::Algorithm;
use crate::checks::Checks;
use crate::clock;
use crate::discovery::findings::Findings;
pub use crate::discovery::findings::Search;
use crate::faults::{Fate, Faults};
use crate::identity::random_bytes;
use crate::link::Links;
use crate::metrics::Metrics;
use crate::records::Records;
use crate::tap::Taps;
use crate::upstream::{Source, Target};

/// A process's place in the network. Its upstreams and its server share it, through their identity.
pub struct Network {
    findings: RefCell<Findings>,
    called: RefCell<Vec<Weak<dyn Called>>>,
    rules: RefCell<Rc<InForce>>,
    revision: Cell<u64>,
    changes: watch::Sender<u64>,
    metrics: OnceCell<Rc<Metrics>>,
    records: Rc<Records>,
    checks: Checks,
    faults: RefCell<Faults>,
    taps: Rc<Taps>,
    pub(crate) links: Links,
}

/// A service that this process calls.
pub(crate) trait Called {
    /// Takes account of where instances of a service were found.
    fn found(self: Rc<Self>, service: &str, source: Source, targets: &[Target]);
    /// Takes account of the algorithm that was chosen for a service.
    fn balance(&self, service: &str, algorithm: Algorithm);
    /// Its instances, as this process sees them.
    fn seen(&self, history: bool) -> CalledService;
    /// How many changes of its instances' states there were, and how many instances there are.
    fn changes(&self) -> (u64, usize);
    /// Takes account of what the operator has said.
    fn govern(self: Rc<Self>, rules: &InForce);
}

/// Rules, and since when they hold.
#[derive(Debug, Default)]
pub struct InForce {
    rules: Rules,
    since_ns: u64,
}

impl InForce {
    /// What was said, expired or not.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether what was said to hold for so long still does.
    #[must_use]
    pub fn holds(&self, now: u64, for_ms: Option<u64>) -> bool {
        self.ends_ns(for_ms).is_none_or(|ends_ns| now < ends_ns)
    }

    /// When what was said to hold for so long ends by itself.
    pub(crate) fn ends_ns(&self, for_ms: Option<u64>) -> Option<u64> {
        for_ms.map(|ms| self.since_ns.saturating_add(ms.saturating_mul(1_000_000)))
    }

    /// What the operator wants of an instance, and why: that it is blocked, if anything said so.
    #[must_use]
    pub fn word(&self, now: u64, service: &str, instance: &str) -> Option<(Order, &str)> {
        let about = self.rules.words.iter().filter(|word| {
            word.service == service
                && word.instance.as_ref().is_none_or(|name| name == instance)
                && self.holds(now, word.for_ms)
        });
        about.map(|word| (word.what, word.reason.as_str())).max_by_key(|(what, _)| *what == Order::Block)
    }
}

impl Default for Network {
    fn default() -> Self {
        Self {
            findings: RefCell::default(),
            called: RefCell::default(),
            rules: RefCell::default(),
            revision: Cell::new(0),
            changes: watch::Sender::new(0),
            metrics: OnceCell::new(),
            records: Rc::default(),
            checks: Checks::default(),
            faults: RefCell::new(Faults::new(u64::from_ne_bytes(random_bytes()))),
            taps: Rc::default(),
            links: Links::default(),
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("revision", &self.revision.get()).finish_non_exhaustive()
    }
}

impl Network {
    /// What this process counts.
    #[must_use]
    pub fn metrics(&self) -> &Rc<Metrics> {
        self.metrics.get_or_init(|| {
            let (metrics, records) = (Rc::<Metrics>::default(), Rc::clone(&self.records));
            let help = "Memory that the records of ended requests and calls take, in bytes.";
            metrics.watch("micronet_records_bytes", help, move || records.bytes());
            metrics
        })
    }

    /// Who listens to what passes.
    #[must_use]
    pub fn taps(&self) -> &Rc<Taps> {
        &self.taps
    }

    /// What this process remembers of the requests and calls that it has finished.
    #[must_use]
    pub fn records(&self) -> &Rc<Records> {
        &self.records
    }

    /// What this process remembers of a request.
    #[must_use]
    pub fn requests(&self, seen_by: &str, request_id: &str) -> Requests {
        let (records, memory) = (self.records.find(request_id), self.records.memory());
        Requests { seen_by: seen_by.to_owned(), records, memory }
    }

    /// What this process can't do without.
    #[must_use]
    pub fn checks(&self) -> &Checks {
        &self.checks
    }

    /// The rules that hold now.
    #[must_use]
    pub fn rules(&self) -> Rc<InForce> {
        Rc::clone(&self.rules.borrow())
    }

    /// The revision of the rules: 0 before there are any. It is cheap to look at.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision.get()
    }

    /// What is to go wrong with a call that comes at `now`; `None` when nothing is.
    pub fn fate(&self, now: u64) -> Option<Fate> {
        self.faults.borrow_mut().of_call(now, self)
    }

    /// Hears of new rules.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Keeps to these rules from now on, unless newer ones are known.
    pub fn govern(&self, rules: Rules) -> Governed {
        let revision = rules.revision;
        if revision > self.revision.get() {
            let in_force = Rc::new(InForce { rules, since_ns: clock::now() });
            self.rules.replace(Rc::clone(&in_force));
            self.revision.set(revision);
            self.links.let_go();
            self.all().into_iter().for_each(|called| called.govern(&in_force));
            self.changes.send_replace(revision);
        }
        Governed { revision: self.revision.get() }
    }

    /// What this process sees of the instances that it calls.
    #[must_use]
    pub fn instances(&self, seen_by: &str, of: &InstancesOf) -> Instances {
        let mut services = Vec::new();
        self.all().iter().for_each(|called| services.push(called.seen(of.history)));
        services.retain(|called| of.service.as_ref().is_none_or(|service| *service == called.service));
        Instances { seen_by: seen_by.to_owned(), revision: self.revision.get(), services }
    }

    /// How many changes of the states of the instances that it calls this process has seen, by service, and how many instances there are:
    /// where that is as before, [`instances`](Self::instances) tells of no other states. It is cheap to look at.
    #[must_use]
    pub fn instance_changes(&self) -> Vec<(u64, usize)> {
        self.all().iter().map(|called| called.changes()).collect()
    }

    /// Somebody has found out where the instances of a service are, as far as they know.
    pub fn found(&self, service: &str, source: Source, targets: &[Target]) {
        if self.findings.borrow_mut().found(service, source, targets) {
            self.all().into_iter().for_each(|called| called.found(service, source, targets));
        }
    }

    /// Somebody can't find out where the instances of a service are; what they said before still counts.
    pub fn not_found(&self, service: &str, source: Source, why: &str) {
        self.findings.borrow_mut().not_found(service, source, why);
    }

    /// By which algorithm the instances of a service are to be picked from now on.
    pub fn balance(&self, service: &str, algorithm: Algorithm) {
        self.findings.borrow_mut().balance(service, algorithm);
        self.all().iter().for_each(|called| called.balance(service, algorithm));
    }

    /// What was looked for, and what has come of it.
    #[must_use]
    pub fn searches(&self) -> Vec<Search> {
        self.findings.borrow().searches()
    }

    /// Where the instances of a service are, by who said so.
    pub(crate) fn found_of(&self, service: &str) -> Vec<(Source, Vec<Target>)> {
        self.findings.borrow().of(service)
    }

    /// By which algorithm the instances of a service are to be picked, if somebody said so.
    pub(crate) fn algorithm_of(&self, service: &str) -> Option<Algorithm> {
        self.findings.borrow().algorithm_of(service)
    }

    /// From now on this process calls one more service.
    pub(crate) fn calls(&self, called: Weak<dyn Called>) {
        let mut all = self.called.borrow_mut();
        all.retain(|known| known.strong_count() > 0);
        all.push(called);
    }

    fn all(&self) -> Vec<Rc<dyn Called>> {
        self.called.borrow().iter().filter_map(Weak::upgrade).collect()
    }
}
