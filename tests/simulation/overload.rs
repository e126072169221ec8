//! A simulated service under more load than it can bear, behind an adaptive limit: its throughput, its latency, and who is shed.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use micronet_tests::plan::MS;
use micronet_tests::random::Random;
use micronet_transport::limiter::{Class, Limiter, Outcome};

/// Callers give up after so long, in milliseconds.
const PATIENCE_MS: u64 = 2_000;

/// A service that works on all its calls at once, alike. Up to `at_once` of them each goes on as fast as it can; with more than
/// twice as many it gets less done altogether, down to one of `collapse`.
struct World {
    random: Random,
    limiter: Limiter,
    at_once: f64,
    work_ms: f64,
    collapse: f64,
    bulk_percent: u64,
    now_ms: u64,
    /// What each call has been given so far that was there from the start, in milliseconds of work.
    given: f64,
    /// When each call is done in terms of `given` (in millionths), and which it is.
    due: BinaryHeap<Reverse<(u64, u64)>>,
    /// When each call came, in milliseconds.
    calls: HashMap<u64, u64>,
    next: u64,
}

/// What became of the calls of a while.
#[derive(Debug, Default)]
struct Seen {
    came: [u64; 2],
    shed: [u64; 2],
    answered: u64,
    given_up: u64,
    took_ms: u64,
}

impl Seen {
    fn mean_ms(&self) -> f64 {
        self.took_ms as f64 / self.answered.max(1) as f64
    }

    /// Of interactive calls and of bulk calls.
    fn shed_permille(&self) -> [u64; 2] {
        [0, 1].map(|class| self.shed[class] * 1_000 / self.came[class].max(1))
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            limiter: Limiter::default(),
            at_once: random.between(80, 200) as f64,
            work_ms: random.between(80, 200) as f64,
            collapse: random.between(5, 20) as f64,
            bulk_percent: random.below(2) * 40,
            random,
            now_ms: 1,
            given: 0.0,
            due: BinaryHeap::new(),
            calls: HashMap::new(),
            next: 0,
        }
    }

    /// Calls a second that it can do.
    fn capacity(&self) -> f64 {
        self.at_once / self.work_ms * 1_000.0
    }

    /// Some seconds of a load, as a share of the capacity.
    fn run(&mut self, seconds: u64, load: f64) -> Seen {
        let mut seen = Seen::default();
        let mut owed = 0.0;
        for _ in 0..seconds * 1_000 {
            self.now_ms += 1;
            owed += self.capacity() * load / 1_000.0;
            while owed >= 1.0 {
                owed -= 1.0;
                self.come(&mut seen);
            }
            let crowd = (self.calls.len() as f64 / self.at_once).max(1.0);
            self.given += 1.0 / crowd / (crowd / 2.0).clamp(1.0, self.collapse);
            self.end(&mut seen);
        }
        seen
    }

    fn come(&mut self, seen: &mut Seen) {
        let class = usize::from(self.random.percent(self.bulk_percent));
        seen.came[class] += 1;
        if !self.limiter.admit([Class::Interactive, Class::Bulk][class]) {
            seen.shed[class] += 1;
            return;
        }
        // Some calls take up to twice as long as others.
        let work_ms = self.work_ms * self.random.between(667, 1_333) as f64 / 1_000.0;
        self.due.push(Reverse((millionths(self.given + work_ms), self.next)));
        self.calls.insert(self.next, self.now_ms);
        self.next += 1;
    }

    fn end(&mut self, seen: &mut Seen) {
        let given = millionths(self.given);
        while let Some(Reverse((due, call))) = self.due.peek().copied()
            && due <= given
        {
            self.due.pop();
            let Some(came_ms) = self.calls.remove(&call) else { continue };
            let took_ms = self.now_ms - came_ms;
            self.limiter.ended(self.now_ms * MS, took_ms * MS, Outcome::Answered);
            seen.answered += 1;
            seen.took_ms += took_ms;
        }
        if self.now_ms.is_multiple_of(10) {
            let late = self.calls.extract_if(|_, came_ms| *came_ms + PATIENCE_MS <= self.now_ms);
            let late: Vec<u64> = late.map(|(_, came_ms)| came_ms).collect();
            for came_ms in late {
                let took_ms = self.now_ms - came_ms;
                self.limiter.ended(self.now_ms * MS, took_ms * MS, Outcome::CutShort);
                seen.given_up += 1;
            }
        }
    }
}

/// Work as a number that has an order.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is positive and short")]
fn millionths(work_ms: f64) -> u64 {
    (work_ms * 1e6) as u64
}

fn check(seed: u64) {
    let mut world = World::new(seed);
    let (capacity, work_ms) = (world.capacity(), world.work_ms);
    let words = |phase: &str, seen: &Seen| {
        format!("seed {seed}, {phase}: of {capacity:.0} a second in {work_ms} ms, {seen:?}")
    };
    let calm = world.run(10, 0.7);
    assert_eq!((calm.shed, calm.given_up), ([0, 0], 0), "{}", words("calm", &calm));
    let factor = world.random.between(15, 40) as f64 / 10.0;
    world.run(10, factor);
    let overload = world.run(10, factor);
    // Nobody is let in who gets nothing, most of what can be done is done, and not much later than ever.
    assert_eq!(overload.given_up, 0, "{}", words("overload", &overload));
    assert!(overload.answered as f64 >= 0.7 * 10.0 * capacity, "{}", words("overload", &overload));
    assert!(overload.mean_ms() <= 2.2 * work_ms, "{}", words("overload", &overload));
    let [interactive, bulk] = overload.shed_permille();
    assert!(world.bulk_percent == 0 || bulk > interactive + 100, "{}", words("overload", &overload));
    world.run(5, 0.7);
    let after = world.run(5, 0.7);
    assert_eq!((after.shed, after.given_up), ([0, 0], 0), "{}", words("after", &after));
    assert!(after.mean_ms() <= 1.2 * work_ms + 1.0, "{}", words("after", &after));
}

#[test]
fn an_overloaded_service_does_what_it_can_and_sheds_the_rest() {
    for seed in 0..25 {
        check(seed);
    }
}
