//! Whether the ports are free, asked before anything starts, so that the answer names the port and who wanted it.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;

use crate::config::{InstancePlan, L4Plan};
use crate::error::CommandError;

/// Where ports are looked for that have to be known before their instance starts: below those that the operating system
/// gives to outgoing connections (32768 upwards on Linux), one of which could have it by then.
const SETTLED_PORTS: RangeInclusive<u16> = 20_000..=32_000;
/// How far apart processes whose ids follow each other begin to look: more ports than a network usually has.
const SETTLE_STRIDE: u32 = 32;

/// Checks that each instance's port can be bound. A port may still be taken between this and the child's own bind;
/// then the child says so.
pub(super) fn all_free(listen: IpAddr, instances: &[InstancePlan]) -> Result<(), CommandError> {
    for plan in instances {
        for port in plan.ports() {
            is_free(listen, &plan.instance, port)?;
        }
    }
    Ok(())
}

/// Checks that an instance can listen on its port, which `--port` knows by the name beside it.
pub(super) fn is_free(listen: IpAddr, instance: &str, (port, flag): (u16, &str)) -> Result<(), CommandError> {
    if port == 0 {
        return Ok(());
    }
    let bound = TcpListener::bind(SocketAddr::new(listen, port));
    bound.map(drop).map_err(|error| not_free(listen, instance, (port, flag), &error))
}

/// Gives instances a free port that were to take any: others have to be told where they will be, and one that is started again
/// is looked for where it was.
pub(super) fn settle(listen: IpAddr, instances: &[InstancePlan]) -> Result<Vec<InstancePlan>, CommandError> {
    let mut settled = instances.to_vec();
    for place in 0..settled.len() {
        if settled[place].port == 0 {
            settled[place].port = free_port(listen, &ports_of(&settled))?;
        }
        if settled[place].rpc_port == Some(0) {
            settled[place].rpc_port = Some(free_port(listen, &ports_of(&settled))?);
        }
    }
    Ok(settled)
}

/// The ports of these instances.
pub(super) fn ports_of(instances: &[InstancePlan]) -> Vec<u16> {
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

/// A port that nobody has and none of these will have. Networks that start at the same time look in different places.
pub(super) fn free_port(listen: IpAddr, taken: &[u16]) -> Result<u16, CommandError> {
    let count = u32::from(SETTLED_PORTS.end() - SETTLED_PORTS.start());
    let first = std::process::id().wrapping_mul(SETTLE_STRIDE);
    for offset in 0..count {
        let offset = u16::try_from(first.wrapping_add(offset) % count).unwrap_or_default();
        let port = SETTLED_PORTS.start() + offset;
        let is_free = !taken.contains(&port) && TcpListener::bind(SocketAddr::new(listen, port)).is_ok();
        if is_free {
            return Ok(port);
        }
    }
    Err(CommandError::new(format!("no free port could be found: all of {SETTLED_PORTS:?} are in use"))
        .next("name ports with --port or --base-port"))
}

fn not_free(listen: IpAddr, instance: &str, (port, flag): (u16, &str), error: &io::Error) -> CommandError {
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
    use crate::registry::service_named;

    #[test]
    fn everybody_has_a_port_before_it_starts() {
        let listen = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let plan = |port, rpc_port| InstancePlan {
            service: service_named("product"),
            instance: "product-1".into(),
            port,
            rpc_port,
        };
        let settled = settle(listen, &[plan(0, None), plan(7, None), plan(0, Some(0))]).unwrap();
        let mut ports: Vec<u16> =
            settled.iter().flat_map(InstancePlan::ports).map(|(port, _)| port).collect();
        assert_eq!(ports.remove(1), 7, "it had one");
        assert!(ports.iter().all(|port| SETTLED_PORTS.contains(port)), "{ports:?}");
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 3, "each is another one");
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
