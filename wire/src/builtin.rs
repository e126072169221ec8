//! The service `micronet`, which every instance answers besides its own (SPEC.md section 10): the schema in-band, who is there, and
//! what became of a write. It needs no permission: whoever may connect may ask what there is to call, and whoever may call a
//! method may ask for the outcomes of its calls.

use std::fmt;

use crate::error::RpcError;
use crate::outcomes::{self, NoOutcomes, OutcomeOf, Outcomes, TokenOutcome};
use crate::schema::{Blob, EncodedSchema, Message, SchemaError, Timestamp};
use crate::service::{Bytes, CallContext, Handling, Service, service};

/// What every instance tells about itself.
#[service(name = "micronet")]
pub trait Builtin {
    /// The schema of the service that this instance serves.
    #[rpc(public, idempotent, rate = "monitoring")]
    async fn schema(&self, context: &CallContext) -> Result<OwnSchema, RpcError>;

    /// Who answers here.
    #[rpc(public, idempotent, rate = "monitoring")]
    async fn instance(&self, context: &CallContext) -> Result<Instance, RpcError>;

    /// What became of a write that bore an idempotency token. Whoever may call a method may ask for the outcomes of own calls.
    #[rpc(public, idempotent)]
    async fn outcome(&self, context: &CallContext, request: OutcomeOf) -> Result<TokenOutcome, RpcError>;
}

/// A schema as it travels.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct OwnSchema {
    /// The first 16 bytes of the SHA-256 of the schema.
    pub fingerprint: Blob,
    /// The encoded schema.
    pub schema: Blob,
}

/// One running instance of a service.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The service's name.
    pub service: String,
    /// The instance's name, as `product-2`.
    pub instance: String,
    /// The version of the program.
    pub version: String,
    /// When it started.
    pub started: Timestamp,
}

/// A service together with the built-in one, behind one port.
pub struct WithBuiltin<S> {
    own: S,
    builtin: BuiltinServer<About>,
}

impl<S> fmt::Debug for WithBuiltin<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithBuiltin").finish_non_exhaustive()
    }
}

impl<S: Service> WithBuiltin<S> {
    /// Puts the built-in service beside `own`.
    ///
    /// # Errors
    /// When the built-in schema breaks a rule, which a test keeps from happening.
    pub fn new(own: S, instance: &str, version: &str, started: Timestamp) -> Result<Self, SchemaError> {
        Self::with_outcomes(own, instance, version, started, Box::new(NoOutcomes))
    }

    /// The same for a service that knows what became of its writes.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_outcomes(
        own: S,
        instance: &str,
        version: &str,
        started: Timestamp,
        outcomes: Box<dyn Outcomes>,
    ) -> Result<Self, SchemaError> {
        let schema = own.schema();
        let about = About {
            schema: OwnSchema {
                fingerprint: Blob(schema.fingerprint().0.to_vec()),
                schema: Blob(schema.encoded().to_vec()),
            },
            instance: Instance {
                service: schema.schema().name.clone(),
                instance: instance.into(),
                version: version.into(),
                started,
            },
            own: schema.clone(),
            outcomes,
        };
        Ok(Self { own, builtin: BuiltinServer::new(about)? })
    }
}

impl<S: Service> Service for WithBuiltin<S> {
    /// The schema of the instance's own service; that of the built-in one is [`builtin_schema`], the same everywhere.
    fn schema(&self) -> &EncodedSchema {
        self.own.schema()
    }

    fn handle(&self, context: Box<CallContext>, method: u32, request: Bytes) -> Handling {
        // No service has a method with one of these ids: `#[service]` doesn't compile then.
        if BuiltinMethods::METHOD_IDS.contains(&method) {
            self.builtin.handle(context, method, request)
        } else {
            self.own.handle(context, method, request)
        }
    }
}

/// The answers that are made once, and who has the others.
struct About {
    schema: OwnSchema,
    instance: Instance,
    own: EncodedSchema,
    outcomes: Box<dyn Outcomes>,
}

impl Builtin for About {
    async fn schema(&self, _context: &CallContext) -> Result<OwnSchema, RpcError> {
        Ok(self.schema.clone())
    }

    async fn instance(&self, _context: &CallContext) -> Result<Instance, RpcError> {
        Ok(self.instance.clone())
    }

    async fn outcome(&self, context: &CallContext, request: OutcomeOf) -> Result<TokenOutcome, RpcError> {
        self.outcomes.outcome(outcomes::open(self.own.schema(), context, request)?).await
    }
}
