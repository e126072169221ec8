//! Which services a process calls, and where they are.

use std::collections::BTreeMap;

use micronet_transport::discovery::dns::DnsName;

use super::{DiscoveryConfig, Environment};
use crate::address::HostPort;
use crate::error::CommandError;
use crate::registry::{SERVICES, Service, port_default, service_named};

/// The most addresses that one service may have here.
const ADDRESSES_MAX: usize = 64;
/// The longest domain name (RFC 1035 section 2.3.4), in bytes.
const NAME_BYTES_MAX: usize = 255;

/// The services that are called, and where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peers {
    /// The addresses of each. There are none where others say where its instances are: names, a file, or the instances themselves.
    addresses: BTreeMap<String, Vec<HostPort>>,
    /// The names by which instances are found.
    names: BTreeMap<String, Vec<DnsName>>,
}

impl Peers {
    /// The peers of a service: those that it calls, and no others.
    pub(super) fn of_service(
        service: &Service,
        flags: &[String],
        discovery: &DiscoveryConfig,
        elsewhere: Option<Environment<'_>>,
    ) -> Result<Self, CommandError> {
        if let Some(flag) = flags.iter().find(|flag| !flag.contains('=')) {
            return Err(names_no_address(flag));
        }
        let mut peers = Self::from_flags(flags)?;
        let calls: Vec<_> = service.calls().collect();
        if let Some(stranger) = peers.addresses.keys().find(|name| !calls.contains(&name.as_str())) {
            let calls = if calls.is_empty() { "no service" } else { &calls.join(", ") };
            return Err(CommandError::usage(format!("{} does not call {stranger:?}", service.name))
                .next(format!("leave --peer {stranger}=… out: {} calls {calls}", service.name)));
        }
        // One file may serve all processes of a network.
        peers.are_in(discovery.services().filter(|name| calls.contains(name)));
        let called = SERVICES.iter().filter(|each| calls.contains(&each.name));
        // What it can do without is called only where somebody says where that is.
        peers.with_defaults(called, |called| service.requires.contains(&called.name), elsewhere)
    }

    /// The peers of the gateway: those that were named, which need not be services of this binary; if none was, every service
    /// of this binary.
    pub(super) fn of_gateway(
        flags: &[String],
        discovery: &DiscoveryConfig,
        elsewhere: Option<Environment<'_>>,
    ) -> Result<Self, CommandError> {
        let mut named = Self::from_flags(flags)?;
        named.are_in(discovery.services());
        let named = named.with_defaults(SERVICES.iter(), |_| false, elsewhere)?;
        if !named.addresses.is_empty() {
            return Ok(named);
        }
        named.with_defaults(SERVICES.iter(), |_| true, elsewhere)
    }

    /// Each service's name and its addresses.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[HostPort])> {
        self.addresses.iter().map(|(name, addresses)| (name.as_str(), addresses.as_slice()))
    }

    /// Each service that is found by names, and these.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, &[DnsName])> {
        self.names.iter().map(|(service, names)| (service.as_str(), names.as_slice()))
    }

    /// A file says where these services are.
    fn are_in<'n>(&mut self, services: impl Iterator<Item = &'n str>) {
        for service in services {
            self.addresses.entry(service.to_owned()).or_default();
        }
    }

    /// A flag given twice for one service adds to its addresses.
    fn from_flags(flags: &[String]) -> Result<Self, CommandError> {
        let mut peers = Self::default();
        for flag in flags {
            let Some((name, addresses)) = flag.split_once('=') else {
                // Its instances will say themselves where they are.
                if flag.contains([':', ',', '/']) {
                    return Err(names_no_address(flag));
                }
                peers.addresses.entry(super::name("service", flag.clone())?).or_default();
                continue;
            };
            let port_default = service_named(name).map(port_default);
            peers.add(name, addresses, port_default)?;
        }
        Ok(peers)
    }

    /// What no flag names is taken from the environment, else it is the default port on localhost, if it has a default.
    /// Where nothing is to be found elsewhere, the flags have named all.
    fn with_defaults<'s>(
        mut self,
        services: impl Iterator<Item = &'s Service>,
        has_default: impl Fn(&Service) -> bool,
        elsewhere: Option<Environment<'_>>,
    ) -> Result<Self, CommandError> {
        let Some(environment) = elsewhere else { return Ok(self) };
        for service in services {
            if self.addresses.contains_key(service.name) {
                continue;
            }
            let port = port_default(service);
            match environment(service.environment).filter(|_| is_set(environment, service)) {
                Some(text) => self.add(service.name, &text, Some(port)).map_err(|error| {
                    error.next(format!("set {} to HOST or HOST:PORT, or unset it", service.environment))
                })?,
                None if !has_default(service) => {}
                None => {
                    self.addresses.insert(service.name.to_owned(), vec![HostPort::new("localhost", port)]);
                }
            }
        }
        Ok(self)
    }

    fn add(&mut self, name: &str, addresses: &str, port_default: Option<u16>) -> Result<(), CommandError> {
        let list = self.addresses.entry(super::name("service", name.to_owned())?).or_default();
        for text in addresses.split(',') {
            let text = text.trim();
            if let Some(dns) = dns_name(text, port_default)? {
                self.names.entry(name.to_owned()).or_default().push(dns);
                continue;
            }
            let address = HostPort::parse(text, port_default).map_err(|error| {
                // Only a service of this binary has a port that goes without saying.
                if port_default.is_none() && HostPort::parse(text, Some(1)).is_ok() {
                    CommandError::usage(format!("{name} at {text:?}: the port is missing"))
                        .next(format!("{name} has no default port here: write {name}={text}:PORT"))
                } else {
                    error
                }
            })?;
            if !list.contains(&address) {
                list.push(address);
            }
        }
        if list.len() > ADDRESSES_MAX {
            return Err(CommandError::usage(format!("{name} has more than {ADDRESSES_MAX} addresses"))
                .next("name fewer of its instances here"));
        }
        Ok(())
    }
}

fn names_no_address(flag: &str) -> CommandError {
    CommandError::usage(format!("--peer {flag:?} is not NAME=ADDRESS"))
        .next("write NAME=ADDRESS, such as --peer product=localhost:8002")
}

/// A name that is looked up again and again, where it is one.
fn dns_name(text: &str, port_default: Option<u16>) -> Result<Option<DnsName>, CommandError> {
    if let Some(host) = text.strip_prefix("dns:") {
        let (host, port) = HostPort::parse(host, port_default)?.into_parts();
        return Ok(Some(DnsName::Host(host, port)));
    }
    let Some(name) = text.strip_prefix("srv:") else { return Ok(None) };
    let is_in_names = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_in_names) {
        return Err(CommandError::usage(format!("{text:?} names no SRV record"))
            .next("write srv:NAME, such as srv:_rpc._tcp.product.example"));
    }
    Ok(Some(DnsName::Service(name.to_owned())))
}

/// Whether the environment says where a service is.
fn is_set(environment: Environment<'_>, service: &Service) -> bool {
    environment(service.environment).is_some_and(|text| !text.trim().is_empty())
}
