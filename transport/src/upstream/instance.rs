//! One connected instance, and how callers of another build call it: by an adapter between their schema and the instance's.

use std::rc::Rc;

use bytes::Bytes;
use micronet_wire::builtin::BuiltinMethods;
use micronet_wire::error::RpcError;
use micronet_wire::schema::{EncodedSchema, Method};
use micronet_wire::service::{Arity, CallOptions, Caller, Exchange, Reply};
use micronet_wire::transcode::{MethodAdapter, ServiceAdapter};

use super::adapted::Adapted;
use crate::client::Client;

/// A connected instance, ready for calls.
///
/// Calls on it are in the schema of its upstream's callers, if they were built with one, and adapted to the instance's (SPEC.md
/// 10.10). Calls on its `client` are in the instance's own schema.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Its name, as `product-1`.
    pub name: Rc<str>,
    /// The connection to it.
    pub client: Client,
    /// The schema that it serves: payloads to and from it are in this one.
    pub schema: Rc<EncodedSchema>,
    /// What lies between the callers' schema and this one; `None` when nothing does.
    pub(super) adapter: Option<Rc<ServiceAdapter>>,
}

impl Instance {
    /// Whether its schema has the method.
    #[must_use]
    pub fn has(&self, method: u32) -> bool {
        self.schema.schema().method(method).is_some()
    }

    /// The name of a method, for those who count: that of the service where it is built in, since there are few calls of these.
    pub(super) fn name_of(&self, method: u32) -> String {
        match self.schema.schema().method(method) {
            Some(method) => method.name.clone(),
            None if BuiltinMethods::METHOD_IDS.contains(&method) => "micronet".into(),
            None => "unknown".into(),
        }
    }

    /// Whether callers can call the method here.
    ///
    /// # Errors
    /// Why their schema can't be adapted to the instance's.
    pub fn takes(&self, method: u32) -> Result<(), RpcError> {
        self.adapter(method).map(|_| ())
    }

    /// Whether the instance says that repeating a call of the method does no harm, as the caller does. Of a method that isn't in
    /// its schema only the caller knows.
    pub(super) fn agrees_that_idempotent(&self, method: u32) -> bool {
        self.schema.schema().method(method).is_none_or(Method::is_idempotent)
    }

    fn adapter(&self, method: u32) -> Result<Option<MethodAdapter<'_>>, RpcError> {
        self.adapter.as_ref().map_or(Ok(None), |adapter| adapter.method(method))
    }
}

impl Caller for Instance {
    async fn call(&self, method: u32, request: Bytes, options: CallOptions) -> Result<Reply, RpcError> {
        let Some(adapter) = self.adapter(method)? else {
            return self.client.call(method, request, options).await;
        };
        match self.client.call(method, adapter.request(request)?, options).await {
            Ok(reply) => Ok(Reply { body: adapter.reply(reply.body)?, ..reply }),
            Err(error) => Err(adapter.error(error)),
        }
    }

    async fn send(&self, method: u32, request: Bytes, options: CallOptions) -> Result<(), RpcError> {
        let adapter = self.adapter(method)?;
        let request = adapter.map_or(Ok(request.clone()), |adapter| adapter.request(request))?;
        self.client.send(method, request, options).await
    }

    async fn open(
        &self,
        method: u32,
        request: Option<Bytes>,
        replies: Arity,
        options: CallOptions,
    ) -> Result<Rc<dyn Exchange>, RpcError> {
        let (Some(service), Some(adapter)) = (&self.adapter, self.adapter(method)?) else {
            return self.client.open(method, request, replies, options).await;
        };
        let request = request.map(|request| adapter.request(request)).transpose()?;
        let exchange = self.client.open(method, request, replies, options).await?;
        Ok(Rc::new(Adapted { exchange, adapter: Rc::clone(service), method }))
    }
}
