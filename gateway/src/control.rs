//! The handlers of the gateway's own service.

use std::rc::Rc;

use micronet_transport::clock;
use micronet_transport::identity::Identity;
use micronet_wire::builtin::WithBuiltin;
use micronet_wire::error::RpcError;
use micronet_wire::network::{CalledInstance, CalledService, InstancesOf};
use micronet_wire::openapi;
use micronet_wire::schema::{SchemaError, Timestamp};
use micronet_wire::service::{CallContext, Service};

use crate::api::{About, Gateway, GatewayServer, InstanceBehind, Links, ServiceBehind};

/// The version of the program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the handlers know of the gateway.
pub(crate) struct Control {
    pub(crate) identity: Rc<Identity>,
    pub(crate) started: Timestamp,
}

impl Control {
    /// The gateway's own service, together with the built-in one.
    pub(crate) fn service(identity: &Rc<Identity>) -> Result<Rc<dyn Service>, SchemaError> {
        let started = Timestamp(clock::unix_us());
        let control = Self { identity: Rc::clone(identity), started };
        let server = GatewayServer::new(control)?;
        Ok(Rc::new(WithBuiltin::new(server, &identity.instance, VERSION, started)?))
    }
}

impl Gateway for Control {
    async fn about(&self, _context: &CallContext) -> Result<About, RpcError> {
        let seen = self.identity.network.instances(&self.identity.instance, &InstancesOf::default());
        Ok(About {
            name: "micronet".into(),
            instance: self.identity.instance.clone(),
            cluster: self.identity.cluster.clone(),
            version: VERSION.into(),
            started: self.started,
            links: Links { openapi: openapi::PATH.into() },
            services: seen.services.into_iter().map(behind).collect(),
        })
    }
}

fn behind(called: CalledService) -> ServiceBehind {
    let instance =
        |CalledInstance { instance, address, state, .. }| InstanceBehind { instance, address, state };
    ServiceBehind { service: called.service, instances: called.instances.into_iter().map(instance).collect() }
}
