//! Which instances `up` starts, and on which ports.

use std::collections::BTreeMap;

use crate::error::CommandError;
use crate::profile::Profile;
use crate::registry::{
    CONTROL, GATEWAY, GATEWAY_INSTANCE, GATEWAY_RPC, Service, control_port, rpc_port_of_gateway,
};

/// The most instances of one service that one `up` runs.
pub(crate) const INSTANCES_MAX: usize = 16;

/// An instance that is to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InstancePlan {
    /// Its service; None is the gateway.
    pub(crate) service: Option<&'static Service>,
    /// Its name.
    pub(crate) instance: String,
    /// Its port; 0 is a free one.
    pub(crate) port: u16,
    /// The gateway's other port, where it speaks RPC; a service has one port for everything.
    pub(crate) rpc_port: Option<u16>,
}

impl InstancePlan {
    /// The name of its service, or the gateway's.
    pub(crate) fn service_name(&self) -> &'static str {
        self.service.map_or(GATEWAY, |service| service.name)
    }

    /// Its ports, each with the name under which `--port` knows it.
    pub(crate) fn ports(&self) -> impl Iterator<Item = (u16, &'static str)> {
        [(self.port, self.service_name())].into_iter().chain(self.rpc_port.map(|port| (port, GATEWAY_RPC)))
    }
}

/// What `up` runs.
#[derive(Debug)]
pub(super) struct Plan {
    /// The instances, in the order in which they start.
    pub(super) instances: Vec<InstancePlan>,
    /// The port of the control service; 0 is a free one.
    pub(super) control_port: u16,
}

/// Plans the instances of a profile, in the order in which they start. `--port` says where those of a service are; all
/// others are where the profile has them, moved as far as the base port lies from the profile's gateway.
pub(super) fn plan(profile: &Profile, base: Option<u16>, flags: &[String]) -> Result<Plan, CommandError> {
    let moved = |port: u16| moved(profile, base, port);
    let mut asked = from_flags(profile, flags)?;
    let mut plan = Vec::new();
    for (service, ports) in profile.services() {
        let ports = match asked.remove(service.name) {
            Some(ports) => ports,
            None => ports.into_iter().map(moved).collect::<Result<_, _>>()?,
        };
        plan.extend((1..).zip(ports).map(|(number, port)| InstancePlan {
            service: Some(service),
            instance: format!("{}-{number}", service.name),
            port,
            rpc_port: None,
        }));
    }
    let mut one = |name| match asked.remove(name).as_deref() {
        None => Ok(None),
        Some([port]) => Ok(Some(*port)),
        Some(_) => Err(CommandError::usage(
            "there is one gateway, with one port for HTTP and one for RPC, and one control service",
        )
        .next("write --port gateway=8000, --port gateway-rpc=7001 and --port control=7000")),
    };
    plan.push(InstancePlan {
        service: None,
        instance: GATEWAY_INSTANCE.to_owned(),
        port: one(GATEWAY)?.map_or_else(|| moved(profile.gateway_port), Ok)?,
        rpc_port: one(GATEWAY_RPC)?.or(Some(rpc_port_of_gateway(base.unwrap_or(profile.gateway_port)))),
    });
    let control_port = one(CONTROL)?.unwrap_or(control_port(base.unwrap_or(profile.gateway_port)));
    check_distinct(&plan, control_port)?;
    Ok(Plan { instances: plan, control_port })
}

/// Where a port of the profile is when its gateway is on the base port; on base port 0 it is a free one.
pub(super) fn moved(profile: &Profile, base: Option<u16>, port: u16) -> Result<u16, CommandError> {
    let base = base.unwrap_or(profile.gateway_port);
    if base == 0 {
        return Ok(0);
    }
    let moved = i32::from(base) + i32::from(port) - i32::from(profile.gateway_port);
    u16::try_from(moved).ok().filter(|port| *port != 0).ok_or_else(|| {
        CommandError::usage(format!("with base port {base}, port {port} would become {moved}"))
            .next("a port is from 1 to 65535: choose another --base-port")
    })
}

fn from_flags<'f>(
    profile: &Profile,
    flags: &'f [String],
) -> Result<BTreeMap<&'f str, Vec<u16>>, CommandError> {
    let mut asked = BTreeMap::new();
    let services = profile.services();
    let names = services.iter().map(|(service, _)| service.name);
    let known: Vec<&str> = names.chain([GATEWAY, GATEWAY_RPC, CONTROL]).collect();
    for flag in flags {
        let refuse = |why: String| {
            CommandError::usage(format!("--port {flag:?}: {why}"))
                .next("write SERVICE=PORT[,PORT…], such as --port product=9102,9112")
        };
        let (name, ports) = flag.split_once('=').ok_or_else(|| refuse("it names no service".into()))?;
        if !known.contains(&name) {
            let known = known.join(", ");
            return Err(refuse(format!("the profile {profile} has no service {name:?}; it has {known}")));
        }
        let ports: Vec<u16> = ports
            .split(',')
            .map(|port| {
                port.trim().parse().map_err(|_| refuse(format!("{port:?} is not a port (0 to 65535)")))
            })
            .collect::<Result<_, _>>()?;
        if ports.len() > INSTANCES_MAX {
            return Err(refuse(format!("a service has at most {INSTANCES_MAX} instances")));
        }
        if asked.insert(name, ports).is_some() {
            return Err(refuse(format!("{name} is named twice; list all its ports at once")));
        }
    }
    Ok(asked)
}

fn check_distinct(plan: &[InstancePlan], control_port: u16) -> Result<(), CommandError> {
    let mut owners: BTreeMap<u16, &str> = BTreeMap::new();
    let ports = plan.iter().flat_map(|plan| plan.ports().map(|(port, flag)| (port, flag, &*plan.instance)));
    for (port, flag, name) in ports.chain([(control_port, CONTROL, CONTROL)]).filter(|(port, ..)| *port != 0)
    {
        if let Some(other) = owners.insert(port, name) {
            return Err(CommandError::usage(format!("{other} and {name} would both listen on {port}"))
                .next(format!("choose another port with --port {flag}=…")));
        }
    }
    Ok(())
}
