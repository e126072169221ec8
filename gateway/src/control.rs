//! The handlers of the gateway's own service.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use micronet_transport::clock;
use micronet_transport::discovery::registrations::Registrations;
use micronet_transport::identity::Identity;
use micronet_transport::upstream::Upstream;
use micronet_wire::builtin::WithBuiltin;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::REGISTRATION_WORD_MS;
use micronet_wire::openapi;
use micronet_wire::principal::Principal;
use micronet_wire::schema::{SchemaError, Timestamp};
use micronet_wire::service::{CallContext, Outgoing, Service};

use crate::api::{
    About, Announcement, Gateway, GatewayServer, InstanceBehind, Links, Registered, ServiceBehind,
};

/// The version of the program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the handlers know of the gateway.
pub(crate) struct Control {
    pub(crate) identity: Rc<Identity>,
    pub(crate) upstreams: Rc<[Upstream]>,
    pub(crate) started: Timestamp,
    pub(crate) registrations: Rc<Registrations>,
}

impl Control {
    /// The gateway's own service, together with the built-in one.
    pub(crate) fn service(
        identity: &Rc<Identity>,
        upstreams: &Rc<[Upstream]>,
    ) -> Result<Rc<dyn Service>, SchemaError> {
        let started = Timestamp(clock::unix_us());
        let control = Self {
            identity: Rc::clone(identity),
            upstreams: Rc::clone(upstreams),
            started,
            registrations: Registrations::new(&identity.network),
        };
        let server = GatewayServer::new(control)?;
        Ok(Rc::new(WithBuiltin::new(server, &identity.instance, VERSION, started)?))
    }
}

impl Gateway for Control {
    async fn about(&self, _context: &CallContext) -> Result<About, RpcError> {
        Ok(About {
            name: "micronet".into(),
            instance: self.identity.instance.clone(),
            cluster: self.identity.cluster.clone(),
            version: VERSION.into(),
            started: self.started,
            links: Links { openapi: openapi::PATH.into() },
            services: self.upstreams.iter().map(behind).collect(),
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
}

impl Control {
    /// Who may say that it is an instance of a service: who has proved to be that service, and only of one that is known here.
    fn check(&self, context: &CallContext, service: &str) -> Result<(), RpcError> {
        if context.principal != (Principal::Service { name: service.to_owned() }) {
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

fn behind(upstream: &Upstream) -> ServiceBehind {
    let instances = upstream.instances().into_iter().map(|(address, name)| InstanceBehind {
        connected: name.is_some(),
        instance: name.map(|name| name.to_string()),
        address: address.to_string(),
    });
    ServiceBehind { service: upstream.service().to_owned(), instances: instances.collect() }
}
