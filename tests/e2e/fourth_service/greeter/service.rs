//! The handlers of the greeter.

use micronet_transport::clock::unix_us;
use micronet_wire::outcomes::{Asked, Asking, Outcomes, not_kept};
use micronet_wire::service::{CallContext, CallError};

use super::api::{Greet, Greeter, GreeterError, GreeterMethods, GreeterServer, Greeting};
use super::store::GreeterStore;
use crate::calls::{Token, once};
use crate::outcomes::replied;
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
    let outcomes = Box::new(GreeterOutcomes { store: store.clone() });
    Ok(Running { service: Box::new(GreeterServer::new(GreeterService { store })?), outcomes, finish })
}

/// What became of greetings.
struct GreeterOutcomes {
    store: GreeterStore,
}

impl Outcomes for GreeterOutcomes {
    fn outcome(&self, asked: Asked) -> Asking {
        let store = self.store.clone();
        Box::pin(async move {
            if asked.method != GreeterMethods::GREET {
                return Err(not_kept());
            }
            let token = Token::new(&asked.principal, "greeter.greet", &asked.token);
            Ok(replied(store.ask_once(token, unix_us()).await?))
        })
    }
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
