//! Whether the ports are free, asked before anything starts, so that the answer names the port and who wanted it.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use crate::config::{InstancePlan, L4Plan};
use crate::error::CommandError;

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
