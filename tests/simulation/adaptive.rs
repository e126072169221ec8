//! The adaptive balancer: it finds the better algorithm, and what is only chance doesn't move it.

use micronet_tests::plan::MS;
use micronet_tests::random::Random;
use micronet_transport::balance::latency::Outcome;
use micronet_transport::balance::{Algorithm, Ask, Balancer, Candidate};

use crate::instances::{Instance, S, START_NS, World, exponential};

const SERVICE_NS: u64 = 10 * MS;

fn acting(world: &World) -> Algorithm {
    world.balancer.explain().acting
}

#[test]
fn it_evades_a_slow_instance_and_returns() {
    for seed in crate::seeds().step_by(100) {
        let mut world = World::new(seed, Algorithm::Adaptive, vec![Instance::new(SERVICE_NS); 4]);
        world.calls_per_s = 200;
        world.run(40 * S);
        assert_eq!(acting(&world), Algorithm::RoundRobin, "seed {seed}: {:?}", world.balancer.explain());
        world.instances[1].service_ns = 10 * SERVICE_NS;
        world.run(60 * S);
        let explained = world.balancer.explain();
        assert_eq!(explained.acting, Algorithm::P2cEwma, "seed {seed}: {explained:?}");
        assert!(explained.since <= START_NS + 56 * S, "seed {seed}: it took long: {explained:?}");
        assert!(explained.reason.contains("one instance is slower"), "seed {seed}: {explained:?}");
        let p95_ns = world.quantile_ns(60 * S, 95);
        assert!(p95_ns < 6 * SERVICE_NS, "seed {seed}: {p95_ns}");
        // And fast again: the estimate fades, it gets calls, and all are alike.
        world.instances[1].service_ns = SERVICE_NS;
        world.run(120 * S);
        let explained = world.balancer.explain();
        assert_eq!(explained.acting, Algorithm::RoundRobin, "seed {seed}: {explained:?}");
        println!("seed {seed}: back after {} s", (explained.since - START_NS) / S - 100);
    }
}

#[test]
fn it_evades_an_instance_that_fails() {
    for seed in crate::seeds().step_by(100) {
        let mut instances = vec![Instance::new(SERVICE_NS); 3];
        instances[2].failing_percent = 40;
        let mut world = World::new(seed, Algorithm::Adaptive, instances);
        world.calls_per_s = 200;
        world.run(60 * S);
        assert_eq!(acting(&world), Algorithm::P2cEwma, "seed {seed}: {:?}", world.balancer.explain());
        let failed = |from_ns| world.since(from_ns).filter(|done| done.failed).count() as f64;
        let after = failed(30 * S) / world.since(30 * S).count() as f64;
        assert!(after < 0.02, "seed {seed}: {after}");
    }
}

/// Response times that differ only by chance, in one of several manners, and failures alike on all instances.
fn noise(random: &mut Random, manner: u64) -> u64 {
    match manner {
        0 => random.between(SERVICE_NS / 2, 2 * SERVICE_NS),
        1 => exponential(random, SERVICE_NS),
        // Now and then a long one.
        2 => exponential(random, SERVICE_NS) * if random.percent(1) { 20 } else { 1 },
        // Calls of very different length.
        _ => {
            let mean_ns = exponential(random, SERVICE_NS);
            exponential(random, mean_ns)
        }
    }
}

#[test]
fn chance_does_not_move_it() {
    let mut moved = Vec::new();
    for seed in crate::seeds() {
        let mut random = Random::new(seed);
        let manner = random.below(4);
        let failing_percent = *random.pick(&[0, 0, 1, 5]);
        let pause_ns = S / random.between(20, 80);
        let candidates: Vec<Candidate> = (0..random.between(2, 6)).map(Candidate::new).collect();
        let mut balancer = Balancer::new(START_NS, Algorithm::Adaptive);
        let mut now = START_NS;
        let mut switches = 0;
        let mut acting = balancer.explain().acting;
        while now < START_NS + 60 * S {
            now += pause_ns;
            let ask = Ask { now, client: None, random: random.bits() };
            let at = balancer.pick(&candidates, &ask).unwrap();
            let outcome = match random.percent(failing_percent) {
                true => Outcome::Failed { advised_ns: None },
                false => Outcome::Answered { response_ns: noise(&mut random, manner) },
            };
            balancer.record(now, candidates[at].key, outcome);
            if ask.random.is_multiple_of(64) {
                let acts = balancer.explain().acting;
                switches += u32::from(acts != acting);
                acting = acts;
            }
        }
        // Those of very different length may rightly go to where the fewest are in flight, and stay there.
        let may_move = manner == 3 && acting == Algorithm::LeastConnections;
        if switches > 0 && !may_move {
            moved.push((seed, manner, switches, balancer.explain().reason));
        }
        assert!(switches <= 1, "seed {seed}: it flaps: {:?}", balancer.explain());
    }
    println!("{} moved: {moved:#?}", moved.len());
    assert!(moved.len() * 100 <= crate::seeds().count(), "{moved:#?}");
}
