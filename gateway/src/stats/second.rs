//! A second as the gateway's own service tells it.

use micronet_wire::network::{CalledInstance, CalledService};

use super::report::{distribution, percent};
use super::seconds::{Passed, Second};
use super::series::Series;
use super::{Measured, Server, Stats};
use crate::api::watch::{InstanceSecond, PassedShown, ServiceSecond};

/// The parts of a second that were measured here.
pub(crate) struct Measure {
    pub(crate) requests: u64,
    pub(crate) passed: PassedShown,
    pub(crate) services: Vec<ServiceSecond>,
}

impl Stats {
    /// What passed in the second of this number, by these services in the order of their indices, as it is known at `now`.
    pub(crate) fn second(&self, now: u64, number: u64, services: &[(usize, &CalledService)]) -> Measure {
        let measured = self.measured.borrow();
        let all = measured.seconds.iter().filter_map(|seconds| seconds.second(number));
        Measure {
            requests: measured.protocols.iter().map(Series::requests).sum(),
            passed: shown(all),
            services: services
                .iter()
                .map(|(at, called)| measured.service((now, number), *at, called))
                .collect(),
        }
    }
}

impl Measured {
    fn service(&self, (now, number): (u64, u64), at: usize, called: &CalledService) -> ServiceSecond {
        let of_service = self.seconds.get(at).and_then(|seconds| seconds.second(number));
        let server = |each: &CalledInstance| {
            self.servers.iter().find(|server| server.service == at && *server.instance == *each.instance)
        };
        let servers: Vec<Option<&Server>> = called.instances.iter().map(server).collect();
        let lately = |server: &Option<&Server>| server.map_or(0, |server| server.series.requests_lately(now));
        let calls: Vec<(u64, u32)> =
            servers.iter().map(lately).zip(called.instances.iter().map(|each| each.weight)).collect();
        let (all_calls, all_weights) =
            calls.iter().fold((0, 0), |(calls, weights), each| (calls + each.0, weights + u64::from(each.1)));
        let instance = |(at, each): (usize, &CalledInstance)| InstanceSecond {
            instance: each.instance.clone(),
            passed: shown(servers[at].and_then(|server| server.seconds.second(number))),
            share_percent: percent(calls[at].0, all_calls),
            fair_percent: percent(u64::from(calls[at].1), all_weights),
        };
        ServiceSecond {
            service: called.service.clone(),
            passed: shown(of_service),
            fairness: distribution(&calls).fairness,
            instances: called.instances.iter().enumerate().map(instance).collect(),
        }
    }
}

fn shown<'s>(seconds: impl IntoIterator<Item = &'s Second>) -> PassedShown {
    let mut seconds = seconds.into_iter().peekable();
    if seconds.peek().is_none() {
        return PassedShown::default();
    }
    let passed = Passed::of(seconds);
    let [p50_us, p95_us, p99_us] = passed.percentiles_us([50, 95, 99]);
    PassedShown { requests: passed.requests, errors: passed.errors, p50_us, p95_us, p99_us }
}
