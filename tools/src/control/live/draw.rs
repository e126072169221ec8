//! Draws the network as it is now, from what supervisors, the gateway and the other callers say.

use std::collections::BTreeMap;
use std::rc::Rc;

use micronet_gateway::api::watch::{InstanceSecond, PassedShown, Second, ServiceSecond, Watched};
use micronet_wire::network::{CalledInstance, CalledService};
use micronet_wire::schema::{Decimal, Timestamp};

use super::picture::Picture;
use super::status::status;
use super::usage::Usage;
use crate::control::api::live::{LinkEnds, LiveInstance, LiveLink, LiveNetwork, LiveService, LiveTotals};
use crate::control::api::{Process, ProcessState};
use crate::registry::GATEWAY;

/// What the ports of services speak.
const PROTOCOL: &str = "REST + RPC";

/// Times that are told as ages differ by what it takes to tell them, in microseconds.
const NEAR_US: u64 = 5_000;

/// Everything that is known.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// What the gateway has said last; nothing while it says nothing.
    pub(super) watched: Option<Rc<Watched>>,
    /// The last whole second of it.
    pub(super) second: Option<Second>,
    /// What processes use.
    pub(super) usage: Usage,
    /// The links of callers that are services.
    pub(super) links: BTreeMap<LinkEnds, LiveLink>,
}

/// Draws it. `known` is how it was.
pub(super) fn draw(
    at: Timestamp,
    network: LiveNetwork,
    processes: Vec<Process>,
    sources: &Sources,
    known: &Picture,
) -> Picture {
    let seen = sources.watched.as_deref().map(|watched| &*watched.seen.services).unwrap_or_default();
    let second = sources.second.as_ref();
    let mut instances: BTreeMap<String, LiveInstance> = BTreeMap::new();
    for process in processes {
        let called = seen.iter().find(|called| called.service == process.service);
        let known = known.instances.get(&process.instance);
        let drawn = instance(process, called, sources, known);
        instances.insert(drawn.instance.clone(), drawn);
    }
    let mut names: Vec<&str> = instances.values().map(|instance| &*instance.service).collect();
    names.sort_unstable();
    names.dedup();
    let service = |name: &str| {
        let of: Vec<&LiveInstance> = instances.values().filter(|instance| instance.service == name).collect();
        let called = seen.iter().find(|called| called.service == name);
        let drawn = service(at, name, &of, (called, second), known.services.get(name));
        (name.to_owned(), drawn)
    };
    let services = names.into_iter().map(service).collect();
    let caller = sources.watched.as_deref().map(|watched| &*watched.seen.seen_by);
    let mut links = sources.links.clone();
    for (called, each) in
        seen.iter().flat_map(|called| called.instances.iter().map(move |each| (called, each)))
    {
        if instances.contains_key(&each.instance) {
            let per_s = instances[&each.instance].per_s;
            let (ends, link) = link(caller.unwrap_or_default(), &called.service, each, per_s);
            links.insert(ends, link);
        }
    }
    links.retain(|ends, _| instances.contains_key(&ends.from) && instances.contains_key(&ends.to_instance));
    Picture { at, network, totals: totals(second, seen), services, instances, links, alerts: BTreeMap::new() }
}

/// A link, as the calling instance sees the called one.
pub(super) fn link(from: &str, to_service: &str, each: &CalledInstance, per_s: u64) -> (LinkEnds, LiveLink) {
    let ends = LinkEnds { from: from.to_owned(), to_instance: each.instance.clone() };
    let link = LiveLink {
        from: ends.from.clone(),
        to_service: to_service.to_owned(),
        to_instance: each.instance.clone(),
        per_s,
        mean_ms: ms(each.mean_us),
        state: each.state,
    };
    (ends, link)
}

fn instance(
    process: Process,
    called: Option<&CalledService>,
    sources: &Sources,
    known: Option<&LiveInstance>,
) -> LiveInstance {
    let is_it = |each: &&CalledInstance| {
        each.instance == process.instance || Some(&each.address) == process.address.as_ref()
    };
    let health = called.and_then(|called| called.instances.iter().find(is_it));
    let is_gateway = process.service == GATEWAY;
    let second = sources.second.as_ref().and_then(|second| instance_second(second, &process));
    let passed = match &sources.second {
        Some(second) if is_gateway => second.passed,
        _ => second.map(|second| second.passed).unwrap_or_default(),
    };
    let used = process.pid.map(|pid| sources.usage.of(pid)).unwrap_or_default();
    // What the gateway says is of no interest where there is no process.
    let (reason, since) = match health {
        Some(health) if process.state == ProcessState::Running => (health.reason.clone(), health.since),
        _ => (process.reason, process.since),
    };
    let is_near = |known: &&LiveInstance| known.since.0.abs_diff(since.0) < NEAR_US;
    LiveInstance {
        health: health.map(|health| health.state),
        reason,
        since: known.filter(is_near).map_or(since, |known| known.since),
        weight: health.map_or(0, |health| health.weight),
        per_s: passed.requests,
        errors_per_s: passed.errors,
        p50_ms: ms(passed.p50_us),
        p95_ms: ms(passed.p95_us),
        p99_ms: ms(passed.p99_us),
        in_flight: health.map_or(0, |health| health.in_flight),
        connections: match &sources.second {
            Some(second) if is_gateway => count(second.connections),
            _ => health.map_or(0, |health| health.connections),
        },
        share_percent: second.map(|second| second.share_percent).unwrap_or_default(),
        fair_percent: second.map(|second| second.fair_percent).unwrap_or_default(),
        cpu_permille: used.cpu_permille,
        resident_bytes: used.resident_bytes,
        service: process.service,
        instance: process.instance,
        address: process.address,
        pid: process.pid,
        process: process.state,
        faults: process.words,
    }
}

fn instance_second<'s>(second: &'s Second, process: &Process) -> Option<&'s InstanceSecond> {
    let service = service_second(second, &process.service)?;
    service.instances.iter().find(|each| each.instance == process.instance)
}

fn service_second<'s>(second: &'s Second, service: &str) -> Option<&'s ServiceSecond> {
    second.services.iter().find(|each| each.service == service)
}

fn service(
    at: Timestamp,
    name: &str,
    instances: &[&LiveInstance],
    (called, second): (Option<&CalledService>, Option<&Second>),
    known: Option<&LiveService>,
) -> LiveService {
    let status = status(instances);
    let is_gateway = name == GATEWAY;
    let of_service = second.and_then(|second| service_second(second, name));
    let passed = match second {
        Some(second) if is_gateway => second.passed,
        _ => of_service.map_or_else(PassedShown::default, |second| second.passed),
    };
    let begun = instances.iter().map(|instance| instance.since).max().unwrap_or(at);
    let port = |instance: &&LiveInstance| {
        instance.address.as_deref().and_then(|address| address.rsplit_once(':')?.1.parse().ok())
    };
    LiveService {
        service: name.to_owned(),
        protocol: PROTOCOL.to_owned(),
        port: instances.first().and_then(port).unwrap_or(0),
        running: status.running,
        since: match known {
            Some(known) if known.status == status.words => known.since,
            Some(_) => at,
            None => begun,
        },
        status: status.words.to_owned(),
        reason: status.reason,
        algorithm: called.map(|called| called.algorithm.clone()).unwrap_or_default(),
        balancing: called.map(|called| called.balancing.clone()).unwrap_or_default(),
        per_s: passed.requests,
        errors_per_s: passed.errors,
        p50_ms: ms(passed.p50_us),
        p95_ms: ms(passed.p95_us),
        p99_ms: ms(passed.p99_us),
        in_flight: instances.iter().map(|instance| instance.in_flight).sum(),
        connections: instances.iter().map(|instance| instance.connections).sum(),
        retries: called.map_or(0, |called| called.retries),
        fairness: of_service.map_or(Decimal(10_000), |second| second.fairness),
    }
}

fn totals(second: Option<&Second>, seen: &[CalledService]) -> LiveTotals {
    let Some(second) = second else {
        return LiveTotals { balancer: balancer(seen), ..LiveTotals::default() };
    };
    LiveTotals {
        requests: second.requests,
        per_s: second.passed.requests,
        errors_per_s: second.passed.errors,
        p50_ms: ms(second.passed.p50_us),
        p95_ms: ms(second.passed.p95_us),
        p99_ms: ms(second.passed.p99_us),
        connections: second.connections,
        balancer: balancer(seen),
    }
}

/// How the services are balanced: the algorithm that most have, and those that have others.
fn balancer(seen: &[CalledService]) -> String {
    let mut algorithms: Vec<&str> = seen.iter().map(|called| &*called.algorithm).collect();
    algorithms.sort_unstable();
    let count = |name: &str| algorithms.iter().filter(|other| **other == name).count();
    let Some(most) = algorithms.iter().copied().max_by_key(|name| count(name)) else {
        return String::new();
    };
    let others = seen.iter().filter(|called| called.algorithm != most);
    others.fold(most.to_owned(), |words, called| {
        format!("{words}, {} for {}", called.algorithm, called.service)
    })
}

fn ms(us: u64) -> Decimal<3> {
    Decimal(i64::try_from(us).unwrap_or(i64::MAX))
}

fn count(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use micronet_wire::network::{InstanceState, Instances};

    pub(crate) fn process(service: &str, instance: &str, state: ProcessState) -> Process {
        Process {
            service: service.into(),
            instance: instance.into(),
            address: Some("127.0.0.1:8002".into()),
            pid: None,
            state,
            since: Timestamp(5),
            reason: "of its process".into(),
            restarts: 0,
            last_exit: None,
            words: vec!["rests".into()],
        }
    }

    pub(crate) fn called(instance: &str, state: InstanceState) -> CalledInstance {
        CalledInstance {
            instance: instance.into(),
            address: "127.0.0.1:1".into(),
            source: "static".into(),
            state,
            since: Timestamp(7),
            reason: "of its health".into(),
            weight: 100,
            connections: 2,
            in_flight: 3,
            calls: 10,
            failures: 0,
            mean_us: 1_500,
            share_permille: 1_000,
            history: Vec::new(),
        }
    }

    #[test]
    fn what_is_said_is_put_together() {
        let passed = |requests, p95_us| PassedShown { requests, p95_us, ..PassedShown::default() };
        let seen = CalledService {
            service: "product".into(),
            algorithm: "round_robin".into(),
            retries: 4,
            instances: vec![called("product-1", InstanceState::Up), called("product-2", InstanceState::Down)],
            ..CalledService::default()
        };
        let second = Second {
            requests: 99,
            connections: 8,
            passed: passed(70, 9_000),
            services: vec![ServiceSecond {
                service: "product".into(),
                passed: passed(60, 8_000),
                fairness: Decimal(5_000),
                instances: vec![InstanceSecond {
                    instance: "product-1".into(),
                    passed: passed(61, 7_000),
                    ..InstanceSecond::default()
                }],
            }],
            ..Second::default()
        };
        let watched = Watched {
            seen: Instances { seen_by: "gateway-1".into(), revision: 0, services: vec![seen] },
            ..Watched::default()
        };
        let sources = Sources { watched: Some(Rc::new(watched)), second: Some(second), ..Sources::default() };
        let processes = || {
            vec![
                process("gateway", "gateway-1", ProcessState::Running),
                process("product", "product-1", ProcessState::Running),
                process("product", "product-2", ProcessState::BackingOff),
            ]
        };
        let drawn = draw(Timestamp(50), LiveNetwork::default(), processes(), &sources, &Picture::default());
        assert_eq!(
            (drawn.totals.requests, drawn.totals.per_s, &*drawn.totals.balancer),
            (99, 70, "round_robin")
        );
        let product = &drawn.services["product"];
        assert_eq!((product.running, &*product.status, product.port), (true, "RUNNING", 8_002));
        assert_eq!((product.per_s, product.p95_ms, product.in_flight), (60, Decimal(8_000), 6));
        assert_eq!((product.retries, product.fairness, product.since), (4, Decimal(5_000), Timestamp(7)));
        assert_eq!(product.reason, "1 of 2 instances get calls; product-2: of its process");
        let gateway = &drawn.instances["gateway-1"];
        assert_eq!((gateway.per_s, gateway.connections, gateway.health), (70, 8, None));
        let [one, two] = ["product-1", "product-2"].map(|name| &drawn.instances[name]);
        assert_eq!((one.per_s, &*one.reason, one.since), (61, "of its health", Timestamp(7)));
        assert_eq!((two.per_s, two.health), (0, Some(InstanceState::Down)));
        assert_eq!(drawn.links.len(), 2);
        let link = drawn.links.values().next().unwrap();
        assert_eq!(
            (&*link.from, &*link.to_instance, link.per_s, link.mean_ms),
            ("gateway-1", "product-1", 61, Decimal(1_500))
        );
        // The status goes on from when it was another one.
        let again = draw(Timestamp(60), LiveNetwork::default(), processes(), &sources, &drawn);
        assert_eq!(again.services["product"].since, Timestamp(7));
        // Without the gateway only processes are known.
        let alone = draw(Timestamp(70), LiveNetwork::default(), processes(), &Sources::default(), &again);
        assert_eq!((alone.links.len(), alone.instances["product-1"].health), (0, None));
        assert_eq!(alone.services["product"].status, "RUNNING");
    }

    #[test]
    fn how_services_are_balanced_in_words() {
        let called = |service: &str, algorithm: &str| CalledService {
            service: service.into(),
            algorithm: algorithm.into(),
            ..CalledService::default()
        };
        assert_eq!(balancer(&[]), "");
        let seen = [called("a", "round_robin"), called("b", "adaptive"), called("c", "round_robin")];
        assert_eq!(balancer(&seen), "round_robin, adaptive for b");
    }
}
