//! Alerts: conditions of the network that somebody should look at, raised and taken back with patience.
//!
//! Each second `conditions.rs` says how everything stands, by limits that have names (`thresholds.rs`), and `hysteresis.rs` decides what
//! becomes an alert of it. All of it is pure: the time and the picture of the network go in, and what is to be told comes out.

mod conditions;
mod hysteresis;
mod thresholds;
mod traffic;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use micronet_transport::metrics::Metrics;
use micronet_wire::schema::Timestamp;

use self::conditions::{Condition, conditions};
use self::hysteresis::{Hysteresis, Turn};
pub(crate) use self::thresholds::Thresholds;
use self::traffic::Traffic;
use super::api::live::{Alert, AlertKind, Alerts, EventKind, Severity};
use super::events::Event;
use super::live::picture::Picture;

/// Alerts that are over and still shown.
const PAST_MAX: usize = 50;
/// The kinds, and their names in metrics.
const KINDS: [(AlertKind, &str); 9] = [
    (AlertKind::InstanceUnhealthy, "instance_unhealthy"),
    (AlertKind::ServiceUnhealthy, "service_unhealthy"),
    (AlertKind::ResponseTime, "response_time"),
    (AlertKind::HighCpu, "high_cpu"),
    (AlertKind::HighMemory, "high_memory"),
    (AlertKind::HighDisk, "high_disk"),
    (AlertKind::TrafficSpike, "traffic_spike"),
    (AlertKind::AlgorithmInefficiency, "algorithm_inefficiency"),
    (AlertKind::BreakerOpen, "breaker_open"),
];

/// All alerts of a network.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    limits: Thresholds,
    watched: BTreeMap<(AlertKind, String), Watched>,
    past: VecDeque<Alert>,
    traffic: Traffic,
    raised: u64,
    /// How often each kind was raised.
    counts: BTreeMap<AlertKind, u64>,
}

#[derive(Debug, Default)]
struct Watched {
    hysteresis: Hysteresis,
    service: String,
    /// While it is raised.
    alert: Option<Alert>,
}

impl Alarms {
    /// Nothing was looked at yet.
    pub(crate) fn new(limits: Thresholds) -> Self {
        Self { limits, ..Self::default() }
    }

    /// One more second: what is to be told of it.
    pub(super) fn observe(&mut self, now: u64, picture: &Picture) -> Vec<Event> {
        self.traffic.note(picture);
        let mut told = Vec::new();
        let conditions = conditions(picture, &self.traffic, &self.limits);
        let mut unseen = std::mem::take(&mut self.watched);
        for condition in conditions {
            let key = (condition.kind, condition.subject.clone());
            let mut watched = unseen.remove(&key).unwrap_or_default();
            match watched.hysteresis.observe(now, condition.level, condition.patience) {
                Some(Turn::Raised) => told.push(self.raise(picture.at, &mut watched, condition)),
                Some(Turn::Over) => told.extend(self.end(picture.at, watched.alert.take())),
                None => {}
            }
            if watched.hysteresis != Hysteresis::Calm {
                self.watched.insert(key, watched);
            }
        }
        // What these were about is there no more.
        for (_, watched) in unseen {
            told.extend(self.end(picture.at, watched.alert));
        }
        told
    }

    fn raise(&mut self, at: Timestamp, watched: &mut Watched, condition: Condition) -> Event {
        let Condition { kind, severity, subject, service, words, .. } = condition;
        self.raised += 1;
        *self.counts.entry(kind).or_default() += 1;
        let event = Event::new(EventKind::Alert, severity, &subject, format!("alert: {words}"));
        let alert =
            Alert { id: self.raised, kind, severity, subject, words, since: at, active: true, until: None };
        (watched.service, watched.alert) = (service, Some(alert));
        event
    }

    fn end(&mut self, at: Timestamp, alert: Option<Alert>) -> Option<Event> {
        let alert = Alert { active: false, until: Some(at), ..alert? };
        let for_s = at.0.saturating_sub(alert.since.0) / 1_000_000;
        let words = format!("alert over after {for_s} s: {}", alert.words);
        let event = Event::new(EventKind::Alert, Severity::Info, &alert.subject, words);
        if self.past.len() >= PAST_MAX {
            self.past.pop_front();
        }
        self.past.push_back(alert);
        Some(event)
    }

    /// Those that are active, and the last ones that were.
    pub(super) fn alerts(&self) -> Alerts {
        let mut active: Vec<Alert> = self.active().map(|(alert, _)| alert.clone()).collect();
        active.sort_unstable_by_key(|alert| alert.id);
        Alerts { active, past: self.past.iter().cloned().collect() }
    }

    /// The same by their numbers.
    pub(super) fn shown(&self) -> BTreeMap<u64, Alert> {
        let Alerts { active, past } = self.alerts();
        past.into_iter().chain(active).map(|alert| (alert.id, alert)).collect()
    }

    /// Those that are active, and the services that they are about.
    fn active(&self) -> impl Iterator<Item = (&Alert, &str)> {
        self.watched.values().filter_map(|watched| Some((watched.alert.as_ref()?, &*watched.service)))
    }

    fn gauges(&self) -> Vec<([String; 3], i64)> {
        let name = |kind| KINDS.iter().find(|(each, _)| *each == kind).map_or("unknown", |(_, name)| name);
        let gauge = |(alert, service): (&Alert, &str)| {
            let instance = if alert.subject == service { "" } else { &*alert.subject };
            ([name(alert.kind), service, instance].map(str::to_owned), 1)
        };
        self.active().map(gauge).collect()
    }
}

/// Shows alerts among the metrics of a process.
pub(super) fn show(metrics: &Metrics, alarms: &Rc<RefCell<Alarms>>) {
    let shown = Rc::clone(alarms);
    let help = "The alerts that are active: 1.";
    metrics.watch_each("micronet_alert_active", help, ["alert", "service", "instance"], move || {
        shown.borrow().gauges()
    });
    for (kind, name) in KINDS {
        let counted = Rc::clone(alarms);
        let help = "Alerts that were raised.";
        metrics.tally("micronet_alerts_total", help, ("alert", name), move || {
            counted.borrow().counts.get(&kind).copied().unwrap_or(0)
        });
    }
}

#[cfg(test)]
mod tests;
