//! Whether the ports are free, asked before anything starts, so that the answer names the port and who wanted it.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;

use crate::config::{InstancePlan, L4Plan};
use crate::error::CommandError;
use crate::load::random::Random;

/// Where ports are looked for that have to be known before their instance starts: below those that the operating system
/// gives to outgoing connections (32768 upwards on Linux), one of which could have it by then.
const SETTLED_PORTS: RangeInclusive<u16> = 20_000..=32_000;
/// How many are tried.
const SETTLE_TRIES: u32 = 1_000;

/// Checks that each instance's port can be bound. A port may still be taken between this and the child's own bind;
/// then the child says so.
pub(super) fn all_free(listen: IpAddr, instances: &[InstancePlan]) -> Result<(), CommandError> {
    for plan in instances {
        for (port, flag) in plan.ports().filter(|(port, _)| *port != 0) {
            TcpListener::bind(SocketAddr::new(listen, port))
                .map_err(|error| not_free(listen, plan, (port, flag), &error))?;
        }
    }
    Ok(())
}

/// Gives instances a free port that were to take any, where another service wants them that starts before them: its
/// process has to be told where they will be. So has the gateway, where it is to speak RPC.
pub(super) fn settle_wanted(
    listen: IpAddr,
    instances: &[InstancePlan],
) -> Result<Vec<InstancePlan>, CommandError> {
    let mut settled = instances.to_vec();
    for place in 0..settled.len() {
        let wanted = settled[place].service.is_some_and(|service| {
            let earlier = instances[..place].iter().filter_map(|plan| plan.service);
            earlier.into_iter().any(|other| other != service && other.wants.contains(&service.name))
        });
        if wanted && settled[place].port == 0 {
            settled[place].port = free_port(listen, &ports_of(&settled))?;
        }
        if settled[place].rpc_port == Some(0) {
            settled[place].rpc_port = Some(free_port(listen, &ports_of(&settled))?);
        }
    }
    Ok(settled)
}

fn ports_of(instances: &[InstancePlan]) -> Vec<u16> {
    instances.iter().flat_map(InstancePlan::ports).map(|(port, _)| port).collect()
}

/// Checks that each virtual port can be bound.
pub(super) fn virtual_free(listen: IpAddr, plans: &[L4Plan]) -> Result<(), CommandError> {
    for plan in plans.iter().filter(|plan| plan.port != 0) {
        TcpListener::bind(SocketAddr::new(listen, plan.port)).map_err(|error| {
            let (port, service) = (plan.port, plan.service.name);
            let why = CommandError::new(format!("port {port} (the gateway's virtual port of {service}): {error}"));
            why.next(format!(
                "stop what listens there (ss -ltnp 'sport = :{port}' names it), move all ports with --base-port, or \
                 leave virtual ports out with --no-l4"
            ))
        })?;
    }
    Ok(())
}

/// Gives virtual ports a free port that were to take any: others are told where they are.
pub(super) fn settle_virtual(
    listen: IpAddr,
    plans: &[L4Plan],
    instances: &[InstancePlan],
) -> Result<Vec<L4Plan>, CommandError> {
    let mut taken = ports_of(instances);
    let mut settled = plans.to_vec();
    for plan in settled.iter_mut().filter(|plan| plan.port == 0) {
        plan.port = free_port(listen, &taken)?;
        taken.push(plan.port);
    }
    Ok(settled)
}

fn free_port(listen: IpAddr, taken: &[u16]) -> Result<u16, CommandError> {
    let no_port = |why: String| CommandError::new(format!("no free port could be found: {why}"));
    let mut random = Random::from_system().map_err(|error| no_port(error.to_string()))?;
    let count = u64::from(SETTLED_PORTS.end() - SETTLED_PORTS.start()) + 1;
    for _ in 0..SETTLE_TRIES {
        let port = SETTLED_PORTS.start() + u16::try_from(random.below(count)).unwrap_or(0);
        let is_free = !taken.contains(&port) && TcpListener::bind(SocketAddr::new(listen, port)).is_ok();
        if is_free {
            return Ok(port);
        }
    }
    Err(no_port(format!("{SETTLE_TRIES} of {SETTLED_PORTS:?} are in use"))
        .next("name ports with --port or --base-port"))
}

fn not_free(
    listen: IpAddr,
    plan: &InstancePlan,
    (port, flag): (u16, &str),
    error: &io::Error,
) -> CommandError {
    let instance = &plan.instance;
    let choice = format!("--port {flag}=…");
    match error.kind() {
        io::ErrorKind::AddrInUse => CommandError::new(format!(
            "port {port} ({instance}) is in use: another program listens on {listen}:{port}"
        ))
        .next(format!(
            "stop it (ss -ltnp 'sport = :{port}' names it), choose another with {choice}, or move all of them with \
             --base-port",
        )),
        io::ErrorKind::PermissionDenied => {
            CommandError::new(format!("port {port} ({instance}) is not allowed: {error}"))
                .next(format!("choose a port from 1024 upwards with {choice}"))
        }
        io::ErrorKind::AddrNotAvailable => CommandError::new(format!(
            "{instance} can't listen on {listen}: this machine has no such address"
        ))
        .next("choose one of its addresses with --listen (`ip address` shows them)"),
        _ => CommandError::new(format!("{instance} can't listen on {listen}:{port}: {error}"))
            .next(format!("choose another port with {choice}, or another address with --listen")),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::registry::{SERVICES, service_named};

    #[test]
    fn who_is_wanted_by_an_earlier_service_has_a_port_before_it_starts() {
        let listen = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let instances: Vec<InstancePlan> = SERVICES
            .iter()
            .map(|service| InstancePlan {
                service: Some(service),
                instance: service.name.into(),
                port: 0,
                rpc_port: None,
            })
            .collect();
        for plan in settle_wanted(listen, &instances).unwrap() {
            let service = plan.service.unwrap();
            let before = SERVICES.iter().take_while(|other| *other != service);
            let wanted = before.into_iter().any(|other| other.wants.contains(&service.name));
            assert_eq!(plan.port != 0, wanted, "{}", plan.instance);
        }
    }

    #[test]
    fn a_port_in_use_is_named_with_the_service_that_wanted_it() {
        let listen = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let other = TcpListener::bind((listen, 0)).unwrap();
        let port = other.local_addr().unwrap().port();
        let plan = InstancePlan {
            service: service_named("product"),
            instance: "product-2".into(),
            port,
            rpc_port: None,
        };
        let error = all_free(listen, std::slice::from_ref(&plan)).unwrap_err().to_string();
        for word in [&port.to_string(), "product-2", "in use", "--port product=", "--base-port"] {
            assert!(error.contains(word), "{word} is missing in: {error}");
        }
        drop(other);
        all_free(listen, &[plan]).unwrap();
    }
}
