//! A service together with the service `network`, by which the process that serves it is operated.

use std::rc::Rc;

use bytes::Bytes;
use micronet_wire::error::RpcError;
use micronet_wire::network::{
    Governed, Instances, InstancesOf, Operation, OperationMethods, OperationServer, Requests, RequestsOf,
    Rules, TapFilter, Tapped, Tasks, TasksOf, Usage,
};
use micronet_wire::schema::{EncodedSchema, SchemaError};
use micronet_wire::service::{CallContext, Handling, Outgoing, Service};

use crate::metrics;
use crate::network::Network;
use crate::tasks;

/// What a port answers: its own service, and what concerns the process.
pub(super) struct Operated {
    own: Rc<dyn Service>,
    operation: OperationServer<Process>,
}

struct Process {
    instance: String,
    network: Rc<Network>,
}

impl Operated {
    pub(super) fn new(
        own: Rc<dyn Service>,
        instance: &str,
        network: &Rc<Network>,
    ) -> Result<Self, SchemaError> {
        let process = Process { instance: instance.to_owned(), network: Rc::clone(network) };
        Ok(Self { own, operation: OperationServer::new(process)? })
    }
}

impl Service for Operated {
    fn schema(&self) -> &EncodedSchema {
        self.own.schema()
    }

    fn handle(&self, context: Box<CallContext>, method: u32, request: Bytes) -> Handling {
        if OperationMethods::METHOD_IDS.contains(&method) {
            self.operation.handle(context, method, request)
        } else {
            self.own.handle(context, method, request)
        }
    }
}

impl Operation for Process {
    async fn instances(&self, _: &CallContext, request: InstancesOf) -> Result<Instances, RpcError> {
        Ok(self.network.instances(&self.instance, &request))
    }

    async fn usage(&self, _: &CallContext) -> Result<Usage, RpcError> {
        Ok(metrics::usage(&self.instance, &self.network))
    }

    async fn requests(&self, _: &CallContext, request: RequestsOf) -> Result<Requests, RpcError> {
        Ok(self.network.requests(&self.instance, &request.request_id))
    }

    async fn tasks(&self, _: &CallContext, request: TasksOf) -> Result<Tasks, RpcError> {
        tasks::look(&self.instance, &self.network, request).await
    }

    async fn govern(&self, _: &CallContext, request: Rules) -> Result<Governed, RpcError> {
        Ok(self.network.govern(request))
    }

    async fn tap(
        &self,
        _: &CallContext,
        request: TapFilter,
        mut replies: Outgoing<Tapped>,
    ) -> Result<(), RpcError> {
        let mut following = self.network.taps().follow(&self.instance, request, self.network.records())?;
        loop {
            replies.send(&following.next().await).await?;
        }
    }
}
