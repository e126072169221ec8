use micronet_wire::network::InstanceState;
use micronet_wire::schema::Decimal;

use super::*;
use crate::control::api::ProcessState;
use crate::control::api::live::{LiveInstance, LiveService};
use crate::control::live::picture::tests::Random;

const S: u64 = 1_000_000_000;

fn instance(name: &str, health: InstanceState) -> LiveInstance {
    LiveInstance {
        service: "p".into(),
        instance: name.into(),
        process: ProcessState::Running,
        health: Some(health),
        reason: "why".into(),
        ..LiveInstance::default()
    }
}

fn picture(second: u64, p95_us: i64, instances: &[LiveInstance]) -> Picture {
    let service = LiveService {
        service: "p".into(),
        running: true,
        per_s: 10,
        p95_ms: Decimal(p95_us),
        fairness: Decimal(10_000),
        ..LiveService::default()
    };
    let mut picture =
        Picture { at: Timestamp(i64::try_from(second).unwrap() * 1_000_000), ..Picture::default() };
    picture.services.insert("p".into(), service);
    picture.instances.extend(instances.iter().map(|each| (each.instance.clone(), each.clone())));
    picture
}

fn words(events: &[Event]) -> Vec<(&str, Severity, &str)> {
    events.iter().map(|event| (&*event.subject, event.severity, &*event.words)).collect()
}

#[test]
fn an_alert_is_raised_told_and_over() {
    let mut alarms = Alarms::default();
    let up = [instance("p-1", InstanceState::Up)];
    let down = [instance("p-1", InstanceState::Down)];
    assert_eq!(alarms.observe(10 * S, &picture(10, 0, &up)), []);
    assert_eq!(alarms.observe(11 * S, &picture(11, 0, &down)), []);
    let told = alarms.observe(12 * S, &picture(12, 0, &down));
    assert_eq!(words(&told), [("p-1", Severity::Warning, "alert: gets no calls: why")]);
    assert_eq!(alarms.observe(13 * S, &picture(13, 0, &down)), []);
    let active = &alarms.alerts().active[0];
    assert_eq!((active.id, active.active, active.since), (1, true, Timestamp(12_000_000)));
    assert_eq!(alarms.gauges(), [(["instance_unhealthy", "p", "p-1"].map(str::to_owned), 1)]);
    for second in 14..17 {
        assert_eq!(alarms.observe(second * S, &picture(second, 0, &up)), []);
    }
    let told = alarms.observe(17 * S, &picture(17, 0, &up));
    assert_eq!(words(&told), [("p-1", Severity::Info, "alert over after 5 s: gets no calls: why")]);
    let Alerts { active, past } = alarms.alerts();
    assert_eq!((active.len(), past[0].active, past[0].until), (0, false, Some(Timestamp(17_000_000))));
    assert!(alarms.gauges().is_empty() && alarms.watched.is_empty());
    assert_eq!(alarms.counts[&AlertKind::InstanceUnhealthy], 1);
    assert_eq!(alarms.shown().len(), 1);
}

#[test]
fn an_alert_about_what_is_gone_is_over() {
    let mut alarms = Alarms::default();
    let down = [instance("p-1", InstanceState::Down)];
    (10..13).for_each(|second| drop(alarms.observe(second * S, &picture(second, 0, &down))));
    assert_eq!(alarms.alerts().active.len(), 1);
    let told = alarms.observe(13 * S, &picture(13, 0, &[]));
    assert_eq!(words(&told)[0].2, "alert over after 2 s: gets no calls: why");
    assert_eq!(alarms.alerts().active, []);
}

#[test]
fn a_response_time_that_sways_about_its_limit_raises_one_alert() {
    for seed in 0..100 {
        let mut random = Random(seed);
        let mut alarms = Alarms::default();
        let mut raised = 0;
        for second in 0..600 {
            // 185 to 260 ms: sometimes below the limit, never as far below as it takes to be well.
            let p95_us = 185_000 + i64::try_from(random.below(75_000)).unwrap();
            let told = alarms.observe(second * S, &picture(second, p95_us, &[]));
            raised += told.iter().filter(|event| event.severity == Severity::Warning).count();
            assert!(told.iter().all(|event| event.severity != Severity::Info), "seed {seed}");
        }
        assert_eq!(raised, 1, "seed {seed}");
    }
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut alarms = Alarms::default();
    for round in 0..200 {
        let name = format!("p-{round}");
        let down = [instance(&name, InstanceState::Down)];
        for second in [round * 10, round * 10 + 2] {
            alarms.observe(second * S, &picture(second, 0, &down));
        }
    }
    assert_eq!(alarms.counts[&AlertKind::InstanceUnhealthy], 200);
    assert_eq!((alarms.past.len(), alarms.watched.len()), (PAST_MAX, 1));
}
