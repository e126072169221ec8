//! Simulated instances of a service, and calls that a balancer spreads over them. Time is simulated, so hours take seconds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use micronet_tests::plan::MS;
use micronet_tests::random::Random;
use micronet_transport::balance::latency::{Latency, Outcome};
use micronet_transport::balance::slow_start::share_permille;
use micronet_transport::balance::{Algorithm, Ask, Balancer, Candidate};

pub(crate) const START_NS: u64 = 1 << 40;
pub(crate) const S: u64 = 1_000 * MS;

/// One instance: so many calls at a time, the others wait in its queue.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) weight: u32,
    /// The mean of its service times, which are distributed exponentially.
    pub(crate) service_ns: u64,
    pub(crate) failing_percent: u64,
    /// When it takes its first call, in nanoseconds; in slow start it is from then on.
    pub(crate) joined_ns: u64,
    /// When each of its workers is free.
    workers_ns: Vec<u64>,
    in_flight: u32,
    latency: Latency,
}

impl Instance {
    /// One that has long been there, with eight workers.
    pub(crate) fn new(service_ns: u64) -> Self {
        Self {
            weight: 100,
            service_ns,
            failing_percent: 0,
            joined_ns: 0,
            workers_ns: vec![0; 8],
            in_flight: 0,
            latency: Latency::default(),
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    pub(crate) began_ns: u64,
    pub(crate) instance: usize,
    pub(crate) response_ns: u64,
    pub(crate) failed: bool,
}

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) random: Random,
    pub(crate) instances: Vec<Instance>,
    pub(crate) balancer: Balancer,
    pub(crate) calls_per_s: u64,
    pub(crate) done: Vec<Done>,
    /// When a call ends, in the order of their ends; its number breaks ties.
    under_way: BinaryHeap<Reverse<(u64, usize)>>,
    /// All that began, and how they end.
    calls: Vec<Done>,
}

impl World {
    pub(crate) fn new(seed: u64, algorithm: Algorithm, instances: Vec<Instance>) -> Self {
        Self {
            now: START_NS,
            random: Random::new(seed),
            instances,
            balancer: Balancer::new(START_NS, algorithm),
            calls_per_s: 500,
            done: Vec::new(),
            under_way: BinaryHeap::new(),
            calls: Vec::new(),
        }
    }

    /// Calls come at random, and go on for so long.
    pub(crate) fn run(&mut self, for_ns: u64) {
        let end_ns = self.now + for_ns;
        loop {
            let pause_ns = exponential(&mut self.random, S / self.calls_per_s);
            if self.now + pause_ns >= end_ns {
                break;
            }
            self.now += pause_ns;
            self.finish();
            self.call();
        }
        self.now = end_ns;
        self.finish();
    }

    /// What ended since a time that is given from the start on.
    pub(crate) fn since(&self, from_ns: u64) -> impl Iterator<Item = &Done> {
        self.done.iter().filter(move |done| done.began_ns >= START_NS + from_ns)
    }

    /// Each instance's part of the calls that began since then, in percent.
    pub(crate) fn parts(&self, from_ns: u64) -> Vec<f64> {
        let mut counts = vec![0_u32; self.instances.len()];
        let began = self.calls.iter().filter(|call| call.began_ns >= START_NS + from_ns);
        began.for_each(|call| counts[call.instance] += 1);
        let total = f64::from(counts.iter().sum::<u32>());
        counts.into_iter().map(|count| f64::from(count) / total * 100.0).collect()
    }

    /// The response time below which so many percent of the answers since then came, in nanoseconds.
    pub(crate) fn quantile_ns(&self, from_ns: u64, percent: usize) -> u64 {
        let answered = self.since(from_ns).filter(|done| !done.failed);
        let mut times: Vec<u64> = answered.map(|done| done.response_ns).collect();
        times.sort_unstable();
        times[(times.len() * percent / 100).min(times.len() - 1)]
    }

    fn finish(&mut self) {
        while let Some(Reverse((ends_ns, id))) = self.under_way.peek().copied()
            && ends_ns <= self.now
        {
            self.under_way.pop();
            let done = self.calls[id];
            let outcome = match done.failed {
                true => Outcome::Failed { advised_ns: None },
                false => Outcome::Answered { response_ns: done.response_ns },
            };
            let instance = &mut self.instances[done.instance];
            instance.in_flight -= 1;
            instance.latency.record(ends_ns, outcome);
            self.balancer.record(ends_ns, done.instance as u64, outcome);
            self.done.push(done);
        }
    }

    fn call(&mut self) {
        let now = self.now;
        let joined = (0..).zip(&self.instances).filter(|(_, instance)| instance.joined_ns <= now);
        let candidates: Vec<Candidate> = joined
            .map(|(key, instance)| Candidate {
                key,
                weight: instance.weight,
                in_flight: instance.in_flight,
                response_ns: instance.latency.peak_ns(now),
                mean_ns: instance.latency.mean_ns(now),
                share_permille: share_permille(instance.joined_ns, now),
            })
            .collect();
        let client = Some(self.random.below(1_000));
        let picked = self.balancer.pick(&candidates, &Ask { now, client, random: self.random.bits() });
        let at = usize::try_from(candidates[picked.expect("a candidate")].key).unwrap();
        let instance = &mut self.instances[at];
        instance.in_flight += 1;
        let failed = self.random.percent(instance.failing_percent);
        // Who fails fails at once.
        let ends_ns = match failed {
            true => now + MS / 10,
            false => {
                let service_ns = exponential(&mut self.random, instance.service_ns);
                let worker_ns = instance.workers_ns.iter_mut().min().unwrap();
                *worker_ns = (*worker_ns).max(now) + service_ns;
                *worker_ns
            }
        };
        self.under_way.push(Reverse((ends_ns, self.calls.len())));
        self.calls.push(Done { began_ns: now, instance: at, response_ns: ends_ns - now, failed });
    }
}

/// A length of time whose mean is this.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is positive and short")]
pub(crate) fn exponential(random: &mut Random, mean_ns: u64) -> u64 {
    let unit = ((random.bits() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    (-unit.ln() * mean_ns as f64) as u64
}
