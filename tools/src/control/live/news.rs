//! What has happened between two pictures of the network, as events. Pure.

use micronet_wire::network::InstanceState;

use super::picture::Picture;
use super::status::STARTING;
use crate::control::api::ProcessState;
use crate::control::api::live::{EventKind, LiveInstance, LiveService, Severity};
use crate::control::events::Event;
use crate::control::reports::state_name;

/// What has happened since the picture was as `before`.
pub(super) fn news(before: &Picture, now: &Picture) -> Vec<Event> {
    let mut events = Vec::new();
    for (name, instance) in &now.instances {
        match before.instances.get(name) {
            Some(before) => {
                events.extend(of_process(before, instance));
                events.extend(of_health(before, instance));
            }
            None => events.push(event(
                EventKind::Process,
                Severity::Info,
                name,
                "is one of the network's instances",
            )),
        }
    }
    for name in before.instances.keys().filter(|name| !now.instances.contains_key(*name)) {
        events.push(event(
            EventKind::Process,
            Severity::Info,
            name,
            "is no longer one of the network's instances",
        ));
    }
    for (name, service) in &now.services {
        if let Some(before) = before.services.get(name) {
            events.extend(of_service(before, service));
            events.extend(of_balancer(before, service));
        }
    }
    events
}

fn event(kind: EventKind, severity: Severity, subject: &str, words: impl Into<String>) -> Event {
    Event::new(kind, severity, subject, words)
}

fn of_process(before: &LiveInstance, now: &LiveInstance) -> Option<Event> {
    let tell = |severity, words: String| Some(event(EventKind::Process, severity, &now.instance, words));
    let why = if now.process == ProcessState::Running { "ready" } else { &*now.reason };
    match now.process {
        same if same == before.process => {
            let (before, pid) = (before.pid?, now.pid.filter(|pid| Some(*pid) != before.pid)?);
            tell(Severity::Info, format!("its process {pid} has taken over from {before}"))
        }
        ProcessState::Running => tell(Severity::Info, format!("is running: {why}")),
        ProcessState::Starting => tell(Severity::Info, format!("is starting: {why}")),
        ProcessState::Stopping => tell(Severity::Info, format!("is stopping: {why}")),
        ProcessState::BackingOff => tell(Severity::Warning, format!("{why}; it is started again")),
        ProcessState::CrashLoop => tell(Severity::Critical, format!("is in a crash loop: {why}")),
        ProcessState::Stopped if why.starts_with("died") => tell(Severity::Warning, why.to_owned()),
        ProcessState::Stopped => tell(Severity::Info, format!("has stopped: {why}")),
        ProcessState::Unknown => None,
    }
}

fn of_health(before: &LiveInstance, now: &LiveInstance) -> Option<Event> {
    let (was, is) = (before.health, now.health?);
    if was == Some(is) || was.is_none() {
        return None;
    }
    let is_breaker = |state| matches!(state, InstanceState::Ejected | InstanceState::Probing);
    let why = &now.reason;
    let (kind, severity, words) = match is {
        InstanceState::Ejected => {
            (EventKind::Breaker, Severity::Warning, format!("its circuit breaker is open: {why}"))
        }
        InstanceState::Probing => {
            (EventKind::Breaker, Severity::Info, format!("its circuit breaker is half open: {why}"))
        }
        InstanceState::Up if was.is_some_and(is_breaker) => {
            (EventKind::Breaker, Severity::Info, format!("its circuit breaker is closed: {why}"))
        }
        InstanceState::Up => (EventKind::Instance, Severity::Info, format!("gets calls: {why}")),
        state => {
            let severity = match state {
                InstanceState::Joining | InstanceState::Draining => Severity::Info,
                _ => Severity::Warning,
            };
            (EventKind::Instance, severity, format!("is {}: {why}", state_name(state)))
        }
    };
    Some(event(kind, severity, &now.instance, words))
}

fn of_service(before: &LiveService, now: &LiveService) -> Option<Event> {
    if before.status == now.status {
        return None;
    }
    let severity = match (before.running, now.running) {
        (_, true) => Severity::Info,
        (false, false) if now.status == STARTING => Severity::Info,
        (true, false) => Severity::Critical,
        (false, false) => Severity::Warning,
    };
    let words = format!("the service is {}: {}", now.status, now.reason);
    Some(event(EventKind::Instance, severity, &now.service, words))
}

fn of_balancer(before: &LiveService, now: &LiveService) -> Option<Event> {
    let acting =
        |service: &LiveService| service.balancing.split_once(':').map_or("", |(acting, _)| acting).to_owned();
    let is_known = !before.algorithm.is_empty() && !now.algorithm.is_empty();
    let words = if is_known && before.algorithm != now.algorithm {
        format!("instances are picked by {}, no longer by {}", now.algorithm, before.algorithm)
    } else if is_known && acting(before) != acting(now) {
        format!("{} has switched from {}: {}", now.algorithm, acting(before), now.balancing)
    } else {
        return None;
    };
    Some(event(EventKind::Balancer, Severity::Info, &now.service, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(process: ProcessState, health: Option<InstanceState>, reason: &str) -> LiveInstance {
        LiveInstance {
            instance: "p-1".into(),
            process,
            health,
            reason: reason.into(),
            pid: Some(7),
            ..LiveInstance::default()
        }
    }

    fn picture(instance: LiveInstance) -> Picture {
        let mut picture = Picture::default();
        picture.instances.insert(instance.instance.clone(), instance);
        picture
    }

    #[test]
    fn each_change_of_an_instance_is_told_once() {
        use InstanceState::{Blocked, Down, Ejected, Probing, Up};
        use ProcessState::{BackingOff, CrashLoop, Running, Starting, Stopped};
        let mut last = picture(instance(Running, Some(Up), "it was reached"));
        for (now, wanted) in [
            (instance(Running, Some(Up), "other words"), vec![]),
            (
                instance(BackingOff, Some(Up), "died: x"),
                vec![(EventKind::Process, Severity::Warning, "died: x; it is started again")],
            ),
            (
                instance(Starting, Some(Down), "again"),
                vec![
                    (EventKind::Process, Severity::Info, "is starting: again"),
                    (EventKind::Instance, Severity::Warning, "is down: again"),
                ],
            ),
            (
                instance(Running, Some(Down), "gone"),
                vec![(EventKind::Process, Severity::Info, "is running: ready")],
            ),
            (
                instance(Running, Some(Up), "back"),
                vec![(EventKind::Instance, Severity::Info, "gets calls: back")],
            ),
            (
                instance(Running, Some(Ejected), "5 in a row"),
                vec![(EventKind::Breaker, Severity::Warning, "its circuit breaker is open: 5 in a row")],
            ),
            (
                instance(Running, Some(Probing), "one"),
                vec![(EventKind::Breaker, Severity::Info, "its circuit breaker is half open: one")],
            ),
            (
                instance(Running, Some(Up), "well"),
                vec![(EventKind::Breaker, Severity::Info, "its circuit breaker is closed: well")],
            ),
            (
                instance(Running, Some(Blocked), "fault 1"),
                vec![(EventKind::Instance, Severity::Warning, "is blocked: fault 1")],
            ),
            // A gateway that says nothing is no news of its instances, and neither is that it says something again.
            (instance(Running, None, "ready"), vec![]),
            (instance(Running, Some(Up), "ready"), vec![]),
            (
                instance(CrashLoop, Some(Up), "5 times"),
                vec![(EventKind::Process, Severity::Critical, "is in a crash loop: 5 times")],
            ),
            (
                instance(Stopped, Some(Up), "died: y"),
                vec![(EventKind::Process, Severity::Warning, "died: y")],
            ),
        ] {
            let now = picture(now);
            let told = news(&last, &now);
            let told: Vec<_> = told.iter().map(|event| (event.kind, event.severity, &*event.words)).collect();
            assert_eq!(told, wanted);
            last = now;
        }
        let told = news(&last, &Picture::default());
        assert_eq!(told[0].words, "is no longer one of the network's instances");
        let mut follower = last.clone();
        follower.instances.values_mut().for_each(|instance| instance.pid = Some(8));
        assert_eq!(news(&last, &follower)[0].words, "its process 8 has taken over from 7");
    }

    #[test]
    fn services_stop_and_are_balanced_in_other_ways() {
        let service = |status: &str, algorithm: &str, balancing: &str| {
            let service = LiveService {
                service: "p".into(),
                running: status == "RUNNING",
                status: status.into(),
                reason: "why".into(),
                algorithm: algorithm.into(),
                balancing: balancing.into(),
                ..LiveService::default()
            };
            let mut picture = Picture::default();
            picture.services.insert("p".into(), service);
            picture
        };
        let check = |before: &Picture, now: &Picture, wanted: &[(Severity, &str)]| {
            let told = news(before, now);
            let told: Vec<_> = told.iter().map(|event| (event.severity, &*event.words)).collect();
            assert_eq!(told, wanted);
        };
        let runs = service("RUNNING", "adaptive", "round_robin: at first");
        check(
            &runs,
            &service("STOPPED (BLOCKED)", "adaptive", "round_robin: 2"),
            &[(Severity::Critical, "the service is STOPPED (BLOCKED): why")],
        );
        check(&service("STOPPED", "", ""), &runs, &[(Severity::Info, "the service is RUNNING: why")]);
        check(
            &runs,
            &service("RUNNING", "ip_hash", "ip_hash: it was chosen"),
            &[(Severity::Info, "instances are picked by ip_hash, no longer by adaptive")],
        );
        check(
            &runs,
            &service("RUNNING", "adaptive", "p2c_ewma: uneven"),
            &[(Severity::Info, "adaptive has switched from round_robin: p2c_ewma: uneven")],
        );
        check(&runs, &service("RUNNING", "", ""), &[]);
    }
}
