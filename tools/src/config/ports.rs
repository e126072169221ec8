//! Which instances `up` starts, and on which ports.

use std::collections::BTreeMap;

use crate::error::CommandError;
use crate::registry::{GATEWAY, SERVICES, Service, service_named};

/// The most instances of one service that one `up` starts.
const INSTANCES_MAX: usize = 16;

/// An instance that is to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InstancePlan {
    /// Its service; None is the gateway.
    pub(crate) service: Option<&'static Service>,
    /// Its name.
    pub(crate) instance: String,
    /// Its port; 0 is a free one.
    pub(crate) port: u16,
}

impl InstancePlan {
    /// The name of its service, or the gateway's.
    pub(crate) fn service_name(&self) -> &'static str {
        self.service.map_or(GATEWAY, |service| service.name)
    }
}

/// Plans the instances from the base port and what `--port` says, in the order in which they start.
pub(super) fn plan(base: u16, flags: &[String]) -> Result<Vec<InstancePlan>, CommandError> {
    let mut asked = from_flags(flags)?;
    let mut plan = Vec::new();
    for service in SERVICES {
        let ports = match asked.remove(service.name) {
            Some(ports) => ports,
            None => {
                service.port_offsets.iter().map(|offset| counted(base, *offset)).collect::<Result<_, _>>()?
            }
        };
        plan.extend((1..).zip(ports).map(|(number, port)| InstancePlan {
            service: Some(service),
            instance: format!("{}-{number}", service.name),
            port,
        }));
    }
    let gateway = asked.remove(GATEWAY).map_or(Ok(vec![base]), |ports| match ports.len() {
        1 => Ok(ports),
        _ => {
            Err(CommandError::usage("there is one gateway, with one port").next("write --port gateway=8000"))
        }
    })?;
    plan.extend(gateway.into_iter().map(|port| InstancePlan {
        service: None,
        instance: format!("{GATEWAY}-1"),
        port,
    }));
    check_distinct(&plan)?;
    Ok(plan)
}

fn counted(base: u16, offset: u16) -> Result<u16, CommandError> {
    if base == 0 {
        return Ok(0);
    }
    base.checked_add(offset).ok_or_else(|| {
        CommandError::usage(format!("counted from the base port {base}, a port would be beyond 65535"))
            .next("choose a lower --base-port")
    })
}

fn from_flags(flags: &[String]) -> Result<BTreeMap<&str, Vec<u16>>, CommandError> {
    let mut asked = BTreeMap::new();
    for flag in flags {
        let refuse = |why: String| {
            CommandError::usage(format!("--port {flag:?}: {why}"))
                .next("write SERVICE=PORT[,PORT…], such as --port product=9002,9012")
        };
        let (name, ports) = flag.split_once('=').ok_or_else(|| refuse("it names no service".into()))?;
        if name != GATEWAY && service_named(name).is_none() {
            let known: Vec<&str> = SERVICES.iter().map(|service| service.name).chain([GATEWAY]).collect();
            return Err(refuse(format!("no service is called {name:?}; there are {}", known.join(", "))));
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

fn check_distinct(plan: &[InstancePlan]) -> Result<(), CommandError> {
    let mut owners: BTreeMap<u16, &str> = BTreeMap::new();
    for instance in plan.iter().filter(|instance| instance.port != 0) {
        if let Some(other) = owners.insert(instance.port, &instance.instance) {
            let port = instance.port;
            return Err(CommandError::usage(format!(
                "{other} and {} would both listen on {port}",
                instance.instance
            ))
            .next(format!("choose another port with --port {}=…", instance.service_name())));
        }
    }
    Ok(())
}
