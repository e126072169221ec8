//! Whether the ports are free, asked before anything starts, so that the answer names the port and who wanted it.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use crate::config::InstancePlan;
use crate::error::CommandError;

/// Checks that each instance's port can be bound. A port may still be taken between this and the child's own bind;
/// then the child says so.
pub(super) fn all_free(listen: IpAddr, instances: &[InstancePlan]) -> Result<(), CommandError> {
    for plan in instances.iter().filter(|plan| plan.port != 0) {
        TcpListener::bind(SocketAddr::new(listen, plan.port))
            .map_err(|error| not_free(listen, plan, &error))?;
    }
    Ok(())
}

fn not_free(listen: IpAddr, plan: &InstancePlan, error: &io::Error) -> CommandError {
    let (port, instance) = (plan.port, &plan.instance);
    match error.kind() {
        io::ErrorKind::AddrInUse => CommandError::new(format!(
            "port {port} ({instance}) is in use: another program listens on {listen}:{port}"
        ))
        .next(format!(
            "stop it (ss -ltnp 'sport = :{port}' names it), choose another with {}, or move all of them with \
             --base-port",
            choice(plan)
        )),
        io::ErrorKind::PermissionDenied => {
            CommandError::new(format!("port {port} ({instance}) is not allowed: {error}"))
                .next(format!("choose a port from 1024 upwards with {}", choice(plan)))
        }
        io::ErrorKind::AddrNotAvailable => CommandError::new(format!(
            "{instance} can't listen on {listen}: this machine has no such address"
        ))
        .next("choose one of its addresses with --listen (`ip address` shows them)"),
        _ => CommandError::new(format!("{instance} can't listen on {listen}:{port}: {error}"))
            .next(format!("choose another port with {}, or another address with --listen", choice(plan))),
    }
}

fn choice(plan: &InstancePlan) -> String {
    format!("--port {}=…", plan.service_name())
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
        let plan = InstancePlan { service: service_named("product"), instance: "product-2".into(), port };
        let error = all_free(listen, std::slice::from_ref(&plan)).unwrap_err().to_string();
        for word in [&port.to_string(), "product-2", "in use", "--port product=", "--base-port"] {
            assert!(error.contains(word), "{word} is missing in: {error}");
        }
        drop(other);
        all_free(listen, &[plan]).unwrap();
    }
}
