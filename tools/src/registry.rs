//! Which services there are, where they listen, and whom they call. A new service is named here.

use std::ffi::OsStr;

/// The cluster that a network belongs to unless `--cluster` says otherwise.
pub(crate) const CLUSTER_DEFAULT: &str = "micronet";
/// The gateway's name among services.
pub(crate) const GATEWAY: &str = "gateway";
/// The first port of a network; every other default port is counted from it.
pub(crate) const BASE_PORT: u16 = 8000;
/// The environment variable that holds the gateway's address as its clients use it.
pub(crate) const GATEWAY_ENVIRONMENT: &str = "FRONT";

/// A service that this binary can run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Service {
    /// Its name, on the command line and in the network.
    pub(crate) name: &'static str,
    /// The port of each instance that `up` starts, counted from the base port.
    pub(crate) port_offsets: &'static [u16],
    /// The services that it calls; they start before it and stop after it.
    pub(crate) calls: &'static [&'static str],
    /// The environment variable that holds its addresses for those who call it.
    pub(crate) environment: &'static str,
}

/// Every service, in the order in which they start.
pub(crate) const SERVICES: &[Service] = &[
    Service { name: "product", port_offsets: &[2, 12], calls: &[], environment: "CATALOG" },
    Service { name: "order", port_offsets: &[3], calls: &["product"], environment: "ORDER" },
];

impl Service {
    /// The service of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        SERVICES.iter().find(|service| service.name == name)
    }

    /// The port of its first instance.
    pub(crate) fn port_default(&self) -> u16 {
        BASE_PORT + self.port_offsets.first().copied().unwrap_or(0)
    }
}

/// The environment variables that hold addresses. `up` keeps them from its children, whose peers it names itself.
pub(crate) fn address_variables() -> impl Iterator<Item = &'static OsStr> {
    SERVICES.iter().map(|service| service.environment).chain([GATEWAY_ENVIRONMENT]).map(OsStr::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_starts_after_those_it_calls() {
        for (place, service) in SERVICES.iter().enumerate() {
            for called in service.calls {
                let before = SERVICES[..place].iter().any(|earlier| earlier.name == *called);
                assert!(before, "{} calls {called}, which does not start before it", service.name);
            }
        }
    }
}
