//! The handlers of the greeter.

use micronet_wire::service::{CallContext, CallError};

use super::api::{Greet, Greeter, GreeterError, GreeterServer, Greeting};
use super::store::GreeterStore;
use crate::calls::once;
use crate::run::{Definition, Environment, Running, StartError};
use crate::store::{Store as _, open, prepare};

/// How this service is prepared and started.
pub const DEFINITION: Definition = Definition {
    name: "greeter",
    port_offsets: &[9],
    environment: "GREETER",
    prepare: |environment| Box::pin(prepare::<GreeterStore>(environment)),
    start: |environment| Box::pin(start(environment)),
    ..Definition::ALONE
};

async fn start(environment: Environment) -> Result<Running, StartError> {
    let store: GreeterStore = open(&environment).await?;
    let database = store.database().clone();
    let finish = Box::pin(async move { database.close().await });
    Ok(Running { service: Box::new(GreeterServer::new(GreeterService { store })?), finish })
}

/// The greeter.
#[derive(Debug)]
pub struct GreeterService {
    store: GreeterStore,
}

impl Greeter for GreeterService {
    async fn greet(
        &self,
        context: &CallContext,
        request: Greet,
    ) -> Result<Greeting, CallError<GreeterError>> {
        let once = once(context, "greeter.greet", &request)?;
        Ok(self.store.greet(once, request.name).await?)
    }

    async fn count(&self, _: &CallContext, request: Greet) -> Result<Greeting, CallError<GreeterError>> {
        Ok(self.store.find(request.name).await?)
    }
}
