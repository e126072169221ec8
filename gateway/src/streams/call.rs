//! A call with streams of messages on a client's behalf: opened at an instance, and for replies alone at the next one where the first
//! goes, if the method says where to go on.

use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::{self, LocalBoxStream};
use micronet_transport::backoff::Backoff;
use micronet_transport::clock;
use micronet_transport::identity::random_bytes;
use micronet_transport::records::Story;
use micronet_transport::upstream::{Failed, Instance, Want};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::STREAM_IDLE_MS_MAX;
use micronet_wire::metadata::CLIENT_ADDRESS;
use micronet_wire::principal::Principal;
use micronet_wire::rest::{Answer, Opening, Refused, message_of_stream};
use micronet_wire::schema::{CallShape, Method, ServiceSchema};
use micronet_wire::service::{Arity, CallOptions, Caller, Exchange, authorize};
use micronet_wire::transcode::{Resumption, to_json};

use super::failure::Failure;
use crate::audit::Deed;
use crate::config::Gateway;

/// A call that is to be opened.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) gateway: Rc<Gateway>,
    service: usize,
    method: u32,
    pub(super) request_id: String,
    pub(super) story: Story,
    /// What it does that changes something.
    deed: Option<Deed>,
    pub(super) opening: Opening,
    client: Option<u64>,
    /// From where.
    address: IpAddr,
    /// As whom.
    pub(super) principal: Principal,
    /// What the request has besides the fields of path and query.
    pub(super) json: Bytes,
}

/// One that is open at an instance.
pub(super) struct Opened {
    instance: Instance,
    method: u32,
    exchange: Rc<dyn Exchange>,
}

/// A reply as people see it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) json: String,
    /// Where it stands, if the method says so.
    pub(super) place: Option<u64>,
    /// Nothing stands in any of its fields: where both sides talk it says only that the stream lasts (SPEC.md 14.8).
    pub(super) is_empty: bool,
}

/// The replies of a call, one by one, until it ends; an error is the last.
pub(super) type Replies = LocalBoxStream<'static, Result<Reply, Failure>>;

impl Call {
    pub(super) fn new(
        gateway: &Rc<Gateway>,
        (service, method): (usize, u32),
        (request_id, story, deed): (&str, &Story, Option<Deed>),
        opening: Opening,
        (client, address): (Option<u64>, IpAddr),
    ) -> Self {
        let (gateway, request_id, story) = (Rc::clone(gateway), request_id.to_owned(), story.clone());
        let (principal, json) = (Principal::Anonymous, Bytes::new());
        Self { gateway, service, method, request_id, story, deed, opening, client, address, principal, json }
    }

    /// Has it written down before it begins, where somebody who has signed in changes something by it.
    pub(super) async fn written_down(&mut self) -> Result<(), Refused> {
        let action = self.deed.take().and_then(|deed| deed.by(&self.principal));
        self.gateway.audit.begin_stream(action).await
    }

    /// What one of the service's schemas says of the method.
    pub(super) fn described<T>(&self, look: impl FnOnce(&ServiceSchema, &Method) -> T) -> Result<T, Refused> {
        let schemas = self.gateway.upstreams[self.service].schemas();
        let found =
            schemas.iter().find_map(|known| Some((known.schema(), known.schema().method(self.method)?)));
        let (schema, method) = found.ok_or_else(gone)?;
        Ok(look(schema, method))
    }

    fn options(&self) -> CallOptions {
        let deadline_ns = clock::now() + STREAM_IDLE_MS_MAX * 1_000_000;
        let (principal, request_id) = (self.principal.clone(), &self.request_id);
        let mut options = self.opening.options(principal, request_id, deadline_ns, random_bytes);
        // An address is a value that metadata can have.
        let _ = options.metadata.set(CLIENT_ADDRESS, self.address.to_canonical().to_string());
        options
    }

    /// Opens the call; one with a single request asks for what comes after that place.
    pub(super) async fn open(&self, options: &CallOptions, after: Option<u64>) -> Result<Opened, Failure> {
        let upstream = &self.gateway.upstreams[self.service];
        let want = Want { client: self.client, method: self.method, ..Want::default() };
        let attempted = upstream.attempt(
            want,
            &self.story,
            |instance| instance.has(self.method),
            async |instance, trace| {
                let schema = instance.schema.schema();
                let method = schema.method(self.method).ok_or_else(|| Failed::Refused(gone().into()))?;
                let failed = |error| Failed::Refused(Failure::of_call(schema, method, error));
                // Who may not call hears nothing about the request. The service checks it too.
                authorize(&self.principal, &method.access).map_err(failed)?;
                let request = match method.shape {
                    CallShape::ServerStream => {
                        Some(self.request(schema, method, after).map_err(Failed::Refused)?)
                    }
                    _ => None,
                };
                let replies = if method.shape == CallShape::ClientStream { Arity::One } else { Arity::Many };
                let (bulk, idempotent) = (method.is_bulk(), method.is_idempotent());
                let options = CallOptions { bulk, idempotent, trace, ..options.clone() };
                let since = clock::now();
                let opened = instance.client.open(method.id, request, replies, options).await;
                let (now, failed) = (clock::now(), opened.is_err());
                self.gateway.stats.served(now, self.service, &instance.name, now - since, failed);
                opened.map_err(|error| Failed::Call { error, repeatable: false })
            },
        );
        match attempted.await {
            Some((instance, Ok(exchange))) => Ok(Opened { instance, method: self.method, exchange }),
            Some((_, Err(Failed::Refused(failure)))) => Err(failure),
            Some((instance, Err(Failed::Call { error, .. }))) => {
                let schema = instance.schema.schema();
                let method = schema.method(self.method).ok_or_else(gone)?;
                Err(Failure::of_call(schema, method, error))
            }
            None => {
                let has = |instance: &Instance| {
                    let words = || format!("no instance of {} has this method now", upstream.service());
                    let has = instance.has(self.method).then_some(());
                    has.ok_or_else(|| RpcError::new(Code::UnknownMethod, words()))
                };
                let error = upstream.no_instance_for(has);
                self.story.nobody(clock::now(), &error);
                Err(Failure::of_none(&error))
            }
        }
    }

    fn request(&self, schema: &ServiceSchema, method: &Method, after: Option<u64>) -> Result<Bytes, Failure> {
        let request = self.opening.message(schema, method, &self.json)?;
        let Some(after) = after else { return Ok(request) };
        let words = "this stream doesn't say where it stands: it can't go on behind an event";
        let resumption =
            Resumption::of(schema, method).ok_or_else(|| Box::new(Answer::refusal(400, words)))?;
        let moved = resumption.request_after(schema, &request, after);
        Ok(moved.ok_or_else(|| Box::new(Answer::refusal(502, "the request can't be moved")))?)
    }

    /// The replies to one request. A stream that says where it stands is opened again wherever it breaks, and goes on there.
    pub(super) fn replies(self) -> Replies {
        let (options, last) = (self.options(), self.opening.after);
        let going =
            Going { call: self, options, opened: None, last, begun: false, backoff: Backoff::default() };
        let next = async |going: Option<Going>| {
            let mut going = going?;
            match going.next().await {
                Ok(reply) => reply.map(|reply| {
                    going.call.story.says(reply.json.len());
                    (Ok(reply), Some(going))
                }),
                Err(failure) => {
                    failure.told(&going.call.story);
                    Some((Err(failure), None))
                }
            }
        };
        stream::unfold(Some(going), next).boxed_local()
    }

    /// Opens a call with a stream of requests.
    pub(super) async fn exchange(&self) -> Result<Opened, Failure> {
        self.open(&self.options(), None).await
    }
}

/// A stream of replies on its way.
struct Going {
    call: Call,
    options: CallOptions,
    opened: Option<Opened>,
    /// Where the last reply stood, or the client's last.
    last: Option<u64>,
    /// It was open once: from then on, what passes by doesn't end it.
    begun: bool,
    backoff: Backoff,
}

impl Going {
    async fn next(&mut self) -> Result<Option<Reply>, Failure> {
        loop {
            let failure = match self.attempt().await {
                Ok(None) => return Ok(None),
                Ok(Some(reply)) => {
                    self.begun = true;
                    self.last = reply.place.or(self.last);
                    self.backoff.reset();
                    return Ok(Some(reply));
                }
                Err(failure) => failure,
            };
            self.opened = None;
            if !(failure.is_passing && self.begun && self.last.is_some()) {
                return Err(failure);
            }
            tracing::debug!(after = self.last, "a client's stream broke, and is opened again");
            let pause_ms = self.backoff.next_ms(u64::from_ne_bytes(random_bytes()));
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
    }

    async fn attempt(&mut self) -> Result<Option<Reply>, Failure> {
        if self.opened.is_none() {
            let deadline_ns = clock::now() + STREAM_IDLE_MS_MAX * 1_000_000;
            self.options.deadline_ns = deadline_ns;
            self.opened = Some(self.call.open(&self.options, self.last).await?);
        }
        match &self.opened {
            Some(opened) => opened.reply().await,
            None => Ok(None),
        }
    }
}

impl Opened {
    fn method(&self) -> Result<&Method, Refused> {
        self.instance.schema.schema().method(self.method).ok_or_else(gone)
    }

    fn failed(&self, error: RpcError) -> Failure {
        match self.method() {
            Ok(method) => Failure::of_call(self.instance.schema.schema(), method, error),
            Err(refused) => refused.into(),
        }
    }

    /// The next reply, or the only one. Dropping the future loses nothing.
    pub(super) async fn reply(&self) -> Result<Option<Reply>, Failure> {
        let schema = self.instance.schema.schema();
        let method = self.method()?;
        let reply = match method.shape {
            CallShape::ClientStream => {
                let reply = poll_fn(|cx| self.exchange.poll_reply(cx)).await;
                Some(reply.map_err(|error| self.failed(error))?.body)
            }
            _ => poll_fn(|cx| self.exchange.poll_message(cx)).await.map_err(|error| self.failed(error))?,
        };
        let Some(reply) = reply else { return Ok(None) };
        let mut json = BytesMut::with_capacity(2 * reply.len());
        let shown = to_json(schema, method.reply, &reply, &mut json).ok();
        let json = shown.and_then(|()| String::from_utf8(json.into()).ok());
        let json =
            json.ok_or_else(|| Box::new(Answer::refusal(502, "the service's reply can't be shown")))?;
        let place = Resumption::of(schema, method).and_then(|resumption| resumption.through(schema, &reply));
        let is_empty = method.shape == CallShape::Bidirectional && reply.iter().all(|byte| *byte == 0);
        Ok(Some(Reply { json, place, is_empty }))
    }

    /// Whether the replies come one by one.
    pub(super) fn has_many_replies(&self) -> bool {
        self.method().is_ok_and(|method| method.shape != CallShape::ClientStream)
    }

    /// Waits until one more request may be sent. Dropping the future loses nothing.
    pub(super) async fn room(&self) -> Result<(), Failure> {
        poll_fn(|cx| self.exchange.poll_room(cx)).await.map_err(|error| self.failed(error))
    }

    /// Sends a request, once there is room.
    pub(super) fn send(&self, text: &str) -> Result<(), Failure> {
        let message = message_of_stream(self.instance.schema.schema(), self.method()?, text)?;
        self.exchange.send(message).map_err(|error| self.failed(error))
    }

    /// Says that no further request follows.
    pub(super) fn finish(&self) {
        self.exchange.finish();
    }
}

fn gone() -> Refused {
    Box::new(Answer::refusal(404, "no instance has this method any more"))
}
