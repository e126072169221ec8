//! How everything stands that alerts are about, in one picture of the network. Pure.

use micronet_wire::network::InstanceState;

use super::hysteresis::{Level, Patience};
use super::thresholds::Thresholds;
use super::traffic::Traffic;
use crate::control::api::ProcessState;
use crate::control::api::live::{AlertKind, LiveInstance, LiveNetwork, LiveService, Severity};
use crate::control::live::picture::Picture;
use crate::control::live::status::{STARTING, gets_calls};
use crate::registry::{CONTROL, GATEWAY};

/// Calls a second of an instance from which its percentiles say something.
const TELLING_PER_S: u64 = 5;
/// A P99 so much above another one is no matter, in microseconds.
const NEAR_US: i64 = 20_000;
/// An instance whose state changed since then distorts how calls are distributed over a minute, in microseconds.
const SETTLED_US: i64 = 60_000_000;
/// The algorithms that are to be even. Others prefer who answers faster.
const EVEN: [&str; 3] = ["round_robin", "weighted", "ip_hash"];

/// How one thing stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) kind: AlertKind,
    pub(super) severity: Severity,
    pub(super) subject: String,
    pub(super) service: String,
    pub(super) level: Level,
    pub(super) patience: Patience,
    pub(super) words: String,
}

/// How everything stands. What passes services is that of the last seconds.
pub(super) fn conditions(picture: &Picture, traffic: &Traffic, limits: &Thresholds) -> Vec<Condition> {
    let mut all = Vec::new();
    for instance in picture.instances.values() {
        all.extend([
            unhealthy_instance(instance, limits),
            breaker(instance),
            cpu(instance, limits),
            memory(instance, limits),
        ]);
    }
    all.push(disk(&picture.network, limits));
    for service in picture.services.values() {
        all.push(unhealthy_service(service, limits));
        if service.service != GATEWAY {
            let of: Vec<&LiveInstance> =
                picture.instances.values().filter(|each| each.service == service.service).collect();
            all.push(response_time(service, traffic, limits));
            all.push(spike(service, traffic, limits));
            all.push(inefficiency(picture.at.0, service, &of, (traffic, limits)));
        }
    }
    all
}

fn condition(
    kind: AlertKind,
    (service, subject): (&str, &str),
    level: Level,
    (raise_s, clear_s): (u64, u64),
    words: String,
) -> Condition {
    let severity = if kind == AlertKind::ServiceUnhealthy { Severity::Critical } else { Severity::Warning };
    let patience = Patience { raise_s, clear_s };
    Condition {
        kind,
        severity,
        subject: subject.to_owned(),
        service: service.to_owned(),
        level,
        patience,
        words,
    }
}

fn of(instance: &LiveInstance) -> (&str, &str) {
    (&instance.service, &instance.instance)
}

/// Bad from `bad` on, and good up to `good`.
fn above(value: u64, bad: u64, good: u64) -> Level {
    match value {
        value if value >= bad => Level::Bad,
        value if value <= good => Level::Good,
        _ => Level::Between,
    }
}

fn good_if(is_good: bool) -> Level {
    if is_good { Level::Good } else { Level::Bad }
}

/// One that is stopped by the operator, or rests, is as it should be. One that is starting is neither well nor lost.
fn unhealthy_instance(instance: &LiveInstance, limits: &Thresholds) -> Condition {
    let stopped_on_purpose =
        instance.process == ProcessState::Stopped && !instance.reason.starts_with("died");
    let leaves = matches!(instance.process, ProcessState::Stopping);
    let level = match instance.process {
        ProcessState::Starting => Level::Between,
        _ => good_if(stopped_on_purpose || leaves || gets_calls(instance)),
    };
    let words = format!("gets no calls: {}", instance.reason);
    condition(AlertKind::InstanceUnhealthy, of(instance), level, (limits.unhealthy_s, 3), words)
}

fn unhealthy_service(service: &LiveService, limits: &Thresholds) -> Condition {
    let words = format!("is {}: {}", service.status, service.reason);
    let names = (&*service.service, &*service.service);
    let level = if service.status == STARTING { Level::Between } else { good_if(service.running) };
    condition(AlertKind::ServiceUnhealthy, names, level, (limits.unhealthy_s, 3), words)
}

fn breaker(instance: &LiveInstance) -> Condition {
    let level = match instance.health {
        Some(InstanceState::Ejected) => Level::Bad,
        Some(InstanceState::Probing) => Level::Between,
        _ => Level::Good,
    };
    let words = format!("its circuit breaker is open: {}", instance.reason);
    condition(AlertKind::BreakerOpen, of(instance), level, (0, 5), words)
}

fn cpu(instance: &LiveInstance, limits: &Thresholds) -> Condition {
    let (used, limit) = (u64::from(instance.cpu_permille), limits.cpu_percent * 10);
    let words = format!("uses {} % of a core, over {} %", used / 10, limits.cpu_percent);
    condition(AlertKind::HighCpu, of(instance), above(used, limit, limit * 4 / 5), (10, 10), words)
}

fn memory(instance: &LiveInstance, limits: &Thresholds) -> Condition {
    let (used, limit) = (instance.resident_bytes >> 20, limits.memory_mib);
    let words = format!("has {used} MiB in RAM, over {limit} MiB");
    condition(AlertKind::HighMemory, of(instance), above(used, limit, limit * 9 / 10), (10, 10), words)
}

/// Full is bad for all; it is the control service that sees it.
fn disk(network: &LiveNetwork, limits: &Thresholds) -> Condition {
    let (used, limit) = (u64::from(network.disk_used_permille), limits.disk_percent * 10);
    let words = format!("is {} % full, over {} %", used / 10, limits.disk_percent);
    let level = above(used, limit, limit.saturating_sub(20));
    condition(AlertKind::HighDisk, (CONTROL, "disk"), level, (10, 10), words)
}

fn response_time(service: &LiveService, traffic: &Traffic, limits: &Thresholds) -> Condition {
    let lately = traffic.lately(&service.service);
    let limit_us = limits.response_time_ms * 1_000;
    let level = above(lately.p95_us, limit_us + 1, limit_us * 4 / 5);
    let words = format!("P95 of {} ms, over {} ms", lately.p95_us / 1_000, limits.response_time_ms);
    let names = (&*service.service, &*service.service);
    condition(AlertKind::ResponseTime, names, level, (5, 10), words)
}

fn spike(service: &LiveService, traffic: &Traffic, limits: &Thresholds) -> Condition {
    let lately = traffic.lately(&service.service);
    let level = match lately.usual_per_s {
        Some(usual) => {
            let bad = (usual * limits.spike_times).max(limits.spike_per_s);
            above(lately.per_s, bad, bad * 2 / 3)
        }
        None => Level::Good,
    };
    let usual = lately.usual_per_s.unwrap_or(0);
    let words = format!("{} requests a second, {usual} in the minute before", lately.per_s);
    condition(AlertKind::TrafficSpike, (&service.service, &service.service), level, (3, 5), words)
}

fn inefficiency(
    at_us: i64,
    service: &LiveService,
    instances: &[&LiveInstance],
    (traffic, limits): (&Traffic, &Thresholds),
) -> Condition {
    let called: Vec<&LiveInstance> =
        instances.iter().copied().filter(|each| each.health == Some(InstanceState::Up)).collect();
    let telling = called.iter().filter(|each| each.per_s >= TELLING_PER_S);
    let best = telling.min_by_key(|each| each.p99_ms.0);
    let is_settled =
        called.len() == instances.len() && called.iter().all(|each| at_us - each.since.0 >= SETTLED_US);
    let is_telling = called.len() > 1 && traffic.lately(&service.service).per_s >= 4 * TELLING_PER_S;
    let unfair = is_settled && EVEN.contains(&&*service.algorithm);
    let fairness = u64::try_from(service.fairness.0 / 100).unwrap_or(0);
    let slow = best.map(|best| {
        let times = i64::try_from(limits.inefficiency_times).unwrap_or(i64::MAX);
        (best, best.p99_ms.0.saturating_mul(times).max(best.p99_ms.0 + NEAR_US))
    });
    let (mut level, mut words) = (Level::Good, String::new());
    if is_telling && unfair && fairness < limits.fairness_percent {
        level = Level::Bad;
        words = format!("{} distributes calls unevenly: Jain's index is {fairness} %", service.algorithm);
    } else if let Some((best, limit)) = slow.filter(|_| is_telling) {
        let p99 = service.p99_ms.0;
        level = above(p99.unsigned_abs(), limit.unsigned_abs(), (limit * 7 / 10).unsigned_abs());
        words = format!(
            "P99 of {} ms by {}, where {} answers within {} ms: an algorithm that avoids slow instances would do better",
            p99 / 1_000,
            service.algorithm,
            best.instance,
            best.p99_ms.0 / 1_000,
        );
    }
    let names = (&*service.service, &*service.service);
    condition(AlertKind::AlgorithmInefficiency, names, level, (10, 15), words)
}

#[cfg(test)]
mod tests {
    use micronet_wire::schema::{Decimal, Timestamp};

    use super::*;

    fn instance(name: &str) -> LiveInstance {
        LiveInstance {
            service: "p".into(),
            instance: name.into(),
            process: ProcessState::Running,
            health: Some(InstanceState::Up),
            reason: "why".into(),
            per_s: 50,
            p99_ms: Decimal(10_000),
            ..LiveInstance::default()
        }
    }

    fn service() -> LiveService {
        LiveService {
            service: "p".into(),
            running: true,
            status: "RUNNING".into(),
            algorithm: "round_robin".into(),
            per_s: 100,
            p95_ms: Decimal(9_000),
            p99_ms: Decimal(10_000),
            fairness: Decimal(10_000),
            ..LiveService::default()
        }
    }

    /// What is not good once all is as given for a minute and a half.
    fn bad(service: &LiveService, instances: &[LiveInstance]) -> Vec<(AlertKind, String, Level)> {
        let mut picture = Picture { at: Timestamp(100_000_000), ..Picture::default() };
        picture.services.insert("p".into(), service.clone());
        picture.instances.extend(instances.iter().map(|each| (each.instance.clone(), each.clone())));
        let mut traffic = Traffic::default();
        (0..90).for_each(|_| traffic.note(&picture));
        let all = conditions(&picture, &traffic, &Thresholds::default());
        let bad = all.into_iter().filter(|each| each.level != Level::Good);
        bad.map(|each| (each.kind, each.subject, each.level)).collect()
    }

    #[test]
    fn what_is_well_is_no_matter() {
        assert_eq!(bad(&service(), &[instance("p-1"), instance("p-2")]), []);
        // What the operator has stopped, or lets rest, neither.
        let stopped = LiveInstance {
            process: ProcessState::Stopped,
            health: Some(InstanceState::Down),
            reason: "stopped by the operator".into(),
            ..instance("p-2")
        };
        let rests = LiveInstance { health: Some(InstanceState::Draining), ..instance("p-3") };
        assert_eq!(bad(&service(), &[instance("p-1"), stopped, rests]), []);
    }

    #[test]
    fn each_limit_is_seen() {
        let check = |service: LiveService, second: LiveInstance, kind, subject: &str, level| {
            assert_eq!(bad(&service, &[instance("p-1"), second]), [(kind, subject.to_owned(), level)]);
        };
        let with = |change: &dyn Fn(&mut LiveInstance)| {
            let mut changed = instance("p-2");
            change(&mut changed);
            changed
        };
        for health in [InstanceState::Down, InstanceState::Blocked, InstanceState::Joining] {
            let lost = with(&|each| each.health = Some(health));
            check(service(), lost, AlertKind::InstanceUnhealthy, "p-2", Level::Bad);
        }
        let died = with(&|each| (each.process, each.reason) = (ProcessState::Stopped, "died: x".into()));
        check(service(), died, AlertKind::InstanceUnhealthy, "p-2", Level::Bad);
        let busy = with(&|each| each.cpu_permille = 850);
        check(service(), busy, AlertKind::HighCpu, "p-2", Level::Bad);
        let busy = with(&|each| each.cpu_permille = 700);
        check(service(), busy, AlertKind::HighCpu, "p-2", Level::Between);
        let large = with(&|each| each.resident_bytes = 600 << 20);
        check(service(), large, AlertKind::HighMemory, "p-2", Level::Bad);
        let stopped = LiveService { running: false, status: "STOPPED".into(), ..service() };
        check(stopped, instance("p-2"), AlertKind::ServiceUnhealthy, "p", Level::Bad);
        let slow = LiveService { p95_ms: Decimal(210_000), ..service() };
        check(slow, instance("p-2"), AlertKind::ResponseTime, "p", Level::Bad);
        let slow = LiveService { p95_ms: Decimal(190_000), ..service() };
        check(slow, instance("p-2"), AlertKind::ResponseTime, "p", Level::Between);
        let uneven = LiveService { fairness: Decimal(7_000), ..service() };
        check(uneven.clone(), instance("p-2"), AlertKind::AlgorithmInefficiency, "p", Level::Bad);
        let slow = LiveService { p99_ms: Decimal(60_000), ..service() };
        check(slow, instance("p-2"), AlertKind::AlgorithmInefficiency, "p", Level::Bad);
        // Where unevenness is the purpose, or has another reason, it is none of the algorithm's.
        let on_purpose = LiveService { algorithm: "p2c_ewma".into(), ..uneven.clone() };
        assert_eq!(bad(&on_purpose, &[instance("p-1"), instance("p-2")]), []);
        let new = with(&|each| each.since = Timestamp(90_000_000));
        assert_eq!(bad(&uneven, &[instance("p-1"), new]), []);
        let ejected = with(&|each| each.health = Some(InstanceState::Ejected));
        let kinds: Vec<AlertKind> =
            bad(&service(), &[instance("p-1"), ejected]).iter().map(|each| each.0).collect();
        assert_eq!(kinds, [AlertKind::InstanceUnhealthy, AlertKind::BreakerOpen]);
    }

    #[test]
    fn a_disk_is_nearly_full() {
        let level = |disk_used_permille| {
            disk(&LiveNetwork { disk_used_permille, ..LiveNetwork::default() }, &Thresholds::default()).level
        };
        assert_eq!([0, 780, 790, 799, 800, 1_000].map(level), {
            use Level::{Bad, Between, Good};
            [Good, Good, Between, Between, Bad, Bad]
        });
    }

    #[test]
    fn a_spike_is_many_more_than_before() {
        let mut picture = Picture::default();
        let mut traffic = Traffic::default();
        let mut after = |per_s: u64, seconds: usize| {
            picture.services.insert("p".into(), LiveService { per_s, ..service() });
            (0..seconds).for_each(|_| traffic.note(&picture));
            spike(&picture.services["p"], &traffic, &Thresholds::default()).level
        };
        assert_eq!(after(100, 10), Level::Good, "nothing is known of before");
        assert_eq!(after(100, 60), Level::Good);
        assert_eq!(after(600, 6), Level::Bad);
        assert_eq!(after(600, 120), Level::Good, "it is usual now");
        assert_eq!(after(3, 300), Level::Good);
        assert_eq!(after(30, 6), Level::Good, "few are no spike");
    }
}
