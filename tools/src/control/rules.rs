//! What the operator has said and what follows of it for each process: nothing is sent here, and no clock is read.

use std::collections::BTreeMap;

use micronet_wire::network::{InjectedFault, LinkRule, Member, Members, Order, Rules, Word};

use super::api::faults::FaultKind;
use crate::network_plan::Plan;

/// The weight of an instance unless it is told another.
const WEIGHT: u32 = 100;
/// Where at least so many of 1,000 calls fail, an instance is as good as lost: callers eject it (its breaker opens).
const LOST_PERMILLE: u32 = 500;

/// A process, as rules name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    /// Its service.
    pub(super) service: &'static str,
    /// Its own name.
    pub(super) instance: String,
}

/// What is broken on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nobody calls it.
    Fail,
    /// Its process is stopped where it stands.
    Stall,
    /// Its process is killed, and missing until it runs again.
    Kill,
    /// Its calls take longer, fail, or get no answer.
    Disturb { delay_us: u64, jitter_us: u64, errors_permille: u32, drops_permille: u32 },
    /// It is cut off from these.
    Partition { from: Vec<Name> },
}

impl Kind {
    /// Its name for others.
    pub(super) fn name(&self) -> FaultKind {
        match self {
            Self::Fail => FaultKind::Fail,
            Self::Stall => FaultKind::Stall,
            Self::Kill => FaultKind::Kill,
            Self::Disturb { .. } => FaultKind::Disturb,
            Self::Partition { .. } => FaultKind::Partition,
        }
    }

    /// Whether an instance with it is as good as lost.
    pub(super) fn takes_away(&self) -> bool {
        match self {
            Self::Fail | Self::Stall | Self::Kill | Self::Partition { .. } => true,
            Self::Disturb { errors_permille, drops_permille, .. } => {
                errors_permille + drops_permille >= LOST_PERMILLE
            }
        }
    }

    /// What it does, in words that follow a name.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Fail => "is failed".into(),
            Self::Stall => "is stalled".into(),
            Self::Kill => "is killed".into(),
            Self::Partition { from } => {
                let from: Vec<&str> = from.iter().map(|name| &*name.instance).collect();
                format!("is cut off from {}", from.join(", "))
            }
            Self::Disturb { delay_us, jitter_us, errors_permille, drops_permille } => {
                let mut words = Vec::new();
                if delay_us + jitter_us > 0 {
                    let jitter = if *jitter_us > 0 {
                        format!(" to {} ms", ms(delay_us + jitter_us))
                    } else {
                        String::new()
                    };
                    words.push(format!("takes {} ms{jitter} longer", ms(*delay_us)));
                }
                if *errors_permille > 0 {
                    words.push(format!("fails {} of 100 calls", percent(*errors_permille)));
                }
                if *drops_permille > 0 {
                    words.push(format!("drops {} of 100 calls", percent(*drops_permille)));
                }
                words.join(", ")
            }
        }
    }
}

fn ms(us: u64) -> String {
    if us.is_multiple_of(1_000) {
        format!("{}", us / 1_000)
    } else {
        format!("{}.{:03}", us / 1_000, us % 1_000)
    }
}

fn percent(permille: u32) -> String {
    if permille.is_multiple_of(10) {
        format!("{}", permille / 10)
    } else {
        format!("{}.{}", permille / 10, permille % 10)
    }
}

/// A fault that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InForce {
    pub(super) id: u64,
    /// As it was named: an instance or a service.
    pub(super) name: String,
    pub(super) instances: Vec<Name>,
    pub(super) kind: Kind,
    pub(super) since_ns: u64,
    pub(super) until_ns: u64,
}

impl InForce {
    /// What it does, in words.
    pub(super) fn words(&self) -> String {
        format!("{} {}", self.name, self.kind.words())
    }

    fn concerns(&self, name: &Name) -> bool {
        self.instances.contains(name)
    }
}

/// Who there is, and where it is called.
pub(super) type Addresses = BTreeMap<Name, String>;

/// What the operator has said and not taken back.
#[derive(Debug, Default)]
pub(super) struct Book {
    revision: u64,
    /// Instances that rest, by the operator's word.
    resting: Vec<Name>,
    /// Instances that are about to be stopped.
    leaving: Vec<Name>,
    /// The weights of instances that were told another than the usual one.
    weights: BTreeMap<Name, u32>,
    faults: Vec<InForce>,
    faults_begun: u64,
    plan: Option<Plan>,
}

impl Book {
    /// The revision of the rules: another one whenever they are others.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Something that rules are made of has changed: where instances are.
    pub(super) fn changed(&mut self) {
        self.revision += 1;
    }

    /// The declared network.
    pub(super) fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// Declares another network, or none.
    pub(super) fn declare(&mut self, plan: Option<Plan>) {
        self.plan = plan;
        self.changed();
    }

    /// Whether an instance rests.
    pub(super) fn rests(&self, name: &Name) -> bool {
        self.resting.contains(name)
    }

    /// Lets an instance rest, or no longer.
    pub(super) fn rest(&mut self, name: &Name, rests: bool) {
        set(&mut self.resting, name, rests);
        self.changed();
    }

    /// Gives an instance a weight.
    pub(super) fn weigh(&mut self, name: &Name, weight: u32) {
        self.weights.insert(name.clone(), weight);
        self.weights.retain(|_, weight| *weight != WEIGHT);
        self.changed();
    }

    /// An instance is about to be stopped, or no longer.
    pub(super) fn leave(&mut self, name: &Name, leaves: bool) {
        set(&mut self.leaving, name, leaves);
        self.changed();
    }

    /// Nothing that was said of an instance holds any more: it is gone.
    pub(super) fn forget(&mut self, name: &Name) {
        set(&mut self.resting, name, false);
        set(&mut self.leaving, name, false);
        self.weights.remove(name);
        for fault in &mut self.faults {
            fault.instances.retain(|each| each != name);
        }
        self.changed();
    }

    /// Begins a fault, and gives its number.
    pub(super) fn begin(
        &mut self,
        name: &str,
        instances: Vec<Name>,
        kind: Kind,
        now: u64,
        until_ns: u64,
    ) -> u64 {
        self.faults_begun += 1;
        let id = self.faults_begun;
        self.faults.push(InForce { id, name: name.to_owned(), instances, kind, since_ns: now, until_ns });
        self.changed();
        id
    }

    /// Ends a fault.
    pub(super) fn end(&mut self, id: u64) -> Option<InForce> {
        let place = self.faults.iter().position(|fault| fault.id == id)?;
        self.changed();
        Some(self.faults.remove(place))
    }

    /// The faults in force.
    pub(super) fn faults(&self) -> &[InForce] {
        &self.faults
    }

    /// When the next fault is over, in nanoseconds.
    pub(super) fn due_ns(&self) -> Option<u64> {
        self.faults.iter().map(|fault| fault.until_ns).min()
    }

    /// The numbers of the faults that are over by now.
    pub(super) fn over(&self, now: u64) -> Vec<u64> {
        self.faults.iter().filter(|fault| fault.until_ns <= now).map(|fault| fault.id).collect()
    }

    /// Whether something was said of an instance by which callers leave it.
    pub(super) fn is_taken_out(&self, name: &Name) -> bool {
        let lost = |fault: &InForce| fault.concerns(name) && fault.kind.takes_away();
        self.rests(name) || self.leaving.contains(name) || self.faults.iter().any(lost)
    }

    /// Whether its process is stopped where it stands, by some fault.
    pub(super) fn is_stalled(&self, name: &Name) -> bool {
        self.faults.iter().any(|fault| fault.kind == Kind::Stall && fault.concerns(name))
    }

    /// What holds for an instance, in words.
    pub(super) fn words_of(&self, name: &Name, now: u64) -> Vec<String> {
        let mut words = Vec::new();
        if self.rests(name) {
            words.push("rests by the operator's word".to_owned());
        }
        words.extend(self.weights.get(name).map(|weight| format!("weight {weight} by the operator's word")));
        if self.leaving.contains(name) {
            words.push("is about to be stopped".to_owned());
        }
        for fault in self.faults.iter().filter(|fault| fault.concerns(name)) {
            let left_s = fault.until_ns.saturating_sub(now).div_ceil(1_000_000_000);
            words.push(format!("fault {}: {} for {left_s} s more", fault.id, fault.kind.words()));
        }
        words
    }

    /// The rules of one process that calls these services, where all are at these addresses.
    pub(super) fn rules_for(
        &self,
        process: &Name,
        calls: impl Fn(&str) -> bool,
        addresses: &Addresses,
        now: u64,
    ) -> Rules {
        let mut members: Vec<Members> = Vec::new();
        for (name, address) in addresses.iter().filter(|(name, _)| calls(name.service)) {
            let member = Member {
                address: address.clone(),
                weight: self.weights.get(name).copied().unwrap_or(WEIGHT),
            };
            match members.last_mut().filter(|of| of.service == name.service) {
                Some(of) => of.instances.push(member),
                None => members.push(Members { service: name.service.to_owned(), instances: vec![member] }),
            }
        }
        Rules {
            revision: self.revision,
            members,
            faults: self.faults_of(process, now),
            links: self.links_of(process, &calls, now),
            words: self.words_for(calls, now),
        }
    }

    fn words_for(&self, calls: impl Fn(&str) -> bool, now: u64) -> Vec<Word> {
        let word = |name: &Name, what, reason: &str, for_ms| Word {
            service: name.service.to_owned(),
            instance: Some(name.instance.clone()),
            what,
            reason: reason.to_owned(),
            for_ms,
        };
        let resting =
            self.resting.iter().map(|name| word(name, Order::Drain, "the operator lets it rest", None));
        let leaving =
            self.leaving.iter().map(|name| word(name, Order::Drain, "it is about to be stopped", None));
        let failed = self.faults.iter().filter(|fault| fault.kind == Kind::Fail).flat_map(|fault| {
            let reason = format!("the operator has failed it (fault {})", fault.id);
            let for_ms = Some(left_ms(fault, now));
            fault.instances.iter().map(move |name| word(name, Order::Block, &reason, for_ms))
        });
        resting.chain(leaving).chain(failed).filter(|word| calls(&word.service)).collect()
    }

    fn faults_of(&self, process: &Name, now: u64) -> Vec<InjectedFault> {
        let of_process = self.faults.iter().filter(|fault| fault.concerns(process));
        let injected = of_process.filter_map(|fault| match fault.kind {
            Kind::Disturb { delay_us, jitter_us, errors_permille, drops_permille } => Some(InjectedFault {
                delay_us,
                jitter_us,
                errors_permille,
                drops_permille,
                reason: reason(fault),
                for_ms: Some(left_ms(fault, now)),
            }),
            Kind::Fail | Kind::Stall | Kind::Kill | Kind::Partition { .. } => None,
        });
        injected.collect()
    }

    /// A cut is made on both sides: by those that are cut off in their links to the others, and the other way round.
    /// The first rule that fits holds, so what is cut comes before what the plan says.
    fn links_of(&self, process: &Name, calls: impl Fn(&str) -> bool, now: u64) -> Vec<LinkRule> {
        let mut links = Vec::new();
        for fault in &self.faults {
            let Kind::Partition { from } = &fault.kind else { continue };
            let others = match (fault.concerns(process), from.contains(process)) {
                (true, _) => from,
                (false, true) => &fault.instances,
                (false, false) => continue,
            };
            links.extend(others.iter().map(|name| LinkRule {
                service: name.service.to_owned(),
                instance: Some(name.instance.clone()),
                cut: true,
                reason: reason(fault),
                for_ms: Some(left_ms(fault, now)),
                ..LinkRule::default()
            }));
        }
        if let Some(plan) = &self.plan {
            let called = plan.services().filter(|service| calls(service));
            links.extend(plan.links_of(process.service, &process.instance, called));
        }
        links
    }
}

fn set(names: &mut Vec<Name>, name: &Name, is_in: bool) {
    names.retain(|each| each != name);
    if is_in {
        names.push(name.clone());
    }
}

fn reason(fault: &InForce) -> String {
    format!("fault {}: {}", fault.id, fault.words())
}

fn left_ms(fault: &InForce, now: u64) -> u64 {
    fault.until_ns.saturating_sub(now).div_ceil(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn name(service: &'static str, number: u32) -> Name {
        Name { service, instance: format!("{service}-{number}") }
    }

    fn addresses() -> Addresses {
        let all = [name("order", 1), name("product", 1), name("product", 2)];
        all.into_iter().zip(1..).map(|(name, port)| (name, format!("127.0.0.1:{port}"))).collect()
    }

    /// The rules of order-1, which calls product.
    fn of_order(book: &Book, now: u64) -> Rules {
        book.rules_for(&name("order", 1), |service| service == "product", &addresses(), now)
    }

    #[test]
    fn a_caller_is_told_where_those_are_that_it_calls() {
        let rules = of_order(&Book::default(), 0);
        let addresses: Vec<&str> = rules.members[0].instances.iter().map(|member| &*member.address).collect();
        assert_eq!((rules.members.len(), &*rules.members[0].service), (1, "product"));
        assert_eq!(addresses, ["127.0.0.1:2", "127.0.0.1:3"]);
    }

    #[test]
    fn who_rests_or_leaves_is_drained_and_who_is_failed_is_blocked() {
        let mut book = Book::default();
        book.rest(&name("product", 1), true);
        book.leave(&name("product", 2), true);
        book.rest(&name("user", 1), true);
        let failed = book.begin("product-1", vec![name("product", 1)], Kind::Fail, S, 31 * S);
        let words: Vec<(String, Order, Option<u64>)> = of_order(&book, 11 * S)
            .words
            .into_iter()
            .map(|word| (word.instance.unwrap(), word.what, word.for_ms))
            .collect();
        let wanted = [
            ("product-1".to_owned(), Order::Drain, None),
            ("product-2".to_owned(), Order::Drain, None),
            ("product-1".to_owned(), Order::Block, Some(20_000)),
        ];
        assert_eq!(words, wanted);
        let revision = book.revision();
        assert!(book.end(failed).is_some() && book.end(failed).is_none());
        book.rest(&name("product", 1), false);
        book.leave(&name("product", 2), false);
        assert!(book.revision() > revision);
        assert_eq!(of_order(&book, 11 * S).words, []);
    }

    #[test]
    fn a_disturbance_is_told_to_whom_it_concerns() {
        let mut book = Book::default();
        let kind =
            Kind::Disturb { delay_us: 50_000, jitter_us: 10_500, errors_permille: 25, drops_permille: 0 };
        assert_eq!(kind.words(), "takes 50 ms to 60.500 ms longer, fails 2.5 of 100 calls");
        book.begin("product", vec![name("product", 1), name("product", 2)], kind, 0, 60 * S);
        let rules = book.rules_for(&name("product", 2), |_| false, &addresses(), 59 * S);
        assert_eq!(rules.faults.len(), 1);
        assert_eq!((rules.faults[0].delay_us, rules.faults[0].for_ms), (50_000, Some(1_000)));
        assert_eq!(of_order(&book, 0).faults, []);
        // It is slow, and yet not lost.
        assert!(!book.is_taken_out(&name("product", 1)));
    }

    #[test]
    fn a_partition_cuts_both_sides() {
        let mut book = Book::default();
        let from = vec![name("product", 1), name("gateway", 1)];
        book.begin("order-1", vec![name("order", 1)], Kind::Partition { from }, 0, S);
        let cut = |process: &Name| -> Vec<String> {
            let links = book.rules_for(process, |_| true, &addresses(), 0).links;
            assert!(links.iter().all(|link| link.cut && link.for_ms == Some(1_000)));
            links.into_iter().filter_map(|link| link.instance).collect()
        };
        assert_eq!(cut(&name("order", 1)), ["product-1", "gateway-1"]);
        assert_eq!(cut(&name("gateway", 1)), ["order-1"]);
        assert_eq!(cut(&name("product", 2)), Vec::<String>::new());
        assert!(book.is_taken_out(&name("order", 1)) && !book.is_taken_out(&name("product", 1)));
    }

    #[test]
    fn a_fault_is_over_when_its_time_is() {
        let mut book = Book::default();
        let first = book.begin("order", vec![name("order", 1)], Kind::Stall, 0, 2 * S);
        let second = book.begin("order", vec![name("order", 1)], Kind::Fail, 0, S);
        assert_eq!(book.due_ns(), Some(S));
        assert!(book.over(S - 1).is_empty());
        assert_eq!(book.over(S), [second]);
        assert_eq!(book.over(2 * S), [first, second]);
        assert_eq!(book.words_of(&name("order", 1), S)[0], "fault 1: is stalled for 1 s more");
        book.forget(&name("order", 1));
        assert!(book.words_of(&name("order", 1), S).is_empty());
    }

    #[test]
    fn a_plan_holds_but_for_what_is_cut() {
        let mut book = Book::default();
        let text = "[segment]\na = { members = ['order'], latency = '1ms' }\nb = { members = ['product'] }\n\
                    [[link]]\nbetween = ['a', 'b']\nlatency = '5ms'";
        book.declare(Some(Plan::read(text).unwrap()));
        let kind = Kind::Partition { from: vec![name("product", 2)] };
        let cut = book.begin("order", vec![name("order", 1)], kind, 0, S);
        let links = |book: &Book| -> Vec<(Option<String>, bool, u64)> {
            let links = of_order(book, 0).links.into_iter();
            links.map(|link| (link.instance, link.cut, link.delay_us)).collect()
        };
        assert_eq!(links(&book), [(Some("product-2".into()), true, 0), (None, false, 5_000)]);
        book.end(cut);
        assert_eq!(links(&book), [(None, false, 5_000)]);
        let revision = book.revision();
        book.declare(None);
        assert!(book.revision() > revision && links(&book).is_empty());
    }
}
