//! What a drill's load has measured: second by second, phase by phase, and by what was asked. Pure: times are told, in microseconds from
//! the drill's beginning.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::control::api::drills::{Lost, Phase, Route, Second};

/// The most seconds that are kept: more than the longest drill has.
const SECONDS_MAX: usize = 900;
/// The longest latency that is told apart from longer ones: ten minutes, in microseconds.
const LATENCY_US_MAX: u64 = 600_000_000;
/// Decimal digits to which latencies are exact.
const DIGITS: u8 = 3;
/// Ways of being lost that are counted apart.
const KINDS_MAX: usize = 12;
/// The name under which further ones are counted together.
const OTHER_KINDS: &str = "other";

/// A request that has come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// When.
    pub(super) at_us: u64,
    /// When it was due.
    pub(super) due_us: u64,
    /// The place of what was asked, among the routes.
    pub(super) route: usize,
    /// Whether there was an answer, of whatever kind: its latency counts.
    pub(super) is_answered: bool,
    /// What came instead of a good answer, where it is lost.
    pub(super) lost: Option<String>,
}

/// When what was broken was, and when it was mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Since when it was broken.
    pub(super) broken_us: Option<u64>,
    /// Until when.
    pub(super) mended_us: Option<u64>,
}

/// The parts of a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Before,
    During,
    After,
}

/// What was measured so far.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    /// When it was broken.
    pub(super) bounds: Bounds,
    seconds: Vec<Second>,
    /// The second that lasts: which one, and what it has so far.
    at_s: u32,
    requests: u32,
    lost: u32,
    latencies_us: Vec<u32>,
    parts: [Counts; 3],
    kinds: BTreeMap<String, u64>,
    routes: Vec<Route>,
}

/// The counts of a part.
#[derive(Clone, Debug)]
struct Counts {
    requests: u64,
    lost: u64,
    latency_us: Histogram<u64>,
}

impl Figures {
    /// Nothing yet, of these routes.
    pub(super) fn new(routes: Vec<Route>) -> Result<Self, hdrhistogram::CreationError> {
        Ok(Self {
            bounds: Bounds::default(),
            seconds: Vec::new(),
            at_s: 0,
            requests: 0,
            lost: 0,
            latencies_us: Vec::new(),
            parts: [Counts::new()?, Counts::new()?, Counts::new()?],
            kinds: BTreeMap::new(),
            routes,
        })
    }

    /// Counts a request.
    pub(super) fn note(&mut self, ended: Ended) {
        self.go_on_to(second_of(ended.at_us));
        let is_lost = ended.lost.is_some();
        let took_us = ended.is_answered.then(|| ended.at_us.saturating_sub(ended.due_us));
        self.requests += 1;
        self.lost += u32::from(is_lost);
        if self.seconds.len() < SECONDS_MAX {
            self.latencies_us.extend(took_us.map(|took_us| u32::try_from(took_us).unwrap_or(u32::MAX)));
        }
        let part = self.part_of(ended.due_us, ended.at_us);
        let counts = &mut self.parts[part as usize];
        counts.requests += 1;
        counts.lost += u64::from(is_lost);
        if let Some(took_us) = took_us {
            counts.latency_us.saturating_record(took_us);
        }
        if let Some(route) = self.routes.get_mut(ended.route) {
            route.requests += 1;
            route.lost += u64::from(is_lost);
            route.lost_during += u64::from(is_lost && part == Part::During);
        }
        if let Some(kind) = ended.lost {
            let is_known = self.kinds.len() < KINDS_MAX || self.kinds.contains_key(&kind);
            *self.kinds.entry(if is_known { kind } else { OTHER_KINDS.to_owned() }).or_default() += 1;
        }
    }

    /// The seconds that are over by now.
    pub(super) fn seconds(&mut self, now_us: u64) -> &[Second] {
        self.go_on_to(second_of(now_us));
        &self.seconds
    }

    /// The parts before the fault, while it lasted, and after it, where it is so late.
    pub(super) fn phases(&self, now_us: u64) -> [Phase; 3] {
        let Bounds { broken_us, mended_us } = self.bounds;
        let (broken_us, mended_us) = (broken_us.unwrap_or(now_us), mended_us.unwrap_or(now_us));
        let lasted_us = [broken_us, mended_us.saturating_sub(broken_us), now_us.saturating_sub(mended_us)];
        [0, 1, 2].map(|place| {
            let Counts { requests, lost, latency_us } = &self.parts[place];
            Phase {
                lasted_ms: lasted_us[place] / 1_000,
                requests: *requests,
                lost: *lost,
                p50_us: latency_us.value_at_quantile(0.5),
                p95_us: latency_us.value_at_quantile(0.95),
                p99_us: latency_us.value_at_quantile(0.99),
                max_us: latency_us.max(),
            }
        })
    }

    /// Requests that were lost, by what came instead, the most frequent first.
    pub(super) fn lost_by_kind(&self) -> Vec<Lost> {
        let lost = self.kinds.iter().map(|(kind, count)| Lost { kind: kind.clone(), count: *count });
        let mut lost: Vec<Lost> = lost.collect();
        lost.sort_by_key(|lost| std::cmp::Reverse(lost.count));
        lost
    }

    /// What is asked, and what came of it.
    pub(super) fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// What was under way when it was broken, or due while it was, was hit by that.
    fn part_of(&self, due_us: u64, at_us: u64) -> Part {
        let Bounds { broken_us, mended_us } = self.bounds;
        let is_past = |at_us: u64, bound_us: Option<u64>| bound_us.is_some_and(|bound_us| at_us >= bound_us);
        match (is_past(at_us, broken_us), is_past(due_us, mended_us)) {
            (false, _) => Part::Before,
            (true, false) => Part::During,
            (true, true) => Part::After,
        }
    }

    /// Closes the seconds before this one. One in which nothing came to an end is one too.
    fn go_on_to(&mut self, at_s: u32) {
        while self.at_s < at_s && self.seconds.len() < SECONDS_MAX {
            self.latencies_us.sort_unstable();
            let at = |quantile| quantile_of(&self.latencies_us, quantile);
            self.seconds.push(Second {
                at_s: self.at_s,
                requests: self.requests,
                lost: self.lost,
                p50_us: at(0.5),
                p99_us: at(0.99),
                max_us: at(1.0),
            });
            self.latencies_us.clear();
            (self.at_s, self.requests, self.lost) = (self.at_s + 1, 0, 0);
        }
    }
}

impl Counts {
    fn new() -> Result<Self, hdrhistogram::CreationError> {
        let latency_us = Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS)?;
        Ok(Self { requests: 0, lost: 0, latency_us })
    }
}

fn second_of(at_us: u64) -> u32 {
    u32::try_from(at_us / 1_000_000).unwrap_or(u32::MAX)
}

/// The value that so large a part of these, in ascending order, doesn't exceed; 0 of none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a place among some thousands"
)]
fn quantile_of(ascending: &[u32], quantile: f64) -> u64 {
    let place = (ascending.len() as f64 * quantile).ceil() as usize;
    ascending.get(place.saturating_sub(1)).copied().unwrap_or(0).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        let route = |route: &str| Route { route: route.into(), ..Route::default() };
        Figures::new(vec![route("GET /a"), route("GET /b")]).unwrap()
    }

    fn good(due_ms: u64, took_ms: u64) -> Ended {
        let (due_us, at_us) = (due_ms * 1_000, (due_ms + took_ms) * 1_000);
        Ended { at_us, due_us, route: 0, is_answered: true, lost: None }
    }

    fn lost(due_ms: u64, took_ms: u64, kind: &str) -> Ended {
        Ended {
            route: 1,
            is_answered: kind.starts_with('5'),
            lost: Some(kind.into()),
            ..good(due_ms, took_ms)
        }
    }

    #[test]
    fn each_second_has_what_ended_in_it() {
        let mut figures = figures();
        for ms in 0..100 {
            figures.note(good(ms * 10, 1 + ms % 2));
        }
        figures.note(lost(1_500, 2_100, "no answer in time"));
        let seen: Vec<(u32, u32, u32)> =
            figures.seconds(5_000_000).iter().map(|s| (s.at_s, s.requests, s.lost)).collect();
        assert_eq!(seen, [(0, 100, 0), (1, 0, 0), (2, 0, 0), (3, 1, 1), (4, 0, 0)]);
        let first = &figures.seconds(0)[0];
        assert_eq!((first.p50_us, first.p99_us, first.max_us), (1_000, 2_000, 2_000));
        // What got no answer has no latency.
        assert_eq!(figures.seconds(0)[3].max_us, 0);
    }

    #[test]
    fn a_request_belongs_to_the_fault_if_it_was_under_way_while_that_lasted() {
        let mut figures = figures();
        figures.note(good(100, 1));
        figures.bounds.broken_us = Some(1_000_000);
        // It was due before, and its answer came when it was broken.
        figures.note(good(999, 75));
        figures.note(lost(1_000, 20, "503 UNAVAILABLE"));
        figures.note(good(1_200, 80));
        figures.bounds.mended_us = Some(3_000_000);
        figures.note(lost(2_999, 20, "no answer in time"));
        figures.note(lost(2_999, 20, "no answer in time"));
        figures.note(good(3_000, 2));
        let [before, during, after] = figures.phases(4_500_000);
        assert_eq!((before.requests, before.lost, before.lasted_ms), (1, 0, 1_000));
        assert_eq!((during.requests, during.lost, during.lasted_ms), (5, 3, 2_000));
        assert_eq!((after.requests, after.lost, after.lasted_ms), (1, 0, 1_500));
        assert!((1_000..=1_010).contains(&before.max_us), "{before:?}");
        assert!((80_000..=80_100).contains(&during.p99_us), "{during:?}");
        let by_kind: Vec<(String, u64)> =
            figures.lost_by_kind().into_iter().map(|lost| (lost.kind, lost.count)).collect();
        assert_eq!(by_kind, [("no answer in time".to_owned(), 2), ("503 UNAVAILABLE".to_owned(), 1)]);
        let routes: Vec<(u64, u64, u64)> =
            figures.routes().iter().map(|route| (route.requests, route.lost, route.lost_during)).collect();
        assert_eq!(routes, [(4, 0, 0), (3, 3, 3)]);
    }

    #[test]
    fn a_drill_that_is_never_broken_has_one_part() {
        let mut figures = figures();
        figures.note(good(100, 1));
        let [before, during, after] = figures.phases(2_000_000);
        assert_eq!((before.lasted_ms, during.lasted_ms, after.lasted_ms), (2_000, 0, 0));
        assert_eq!((before.requests, during, after.requests), (1, Phase::default(), 0));
    }

    #[test]
    fn it_is_bounded() {
        let mut figures = figures();
        figures.note(good(u64::MAX / 1_000_000, 1));
        assert_eq!(figures.seconds(u64::MAX).len(), SECONDS_MAX);
        for number in 0..100 {
            figures.note(lost(1, 1, &format!("kind {number}")));
        }
        let kinds = figures.lost_by_kind();
        assert_eq!((kinds.len(), kinds[0].count), (KINDS_MAX + 1, 100 - KINDS_MAX as u64));
    }
}
