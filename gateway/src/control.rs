//! The handlers of the gateway's own service.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use micronet_transport::balance::Algorithm;
use micronet_transport::clock;
use micronet_transport::discovery::registrations::Registrations;
use micronet_transport::identity::Identity;
use micronet_transport::metrics;
use micronet_transport::upstream::Upstream;
use micronet_wire::builtin::WithBuiltin;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::faults::Faults;
use micronet_wire::limits::REGISTRATION_WORD_MS;
use micronet_wire::network::{CalledInstance, CalledService, Instances, InstancesOf, OperationClient, Usage};
use micronet_wire::openapi;
use micronet_wire::principal::Principal;
use micronet_wire::schema::{SchemaError, Timestamp};
use micronet_wire::service::{CallContext, CallError, CallOptions, Outgoing, Service};

use crate::api::settings::{InForce, Setting};
use crate::api::stats::{Connections, Stats as StatsShown};
use crate::api::watch::Watched;
use crate::api::{
    About, AlgorithmInfo, Announcement, BalancerOf, Balancers, Gateway, GatewayError, GatewayServer,
    InstanceBehind, LabAlgorithm, Links, OfService, Registered, ServiceBehind, SetBalancer, WhichInstances,
};
use crate::cache::Cache;
use crate::config::VirtualPorts;
use crate::settings::{Given, Held};
use crate::stats::Stats;
use crate::{dashboard, targets, watch};

/// The version of the program.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The service of the lab's nodes.
const LAB: &str = "node";
/// How long instances are waited for that are to say what they use, in milliseconds.
const USAGE_MS_MAX: u64 = 250;

/// What the handlers know of the gateway.
pub(crate) struct Control {
    identity: Rc<Identity>,
    upstreams: Rc<[Upstream]>,
    stats: Rc<Stats>,
    cache: Rc<Cache>,
    started: Timestamp,
    registrations: Rc<Registrations>,
    virtual_ports: VirtualPorts,
    settings: Rc<Held>,
}

impl Control {
    /// The gateway's own service, together with the built-in one.
    pub(crate) fn service(
        identity: &Rc<Identity>,
        upstreams: &Rc<[Upstream]>,
        (stats, cache): (&Rc<Stats>, &Rc<Cache>),
        virtual_ports: &VirtualPorts,
        settings: &Rc<Held>,
    ) -> Result<Rc<dyn Service>, SchemaError> {
        let started = Timestamp(clock::unix_us());
        let control = Self {
            identity: Rc::clone(identity),
            upstreams: Rc::clone(upstreams),
            stats: Rc::clone(stats),
            cache: Rc::clone(cache),
            started,
            registrations: Registrations::new(&identity.network),
            virtual_ports: Rc::clone(virtual_ports),
            settings: Rc::clone(settings),
        };
        let server = GatewayServer::new(control)?;
        Ok(Rc::new(WithBuiltin::new(server, &identity.instance, VERSION, started)?))
    }

    fn in_force(&self) -> InForce {
        let held = self.settings.in_force();
        let setting = |given: &Given| Setting { key: given.key.clone(), value: given.value.clone() };
        InForce {
            instance: self.identity.instance.clone(),
            revision: held.revision,
            since: Timestamp(held.since_us),
            file: self.settings.source().file.as_ref().map(|path| path.display().to_string()),
            given: held.given.iter().map(setting).collect(),
            https: held.tls.is_some(),
            pending: self.settings.pending(),
        }
    }

    fn seen(&self, of: &InstancesOf) -> Instances {
        self.identity.network.instances(&self.identity.instance, of)
    }

    fn upstream(&self, service: &str) -> Result<&Upstream, GatewayError> {
        let found = self.upstreams.iter().find(|upstream| upstream.service() == service);
        found.ok_or_else(|| GatewayError::NoSuchService { service: service.to_owned() })
    }

    fn set_algorithm(
        &self,
        service: &str,
        (field, name): (&str, &str),
    ) -> Result<BalancerOf, CallError<GatewayError>> {
        let upstream = self.upstream(service).map_err(CallError::Service)?;
        match name.parse::<Algorithm>() {
            Ok(algorithm) => upstream.set_algorithm(algorithm),
            Err(words) => Faults::new().check(false, field, words).into_result()?,
        }
        Ok(balancer(upstream))
    }

    /// What the processes of all instances use that say so soon.
    async fn usages(&self) -> Vec<Usage> {
        let instances = self.upstreams.iter().flat_map(Upstream::connected);
        let asked = instances.map(|instance| async move {
            let deadline_ns = clock::now() + USAGE_MS_MAX * 1_000_000;
            let options = CallOptions { deadline_ns, ..CallOptions::default() };
            let operation = OperationClient::new(instance.client);
            let asked = tokio::time::timeout(Duration::from_millis(USAGE_MS_MAX), operation.usage(options));
            let answered = asked.await.ok()?.ok()?;
            Some(Usage { instance: instance.name.to_string(), ..answered })
        });
        join_all(asked).await.into_iter().flatten().collect()
    }
}

impl Gateway for Control {
    async fn about(&self, _context: &CallContext) -> Result<About, RpcError> {
        let seen = self.seen(&InstancesOf::default());
        Ok(About {
            name: "micronet".into(),
            instance: self.identity.instance.clone(),
            cluster: self.identity.cluster.clone(),
            version: VERSION.into(),
            started: self.started,
            links: Links {
                dashboard: dashboard::PATH.into(),
                openapi: openapi::PATH.into(),
                health: "/health".into(),
                metrics: "/metrics".into(),
                stats: "/stats".into(),
                instances: "/api/v1/instances".into(),
                balancer: "/api/v1/balancer".into(),
                targets: targets::PATH.into(),
            },
            services: seen.services.into_iter().map(behind).collect(),
        })
    }

    async fn register(
        &self,
        context: &CallContext,
        request: Announcement,
        mut replies: Outgoing<Registered>,
    ) -> Result<(), RpcError> {
        self.check(context, &request.service)?;
        let address: SocketAddr =
            request.address.parse().ok().filter(|address: &SocketAddr| address.port() != 0).ok_or_else(
                || RpcError::new(Code::InvalidInput, "the address is not an IP address and a port"),
            )?;
        // It is forgotten with this call, however that ends.
        let _registration =
            self.registrations.register(&request.service, &request.instance, address, request.weight)?;
        loop {
            replies.send(&Registered { gateway: self.identity.instance.clone() }).await?;
            tokio::time::sleep(Duration::from_millis(REGISTRATION_WORD_MS)).await;
        }
    }

    async fn stats(&self, _context: &CallContext) -> Result<StatsShown, RpcError> {
        let usages = self.usages().await;
        let seen = self.seen(&InstancesOf::default());
        let connections = seen.services.iter().flat_map(|called| &called.instances);
        let to_instances = connections.map(|each| u64::from(each.connections)).sum();
        let place = |called: CalledService| {
            let at = self.upstreams.iter().position(|upstream| upstream.service() == called.service);
            Some((at?, called))
        };
        let services = seen.services.into_iter().filter_map(place).collect();
        let usage =
            |each: &CalledInstance| usages.iter().find(|usage| usage.instance == each.instance).cloned();
        let report = self.stats.report(services, usage);
        let network = &self.identity.network;
        let [http, rpc] = ["http", "rpc"].map(|protocol| network.metrics().connections_of(protocol));
        Ok(StatsShown {
            instance: self.identity.instance.clone(),
            started: self.started,
            lately_s: report.lately_s,
            lately: report.lately,
            since_start: report.since_start,
            connections: Connections { http, rpc, to_instances },
            usage: metrics::usage(&self.identity.instance, network),
            services: report.services,
            protocols: report.protocols,
            regions: report.regions,
            cache: self.cache.stats(),
            tcp: self.virtual_ports.borrow().iter().map(|port| port.report().into()).collect(),
        })
    }

    async fn watch(&self, _context: &CallContext, replies: Outgoing<Watched>) -> Result<(), RpcError> {
        watch::watch(&self.identity, &self.upstreams, &self.stats, replies).await
    }

    async fn instances(
        &self,
        _context: &CallContext,
        request: WhichInstances,
    ) -> Result<Instances, RpcError> {
        let WhichInstances { service, history } = request;
        Ok(self.seen(&InstancesOf { service, history: history.unwrap_or(false) }))
    }

    async fn balancers(&self, _context: &CallContext) -> Result<Balancers, RpcError> {
        let info = |algorithm: Algorithm| AlgorithmInfo {
            name: algorithm.name().into(),
            description: algorithm.description().into(),
        };
        Ok(Balancers {
            services: self.upstreams.iter().map(balancer).collect(),
            algorithms: Algorithm::ALL.map(info).into(),
        })
    }

    async fn balancer(
        &self,
        _context: &CallContext,
        request: OfService,
    ) -> Result<BalancerOf, CallError<GatewayError>> {
        self.upstream(&request.service).map(balancer).map_err(CallError::Service)
    }

    async fn set_balancer(
        &self,
        _context: &CallContext,
        request: SetBalancer,
    ) -> Result<BalancerOf, CallError<GatewayError>> {
        self.set_algorithm(&request.service, ("algorithm", &request.algorithm))
    }

    async fn set_lab_algorithm(
        &self,
        _context: &CallContext,
        request: LabAlgorithm,
    ) -> Result<BalancerOf, CallError<GatewayError>> {
        self.set_algorithm(LAB, ("algo", &request.algo))
    }

    async fn settings(&self, _context: &CallContext) -> Result<InForce, RpcError> {
        Ok(self.in_force())
    }

    async fn reload(&self, _context: &CallContext) -> Result<InForce, CallError<GatewayError>> {
        let reloaded = self.settings.reload();
        reloaded.map_err(|faults| CallError::Service(GatewayError::UnusableSettings { faults }))?;
        Ok(self.in_force())
    }
}

impl Control {
    /// Who may say that it is an instance of a service: who has proved to be that service, and only of one that is known here.
    fn check(&self, context: &CallContext, service: &str) -> Result<(), RpcError> {
        if context.principal != (Principal::Service { name: service.into() }) {
            let words = format!("{} can't announce an instance of {service:?}", context.principal.key());
            return Err(RpcError::new(Code::InsufficientPermissions, words));
        }
        if self.upstreams.iter().any(|upstream| upstream.service() == service) {
            return Ok(());
        }
        let words = format!("this gateway has no service {service:?}: start it with --peer {service}");
        Err(RpcError::new(Code::InvalidInput, words))
    }
}

fn balancer(upstream: &Upstream) -> BalancerOf {
    let explained = upstream.explain();
    BalancerOf {
        service: upstream.service().to_owned(),
        algorithm: explained.algorithm.to_string(),
        acting: explained.acting.to_string(),
        reason: explained.reason,
    }
}

fn behind(called: CalledService) -> ServiceBehind {
    let instance =
        |CalledInstance { instance, address, state, .. }| InstanceBehind { instance, address, state };
    ServiceBehind { service: called.service, instances: called.instances.into_iter().map(instance).collect() }
}
