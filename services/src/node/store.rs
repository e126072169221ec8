//! The load of a node: what a request costs, and what came of requests so far. All of it is in memory: a node that starts again
//! begins with the load of its number.
//!
//! It reads no clock: now is an argument, in nanoseconds.

mod draw;

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::time::Duration;

use micronet_wire::schema::Decimal;

use self::draw::Draws;
use super::api::{Delay, Load, LoadChange, NodeState};

/// The longest that a request waits, however slow it is.
const DELAY_MAX: Duration = Duration::from_secs(5);
/// The longest that it computes: the process does nothing else meanwhile.
const WORK_MAX: Duration = Duration::from_secs(1);

/// The load of one instance, and its counts.
#[derive(Debug)]
pub struct NodeStore {
    load: Cell<Load>,
    /// When the load was set, in nanoseconds.
    set_ns: Cell<u64>,
    /// Requests that have begun since then.
    drawn: Cell<u64>,
    requests: Cell<u64>,
    failed: Cell<u64>,
    in_flight: Cell<u32>,
}

/// What one request has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// To wait.
    pub delay: Duration,
    /// To compute.
    pub work: Duration,
    /// Whether it fails then.
    pub fails: bool,
}

/// A request that is in hand until this is dropped.
#[derive(Debug)]
pub struct InHand<'a> {
    store: &'a NodeStore,
    /// How many there are with it.
    pub in_flight: u32,
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.store.in_flight.set(self.store.in_flight.get().saturating_sub(1));
    }
}

impl NodeStore {
    /// The store of the instance of this name, with the load of its number: those of node-1, node-2 and node-3 differ.
    #[must_use]
    pub fn of_instance(instance: &str) -> Self {
        let number = instance.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(1);
        Self::new(load_of(number))
    }

    /// The store of a node with this load.
    #[must_use]
    pub fn new(load: Load) -> Self {
        Self {
            load: Cell::new(load),
            set_ns: Cell::new(0),
            drawn: Cell::new(0),
            requests: Cell::new(0),
            failed: Cell::new(0),
            in_flight: Cell::new(0),
        }
    }

    /// The load that is in force.
    #[must_use]
    pub fn load(&self) -> Load {
        self.load.get()
    }

    /// Characters of the data.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        usize::try_from(self.load.get().payload_bytes).unwrap_or(0)
    }

    /// What is told of the instance of this name.
    #[must_use]
    pub fn state(&self, instance: &str) -> NodeState {
        NodeState {
            instance: instance.to_owned(),
            load: self.load(),
            requests: self.requests.get(),
            failed: self.failed.get(),
            in_flight: self.in_flight.get(),
        }
    }

    /// Changes the load from `now` on, and begins its random numbers anew.
    pub fn change(&self, change: LoadChange, now: u64) {
        let old = self.load();
        self.load.set(Load {
            work_us: change.work_us.unwrap_or(old.work_us),
            delay: change.delay.unwrap_or(old.delay),
            errors_per_mille: change.errors_per_mille.unwrap_or(old.errors_per_mille),
            slow_per_mille: change.slow_per_mille.unwrap_or(old.slow_per_mille),
            slower: change.slower.unwrap_or(old.slower),
            flap_ms: change.flap_ms.unwrap_or(old.flap_ms),
            payload_bytes: change.payload_bytes.unwrap_or(old.payload_bytes),
            seed: change.seed.unwrap_or(old.seed),
        });
        self.set_ns.set(now);
        self.drawn.set(0);
    }

    /// A request has come.
    pub fn begin(&self) -> InHand<'_> {
        self.requests.set(self.requests.get() + 1);
        let in_flight = self.in_flight.get() + 1;
        self.in_flight.set(in_flight);
        InHand { store: self, in_flight }
    }

    /// What the next request that comes `now` has to do.
    pub fn task(&self, now: u64) -> Task {
        let number = self.drawn.replace(self.drawn.get() + 1);
        task(&self.load.get(), number, now.saturating_sub(self.set_ns.get()))
    }

    /// The load has made a request fail.
    pub fn failed(&self) {
        self.failed.set(self.failed.get() + 1);
    }
}

/// What the request of this number has to do under a load that was set so many nanoseconds ago.
fn task(load: &Load, number: u64, since_ns: u64) -> Task {
    let mut draws = Draws::of_request(load.seed, number);
    // Each request draws the same way, whatever the load, so that a change of one thing leaves the others as they were.
    let (slow, fails) = (draws.per_mille(load.slow_per_mille), draws.per_mille(load.errors_per_mille));
    let delay = draws.delay(load.delay);
    let period_ns = u64::from(load.flap_ms) * 1_000_000;
    // The first period is bad, so that what was set is seen at once.
    let is_bad = since_ns.checked_div(period_ns).is_none_or(|periods| periods.is_multiple_of(2));
    let factor = if slow && is_bad { load.slower } else { 1 };
    Task {
        delay: (delay * factor).min(DELAY_MAX),
        work: (Duration::from_micros(u64::from(load.work_us)) * factor).min(WORK_MAX),
        fails: fails && is_bad,
    }
}

/// The load that a node begins with: node-1 is quick, node-2 is in between, and node-3 is slow now and then.
fn load_of(number: u64) -> Load {
    let (work_us, delay) = match number % 3 {
        1 => (100, Delay::Exponential { mean_us: 2_000 }),
        2 => (200, Delay::Lognormal { median_us: 4_000, sigma: Decimal(500) }),
        _ => (400, Delay::Pareto { least_us: 4_000, shape: Decimal(2_500) }),
    };
    Load {
        work_us,
        delay,
        errors_per_mille: 0,
        slow_per_mille: 1_000,
        slower: 1,
        flap_ms: 0,
        payload_bytes: 64,
        seed: number,
    }
}
