//! How many calls an instance works on at once, found out by itself: an adaptive concurrency limit.
//!
//! It is Gradient2 of Netflix's concurrency-limits (`Gradient2Limit.java`, `WindowedLimit.java`, `ExpAvgMeasurement.java`). The mean time
//! of the calls in a short window is compared with the mean over a long one. Where it is longer by more than is tolerated, calls
//! queue somewhere below, and the limit shrinks by as much, smoothed; where it isn't, the limit grows, if it was nearly reached. By
//! Little's law the calls in flight are throughput times latency: at its capacity a service gains nothing from more of them but latency.
//!
//! What is different here, so that nothing is shed in normal operation, and a service that is swamped recovers within seconds:
//! - The limit starts at all that a process takes (`INSTANCE_CALLS_IN_FLIGHT_MAX`). Where it was not nearly reached, or calls take more than three
//!   times as long as usual, it falls at once, to the calls that were in flight, less by as much as they took too long.
//! - The better of two windows in a row counts, so that a single stall shrinks nothing.
//! - Calls below 100 µs are no samples, as there. And while calls take up to half a second on average, nobody is turned away, whatever is
//!   usual: a service that commits what many have written in one go takes longer with many callers and does more, and latency alone can't
//!   tell that from overload. But once somebody is turned away, the limit goes down to where calls take about as long as usual, so that
//!   a service which does less the more it is asked gets out of that.
//! - The allowance for queueing is a tenth of the limit instead of 4 calls, so that the limit grows by 2 % a window. It rests where
//!   calls take 1.5 / (1 - 0.1) = 1.7 times what is usual.
//! - A window lasts 100 ms instead of a second, and until it has 10 samples.
//!
//! What it can't do: a latency that stays high becomes the usual one in the course of minutes, as there.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "limits and delays stay within their bounds, and are rounded down"
)]

use micronet_wire::limits::{HANDLERS_MIN, INSTANCE_CALLS_IN_FLIGHT_MAX};

/// How much longer than usual calls may take before the limit shrinks (`rttTolerance`).
const TOLERANCE: f64 = 1.5;
/// How much of each new estimate is believed (`smoothing`).
const SMOOTHING: f64 = 0.2;
/// The part of the limit that may queue (`queueSize`).
const QUEUE: f64 = 0.1;
/// Windows over which the long mean is taken (`longWindow`): 10 minutes.
const LONG_WINDOWS: f64 = 6_000.0;
/// The first windows, of which the long mean is the plain one.
const WARM_UP_WINDOWS: u32 = 10;
/// Shorter calls are no samples (`minRttThreshold`).
const NOISE_NS: u64 = 100_000;
/// Whatever is usual: up to the tolerance beyond this nobody is turned away, which is half a second on average.
const FLOOR_NS: f64 = 333_333_333.0;
/// The same once somebody was: then calls are to take about as long as usual again.
const FLOOR_SHEDDING_NS: f64 = 10_000_000.0;
/// The samples that a window has at least (`windowSize`).
const WINDOW_SAMPLES: u32 = 10;
/// How long a window is at least.
const WINDOW_NS: u64 = 100_000_000;
/// One part of the limit in so many is kept from bulk calls (SPEC 6.7). It is less than half, from where on the limit grows: it does so first.
const KEPT_FROM_BULK: u32 = 4;

/// How urgent a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Somebody waits for it.
    Interactive,
    /// It can wait, and is shed first.
    Bulk,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With its reply.
    Answered,
    /// By an error, or because nobody wanted its answer any more: its reply would have taken at least as long.
    CutShort,
}

/// A limit of calls in flight that follows their latency.
#[derive(Debug, Clone)]
pub struct Limiter {
    limit: f64,
    in_flight: u32,
    window: Window,
    /// The mean of the long window, in nanoseconds.
    long_ns: f64,
    windows: u32,
    /// The mean of the last short window, in nanoseconds.
    short_ns: f64,
}

/// The calls that have ended lately.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    ends_ns: u64,
    samples: u32,
    took_ns: u64,
    in_flight_max: u32,
    /// Calls that were not admitted.
    shed: u32,
}

impl Default for Limiter {
    fn default() -> Self {
        Self::starting_at(INSTANCE_CALLS_IN_FLIGHT_MAX)
    }
}

impl Limiter {
    /// A limiter with another first limit than the largest.
    #[must_use]
    pub fn starting_at(limit: u32) -> Self {
        Self {
            limit: f64::from(limit),
            in_flight: 0,
            window: Window::default(),
            long_ns: 0.0,
            windows: 0,
            short_ns: 0.0,
        }
    }

    /// Whether one more call may start now. If so it is in flight, until [`ended`](Self::ended) or [`left`](Self::left).
    pub fn admit(&mut self, class: Class) -> bool {
        if !self.has_room(class) {
            self.window.shed = self.window.shed.saturating_add(1);
            return false;
        }
        self.in_flight += 1;
        self.window.in_flight_max = self.window.in_flight_max.max(self.in_flight);
        true
    }

    /// Whether one more call might start now.
    #[must_use]
    pub fn has_room(&self, class: Class) -> bool {
        let limit = self.limit();
        self.in_flight < if class == Class::Bulk { limit - limit / KEPT_FROM_BULK } else { limit }
    }

    /// A call has ended at `now`, after so much time in its handler.
    pub fn ended(&mut self, now: u64, took_ns: u64, outcome: Outcome) {
        self.left();
        if took_ns < NOISE_NS || (outcome == Outcome::CutShort && (took_ns as f64) < self.long_ns) {
            return;
        }
        self.window.samples += 1;
        self.window.took_ns = self.window.took_ns.saturating_add(took_ns);
        if now >= self.window.ends_ns && self.window.samples >= WINDOW_SAMPLES {
            self.turn(now);
        }
    }

    /// A call is no longer in flight whose time tells nothing.
    pub fn left(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Calls that may be in flight at once.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit as u32
    }

    /// Calls in flight.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// When whoever was refused had better come again, in milliseconds: when about all that is in flight is through.
    #[must_use]
    pub fn retry_after_ms(&self) -> u32 {
        (self.short_ns / 1e6).clamp(10.0, 1_000.0) as u32
    }

    /// A window is over.
    fn turn(&mut self, now: u64) {
        let Window { samples, took_ns, in_flight_max, shed, .. } = self.window;
        let short_ns = took_ns as f64 / f64::from(samples);
        let ends_ns = now.saturating_add(WINDOW_NS);
        self.window = Window { ends_ns, in_flight_max: self.in_flight, ..Window::default() };
        self.learn(short_ns);
        // One slow window alone is an outlier.
        self.adjust(short_ns.min(self.short_ns), f64::from(in_flight_max), shed > 0);
        self.short_ns = short_ns;
    }

    /// What is usual follows what is.
    fn learn(&mut self, short_ns: f64) {
        self.windows = self.windows.saturating_add(1);
        let weight = if self.windows <= WARM_UP_WINDOWS {
            1.0 / f64::from(self.windows)
        } else {
            2.0 / (LONG_WINDOWS + 1.0)
        };
        self.long_ns += (short_ns - self.long_ns) * weight;
        // After a long time of too much load, what is usual comes down faster than it went up.
        if self.long_ns > 2.0 * short_ns {
            self.long_ns *= 0.95;
        }
    }

    fn adjust(&mut self, short_ns: f64, in_flight_max: f64, sheds: bool) {
        let floor_ns = if sheds { FLOOR_SHEDDING_NS } else { FLOOR_NS };
        let gradient = (TOLERANCE * self.long_ns.max(floor_ns) / short_ns).min(1.0);
        let was_reached = in_flight_max >= self.limit / 2.0;
        let next = if gradient < 0.5 || (gradient < 1.0 && !was_reached) {
            self.limit.min(in_flight_max) * gradient
        } else if was_reached {
            let estimate = self.limit * gradient + self.limit * QUEUE;
            self.limit + (estimate - self.limit) * SMOOTHING
        } else {
            return;
        };
        self.limit = next.clamp(f64::from(HANDLERS_MIN), f64::from(INSTANCE_CALLS_IN_FLIGHT_MAX));
    }
}

#[cfg(test)]
mod tests;
