use super::super::mixed;
use super::*;

const MS: u64 = 1_000_000;
const START: u64 = 1 << 40;
const WINDOW: u64 = ADAPTIVE_WINDOW_MS * MS;

/// An adaptive balancer and what it is told.
struct Told {
    adaptive: Adaptive,
    candidates: Vec<Candidate>,
    now: u64,
}

impl Told {
    fn new() -> Self {
        let candidates = (0..3).map(Candidate::new).collect();
        Self { adaptive: Adaptive::new(START), candidates, now: START }
    }

    /// A window in which each instance answers so often, in such times that vary by half, and fails so often.
    fn window(&mut self, instances: [(u64, u64, u64); 3]) -> Algorithm {
        for (key, (calls, ms, failures)) in (0..).zip(instances) {
            for call in 0..calls {
                let response_ns = ms * MS / 2 + mixed(call) % (ms * MS);
                self.adaptive.record(self.now, key, Outcome::Answered { response_ns });
            }
            for _ in 0..failures {
                self.adaptive.record(self.now, key, Outcome::Failed { advised_ns: None });
            }
        }
        self.now += WINDOW;
        self.adaptive.acting(self.now, &self.candidates)
    }

    fn windows(&mut self, count: usize, instances: [(u64, u64, u64); 3]) -> Algorithm {
        (0..count).map(|_| self.window(instances)).last().unwrap_or(self.adaptive.acting)
    }
}

const EVEN: [(u64, u64, u64); 3] = [(100, 10, 0); 3];
const ONE_SLOW: [(u64, u64, u64); 3] = [(100, 10, 0), (100, 100, 0), (100, 10, 0)];
/// The slow one gets next to nothing.
const EVADED: [(u64, u64, u64); 3] = [(150, 10, 0), (1, 100, 0), (150, 10, 0)];

#[test]
fn a_slow_instance_is_evaded_until_it_is_fast_again() {
    let mut told = Told::new();
    assert_eq!(told.windows(10, EVEN), Algorithm::RoundRobin);
    assert_eq!(told.window(ONE_SLOW), Algorithm::RoundRobin, "one window may be chance");
    assert_eq!(told.window(ONE_SLOW), Algorithm::P2cEwma);
    let explained = told.adaptive.explain();
    assert_eq!((explained.acting, explained.since), (Algorithm::P2cEwma, told.now));
    assert!(
        explained
            .reason
            .starts_with("p2c_ewma after round_robin, since one instance is slower: 300 calls, 0.0 % failed")
    );
    assert!(explained.reason.contains("took 10.7 times as long"), "{}", explained.reason);
    assert_eq!(told.windows(50, EVADED), Algorithm::P2cEwma, "nothing is known of the slow one");
    assert_eq!(told.window(EVEN), Algorithm::P2cEwma);
    assert_eq!(told.window(EVEN), Algorithm::RoundRobin);
    assert_eq!(told.windows(50, EVEN), Algorithm::RoundRobin);
}

#[test]
fn a_call_that_is_tried_elsewhere_hides_nobody() {
    let mut told = Told::new();
    assert_eq!(told.windows(2, ONE_SLOW), Algorithm::P2cEwma);
    // The picks that end the windows are those of calls that the slow one has just failed.
    told.candidates.remove(1);
    assert_eq!(told.windows(20, [(150, 10, 0), (0, 100, 1), (150, 10, 0)]), Algorithm::P2cEwma);
    assert_eq!(
        told.windows(2, [(150, 10, 0), (0, 100, 0), (150, 10, 0)]),
        Algorithm::RoundRobin,
        "it has left"
    );
}

#[test]
fn an_instance_that_fails_is_evaded() {
    let mut told = Told::new();
    assert_eq!(told.windows(2, [(100, 10, 0), (60, 10, 40), (100, 10, 0)]), Algorithm::P2cEwma);
    assert!(
        told.adaptive.explain().reason.contains("one instance fails more often: 300 calls, 13.3 % failed")
    );
    let mut told = Told::new();
    assert_eq!(told.windows(9, [(60, 10, 40); 3]), Algorithm::RoundRobin, "all do, and evading doesn't help");
}

#[test]
fn a_switch_that_makes_things_worse_is_taken_back() {
    let mut told = Told::new();
    assert_eq!(told.windows(2, ONE_SLOW), Algorithm::P2cEwma);
    let worse = [(150, 300, 0), (1, 300, 0), (150, 300, 0)];
    assert_eq!(told.window(EVADED), Algorithm::P2cEwma, "the first window after a switch is left out");
    assert_eq!(told.window(worse), Algorithm::P2cEwma);
    assert_eq!(told.window(worse), Algorithm::RoundRobin);
    let reason = told.adaptive.explain().reason;
    assert!(reason.contains("round_robin again, since p2c_ewma made things worse: P95"), "{reason}");
    assert!(reason.ends_with("p2c_ewma is left alone for 300 s"), "{reason}");
    // It tries something else meanwhile, and then the same once more.
    assert_eq!(told.windows(3, ONE_SLOW), Algorithm::RoundRobin, "a stay is not cut short");
    assert_eq!(told.window(ONE_SLOW), Algorithm::LeastResponseTime);
    assert_eq!(told.windows(3, worse), Algorithm::RoundRobin);
    assert_eq!(told.windows(40, ONE_SLOW), Algorithm::RoundRobin);
    assert_eq!(told.windows(60, ONE_SLOW), Algorithm::P2cEwma);
}

#[test]
fn long_calls_and_weights() {
    let mut told = Told::new();
    let long = |told: &mut Told| {
        for key in 0..3 {
            for call in 0..100 {
                let response_ns = if call % 10 == 0 { 500 * MS } else { 10 * MS };
                told.adaptive.record(told.now, key, Outcome::Answered { response_ns });
            }
        }
        told.window([(0, 1, 0); 3])
    };
    assert_eq!([long(&mut told), long(&mut told)], [Algorithm::RoundRobin, Algorithm::LeastConnections]);
    assert_eq!(told.windows(9, EVEN), Algorithm::RoundRobin);
    told.candidates[1].weight = 200;
    assert_eq!(told.windows(2, EVEN), Algorithm::Weighted);
}

#[test]
fn too_little_says_nothing() {
    let mut told = Told::new();
    assert_eq!(told.windows(100, [(30, 10, 0), (30, 200, 10), (20, 10, 0)]), Algorithm::RoundRobin);
    assert_eq!(told.adaptive.explain().reason, "nothing has been measured yet");
    // Nobody picks for an hour, and late results come: they belong to no window.
    told.now += 3_600_000 * MS;
    for _ in 0..1_000 {
        told.adaptive.record(told.now, 1, Outcome::Answered { response_ns: 1_000 * MS });
    }
    assert_eq!(told.windows(2, [(30, 10, 0); 3]), Algorithm::RoundRobin);
    assert_eq!(told.adaptive.explain().measured, None);
}
