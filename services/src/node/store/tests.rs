//! What requests cost under a load.

use super::*;

const MS: u64 = 1_000_000;

fn plain() -> Load {
    Load { work_us: 100, delay: Delay::Fixed { us: 3_000 }, ..load_of(1) }
}

/// The delays of a hundred thousand requests, in seconds, in ascending order.
fn delays(of: Delay) -> Vec<f64> {
    let load = Load { delay: of, ..plain() };
    let mut delays: Vec<f64> =
        (0..100_000).map(|number| task(&load, number, 0).delay.as_secs_f64()).collect();
    delays.sort_by(f64::total_cmp);
    delays
}

#[track_caller]
fn near(found: f64, wanted: f64, what: &str) {
    assert!((found / wanted - 1.0).abs() < 0.06, "{what}: {found} s, but {wanted} s is right");
}

#[test]
fn delays_are_distributed_as_they_say() {
    let mean = |delays: &[f64]| delays.iter().sum::<f64>() / 1e5;
    assert!(delays(Delay::None).iter().all(|delay| *delay == 0.0));
    assert!(delays(Delay::Fixed { us: 700 }).iter().all(|delay| *delay == 700e-6));

    let uniform = delays(Delay::Uniform { from_us: 3_000, to_us: 1_000 });
    assert!(uniform[0] >= 1e-3 && uniform[99_999] <= 3e-3);
    near(uniform[25_000], 1.5e-3, "the first quarter of the uniform one");

    // -ln(1 - p) times the mean.
    let exponential = delays(Delay::Exponential { mean_us: 2_000 });
    near(mean(&exponential), 2e-3, "the mean of the exponential one");
    near(exponential[99_000], 2e-3 * 100_f64.ln(), "its P99");

    // The normal distribution's 84.13 % lie below one deviation.
    let lognormal = delays(Delay::Lognormal { median_us: 4_000, sigma: Decimal(500) });
    near(lognormal[50_000], 4e-3, "the median of the lognormal one");
    near(lognormal[84_130], 4e-3 * 0.5_f64.exp(), "its first deviation");

    // The least divided by (1 - p) to 1 / shape.
    let pareto = delays(Delay::Pareto { least_us: 4_000, shape: Decimal(2_000) });
    assert!(pareto[0] >= 4e-3);
    near(pareto[75_000], 4e-3 * 2.0, "three quarters of the Pareto one");
    near(pareto[99_000], 4e-3 * 10.0, "its P99");
    let heavy = delays(Delay::Pareto { least_us: 4_000, shape: Decimal(100) });
    assert!(heavy.iter().all(|delay| *delay <= 10.0), "no request waits for longer than the cut");
}

#[test]
fn the_same_seed_gives_the_same_requests() {
    let fates = |seed: u64| -> Vec<Task> {
        let load = Load { seed, errors_per_mille: 300, slow_per_mille: 300, slower: 10, ..load_of(1) };
        let store = NodeStore::new(load);
        (0..100).map(|now| store.task(now)).collect()
    };
    assert_eq!(fates(7), fates(7));
    assert_ne!(fates(7), fates(8));
    // A change of the load begins anew.
    let store = NodeStore::new(plain());
    store.change(LoadChange { delay: Some(load_of(1).delay), ..LoadChange::default() }, 0);
    let first = store.task(0);
    assert_ne!(store.task(0), first);
    store.change(LoadChange::default(), 0);
    assert_eq!(store.task(0), first);
}

#[test]
fn ten_times_slower_is_one_setting() {
    let store = NodeStore::new(plain());
    let usual = Task { delay: Duration::from_micros(3_000), work: Duration::from_micros(100), fails: false };
    assert_eq!(store.task(0), usual);
    store.change(LoadChange { slower: Some(10), ..LoadChange::default() }, 0);
    let slow = Task { delay: usual.delay * 10, work: usual.work * 10, fails: false };
    assert_eq!(store.task(0), slow);
    // Only some of them.
    store.change(LoadChange { slow_per_mille: Some(100), ..LoadChange::default() }, 0);
    let among = (0..10_000).filter(|_| store.task(0) == slow).count();
    assert!((850..1_150).contains(&among), "{among} of 10000 were slow");
}

#[test]
fn some_requests_fail() {
    let store = NodeStore::new(plain());
    store.change(LoadChange { errors_per_mille: Some(50), ..LoadChange::default() }, 0);
    let failed = (0..10_000).filter(|_| store.task(0).fails).count();
    assert!((400..600).contains(&failed), "{failed} of 10000 failed");
    store.change(LoadChange { errors_per_mille: Some(1_000), ..LoadChange::default() }, 0);
    assert!((0..1_000).all(|_| store.task(0).fails));
}

#[test]
fn a_load_can_come_and_go() {
    let store = NodeStore::new(plain());
    let change = LoadChange {
        slower: Some(10),
        errors_per_mille: Some(1_000),
        flap_ms: Some(500),
        ..LoadChange::default()
    };
    let set = 9_000 * MS;
    store.change(change, set);
    for (after_ms, is_bad) in [(0, true), (499, true), (500, false), (999, false), (1_000, true)] {
        let task = store.task(set + after_ms * MS);
        assert_eq!((task.fails, task.delay == Duration::from_millis(30)), (is_bad, is_bad), "{after_ms} ms");
    }
}

#[test]
fn requests_are_counted() {
    let store = NodeStore::of_instance("node-2");
    let first = store.begin();
    let second = store.begin();
    assert_eq!((first.in_flight, second.in_flight), (1, 2));
    drop(first);
    store.failed();
    let state = store.state("node-2");
    assert_eq!((state.requests, state.failed, state.in_flight), (2, 1, 1));
    drop(second);
    assert_eq!(store.state("node-2").in_flight, 0);
}

#[test]
fn nodes_begin_with_different_loads() {
    let load = |instance| NodeStore::of_instance(instance).load();
    let [one, two, three] = ["node-1", "node-2", "node-3"].map(load);
    assert!(one != two && two != three && three != one);
    assert_eq!(load("node-4").delay, one.delay);
    assert_eq!(load("anything"), one);
}
