//! How instances are started: by the same command that a person would type.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;

use micronet_services::demo::Demo;

use super::children::Launch;
use crate::address::{self, reachable};
use crate::cli::LogFormat;
use crate::config::{InstancePlan, L4Plan, UpConfig};
use crate::data_folder::DataFolder;
use crate::registry::{AUTH, CONTROL, SERVICES, Service};

/// What all instances of a network are started with.
#[derive(Clone, Debug)]
pub(super) struct Launcher {
    pub(super) program: PathBuf,
    pub(super) config: Rc<UpConfig>,
    pub(super) data: DataFolder,
    pub(super) demo: Demo,
    /// Where the control service listens.
    pub(super) control: SocketAddr,
    /// The gateway's virtual ports.
    pub(super) l4: Vec<L4Plan>,
}

impl Launcher {
    /// How an instance is started among these. `again` is the line with which its log goes on.
    pub(super) fn launch(
        &self,
        plan: &InstancePlan,
        among: &[InstancePlan],
        again: Option<String>,
    ) -> Launch {
        let config = &self.config;
        let mut arguments: Vec<String> = match plan.service {
            Some(service) => {
                vec!["service".into(), service.name.into(), "--demo".into(), self.demo.to_string()]
            }
            None => vec!["gateway".into()],
        };
        let listen = SocketAddr::new(config.listen, plan.port).to_string();
        let named = [("--instance", &plan.instance), ("--listen", &listen), ("--cluster", &config.cluster)];
        arguments.extend(named.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value.clone()]));
        if let Some(port) = plan.rpc_port {
            arguments.extend(["--rpc".into(), SocketAddr::new(config.listen, port).to_string()]);
        }
        let mut add_peer = |name: &str, addresses: &[SocketAddr]| {
            arguments.extend(["--peer".into(), format!("{name}={}", address::list(addresses))]);
        };
        for service in SERVICES.iter().filter(|service| calls(plan.service, service)) {
            let of_service = among.iter().filter(|plan| plan.service == Some(service));
            let addresses: Vec<SocketAddr> = of_service.map(|plan| self.address_of(plan)).collect();
            if !addresses.is_empty() {
                add_peer(service.name, &addresses);
            }
        }
        if plan.service.is_none() {
            add_peer(CONTROL, &[reachable(self.control)]);
            if let Some(file) = &config.gateway.file {
                arguments.extend(["--config".into(), file.display().to_string()]);
            }
            arguments.push("--inherit".into());
            if config.gateway.certificate.is_some() {
                arguments.push("--https".into());
            }
            for virtual_port in &self.l4 {
                let l4 = format!("{}={}", virtual_port.port, virtual_port.service.name);
                arguments.extend(["--l4".into(), l4]);
            }
            if config.debug_routes {
                arguments.push("--debug-routes".into());
            }
        }
        arguments.push("--supervised".into());
        if config.insecure {
            arguments.push("--insecure".into());
        }
        if let Some(hours) = config.tokens_kept_hours.filter(|_| plan.service.is_some()) {
            arguments.extend(["--tokens-kept".into(), hours.to_string()]);
        }
        if let Some(tls) = &config.tls {
            arguments.extend(["--certs".into(), tls.certs.display().to_string()]);
            if tls.key_log {
                arguments.push("--tls-key-log".into());
            }
        }
        if let Some(filter) = config.log.as_ref().filter(|filter| !filter.is_empty()) {
            arguments.extend(["--log".into(), filter.clone()]);
        }
        if config.log_format == LogFormat::Json {
            arguments.extend(["--log-format".into(), "json".into()]);
        }
        Launch {
            program: self.program.clone(),
            arguments,
            data: self.data.path().to_owned(),
            database: config.database.clone().filter(|_| plan.service.is_some()),
            redis: config.redis.clone().filter(|_| plan.service.is_none() || plan.service_name() == AUTH),
            sockets: if plan.service.is_none() { self.sockets_of_gateway(plan) } else { Vec::new() },
            log: self.data.log(&plan.instance),
            again,
        }
    }

    /// Where the gateway listens: these sockets stay open while it is started anew.
    fn sockets_of_gateway(&self, plan: &InstancePlan) -> Vec<SocketAddr> {
        let virtual_ports = self.l4.iter().map(|each| each.port);
        let ports = [plan.port].into_iter().chain(plan.rpc_port).chain(virtual_ports);
        // Settings that can't be used are the gateway's own to refuse.
        let redirect = self.config.gateway.read().ok().and_then(|read| read.settings.tls.redirect);
        ports.map(|port| SocketAddr::new(self.config.listen, port)).chain(redirect).collect()
    }

    /// The services whose TCP is passed through, and where a program on this machine reaches them so.
    pub(super) fn virtual_ports(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        let address = |port| reachable(SocketAddr::new(self.config.listen, port));
        self.l4.iter().map(move |plan| (plan.service.name, address(plan.port)))
    }

    /// Where others reach an instance, or will.
    pub(super) fn address_of(&self, plan: &InstancePlan) -> SocketAddr {
        reachable(SocketAddr::new(self.config.listen, plan.port))
    }
}

/// Whether an instance is told where a service is: the gateway knows all, a service those that it calls.
pub(crate) fn calls(caller: Option<&Service>, called: &Service) -> bool {
    caller.is_none_or(|caller| caller.calls().any(|name| name == called.name))
}
