//! Calls on behalf of who is in the chat: by name and JSON, straight to an instance, whose dispatch decides whether they may.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use micronet_transport::client::Client;
use micronet_transport::clock;
use micronet_transport::identity::{Identity, random_bytes};
use micronet_transport::upstream::{fetch_schema, unavailable};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::principal::Principal;
use micronet_wire::rest::{Answer, refused, untranscodable};
use micronet_wire::schema::{CallShape, EncodedSchema, Method, ServiceSchema};
use micronet_wire::service::{CallOptions, Caller};
use micronet_wire::transcode::{to_binary, to_json};

use super::limits::COMMAND_MS_MAX;
use super::names::Names;
use crate::control::governor::{Governor, name_of};
use crate::registry::{CONTROL, CONTROL_INSTANCE};
use crate::suggest::did_you_mean;
use crate::up::State;

/// The ways to all services.
#[derive(Debug)]
pub(super) struct Reach {
    governor: Rc<Governor>,
    identity: Rc<Identity>,
    /// Where this process's own service is.
    own: SocketAddr,
    to_own: RefCell<Option<Client>>,
    /// Schemas that were fetched, by service.
    schemas: RefCell<BTreeMap<String, Rc<EncodedSchema>>>,
    /// Counts calls, so that instances take turns.
    calls: Cell<usize>,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replied {
    /// Who has answered.
    pub(super) instance: String,
    /// The reply, and as JSON.
    pub(super) body: Bytes,
    pub(super) json: String,
}

/// Why one failed: as its caller over HTTP would be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) code: String,
    pub(super) status: u16,
    pub(super) words: String,
}

impl Failed {
    fn of(answer: &Answer) -> Self {
        Self {
            code: answer.error_code().unwrap_or("INTERNAL").to_owned(),
            status: answer.status.code(),
            words: answer.error_words().unwrap_or_default(),
        }
    }
}

impl From<RpcError> for Failed {
    fn from(error: RpcError) -> Self {
        Self::of(&Answer::rpc_error(&error))
    }
}

/// On whose behalf, and under which id.
#[derive(Debug, Clone)]
pub(super) struct Behalf {
    pub(super) principal: Principal,
    pub(super) request_id: String,
}

impl Behalf {
    /// What a call says besides its request.
    pub(super) fn options(&self) -> CallOptions {
        CallOptions {
            principal: Some(self.principal.clone()),
            deadline_ns: clock::now() + COMMAND_MS_MAX * 1_000_000,
            request_id: self.request_id.as_str().into(),
            token: Some(format!("{:032x}", u128::from_ne_bytes(random_bytes()))),
            ..CallOptions::default()
        }
    }
}

impl Reach {
    pub(super) fn new(governor: &Rc<Governor>, identity: &Rc<Identity>, own: SocketAddr) -> Self {
        Self {
            governor: Rc::clone(governor),
            identity: Rc::clone(identity),
            own,
            to_own: RefCell::default(),
            schemas: RefCell::default(),
            calls: Cell::new(0),
        }
    }

    /// The names of the network as it is now.
    pub(super) fn names(&self) -> Names {
        let Ok(fleet) = self.governor.fleet() else { return Names::default() };
        let mut names = Names::default();
        for instance in fleet.instances() {
            let service = instance.plan().service_name();
            match names.services.iter_mut().find(|(name, _)| name == service) {
                Some((_, instances)) => instances.push(instance.name().to_owned()),
                None => names.services.push((service.to_owned(), vec![instance.name().to_owned()])),
            }
            if instance.plan().service.is_some() && !names.scalable.iter().any(|name| name == service) {
                names.scalable.push(service.to_owned());
            }
        }
        names
    }

    /// Calls a method with a request in JSON; an empty one is that without fields.
    pub(super) async fn call(
        &self,
        (service, method): (&str, &str),
        json: &str,
        behalf: &Behalf,
    ) -> Result<Replied, Failed> {
        let (instance, client) = self.client(service).await?;
        let schema = self.schema(service, &client).await?;
        let schema = schema.schema();
        let method = method_named(schema, method)?;
        let mut request = BytesMut::new();
        to_binary(schema, method.request, json.as_bytes(), &[], &mut request)
            .map_err(|error| Failed::of(&untranscodable(&error)))?;
        let (options, request) = (behalf.options(), request.freeze());
        let failed = |error: RpcError| Failed::of(&refused(schema, method, &error));
        if method.shape == CallShape::OneWay {
            client.send(method.id, request, options).await.map_err(failed)?;
            return Ok(Replied { instance, body: Bytes::new(), json: "null".into() });
        }
        let reply = client.call(method.id, request, options).await.map_err(failed)?;
        let mut json = BytesMut::new();
        to_json(schema, method.reply, &reply.body, &mut json)
            .map_err(|_| RpcError::new(Code::Protocol, "the reply can't be shown"))?;
        let json = String::from_utf8_lossy(&json).into_owned();
        Ok(Replied { instance, body: reply.body, json })
    }

    /// A connection to an instance of a service, and its name. Those that nobody may call now aren't called here either.
    pub(super) async fn client(&self, service: &str) -> Result<(String, Client), RpcError> {
        if service == CONTROL {
            return Ok((CONTROL_INSTANCE.to_owned(), self.to_own().await?));
        }
        let fleet = self.governor.fleet()?;
        let instances = fleet.of_service(service);
        if instances.is_empty() {
            let services: Vec<String> = self.names().services.into_iter().map(|(name, _)| name).collect();
            let meant = did_you_mean(service, services.iter().map(String::as_str));
            let words = format!(
                "there is no service {service:?}{meant}; there are {CONTROL}, {}",
                services.join(", ")
            );
            return Err(RpcError::new(Code::InvalidInput, words));
        }
        let is_called = |instance: &Rc<crate::up::Instance>| {
            instance.state() == State::Running
                && !self.governor.book.borrow().is_taken_out(&name_of(instance))
        };
        let called: Vec<_> = instances.into_iter().filter(is_called).collect();
        let turn = self.calls.get();
        self.calls.set(turn.wrapping_add(1));
        let instance = called.get(turn % called.len().max(1)).ok_or_else(|| unavailable(service))?;
        let client = self.governor.connection(instance).await?;
        Ok((instance.name().to_owned(), client))
    }

    async fn to_own(&self) -> Result<Client, RpcError> {
        let known = self.to_own.borrow().clone();
        if let Some(client) = known.filter(Client::is_serving) {
            return Ok(client);
        }
        let client = Client::connect_to(CONTROL, self.own, &self.identity).await?;
        *self.to_own.borrow_mut() = Some(client.clone());
        Ok(client)
    }

    /// The schema that an instance serves.
    async fn schema(&self, service: &str, client: &Client) -> Result<Rc<EncodedSchema>, RpcError> {
        let silent = || RpcError::new(Code::Protocol, "it serves no schema");
        let announced = client.ready().await?.schema.ok_or_else(silent)?;
        let known = self.schemas.borrow().get(service).map(Rc::clone);
        if let Some(schema) = known.filter(|schema| schema.fingerprint() == announced) {
            return Ok(schema);
        }
        let schema = Rc::new(fetch_schema(client, announced).await?);
        self.schemas.borrow_mut().insert(service.to_owned(), Rc::clone(&schema));
        Ok(schema)
    }
}

fn method_named<'s>(schema: &'s ServiceSchema, name: &str) -> Result<&'s Method, Failed> {
    let method = schema.method_named(name).ok_or_else(|| {
        let meant = did_you_mean(name, schema.methods.iter().map(|method| method.name.as_str()));
        RpcError::new(Code::UnknownMethod, format!("{} has no method {name:?}{meant}", schema.name))
    })?;
    if matches!(method.shape, CallShape::Unary | CallShape::OneWay) {
        return Ok(method);
    }
    let words = format!("{}.{} is a stream: `micronet call` shows it", schema.name, method.name);
    Err(RpcError::new(Code::BadRequest, words).into())
}
