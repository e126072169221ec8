//! What a network is made of: the services that there are, and the defaults around them.

use std::ffi::OsStr;

/// The cluster that a network belongs to unless `--cluster` says otherwise.
pub(crate) const CLUSTER_DEFAULT: &str = "micronet";
/// The gateway's name among services.
pub(crate) const GATEWAY: &str = "gateway";
/// The name of the instance of the gateway that `up` starts.
pub(crate) const GATEWAY_INSTANCE: &str = "gateway-1";
/// The gateway's port; every other default port is counted from it.
pub(crate) const BASE_PORT: u16 = 8000;
/// The name under which `--port` knows the gateway's RPC port.
pub(crate) const GATEWAY_RPC: &str = "gateway-rpc";
/// So far below its HTTP port the gateway speaks RPC.
const BELOW_HTTP: u16 = 999;
/// The control service's name: it is served by `up` itself.
pub(crate) const CONTROL: &str = "control";
/// Its only instance.
pub(crate) const CONTROL_INSTANCE: &str = "control-1";
/// So far below the gateway's HTTP port the control service is.
const CONTROL_BELOW_HTTP: u16 = 1_000;
/// The service that `bench serve` runs: in no network unless somebody starts it.
pub(crate) const BENCH: &str = "bench";
/// The environment variable that holds the gateway's address as its clients use it.
pub(crate) const GATEWAY_ENVIRONMENT: &str = "FRONT";

/// The environment variable that holds the URL of the PostgreSQL server with all data. `up` hands it to its services.
pub(crate) const DATABASE_ENVIRONMENT: &str = "DATABASE_URL";

/// The environment variable that holds the URL of a Redis server. `up` hands it to its services.
pub(crate) const REDIS_ENVIRONMENT: &str = "REDIS_URL";

/// The service of which accounts are.
pub(crate) const AUTH: &str = micronet_wire::authority::AUTHORITY;

/// The services that this binary can run, in the order in which they start.
pub(crate) use micronet_services::ALL as SERVICES;
pub(crate) use micronet_services::run::Definition as Service;

/// The service of this name.
pub(crate) fn service_named(name: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.name == name)
}

/// All that call others in a network, and are called.
pub(crate) fn callers() -> Vec<&'static str> {
    [GATEWAY].into_iter().chain(SERVICES.iter().map(|service| service.name)).collect()
}

/// The port of a service's first instance.
pub(crate) fn port_default(service: &Service) -> u16 {
    port_at(BASE_PORT, service.port_offsets.first().copied().unwrap_or(0))
}

/// The port that lies so far from the gateway's.
pub(crate) fn port_at(gateway: u16, offset: i32) -> u16 {
    u16::try_from(i32::from(gateway) + offset).unwrap_or(gateway)
}

/// Where the gateway speaks RPC that has its HTTP on this port; 0, a free port, where there is none so far below.
pub(crate) fn rpc_port_of_gateway(http_port: u16) -> u16 {
    http_port.saturating_sub(BELOW_HTTP)
}

/// Where the control service is of a network whose gateway has its HTTP on this port; 0, a free port, where there is none so far below.
pub(crate) fn control_port(http_port: u16) -> u16 {
    http_port.saturating_sub(CONTROL_BELOW_HTTP)
}

/// The port on which the first instance of a service speaks RPC, the gateway's own service among them.
pub(crate) fn rpc_port_default(name: &str) -> Option<u16> {
    match name {
        GATEWAY => Some(rpc_port_of_gateway(BASE_PORT)),
        CONTROL => Some(control_port(BASE_PORT)),
        _ => service_named(name).map(port_default),
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
    fn every_instance_has_a_port_of_its_own() {
        let mut taken = vec![BASE_PORT];
        for service in SERVICES {
            for offset in service.port_offsets {
                let port = port_at(BASE_PORT, *offset);
                assert!(!taken.contains(&port), "{}: {port} is taken", service.name);
                taken.push(port);
            }
        }
        assert!([5001, 5002, 5003, 8001].iter().all(|port| taken.contains(port)), "{taken:?}");
    }

    #[test]
    fn a_service_starts_after_those_it_cannot_do_without() {
        for (place, service) in SERVICES.iter().enumerate() {
            for called in service.requires {
                let before = SERVICES[..place].iter().any(|earlier| earlier.name == *called);
                assert!(before, "{} requires {called}, which does not start before it", service.name);
            }
        }
    }
}
