//! How each balancing algorithm spreads calls over simulated instances.

use std::ops::RangeInclusive;

use micronet_tests::plan::MS;
use micronet_tests::random::Random;
use micronet_transport::balance::Algorithm::{
    self, IpHash, LeastConnections, LeastResponseTime, P2cEwma, RoundRobin, Weighted,
};
use micronet_transport::balance::{Ask, Balancer, Candidate};

use crate::instances::{Instance, S, START_NS, World};

const SERVICE_NS: u64 = 10 * MS;

/// One instance's part of the calls of so long, in percent, is within its bounds for each algorithm: for ninety-nine of a hundred seeds,
/// and never further outside than they are wide by half, since the more seeds there are, the odder the oddest.
fn check(
    what: &str,
    instances: &[Instance],
    at: usize,
    from_ns: u64,
    for_ns: u64,
    expected: &[(Algorithm, RangeInclusive<f64>)],
) {
    for (algorithm, bounds) in expected {
        let half = (bounds.end() - bounds.start()) / 2.0;
        let far = bounds.start() - half..=bounds.end() + half;
        let (mut least, mut most, mut seeds, mut outside) = (100.0_f64, 0.0_f64, 0, Vec::new());
        for seed in crate::seeds().step_by(50) {
            let mut world = World::new(seed, *algorithm, instances.to_vec());
            world.run(for_ns);
            let part = world.parts(from_ns)[at];
            (least, most, seeds) = (least.min(part), most.max(part), seeds + 1);
            if !bounds.contains(&part) {
                outside.push(format!("seed {seed}: {part:.1} %"));
            }
            assert!(
                far.contains(&part),
                "seed {seed}, {what}, {algorithm}: {part:.1} % is far from {bounds:?}"
            );
        }
        assert!(
            outside.len() * 100 <= seeds,
            "{what}, {algorithm}, of {seeds} seeds: {outside:?} not in {bounds:?}"
        );
        println!("{what}, {algorithm}: {least:.1} % to {most:.1} %");
    }
}

#[test]
fn equal_instances_get_equal_parts() {
    let equal = vec![Instance::new(SERVICE_NS); 4];
    let expected = [
        (RoundRobin, 24.4..=25.6),
        (Weighted, 24.4..=25.6),
        (LeastConnections, 22.0..=28.0),
        (LeastResponseTime, 14.0..=37.0),
        (P2cEwma, 16.0..=35.0),
        (IpHash, 19.0..=31.0),
    ];
    check("one of four equal", &equal, 2, 0, 4 * S, &expected);
}

#[test]
fn weights_are_kept_by_those_that_know_them() {
    let mut weighted = vec![Instance::new(SERVICE_NS); 3];
    weighted[1].weight = 200;
    let expected = [
        (RoundRobin, 33.2..=33.5),
        (Weighted, 49.8..=50.2),
        (LeastConnections, 40.0..=75.0),
        (LeastResponseTime, 40.0..=75.0),
        (P2cEwma, 36.0..=66.7),
        (IpHash, 44.0..=56.0),
    ];
    check("twice the weight of two others", &weighted, 1, 0, 4 * S, &expected);
}

#[test]
fn a_slow_instance_is_evaded_by_those_that_measure() {
    let mut slow = vec![Instance::new(SERVICE_NS); 4];
    slow[2].service_ns = 10 * SERVICE_NS;
    let expected = [
        (RoundRobin, 24.4..=25.6),
        (Weighted, 24.4..=25.6),
        (LeastConnections, 3.0..=14.0),
        (LeastResponseTime, 0.0..=4.0),
        (P2cEwma, 0.0..=3.0),
        (IpHash, 19.0..=31.0),
    ];
    check("one of four is ten times slower", &slow, 2, 0, 4 * S, &expected);
}

#[test]
fn an_instance_that_fails_fast_is_no_fast_instance() {
    let mut failing = vec![Instance::new(SERVICE_NS); 4];
    failing[2].failing_percent = 100;
    let expected = [
        (RoundRobin, 24.4..=25.6),
        // It looks idle. This is why there is a breaker, and why the others count failures as slow answers.
        (LeastConnections, 30.0..=70.0),
        (LeastResponseTime, 0.0..=1.0),
        (P2cEwma, 0.0..=1.0),
    ];
    check("one of four fails at once", &failing, 2, 0, 4 * S, &expected);
}

#[test]
fn an_instance_that_joins_starts_slowly() {
    let mut joins = vec![Instance::new(SERVICE_NS); 4];
    joins[2].joined_ns = START_NS + S;
    let first = [
        (RoundRobin, 2.0..=4.5),
        (Weighted, 2.0..=4.5),
        // These see that it has little to do; but it takes only a tenth of what it wins.
        (LeastConnections, 1.0..=11.0),
        (LeastResponseTime, 0.0..=11.0),
        (P2cEwma, 0.5..=8.0),
        (IpHash, 0.5..=7.0),
    ];
    check("just after it has joined", &joins, 2, S, 3 * S, &first);
    let last = [
        (RoundRobin, 24.5..=25.5),
        (Weighted, 24.5..=25.5),
        (LeastConnections, 22.0..=28.0),
        (LeastResponseTime, 14.0..=37.0),
        (P2cEwma, 16.0..=35.0),
        (IpHash, 19.0..=31.0),
    ];
    check("half a minute after it has joined", &joins, 2, 33 * S, 37 * S, &last);
}

#[test]
fn p2c_ewma_keeps_the_slowest_calls_short() {
    for seed in crate::seeds().step_by(50) {
        let [round_robin, p2c_ewma] = [RoundRobin, P2cEwma].map(|algorithm| {
            let mut instances = vec![Instance::new(SERVICE_NS); 5];
            instances[1].service_ns = 10 * SERVICE_NS;
            let mut world = World::new(seed, algorithm, instances);
            world.calls_per_s = 300;
            world.run(20 * S);
            world.quantile_ns(2 * S, 99)
        });
        println!("seed {seed}: P99 {} ms and {} ms", round_robin / MS, p2c_ewma / MS);
        assert!(p2c_ewma * 3 < round_robin, "seed {seed}: {p2c_ewma} against {round_robin}");
    }
}

/// Instances come and go in any order; who need not move stays.
#[test]
fn ip_hash_moves_nobody_without_need() {
    for seed in crate::seeds().step_by(10) {
        let mut random = Random::new(seed);
        let mut balancer = Balancer::new(0, IpHash);
        let mut there: Vec<u64> = (0..random.between(2, 12)).map(|_| random.bits()).collect();
        let homes = |balancer: &mut Balancer, random: &mut Random, there: &[u64]| -> Vec<u64> {
            let mut candidates: Vec<Candidate> = there.iter().copied().map(Candidate::new).collect();
            let turn = usize::try_from(random.below(there.len() as u64)).unwrap();
            candidates.rotate_left(turn);
            let mut home = |client| {
                let ask = Ask { now: 0, client: Some(client), random: random.bits() };
                candidates[balancer.pick(&candidates, &ask).unwrap()].key
            };
            (0..500).map(&mut home).collect()
        };
        let mut before = homes(&mut balancer, &mut random, &there);
        for _ in 0..8 {
            let leaves = there.len() > 1 && random.percent(50);
            let changed = match leaves {
                true => there.swap_remove(usize::try_from(random.below(there.len() as u64)).unwrap()),
                false => random.bits(),
            };
            if !leaves {
                there.push(changed);
            }
            let after = homes(&mut balancer, &mut random, &there);
            let moved: Vec<(&u64, &u64)> =
                before.iter().zip(&after).filter(|(from, to)| from != to).collect();
            for (from, to) in &moved {
                assert_eq!(if leaves { **from } else { **to }, changed, "seed {seed}: without need");
            }
            let fair = 500 / (there.len() + usize::from(leaves));
            assert!(
                moved.len() < 2 * fair + 20,
                "seed {seed}: {} moved of 500 among {}",
                moved.len(),
                there.len()
            );
            before = after;
        }
    }
}
