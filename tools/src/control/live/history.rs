//! The past of the charts, in memory: the last quarter of an hour by the second, three hours by ten seconds. Pure.

use std::collections::{BTreeMap, VecDeque};

use micronet_wire::schema::{Decimal, Timestamp};

use super::picture::Picture;
use crate::control::api::live::{History as Told, LiveInstance, LiveService, LiveTotals, Point};

/// Seconds that are kept one by one.
const FINE: usize = 900;
/// How long a coarse step is, in seconds.
const COARSE_S: u32 = 10;
/// Coarse steps that are kept: three hours.
const COARSE: usize = 1_080;
/// Services and instances whose past is kept, and everything together; one more, and that is forgotten which was silent for longest.
const KEPT_MAX: usize = 256;

/// Whose past it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whose {
    /// Everything that passes the gateway.
    Everything,
    /// A service's.
    Service(String),
    /// An instance's.
    Instance(String),
}

/// Everybody's past.
#[derive(Debug, Default)]
pub(super) struct History(BTreeMap<Whose, Series>);

#[derive(Debug, Default)]
struct Series {
    fine: VecDeque<Measured>,
    coarse: VecDeque<Measured>,
    /// What is added up of the coarse step that goes on.
    sum: Sum,
}

/// What was measured in a step, as small as it can be kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Measured {
    at_s: u32,
    /// Of a coarse step: all of them together.
    requests: u32,
    errors: u32,
    p50_us: u32,
    p95_us: u32,
    p99_us: u32,
    in_flight: u32,
    connections: u32,
    cpu_permille: u32,
    resident_kib: u32,
}

#[derive(Debug, Default)]
struct Sum {
    all: Measured,
    seconds: u32,
    cpu_permille: u64,
}

impl History {
    /// What a picture shows was measured in the second that began then.
    pub(super) fn note(&mut self, began: Timestamp, picture: &Picture) {
        let at_s = u32::try_from(began.0 / 1_000_000).unwrap_or(0);
        self.add(Whose::Everything, of_totals(at_s, &picture.totals));
        for (name, service) in &picture.services {
            self.add(Whose::Service(name.clone()), of_service(at_s, service));
        }
        for (name, instance) in &picture.instances {
            self.add(Whose::Instance(name.clone()), of_instance(at_s, instance));
        }
    }

    fn add(&mut self, whose: Whose, measured: Measured) {
        if self.0.len() >= KEPT_MAX && !self.0.contains_key(&whose) {
            let last = |series: &Series| series.fine.back().map_or(0, |last| last.at_s);
            let silent = self.0.iter().min_by_key(|(_, series)| last(series)).map(|(whose, _)| whose.clone());
            silent.iter().for_each(|whose| drop(self.0.remove(whose)));
        }
        self.0.entry(whose).or_default().add(measured);
    }

    /// The last so many seconds; nothing where nothing is known of them.
    pub(super) fn told(&self, whose: &Whose, since_s: u32) -> Option<Told> {
        let series = self.0.get(whose)?;
        let is_fine = since_s as usize <= FINE;
        let (step_s, steps) = if is_fine { (1, &series.fine) } else { (COARSE_S, &series.coarse) };
        let first_s = series.fine.back().map_or(0, |last| (last.at_s + 1).saturating_sub(since_s));
        let steps = steps.iter().filter(|measured| measured.at_s >= first_s);
        Some(Told { step_s, points: steps.map(|measured| measured.told(step_s)).collect() })
    }
}

impl Series {
    fn add(&mut self, measured: Measured) {
        // A clock that was set back, or a second that is told twice.
        if self.fine.back().is_some_and(|last| last.at_s >= measured.at_s) {
            return;
        }
        push(&mut self.fine, FINE, measured);
        let step_s = measured.at_s - measured.at_s % COARSE_S;
        if self.sum.seconds > 0 && self.sum.all.at_s != step_s {
            let sum = std::mem::take(&mut self.sum);
            push(&mut self.coarse, COARSE, sum.finished());
        }
        self.sum.add(step_s, measured);
    }
}

fn push(steps: &mut VecDeque<Measured>, kept: usize, measured: Measured) {
    if steps.len() >= kept {
        steps.pop_front();
    }
    steps.push_back(measured);
}

impl Sum {
    fn add(&mut self, at_s: u32, second: Measured) {
        let all = &mut self.all;
        all.at_s = at_s;
        all.requests = all.requests.saturating_add(second.requests);
        all.errors = all.errors.saturating_add(second.errors);
        all.p50_us = all.p50_us.max(second.p50_us);
        all.p95_us = all.p95_us.max(second.p95_us);
        all.p99_us = all.p99_us.max(second.p99_us);
        (all.in_flight, all.connections) = (second.in_flight, second.connections);
        all.resident_kib = second.resident_kib;
        self.cpu_permille += u64::from(second.cpu_permille);
        self.seconds += 1;
    }

    fn finished(self) -> Measured {
        let cpu_permille = self.cpu_permille.checked_div(self.seconds.into()).unwrap_or(0);
        Measured { cpu_permille: small(cpu_permille), ..self.all }
    }
}

impl Measured {
    fn told(&self, step_s: u32) -> Point {
        let per_s = |count: u32| Decimal(i64::from(count) * 10 / i64::from(step_s));
        let ms = |us: u32| Decimal(us.into());
        Point {
            at: Timestamp(i64::from(self.at_s) * 1_000_000),
            per_s: per_s(self.requests),
            errors_per_s: per_s(self.errors),
            p50_ms: ms(self.p50_us),
            p95_ms: ms(self.p95_us),
            p99_ms: ms(self.p99_us),
            in_flight: self.in_flight,
            connections: self.connections,
            cpu_permille: self.cpu_permille,
            resident_bytes: u64::from(self.resident_kib) << 10,
        }
    }
}

fn of_totals(at_s: u32, totals: &LiveTotals) -> Measured {
    Measured {
        at_s,
        requests: small(totals.per_s),
        errors: small(totals.errors_per_s),
        p50_us: us(totals.p50_ms),
        p95_us: us(totals.p95_ms),
        p99_us: us(totals.p99_ms),
        connections: small(totals.connections),
        ..Measured::default()
    }
}

fn of_service(at_s: u32, service: &LiveService) -> Measured {
    Measured {
        at_s,
        requests: small(service.per_s),
        errors: small(service.errors_per_s),
        p50_us: us(service.p50_ms),
        p95_us: us(service.p95_ms),
        p99_us: us(service.p99_ms),
        in_flight: service.in_flight,
        connections: service.connections,
        ..Measured::default()
    }
}

fn of_instance(at_s: u32, instance: &LiveInstance) -> Measured {
    Measured {
        at_s,
        requests: small(instance.per_s),
        errors: small(instance.errors_per_s),
        p50_us: us(instance.p50_ms),
        p95_us: us(instance.p95_ms),
        p99_us: us(instance.p99_ms),
        in_flight: instance.in_flight,
        connections: instance.connections,
        cpu_permille: instance.cpu_permille,
        resident_kib: small(instance.resident_bytes >> 10),
    }
}

fn us(ms: Decimal<3>) -> u32 {
    u32::try_from(ms.0).unwrap_or(u32::MAX)
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(per_s: u64) -> Picture {
        let totals = LiveTotals {
            per_s,
            p95_ms: Decimal(1_000 + i64::try_from(per_s).unwrap()),
            ..LiveTotals::default()
        };
        Picture { totals, ..Picture::default() }
    }

    #[test]
    fn the_past_is_told_by_the_second_and_by_ten() {
        let mut history = History::default();
        for (second, per_s) in (1_000_000..1_014_400).zip((0..10).cycle()) {
            history.note(Timestamp(second * 1_000_000), &picture(per_s));
        }
        let told = history.told(&Whose::Everything, 900).unwrap();
        assert_eq!((told.step_s, told.points.len()), (1, 900));
        let last = &told.points[899];
        assert_eq!(
            (last.at, last.per_s, last.p95_ms),
            (Timestamp(1_014_399_000_000), Decimal(90), Decimal(1_009))
        );
        assert_eq!(history.told(&Whose::Everything, 5).unwrap().points.len(), 5);
        let told = history.told(&Whose::Everything, 10_800).unwrap();
        assert_eq!((told.step_s, told.points.len()), (10, 1_079));
        // 0 to 9 in each: 4.5 on average, and the highest of the percentiles.
        assert!(told.points.iter().all(|point| point.per_s == Decimal(45) && point.p95_ms == Decimal(1_009)));
        assert_eq!(history.told(&Whose::Service("p".into()), 60), None);
    }

    #[test]
    fn a_second_counts_once_and_a_gap_stays_one() {
        let mut history = History::default();
        for second in [5, 6, 6, 4, 9, 40] {
            history.note(Timestamp(second * 1_000_000), &picture(7));
        }
        let at = |since_s| -> Vec<i64> {
            let points = history.told(&Whose::Everything, since_s).unwrap().points;
            points.iter().map(|point| point.at.0 / 1_000_000).collect()
        };
        assert_eq!(at(900), [5, 6, 9, 40]);
        assert_eq!(at(2_000), [0]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut history = History::default();
        for second in 0..400 {
            let mut picture = picture(1);
            let name = format!("p-{second}");
            picture
                .instances
                .insert(name.clone(), LiveInstance { instance: name, ..LiveInstance::default() });
            history.note(Timestamp(second * 1_000_000), &picture);
        }
        assert_eq!(history.0.len(), KEPT_MAX);
        assert!(history.told(&Whose::Everything, 60).is_some());
        assert!(history.told(&Whose::Instance("p-399".into()), 60).is_some());
        assert!(history.told(&Whose::Instance("p-0".into()), 60).is_none());
    }
}
