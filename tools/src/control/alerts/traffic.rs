//! What passes services lately, and what usually does. Pure.

use std::collections::{BTreeMap, VecDeque};

use crate::control::live::picture::Picture;

/// The seconds of which lately consists.
const LATELY_S: usize = 5;
/// What is usual follows what there is, over so many seconds (an exponential mean).
const USUAL_S: f64 = 60.0;
/// What is usual is known after so many seconds.
const KNOWN_S: u32 = 30;

/// What passes each service.
#[derive(Debug, Default)]
pub(super) struct Traffic(BTreeMap<String, Passes>);

#[derive(Debug, Default)]
struct Passes {
    /// Requests of the last seconds and their P95, the oldest first.
    last: VecDeque<(u64, u64)>,
    usual_per_s: f64,
    seconds: u32,
}

/// What lately passes a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lately {
    /// Requests a second.
    pub(super) per_s: u64,
    /// What of 95 % of the requests was exceeded in no second, or only in some: the middle one of those that had requests.
    pub(super) p95_us: u64,
    /// How many requests there usually are a second, where that is known.
    pub(super) usual_per_s: Option<u64>,
}

impl Traffic {
    /// One more second.
    pub(super) fn note(&mut self, picture: &Picture) {
        self.0.retain(|service, _| picture.services.contains_key(service));
        for (name, service) in &picture.services {
            let passes = self.0.entry(name.clone()).or_default();
            if passes.last.len() == LATELY_S {
                passes.last.pop_front();
            }
            passes.last.push_back((service.per_s, service.p95_ms.0.unsigned_abs()));
            // A mean of all, until there are enough.
            let weight = 1.0 / USUAL_S.min(f64::from(passes.seconds) + 1.0);
            #[allow(clippy::cast_precision_loss)] // Requests of a second.
            let per_s = service.per_s as f64;
            passes.usual_per_s += (per_s - passes.usual_per_s) * weight;
            passes.seconds = passes.seconds.saturating_add(1);
        }
    }

    /// What lately passes a service.
    pub(super) fn lately(&self, service: &str) -> Lately {
        let Some(passes) = self.0.get(service) else { return Lately::default() };
        let requests: u64 = passes.last.iter().map(|(requests, _)| requests).sum();
        let mut p95s: Vec<u64> =
            passes.last.iter().filter(|(requests, _)| *requests > 0).map(|(_, p95)| *p95).collect();
        p95s.sort_unstable();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A mean of counts.
        let usual = passes.usual_per_s.round() as u64;
        Lately {
            per_s: requests / passes.last.len().max(1) as u64,
            p95_us: p95s.get(p95s.len() / 2).copied().unwrap_or(0),
            usual_per_s: (passes.seconds >= KNOWN_S).then_some(usual),
        }
    }
}

#[cfg(test)]
mod tests {
    use micronet_wire::schema::Decimal;

    use super::*;
    use crate::control::api::live::LiveService;

    #[test]
    fn lately_is_the_last_seconds_and_usual_the_last_minute() {
        let mut traffic = Traffic::default();
        let mut note = |per_s: u64, p95_us: i64| {
            let service = LiveService { per_s, p95_ms: Decimal(p95_us), ..LiveService::default() };
            let mut picture = Picture::default();
            picture.services.insert("p".into(), service);
            traffic.note(&picture);
            traffic.lately("p")
        };
        assert_eq!(note(10, 7), Lately { per_s: 10, p95_us: 7, usual_per_s: None });
        let last = (0..59).map(|_| note(10, 7)).last().unwrap();
        assert_eq!(last.usual_per_s, Some(10));
        // One second without requests, and one that was slow, are not what lately was.
        note(0, 0);
        assert_eq!(note(40, 900).p95_us, 7);
        let last = (0..5).map(|_| note(0, 0)).last().unwrap();
        assert_eq!((last.per_s, last.p95_us), (0, 0));
        assert_eq!(traffic.lately("q"), Lately::default());
        traffic.note(&Picture::default());
        assert_eq!(traffic.lately("p"), Lately::default());
    }
}
