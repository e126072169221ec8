//! `adaptive`: switches among the other algorithms by what it measures, and says why.
//!
//! A switch needs two windows that ask for it, one after the other, and a minimum stay since the last one. It is then judged: when
//! response times or failures are clearly worse after it than before, it is taken back, and the algorithm is left alone for minutes.

mod histogram;
pub(super) mod measured;

use micronet_wire::limits::{
    ADAPTIVE_CALLS_MIN, ADAPTIVE_HOLD_OFF_MS, ADAPTIVE_STAY_MS_MIN, ADAPTIVE_WINDOW_MS,
};

use self::measured::{Measured, Window};
use super::latency::Outcome;
use super::{Algorithm, Candidate, Explained};

/// Windows in a row that must ask for a switch.
const WINDOWS_ASKING: u32 = 2;
/// Windows after a switch by which it is judged; the one before them sees the change itself, and is left out.
const WINDOWS_JUDGING: u32 = 2;

/// The slowest instance against the fastest: what is uneven, and what is even again.
const UNEVEN_FROM: f64 = 2.0;
const EVEN_BELOW: f64 = 1.5;
/// The share of failures of the worst instance above that of the best: what is uneven.
const FAILING_APART_FROM: f64 = 0.1;
/// P95 against the median: the calls themselves differ in length, and what is alike again.
const LONG_TAIL_FROM: u64 = 10;
const LONG_TAIL_BELOW: u64 = 6;

/// A switch that made P95 so many percent of what it was, or more failures by so many thousandths of the calls, made things worse.
const WORSE_PERCENT: u64 = 150;
const WORSE_FAILURES_PERMILLE: u64 = 50;

/// The one that switches.
#[derive(Debug)]
pub(super) struct Adaptive {
    acting: Algorithm,
    since: u64,
    reason: String,
    window: Window,
    window_ends: u64,
    /// What the last window has shown.
    last: Option<Measured>,
    /// What the last windows asked for.
    asked: Option<Asked>,
    trial: Option<Trial>,
    /// Until when it keeps what it has, unless that makes things worse, in nanoseconds.
    stays_until: u64,
    /// Until when an algorithm that made things worse is left alone, in nanoseconds.
    held_off: [u64; Algorithm::ALL.len()],
}

/// Windows in a row that ask for the same.
#[derive(Debug, Clone, Copy)]
struct Asked {
    wanted: Algorithm,
    windows: u32,
    /// The worst of what they have shown.
    p95_ns: u64,
    failed_permille: u64,
}

/// A switch that isn't judged yet.
#[derive(Debug)]
struct Trial {
    from: Algorithm,
    before: Asked,
    windows: u32,
    /// The best of what the windows since then have shown.
    p95_ns: u64,
    failed_permille: u64,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Adaptive {
    pub(super) fn new(now: u64) -> Self {
        Self {
            acting: Algorithm::RoundRobin,
            since: now,
            reason: "nothing has been measured yet".to_owned(),
            window: Window::default(),
            window_ends: now + ADAPTIVE_WINDOW_MS * 1_000_000,
            last: None,
            asked: None,
            trial: None,
            stays_until: 0,
            held_off: [0; Algorithm::ALL.len()],
        }
    }

    /// What came of a call.
    pub(super) fn record(&mut self, now: u64, key: u64, outcome: Outcome) {
        // Nobody has picked for long: what comes now belongs to no window.
        if now < self.window_ends + ADAPTIVE_WINDOW_MS * 1_000_000 {
            self.window.record(key, outcome);
        }
    }

    /// The algorithm that picks now. At the end of a window it may be another one than before.
    pub(super) fn acting(&mut self, now: u64, candidates: &[Candidate]) -> Algorithm {
        if now >= self.window_ends {
            let measured = self.window.close(candidates);
            self.window_ends = now + ADAPTIVE_WINDOW_MS * 1_000_000;
            if measured.calls >= ADAPTIVE_CALLS_MIN {
                self.decide(now, candidates, measured);
                self.last = Some(measured);
            }
        }
        self.acting
    }

    /// The algorithm that picked last.
    pub(super) fn acts_by(&self) -> Algorithm {
        self.acting
    }

    pub(super) fn explain(&self) -> Explained {
        Explained {
            algorithm: Algorithm::Adaptive,
            acting: self.acting,
            since: self.since,
            reason: self.reason.clone(),
            measured: self.last,
        }
    }

    fn decide(&mut self, now: u64, candidates: &[Candidate], measured: Measured) {
        if let Some(trial) = self.trial.take() {
            return self.judge(now, trial, &measured);
        }
        let Some((wanted, why)) = self.wanted(now, candidates, &measured) else {
            self.asked = None;
            return;
        };
        let before = self.asked.filter(|asked| asked.wanted == wanted);
        let asked = Asked {
            wanted,
            windows: before.map_or(0, |before| before.windows) + 1,
            p95_ns: before.map_or(0, |before| before.p95_ns).max(measured.p95_ns),
            failed_permille: before.map_or(0, |before| before.failed_permille).max(measured.failed_permille),
        };
        self.asked = Some(asked);
        if asked.windows >= WINDOWS_ASKING && now >= self.stays_until {
            let from = self.acting;
            let trial =
                Trial { from, before: asked, windows: 0, p95_ns: u64::MAX, failed_permille: u64::MAX };
            self.trial = Some(trial);
            self.switch(now, wanted, format!("{wanted} after {from}, since {why}: {measured}"));
        }
    }

    /// Another algorithm that would do better by what a window has shown, and why.
    fn wanted(
        &self,
        now: u64,
        candidates: &[Candidate],
        measured: &Measured,
    ) -> Option<(Algorithm, &'static str)> {
        let may = |algorithm: Algorithm| self.held_off[algorithm as usize] <= now;
        let evades = |algorithm| matches!(algorithm, Algorithm::P2cEwma | Algorithm::LeastResponseTime);
        let is_slow = measured.slowest_to_fastest >= UNEVEN_FROM && measured.slowest_stands_out;
        let is_failing = measured.failures_apart >= FAILING_APART_FROM && measured.worst_stands_out;
        if is_slow || is_failing {
            let evasive = [Algorithm::P2cEwma, Algorithm::LeastResponseTime];
            let wanted = evasive.into_iter().find(|algorithm| may(*algorithm));
            let why = if is_slow { "one instance is slower" } else { "one instance fails more often" };
            return wanted.filter(|_| !evades(self.acting)).map(|wanted| (wanted, why));
        }
        let is_even = measured.is_complete && measured.slowest_to_fastest < EVEN_BELOW;
        // An instance that is evaded gets few calls: nothing is known of it until it takes its part again.
        if evades(self.acting) && !is_even {
            return None;
        }
        let tail_from =
            if self.acting == Algorithm::LeastConnections { LONG_TAIL_BELOW } else { LONG_TAIL_FROM };
        let (wanted, why) =
            if measured.p95_ns >= tail_from * measured.p50_ns && may(Algorithm::LeastConnections) {
                (Algorithm::LeastConnections, "calls differ much in length")
            } else if candidates.windows(2).any(|pair| pair[0].weight != pair[1].weight) {
                (Algorithm::Weighted, "the instances differ by their weights only")
            } else {
                (Algorithm::RoundRobin, "the instances are alike")
            };
        (wanted != self.acting && may(wanted)).then_some((wanted, why))
    }

    /// A window after a switch.
    fn judge(&mut self, now: u64, mut trial: Trial, measured: &Measured) {
        trial.windows += 1;
        if trial.windows > 1 {
            trial.p95_ns = trial.p95_ns.min(measured.p95_ns);
            trial.failed_permille = trial.failed_permille.min(measured.failed_permille);
        }
        if trial.windows <= WINDOWS_JUDGING {
            self.trial = Some(trial);
            return;
        }
        let Trial { p95_ns, failed_permille, .. } = trial;
        let Asked { p95_ns: p95_before_ns, failed_permille: failed_before_permille, .. } = trial.before;
        // Even the best after it against the worst before it, so that chance takes nothing back.
        if p95_ns * 100 > p95_before_ns * WORSE_PERCENT
            || failed_permille > failed_before_permille + WORSE_FAILURES_PERMILLE
        {
            let (tried, from) = (self.acting, trial.from);
            self.held_off[tried as usize] = now + ADAPTIVE_HOLD_OFF_MS * 1_000_000;
            let reason = format!(
                "{from} again, since {tried} made things worse: P95 {:.1} ms after {:.1} ms, {:.1} % failed after {:.1} %; {tried} is \
                 left alone for {} s",
                p95_ns as f64 / 1e6,
                p95_before_ns as f64 / 1e6,
                failed_permille as f64 / 10.0,
                failed_before_permille as f64 / 10.0,
                ADAPTIVE_HOLD_OFF_MS / 1_000,
            );
            self.switch(now, from, reason);
        }
    }

    fn switch(&mut self, now: u64, to: Algorithm, reason: String) {
        self.acting = to;
        self.since = now;
        self.reason = reason;
        self.stays_until = now + ADAPTIVE_STAY_MS_MIN * 1_000_000;
        self.asked = None;
    }
}

#[cfg(test)]
mod tests;
