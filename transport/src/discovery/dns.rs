//! Instances by the domain name system: all addresses of a host, or what its SRV records say (RFC 2782).
//!
//! A name is resolved again when its answer expires, within [`DNS_MS_MIN`] and [`DNS_MS_MAX`].

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::rdata::SRV;
use micronet_wire::limits::{CONNECT_MS_MAX, DNS_MS_MAX, DNS_MS_MIN, INSTANCES_MAX};

use crate::identity::random_bytes;
use crate::network::Network;
use crate::tasks;
use crate::upstream::{Source, Target, WEIGHT_NORM};

/// For how long a process waits at its start for the first answer.
const FIRST_ANSWER_MAX: Duration = Duration::from_secs(2);

/// A name that leads to instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsName {
    /// All addresses of a host (A and AAAA records), with this port.
    Host(String, u16),
    /// The hosts, ports and weights of the SRV records of a name, as `_rpc._tcp.product.example`; those of the best priority.
    Service(String),
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host, port) => write!(f, "dns:{host}:{port}"),
            Self::Service(name) => write!(f, "srv:{name}"),
        }
    }
}

/// Asks name servers.
#[derive(Debug, Clone)]
pub struct Resolver(TokioResolver);

impl Resolver {
    /// Asks the name servers that the operating system is set up with.
    ///
    /// # Errors
    /// Why its set-up can't be read.
    pub fn system() -> Result<Self, String> {
        let mut builder = TokioResolver::builder_tokio().map_err(|error| error.to_string())?;
        set_up(builder.options_mut());
        builder.build().map(Self).map_err(|error| error.to_string())
    }

    /// Asks this server.
    ///
    /// # Errors
    /// Why it can't be asked.
    pub fn of_server(server: SocketAddr) -> Result<Self, String> {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = server.port();
            connection
        });
        let server = NameServerConfig::new(server.ip(), true, connections.into());
        let config = ResolverConfig::from_name_servers(vec![server]);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        set_up(builder.options_mut());
        builder.build().map(Self).map_err(|error| error.to_string())
    }

    /// Where the names lead, and for how long that holds.
    async fn find(&self, names: &[DnsName]) -> Result<Answer, String> {
        let mut all = Answer { targets: Vec::new(), ttl_s: u32::MAX };
        for name in names {
            let found = match name {
                DnsName::Host(host, port) => self.host(host, *port, WEIGHT_NORM).await,
                DnsName::Service(service) => self.service(service).await,
            };
            all.add(found.map_err(|error| format!("{name}: {error}"))?);
        }
        all.targets.sort_by_key(|target| target.address);
        all.targets.dedup_by_key(|target| target.address);
        Ok(all)
    }

    async fn host(&self, host: &str, port: u16, weight: u32) -> Result<Answer, NetError> {
        let found = self.0.lookup_ip(host).await?;
        let target = |ip: IpAddr| Target { address: SocketAddr::new(ip, port), weight };
        Ok(Answer { targets: found.iter().map(target).collect(), ttl_s: ttl_s(found.as_lookup()) })
    }

    async fn service(&self, name: &str) -> Result<Answer, NetError> {
        let found = self.0.srv_lookup(name).await?;
        let mut all = Answer { targets: Vec::new(), ttl_s: ttl_s(&found) };
        let record = |data: &RData| if let RData::SRV(record) = data { Some(record.clone()) } else { None };
        let records: Vec<SRV> = found.answers().iter().filter_map(|answer| record(&answer.data)).collect();
        for record in best(records) {
            let weight = weight(&record);
            all.add(self.host(&record.target.to_string(), record.port, weight).await?);
        }
        Ok(all)
    }
}

/// The records of the best priority. One that stands for nothing at all says so by the root as its target (RFC 2782).
fn best(mut records: Vec<SRV>) -> Vec<SRV> {
    records.retain(|record| !record.target.is_root());
    let best = records.iter().map(|record| record.priority).min();
    records.retain(|record| Some(record.priority) == best);
    records.truncate(INSTANCES_MAX);
    records
}

/// Records whose weights are all 0 are alike, so that 0 is the norm; other weights count in relation to each other.
fn weight(record: &SRV) -> u32 {
    if record.weight == 0 { WEIGHT_NORM } else { u32::from(record.weight).min(10_000) }
}

/// What names have led to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    targets: Vec<Target>,
    ttl_s: u32,
}

impl Answer {
    fn add(&mut self, more: Self) {
        self.targets.extend(more.targets);
        self.ttl_s = self.ttl_s.min(more.ttl_s);
    }
}

fn ttl_s(lookup: &Lookup) -> u32 {
    lookup.answers().iter().map(|answer| answer.ttl).min().unwrap_or(0)
}

fn set_up(options: &mut ResolverOpts) {
    // The answers are kept by who asks, as long as they hold.
    options.cache_size = 0;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.timeout = Duration::from_millis(CONNECT_MS_MAX);
    options.attempts = 2;
}

/// Finds the instances of a service by these names, and tells `network` of them, now and whenever the answers expire, for as long as
/// the network is there. Returns when there was a first answer, good or bad, or after two seconds.
///
/// Must be called on a `LocalRuntime` or within a `LocalSet`.
pub async fn follow(network: &Rc<Network>, service: &str, names: Vec<DnsName>, resolver: Resolver) {
    let (first, answered) = tokio::sync::oneshot::channel();
    let following = keep_following(Rc::downgrade(network), service.to_owned(), names, resolver, first);
    tasks::spawn("discovery by DNS", following);
    let _ = tokio::time::timeout(FIRST_ANSWER_MAX, answered).await;
}

async fn keep_following(
    network: Weak<Network>,
    service: String,
    names: Vec<DnsName>,
    resolver: Resolver,
    first: tokio::sync::oneshot::Sender<()>,
) {
    let (mut first, mut failures) = (Some(first), 0_u32);
    loop {
        let found = resolver.find(&names).await;
        let Some(network) = network.upgrade() else { return };
        let ttl_s = match found {
            Ok(answer) => {
                failures = 0;
                network.found(&service, Source::Dns, &answer.targets);
                answer.ttl_s
            }
            Err(why) => {
                failures = failures.saturating_add(1);
                network.not_found(&service, Source::Dns, &why);
                // As long as nothing is known: one second, then two, and so on.
                1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX).min(30)
            }
        };
        drop(network);
        let _ = first.take().map(|first| first.send(()));
        tokio::time::sleep(pause(ttl_s, u16::from_ne_bytes(random_bytes()))).await;
    }
}

/// For how long an answer is kept: its time, within limits, and up to a tenth longer by chance.
fn pause(ttl_s: u32, random: u16) -> Duration {
    let ms = (u64::from(ttl_s) * 1_000).clamp(DNS_MS_MIN, DNS_MS_MAX);
    Duration::from_millis(ms + ms * u64::from(random) / u64::from(u16::MAX) / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept_for_their_time_within_limits() {
        let check = |ttl_s: u32, least: u64| {
            for random in [0, 1, u16::MAX / 2, u16::MAX] {
                let ms = u64::try_from(pause(ttl_s, random).as_millis()).unwrap();
                assert!((least..=least + least / 10).contains(&ms), "{ttl_s}: {ms}");
            }
        };
        check(0, 1_000);
        check(1, 1_000);
        check(60, 60_000);
        check(u32::MAX, 300_000);
    }

    #[test]
    fn only_srv_records_of_the_best_priority_count() {
        let record = |priority, weight, target: &str| SRV::new(priority, weight, 1, target.parse().unwrap());
        let picked = |records: Vec<SRV>| {
            best(records).iter().map(|each| format!("{} {}", each.target, weight(each))).collect::<Vec<_>>()
        };
        let all = vec![record(2, 1, "spare."), record(1, 60, "a."), record(1, 0, "b."), record(0, 0, ".")];
        assert_eq!(picked(all), ["a. 60", "b. 100"]);
        assert_eq!(picked(vec![record(0, 5, ".")]), Vec::<String>::new());
    }
}
