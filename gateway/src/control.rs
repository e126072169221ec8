//! The handlers of the gateway's own service.

use std::rc::Rc;

use micronet_transport::clock;
use micronet_transport::identity::Identity;
use micronet_transport::upstream::Upstream;
use micronet_wire::builtin::WithBuiltin;
use micronet_wire::error::RpcError;
use micronet_wire::openapi;
use micronet_wire::schema::{SchemaError, Timestamp};
use micronet_wire::service::{CallContext, Service};

use crate::api::{About, Gateway, GatewayServer, InstanceBehind, Links, ServiceBehind};

/// The version of the program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the handlers know of the gateway.
pub(crate) struct Control {
    pub(crate) identity: Rc<Identity>,
    pub(crate) upstreams: Rc<[Upstream]>,
    pub(crate) started: Timestamp,
}

impl Control {
    /// The gateway's own service, together with the built-in one.
    pub(crate) fn service(
        identity: &Rc<Identity>,
        upstreams: &Rc<[Upstream]>,
    ) -> Result<Rc<dyn Service>, SchemaError> {
        let started = Timestamp(clock::unix_us());
        let control = Self { identity: Rc::clone(identity), upstreams: Rc::clone(upstreams), started };
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
}

fn behind(upstream: &Upstream) -> ServiceBehind {
    let instances = upstream.instances().into_iter().map(|(address, name)| InstanceBehind {
        connected: name.is_some(),
        instance: name.map(|name| name.to_string()),
        address: address.to_string(),
    });
    ServiceBehind { service: upstream.service().to_owned(), instances: instances.collect() }
}
