//! What was measured, as the gateway's own service tells it.

use micronet_transport::clock;
use micronet_wire::network::{CalledInstance, CalledService, Usage};
use micronet_wire::schema::Decimal;

use super::series::{LATELY_S, Series, Summed, covered_ns};
use super::{Protocol, Stats};
use crate::api::stats::{Distribution, InstanceStats, Measured, ServiceStats, Share};

/// The parts of a report that were measured here.
pub(crate) struct Report {
    pub(crate) lately_s: u32,
    pub(crate) lately: Measured,
    pub(crate) since_start: Measured,
    pub(crate) services: Vec<ServiceStats>,
    pub(crate) protocols: Vec<Share>,
    pub(crate) regions: Vec<Share>,
}

/// Over which time requests were added up, in nanoseconds.
#[derive(Clone, Copy)]
struct Spans {
    now: u64,
    lately_ns: u64,
    start_ns: u64,
}

impl Stats {
    /// What was measured, of these services in the order of their indices. `usage` tells what an instance's process uses.
    pub(crate) fn report(
        &self,
        services: Vec<(usize, CalledService)>,
        usage: impl Fn(&CalledInstance) -> Option<Usage>,
    ) -> Report {
        let now = clock::now();
        let spans = Spans {
            now,
            lately_ns: covered_ns(now, self.started_ns),
            start_ns: now.saturating_sub(self.started_ns).max(1),
        };
        let measured = self.measured.borrow();
        let sum = |of: &dyn Fn(&Series) -> Summed| {
            measured.protocols.iter().fold(Summed::default(), |mut sum, series| {
                sum.add(&of(series));
                sum
            })
        };
        let (all, since_start) = (sum(&|series| series.lately(now)), sum(&Series::since_start));
        let share = |(name, series): (&str, &Series)| spans.share(name, series, all.requests);
        let protocols = Protocol::ALL.iter().map(|protocol| protocol.name()).zip(&measured.protocols);
        let regions = self.regions.names().iter().map(String::as_str).zip(&measured.regions);
        let service = |(at, called): (usize, CalledService)| self.service(spans, at, called, &usage);
        Report {
            lately_s: LATELY_S,
            lately: spans.lately(&all),
            since_start: spans.since_start(&since_start),
            services: services.into_iter().map(service).collect(),
            protocols: protocols.map(share).collect(),
            regions: regions.map(share).filter(|share| share.since_start.requests > 0).collect(),
        }
    }

    fn service(
        &self,
        spans: Spans,
        at: usize,
        called: CalledService,
        usage: &impl Fn(&CalledInstance) -> Option<Usage>,
    ) -> ServiceStats {
        let measured = self.measured.borrow();
        let nothing = Series::default();
        let of_instance = |name: &str| {
            let is_it = |server: &&super::Server| server.service == at && *server.instance == *name;
            measured.servers.iter().find(is_it).map_or(&nothing, |server| &server.series)
        };
        let calls: Vec<(u64, u32)> = called
            .instances
            .iter()
            .map(|each| (of_instance(&each.instance).lately(spans.now).requests, each.weight))
            .collect();
        let (all_calls, all_weights) =
            calls.iter().fold((0, 0), |(calls, weights), each| (calls + each.0, weights + u64::from(each.1)));
        let instance = |each: CalledInstance| {
            let series = of_instance(&each.instance);
            let lately = series.lately(spans.now);
            InstanceStats {
                usage: usage(&each),
                share_percent: percent(lately.requests, all_calls),
                fair_percent: percent(u64::from(each.weight), all_weights),
                lately: spans.lately(&lately),
                since_start: spans.since_start(&series.since_start()),
                instance: each.instance,
                address: each.address,
                state: each.state,
                connections: each.connections,
                in_flight: each.in_flight,
            }
        };
        let of_service = measured.services.get(at).unwrap_or(&nothing);
        ServiceStats {
            lately: spans.lately(&of_service.lately(spans.now)),
            since_start: spans.since_start(&of_service.since_start()),
            distribution: distribution(&calls),
            service: called.service,
            algorithm: called.algorithm,
            balancing: called.balancing,
            retries: called.retries,
            instances: called.instances.into_iter().map(instance).collect(),
        }
    }
}

impl Spans {
    fn share(self, name: &str, series: &Series, of_all: u64) -> Share {
        let lately = series.lately(self.now);
        Share {
            name: name.to_owned(),
            percent: percent(lately.requests, of_all),
            lately: self.lately(&lately),
            since_start: self.since_start(&series.since_start()),
        }
    }

    fn lately(self, summed: &Summed) -> Measured {
        measured(summed, self.lately_ns)
    }

    fn since_start(self, summed: &Summed) -> Measured {
        measured(summed, self.start_ns)
    }
}

fn measured(summed: &Summed, over_ns: u64) -> Measured {
    let ms = |us: u64| Decimal(i64::try_from(us).unwrap_or(i64::MAX));
    let percentile = |percent| ms(summed.percentile_us(percent));
    Measured {
        requests: summed.requests,
        per_s: ratio(u128::from(summed.requests) * 1_000_000_000, over_ns.into()),
        errors: summed.errors,
        error_percent: percent(summed.errors, summed.requests),
        mean_ms: ms(summed.mean_us()),
        p50_ms: percentile(50.0),
        p95_ms: percentile(95.0),
        p99_ms: percentile(99.0),
        max_ms: percentile(100.0),
    }
}

/// A part of a whole, in per cent; none of nothing.
pub(crate) fn percent(part: u64, whole: u64) -> Decimal<2> {
    ratio(u128::from(part) * 100, whole.into())
}

fn ratio(part: u128, whole: u128) -> Decimal<2> {
    let hundredths = (part * 100 + whole / 2).checked_div(whole).unwrap_or(0);
    Decimal(i64::try_from(hundredths).unwrap_or(i64::MAX))
}

/// How even it is that instances of these weights got these calls. Jain, Chiu and Hawe, DEC-TR-301, 1984. Where nothing was called,
/// nothing was uneven.
pub(super) fn distribution(calls: &[(u64, u32)]) -> Distribution {
    #[allow(clippy::cast_precision_loss)] // 53 bits are enough for a ratio of four digits.
    let loads = || calls.iter().map(|(calls, weight)| *calls as f64 / f64::from((*weight).max(1)));
    let (sum, squares) = loads().fold((0.0, 0.0), |(sum, squares), load| (sum + load, squares + load * load));
    #[allow(clippy::cast_precision_loss)]
    let count = calls.len() as f64;
    if squares == 0.0 {
        return Distribution { fairness: Decimal(10_000), variation: Decimal(0) };
    }
    let fairness = sum * sum / (count * squares);
    // Both tell the same: fairness = 1 / (1 + variation^2).
    let variation = (1.0 / fairness - 1.0).max(0.0).sqrt();
    #[allow(clippy::cast_possible_truncation)] // At most the square root of the number of instances.
    let digits = |value: f64| Decimal((value * 1e4).round() as i64);
    Distribution { fairness: digits(fairness), variation: digits(variation) }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use micronet_wire::network::InstanceState;

    use super::*;
    use crate::stats::Regions;

    #[test]
    fn evenness_is_between_all_and_one() {
        let check = |calls: &[(u64, u32)], fairness: i64, variation: i64| {
            let found = distribution(calls);
            assert_eq!((found.fairness.0, found.variation.0), (fairness, variation), "{calls:?}");
        };
        check(&[(50, 100), (50, 100)], 10_000, 0);
        check(&[(100, 100), (0, 100)], 5_000, 10_000);
        check(&[(30, 100), (0, 100), (0, 100)], 3_333, 14_142);
        // Who weighs three times as much gets three times as many.
        check(&[(300, 300), (100, 100)], 10_000, 0);
        check(&[(60, 100), (40, 100)], 9_615, 2_000);
        check(&[(0, 100), (0, 100)], 10_000, 0);
        check(&[], 10_000, 0);
    }

    #[test]
    fn a_report_says_who_got_what() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let stats = Stats::new(Regions::default(), 1);
            let (one, two): (Rc<str>, Rc<str>) = ("p-1".into(), "p-2".into());
            tokio::time::advance(std::time::Duration::from_secs(10)).await;
            for n in 0..40 {
                let region = stats.regions().of("127.0.0.1".parse().unwrap());
                stats.answered(clock::now(), Protocol::Http, Some(region), Some(0), 2_000_000, n % 10 == 0);
                stats.served(clock::now(), 0, if n < 30 { &one } else { &two }, 1_000_000, n == 0);
            }
            let instance = |name: &str| CalledInstance {
                instance: name.into(),
                address: "127.0.0.1:1".into(),
                source: "static".into(),
                state: InstanceState::Up,
                since: micronet_wire::schema::Timestamp(0),
                reason: String::new(),
                weight: 100,
                connections: 1,
                in_flight: 0,
                calls: 0,
                failures: 0,
                mean_us: 0,
                share_permille: 1_000,
                history: Vec::new(),
            };
            let called = CalledService {
                service: "p".into(),
                instances: vec![instance("p-1"), instance("p-2")],
                ..CalledService::default()
            };
            let report = stats.report(vec![(0, called)], |_| None);
            assert_eq!((report.lately.requests, report.lately.errors), (40, 4));
            assert_eq!((report.lately.error_percent, report.lately.per_s), (Decimal(1_000), Decimal(400)));
            assert_eq!(report.lately.mean_ms, Decimal(2_000));
            let service = &report.services[0];
            let shares: Vec<_> =
                service.instances.iter().map(|each| (each.share_percent.0, each.fair_percent.0)).collect();
            assert_eq!(shares, [(7_500, 5_000), (2_500, 5_000)]);
            assert_eq!(service.distribution.fairness, Decimal(8_000));
            assert_eq!(service.instances[0].lately.errors, 1);
            let mix = |shares: &[Share]| -> Vec<(String, i64)> {
                shares.iter().map(|share| (share.name.clone(), share.percent.0)).collect()
            };
            assert_eq!(mix(&report.regions), [("loopback".to_owned(), 10_000)]);
            let all =
                [("http", 10_000), ("https", 0), ("rpc", 0)].map(|(name, part)| (name.to_owned(), part));
            assert_eq!(mix(&report.protocols), all);
        });
    }
}
