//! A breaker in front of a simulated instance: its whole cycle, and that it doesn't flap.

use std::collections::VecDeque;

use micronet_tests::plan::MS;
use micronet_tests::random::Random;
use micronet_transport::breaker::{Admission, Breaker, State, Ticket, Verdict};

use crate::instances::{S, START_NS};

/// Openings in any minute. The pauses are at least 0.8, 1.6, 3.2, … seconds, and short again after 30 seconds without one. That is
/// seven openings by pauses that grow; and nine at the worst: four, the half minute, and five again.
const OPENINGS_A_MINUTE_MAX: usize = 9;

/// An instance that is called at even pauses, and whose calls take a while.
struct World {
    now: u64,
    random: Random,
    breaker: Breaker,
    failing_percent: u64,
    slow_percent: u64,
    takes_ns: u64,
    under_way: VecDeque<(u64, Ticket)>,
    /// When it opened, and how often it let a probe through.
    openings: Vec<u64>,
    probes: u32,
    admitted: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            now: START_NS,
            random: Random::new(seed),
            breaker: Breaker::new(START_NS),
            failing_percent: 0,
            slow_percent: 0,
            takes_ns: 100 * MS,
            under_way: VecDeque::new(),
            openings: Vec::new(),
            probes: 0,
            admitted: 0,
        }
    }

    fn run(&mut self, for_ns: u64, pause_ns: u64) {
        let end_ns = self.now + for_ns;
        while self.now < end_ns {
            self.now += pause_ns;
            while self.under_way.front().is_some_and(|(due_ns, _)| *due_ns <= self.now) {
                let (_, ticket) = self.under_way.pop_front().unwrap();
                self.end(ticket);
            }
            let may = self.breaker.admits(self.now);
            let due_ns = self.now + self.takes_ns;
            match self.breaker.admit(self.now) {
                Admission::Yes(ticket) => self.under_way.push_back((due_ns, ticket)),
                Admission::Probe(ticket) => {
                    self.probes += 1;
                    self.under_way.push_back((due_ns, ticket));
                }
                Admission::No => {
                    assert!(!may);
                    continue;
                }
            }
            assert!(may);
            self.admitted += 1;
        }
    }

    fn end(&mut self, ticket: Ticket) {
        if self.random.percent(2) {
            return self.breaker.abandon(ticket);
        }
        let verdict = match self.random.below(100) {
            chance if chance < self.failing_percent => Verdict::Failed,
            chance if chance < self.failing_percent + self.slow_percent => Verdict::Slow,
            _ => Verdict::Good,
        };
        let before = self.breaker.openings();
        self.breaker.record(self.now, ticket, verdict, self.random.bits());
        if self.breaker.openings() > before {
            self.openings.push(self.now);
        }
    }
}

#[test]
fn the_whole_cycle() {
    for seed in crate::seeds().step_by(10) {
        let mut world = World::new(seed);
        world.run(60 * S, 10 * MS);
        assert_eq!(world.breaker.state(world.now), State::Closed, "seed {seed}");
        // It fails for five minutes: what gets through are a few calls, and then probes at growing pauses.
        world.failing_percent = 100;
        world.admitted = 0;
        world.run(300 * S, 10 * MS);
        assert_ne!(world.breaker.state(world.now), State::Closed, "seed {seed}");
        assert!((6..=14).contains(&world.probes), "seed {seed}: {} probes", world.probes);
        assert!(world.admitted < 60, "seed {seed}: {} calls", world.admitted);
        // It is well again: the next probe finds it out.
        (world.failing_percent, world.probes, world.admitted) = (0, 0, 0);
        world.run(80 * S, 10 * MS);
        assert_eq!(world.breaker.state(world.now), State::Closed, "seed {seed}");
        assert_eq!(world.breaker.reason(world.now).to_string(), "the call that tried it succeeded");
        let openings = world.openings.len();
        world.run(60 * S, 10 * MS);
        assert_eq!(world.openings.len(), openings, "seed {seed}");
        // And fails again, long after: the pauses are short again.
        world.failing_percent = 100;
        world.run(4 * S, 10 * MS);
        assert!(world.openings.len() >= openings + 2, "seed {seed}: {:?}", world.breaker);
    }
}

/// Openings are bounded by the back-off, however close to the threshold the instance fails and whenever that changes.
#[test]
fn it_does_not_flap() {
    let (mut most, mut opened) = (0, 0);
    for seed in crate::seeds() {
        let mut world = World::new(seed);
        let pause_ns = S / world.random.between(5, 60);
        world.takes_ns = world.random.between(1, 300) * MS;
        for _ in 0..6 {
            world.failing_percent = world.random.between(0, 70);
            world.slow_percent = world.random.between(0, 30);
            let for_ns = world.random.between(10, 60) * S;
            world.run(for_ns, pause_ns);
        }
        for (at, from) in world.openings.iter().enumerate() {
            let within = world.openings[at..].iter().take_while(|opening| **opening < from + 60 * S).count();
            assert!(within <= OPENINGS_A_MINUTE_MAX, "seed {seed}: {within} openings in a minute");
            most = most.max(within);
        }
        opened += usize::from(!world.openings.is_empty());
    }
    println!("{opened} opened, at most {most} times a minute");
    assert!((most > 1 && opened * 2 > crate::seeds().count()) || crate::seeds().count() < 100);
}

#[test]
fn a_few_failures_do_not_open_it() {
    for seed in crate::seeds().step_by(20) {
        let mut world = World::new(seed);
        (world.failing_percent, world.slow_percent) = (1, 5);
        world.run(300 * S, 20 * MS);
        assert_eq!(world.openings, [0; 0], "seed {seed}");
    }
}
