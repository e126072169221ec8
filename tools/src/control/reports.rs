//! What a fault came to: put together from what its callers see, time and again, while it lasts and after it.

use std::collections::BTreeMap;

use micronet_wire::network::{CalledInstance, InstanceState, Instances};

use super::api::faults::{Noticed, Report};

/// What callers see of a fault's instances, from its beginning on. Times are microseconds since 1970.
#[derive(Debug)]
pub(super) struct Watch {
    instances: Vec<String>,
    /// Those from whom they are cut off, where only links between them and these are broken.
    from: Option<Vec<String>>,
    began_us: i64,
    ended_us: Option<i64>,
    /// The last counts of calls and failures, by who counted and of which instance.
    counted: BTreeMap<(String, String), (u64, u64)>,
    /// The last counts of repeats, by who counted and of which service.
    repeated: BTreeMap<(String, String), u64>,
    /// Whether a gateway calls them: what it sees counts.
    by_gateway: bool,
    report: Report,
}

impl Watch {
    /// Begins to watch these instances, before the fault: as all see them, or where `from` is given as they see each other.
    pub(super) fn new(instances: Vec<String>, from: Option<Vec<String>>) -> Self {
        Self {
            instances,
            from,
            began_us: i64::MAX,
            ended_us: None,
            counted: BTreeMap::new(),
            repeated: BTreeMap::new(),
            by_gateway: false,
            report: Report::default(),
        }
    }

    /// The fault begins now: what was counted before is not its cost.
    pub(super) fn begin(&mut self, began_us: i64) {
        self.began_us = began_us;
    }

    /// The fault is over.
    pub(super) fn end(&mut self, ended_us: i64) {
        self.ended_us = Some(ended_us);
    }

    /// What was seen so far.
    pub(super) fn report(&self) -> &Report {
        &self.report
    }

    /// Whether nothing is left to be seen: the fault is over, and its instances get calls again.
    pub(super) fn is_done(&self) -> bool {
        self.ended_us.is_some()
            && (self.report.recovered_after_ms.is_some() || self.report.detected.is_none())
    }

    /// Takes account of what a caller sees.
    pub(super) fn observe(&mut self, seen: &Instances, is_gateway: bool) {
        let mut recovered_us = Some(self.began_us);
        let mut concerned = false;
        for called in &seen.services {
            let is_ours = |each: &&CalledInstance| self.concerns(&seen.seen_by, &each.instance);
            let ours: Vec<&CalledInstance> = called.instances.iter().filter(is_ours).collect();
            if ours.is_empty() {
                continue;
            }
            concerned = true;
            let key = (seen.seen_by.clone(), called.service.clone());
            self.report.tried_again += grown(self.repeated.insert(key, called.retries), called.retries);
            for instance in ours {
                self.count(&seen.seen_by, instance);
                recovered_us = recovered_us.filter(|_| instance.state == InstanceState::Up);
                recovered_us = recovered_us.map(|at_us| at_us.max(instance.since.0));
                if is_gateway || !self.by_gateway {
                    self.notice(&seen.seen_by, instance, is_gateway);
                }
            }
        }
        self.by_gateway |= is_gateway && concerned;
        if !concerned || is_gateway != self.by_gateway {
            return;
        }
        if let (Some(ended_us), Some(at_us), true) =
            (self.ended_us, recovered_us, self.report.detected.is_some())
        {
            self.report.recovered_after_ms.get_or_insert(ms_between(ended_us, at_us));
        }
    }

    /// Whether the fault concerns what a caller sees of an instance.
    fn concerns(&self, caller: &str, called: &str) -> bool {
        let has = |names: &[String], name: &str| names.iter().any(|each| each == name);
        match &self.from {
            None => has(&self.instances, called),
            Some(from) => {
                has(&self.instances, called) && has(from, caller)
                    || has(from, called) && has(&self.instances, caller)
            }
        }
    }

    fn count(&mut self, seen_by: &str, instance: &CalledInstance) {
        let key = (seen_by.to_owned(), instance.instance.clone());
        let before = self.counted.insert(key, (instance.calls, instance.failures));
        self.report.calls += grown(before.map(|(calls, _)| calls), instance.calls);
        self.report.failed += grown(before.map(|(_, failures)| failures), instance.failures);
    }

    fn notice(&mut self, by: &str, instance: &CalledInstance, is_gateway: bool) {
        // What another caller saw before gives way to what the gateway sees.
        if is_gateway && !self.by_gateway {
            (self.report.detected, self.report.ejected) = (None, None);
            self.by_gateway = true;
        }
        let now = [(instance.since.0, instance.state, &instance.reason)];
        let past = instance.history.iter().map(|change| (change.at.0, change.state, &change.reason));
        for (at_us, state, reason) in past.chain(now) {
            let is_ours = at_us >= self.began_us && self.ended_us.is_none_or(|ended_us| at_us <= ended_us);
            if !is_ours || state == InstanceState::Up {
                continue;
            }
            let noticed = Noticed {
                by: by.to_owned(),
                instance: instance.instance.clone(),
                after_ms: ms_between(self.began_us, at_us),
                state: state_name(state).to_owned(),
                reason: reason.clone(),
            };
            if gets_no_calls(state) {
                keep_first(&mut self.report.ejected, &noticed);
            }
            keep_first(&mut self.report.detected, &noticed);
        }
    }
}

/// What a count has grown by since it was last read; one that is read for the first time has not grown. After a restart it
/// begins anew.
fn grown(before: Option<u64>, now: u64) -> u64 {
    before.map_or(0, |before| if now < before { now } else { now - before })
}

fn keep_first(kept: &mut Option<Noticed>, noticed: &Noticed) {
    if kept.as_ref().is_none_or(|kept| noticed.after_ms < kept.after_ms) {
        *kept = Some(noticed.clone());
    }
}

fn ms_between(from_us: i64, to_us: i64) -> u64 {
    u64::try_from((to_us - from_us) / 1_000).unwrap_or(0)
}

fn gets_no_calls(state: InstanceState) -> bool {
    matches!(state, InstanceState::Ejected | InstanceState::Down | InstanceState::Blocked)
}

/// A state's name, in small letters.
pub(super) fn state_name(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Joining => "joining",
        InstanceState::Up => "up",
        InstanceState::Suspect => "suspect",
        InstanceState::Probing => "probing",
        InstanceState::Ejected => "ejected",
        InstanceState::Down => "down",
        InstanceState::Draining => "draining",
        InstanceState::Blocked => "blocked",
        InstanceState::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use micronet_wire::network::{CalledService, StateChange};
    use micronet_wire::schema::Timestamp;

    use super::*;

    const BEGAN_US: i64 = 1_000_000;

    /// What a caller sees of product-1 in this state since then, after so many calls and failures.
    fn seen(by: &str, state: InstanceState, since_us: i64, (calls, failures): (u64, u64)) -> Instances {
        let instance = CalledInstance {
            instance: "product-1".into(),
            address: "127.0.0.1:1".into(),
            source: "static".into(),
            state,
            since: Timestamp(since_us),
            reason: "as seen".into(),
            weight: 100,
            connections: 1,
            in_flight: 0,
            calls,
            failures,
            mean_us: 0,
            share_permille: 1_000,
            history: Vec::new(),
        };
        let service = CalledService {
            service: "product".into(),
            retries: failures,
            instances: vec![instance],
            ..CalledService::default()
        };
        Instances { seen_by: by.into(), revision: 1, services: vec![service] }
    }

    fn begun() -> Watch {
        let mut watch = Watch::new(vec!["product-1".into()], None);
        watch.begin(BEGAN_US);
        watch
    }

    #[test]
    fn a_report_says_when_it_was_noticed_what_it_cost_and_when_it_was_over() {
        let mut watch = Watch::new(vec!["product-1".into()], None);
        watch.observe(&seen("gateway-1", InstanceState::Up, 5, (100, 2)), true);
        watch.observe(&seen("order-1", InstanceState::Up, 5, (10, 0)), false);
        watch.begin(BEGAN_US);
        let mut later = seen("gateway-1", InstanceState::Down, BEGAN_US + 900_000, (103, 5));
        later.services[0].instances[0].history = vec![
            StateChange { at: Timestamp(5), state: InstanceState::Down, reason: "long ago".into() },
            StateChange {
                at: Timestamp(BEGAN_US + 400_000),
                state: InstanceState::Suspect,
                reason: "no answer".into(),
            },
        ];
        watch.observe(&later, true);
        watch.observe(&seen("order-1", InstanceState::Down, BEGAN_US + 100_000, (11, 1)), false);
        assert!(!watch.is_done());
        watch.end(BEGAN_US + 2_000_000);
        watch.observe(&seen("gateway-1", InstanceState::Probing, BEGAN_US + 2_100_000, (103, 5)), true);
        assert!(!watch.is_done());
        // What others see doesn't count where a gateway sees it too.
        watch.observe(&seen("order-1", InstanceState::Up, BEGAN_US + 2_050_000, (11, 1)), false);
        assert!(!watch.is_done());
        watch.observe(&seen("gateway-1", InstanceState::Up, BEGAN_US + 2_300_000, (1, 0)), true);
        assert!(watch.is_done());
        let report = watch.report();
        let (detected, ejected) = (report.detected.as_ref().unwrap(), report.ejected.as_ref().unwrap());
        assert_eq!((&*detected.by, detected.after_ms, &*detected.state), ("gateway-1", 400, "suspect"));
        assert_eq!((ejected.after_ms, &*ejected.state), (900, "down"));
        assert_eq!(report.recovered_after_ms, Some(300));
        // The gateway counted 3 calls and, started anew, 1 more; order counted 1.
        assert_eq!((report.calls, report.failed, report.tried_again), (5, 4, 4));
    }

    #[test]
    fn where_no_gateway_calls_it_another_caller_is_heard() {
        let mut watch = begun();
        watch.observe(&Instances { seen_by: "gateway-1".into(), ..Instances::default() }, true);
        watch.observe(&seen("order-1", InstanceState::Blocked, BEGAN_US + 7_000, (0, 0)), false);
        watch.end(BEGAN_US + 1_000_000);
        watch.observe(&seen("order-1", InstanceState::Up, BEGAN_US + 1_001_000, (0, 0)), false);
        assert_eq!(watch.report().ejected.as_ref().unwrap().by, "order-1");
        assert_eq!(watch.report().recovered_after_ms, Some(1));
    }

    #[test]
    fn of_those_that_are_cut_off_counts_what_they_see_of_each_other() {
        let mut watch = Watch::new(vec!["order-1".into()], Some(vec!["product-1".into()]));
        watch.begin(BEGAN_US);
        watch.observe(&seen("gateway-1", InstanceState::Suspect, BEGAN_US, (0, 0)), true);
        assert_eq!(watch.report().detected, None);
        watch.observe(&seen("order-1", InstanceState::Down, BEGAN_US + 9_000, (0, 0)), false);
        let detected = watch.report().detected.as_ref().unwrap();
        assert_eq!((&*detected.by, &*detected.instance, detected.after_ms), ("order-1", "product-1", 9));
    }

    #[test]
    fn what_nobody_noticed_is_over_at_its_end() {
        let mut watch = begun();
        watch.observe(&seen("gateway-1", InstanceState::Up, 5, (0, 0)), true);
        assert!(!watch.is_done());
        watch.end(BEGAN_US + 1);
        assert!(watch.is_done());
        assert_eq!(watch.report(), &Report::default());
    }
}
