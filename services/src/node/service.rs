//! The handlers of the node service.

mod compute;

use std::time::Duration;

use micronet_transport::clock;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::ledger::micros;
use micronet_wire::outcomes::NoOutcomes;
use micronet_wire::service::CallContext;

use self::compute::compute;
use super::api::{AnsweredBy, Hello, LoadChange, Node, NodeData, NodeServer, NodeState};
use super::store::{NodeStore, Task};
use crate::run::{Definition, Environment, Running, StartError};

/// How this service is started. Its load is all that it keeps, and that in memory.
pub const DEFINITION: Definition = Definition {
    name: "node",
    port_offsets: &[-2999, -2998, -2997],
    environment: "NODES",
    start: |environment| Box::pin(start(environment)),
    ..Definition::ALONE
};

async fn start(environment: Environment) -> Result<Running, StartError> {
    let instance = environment.identity.instance.clone();
    let store = NodeStore::of_instance(&instance);
    let service = Box::new(NodeServer::new(NodeService { instance, store })?);
    Ok(Running { service, outcomes: Box::new(NoOutcomes), finish: Box::pin(async {}) })
}

/// The node service.
#[derive(Debug)]
pub struct NodeService {
    instance: String,
    store: NodeStore,
}

/// A request that is done.
struct Done {
    took_us: u64,
    in_flight: u32,
}

impl Node for NodeService {
    async fn hello(&self, _: &CallContext) -> Result<Hello, RpcError> {
        let instance = self.instance.clone();
        Ok(Hello { message: format!("Hello from {instance}"), instance })
    }

    async fn data(&self, _: &CallContext) -> Result<NodeData, RpcError> {
        let done = self.work().await?;
        let payload = "x".repeat(self.store.payload_bytes());
        Ok(NodeData { instance: self.instance.clone(), took_us: done.took_us, payload })
    }

    async fn request(&self, _: &CallContext) -> Result<AnsweredBy, RpcError> {
        let Done { took_us, in_flight } = self.work().await?;
        Ok(AnsweredBy { instance: self.instance.clone(), took_us, in_flight, load: self.store.load() })
    }

    async fn load(&self, _: &CallContext) -> Result<NodeState, RpcError> {
        Ok(self.store.state(&self.instance))
    }

    async fn set_load(&self, _: &CallContext, request: LoadChange) -> Result<NodeState, RpcError> {
        self.store.change(request, clock::now());
        Ok(self.store.state(&self.instance))
    }
}

impl NodeService {
    /// Does what the load asks for: it waits, and then computes where it stands, on the runtime that all requests share.
    async fn work(&self) -> Result<Done, RpcError> {
        let began = clock::now();
        let in_hand = self.store.begin();
        let Task { delay, work, fails } = self.store.task(began);
        if delay > Duration::ZERO {
            tokio::time::sleep(delay).await;
        }
        compute(work);
        if fails {
            self.store.failed();
            return Err(RpcError::new(Code::Internal, "this node's load makes this request fail"));
        }
        Ok(Done { took_us: u64::from(micros(clock::now() - began)), in_flight: in_hand.in_flight })
    }
}
