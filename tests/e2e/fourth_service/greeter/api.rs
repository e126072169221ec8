//! The greeter as others see it: a service to show what a service takes.

use std::fmt;

use micronet_wire::schema::Message;
use micronet_wire::service::{CallContext, CallError, service};

/// Greets people, and remembers how often.
#[service(name = "greeter")]
pub trait Greeter {
    /// Greets somebody.
    #[rpc(http("POST /api/v1/greetings", "POST /greetings"), public, rate = "shop", status = 201)]
    async fn greet(&self, context: &CallContext, request: Greet)
    -> Result<Greeting, CallError<GreeterError>>;

    /// How often somebody was greeted.
    #[rpc(http("GET /api/v1/greetings/{name}"), permission = "greetings:read", idempotent)]
    async fn count(&self, context: &CallContext, request: Greet)
    -> Result<Greeting, CallError<GreeterError>>;
}

/// Names somebody.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Greet {
    /// Who it is.
    #[field(min = 1, max = 20, example = "Ada")]
    pub name: String,
}

/// A greeting.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// What is said.
    pub words: String,
    /// How often that was said to this person, this time included.
    pub times: u64,
}

/// Why the greeter says no.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub enum GreeterError {
    /// Nobody of this name was ever greeted.
    #[status(404)]
    NeverGreeted {
        /// The name.
        name: String,
    },
}

impl fmt::Display for GreeterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverGreeted { name } => write!(f, "{name:?} was never greeted"),
        }
    }
}
