//! The servers under test, each in a thread of its own, with one service between them.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::thread::JoinHandle;

use bytes::Bytes;
use micronet_transport::drain;
use micronet_transport::mio::server::{Replies, SyncServer, SyncService};
use micronet_transport::{server, socket};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::schema::{CallShape, EncodedSchema, Message, Method};
use micronet_wire::service::{Answer, CallContext, Handling, Service, service};

use super::{ANSWER, ECHO, FAILING, JOIN, METHOD, Names, REPEAT};

/// What [`METHOD`] does: of which shape it is, what it replies, and how it ends.
#[derive(Clone)]
pub(super) struct Behaviour {
    pub(super) shape: CallShape,
    pub(super) replies: Vec<Bytes>,
    pub(super) end: Answer,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { shape: CallShape::Unary, replies: Vec::new(), end: Ok(Bytes::from_static(ANSWER)) }
    }
}

/// The shapes of the methods with streams, but for [`METHOD`]'s.
const STREAMS: [(u32, &str, CallShape); 2] =
    [(REPEAT, "repeat", CallShape::ServerStream), (JOIN, "join", CallShape::ClientStream)];

impl Behaviour {
    fn shape(&self, method: u32) -> CallShape {
        let known = STREAMS.iter().find(|(id, ..)| *id == method).map(|(_, _, shape)| *shape);
        known.unwrap_or(if method == METHOD { self.shape } else { CallShape::Unary })
    }

    /// The replies one by one, and how the call ends.
    fn react(&self, method: u32, requests: &[Bytes]) -> (Vec<Bytes>, Answer) {
        match method {
            METHOD => (self.replies.clone(), self.end.clone()),
            JOIN => (Vec::new(), Ok(requests.concat().into())),
            REPEAT => match requests {
                [request] => (super::repeated(request), Ok(Bytes::new())),
                _ => (Vec::new(), Err(RpcError::new(Code::Internal, "it takes one request"))),
            },
            _ => (Vec::new(), answer(method, requests.first().cloned().unwrap_or_default())),
        }
    }
}

/// What no service here looks at.
#[derive(Message, Debug, Clone, PartialEq)]
struct Text {
    text: String,
}

/// Only its schema is used.
#[service(name = "product")]
trait Nothing {
    /// Anything.
    #[rpc(public, idempotent)]
    async fn query(&self, context: &CallContext, request: Text) -> Result<Text, RpcError>;
}

struct Nobody;

impl Nothing for Nobody {
    async fn query(&self, _: &CallContext, request: Text) -> Result<Text, RpcError> {
        Ok(request)
    }
}

struct UnderTest {
    behaviour: Behaviour,
    schema: EncodedSchema,
}

impl UnderTest {
    fn new(behaviour: Behaviour) -> Self {
        let mut schema = NothingServer::new(Nobody).expect("a schema").schema().schema().clone();
        schema.methods[0].shape = behaviour.shape;
        for (id, name, shape) in STREAMS {
            schema.methods.push(Method { id, name: name.into(), shape, ..schema.methods[0].clone() });
        }
        schema.methods.sort_by(|one, other| one.name.cmp(&other.name));
        Self { behaviour, schema: EncodedSchema::new(schema).expect("a schema") }
    }
}

fn answer(method: u32, request: Bytes) -> Answer {
    match method {
        ECHO => Ok(request),
        FAILING => Err(RpcError::new(Code::Internal, "oops")),
        _ => Err(RpcError::new(Code::UnknownMethod, "no such method")),
    }
}

impl Service for UnderTest {
    fn schema(&self) -> &EncodedSchema {
        &self.schema
    }
    fn handle(&self, context: Box<CallContext>, method: u32, request: Bytes) -> Handling {
        let behaviour = self.behaviour.clone();
        Box::pin(async move {
            let Some(exchange) = context.exchange else { return behaviour.react(method, &[request]).1 };
            let mut requests = Vec::new();
            if context.many {
                while let Some(request) = poll_fn(|cx| exchange.poll_message(cx)).await? {
                    requests.push(request);
                }
            } else {
                requests.push(request);
            }
            let (replies, end) = behaviour.react(method, &requests);
            for reply in replies {
                poll_fn(|cx| exchange.poll_room(cx)).await?;
                exchange.send(reply)?;
            }
            end
        })
    }
}

/// The same of plain functions.
struct Plain(Behaviour, EncodedSchema);

impl SyncService for Plain {
    fn handle(&self, _: &CallContext, method: u32, request: Bytes) -> Answer {
        self.0.react(method, &[request]).1
    }
    fn shape(&self, method: u32) -> CallShape {
        self.0.shape(method)
    }
    fn handle_requests(&self, _: &CallContext, method: u32, requests: Vec<Bytes>) -> Answer {
        self.0.react(method, &requests).1
    }
    fn handle_stream(&self, _: &CallContext, method: u32, requests: Vec<Bytes>) -> Result<Replies, RpcError> {
        let (replies, end) = self.0.react(method, &requests);
        Ok(Box::new(replies.into_iter().map(Ok).chain(end.err().map(Err))))
    }
    fn schema(&self) -> Option<&EncodedSchema> {
        Some(&self.1)
    }
}

/// A server that runs.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    drain: Box<dyn FnMut()>,
    thread: JoinHandle<()>,
}

impl Running {
    /// Tells it to drain.
    pub(super) fn drain(&mut self) {
        (self.drain)();
    }

    /// Drains it and waits for its end, which comes once all connections have ended.
    pub(super) fn stop(mut self) -> Result<(), String> {
        self.drain();
        self.thread.join().map_err(|_| "the server panicked".to_owned())
    }
}

pub(super) struct OnTokio;

impl OnTokio {
    pub(super) fn start(names: &Names, behaviour: Behaviour) -> Running {
        let (trigger, drain) = drain::channel();
        let listener = socket::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let names = names.clone();
        let thread = std::thread::spawn(move || {
            super::clients::on_runtime(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime");
                server::serve(listener, Rc::new(UnderTest::new(behaviour)), Rc::new(names.identity()), drain)
                    .await;
            });
        });
        Running { address, drain: Box::new(move || trigger.drain()), thread }
    }
}

pub(super) struct OnMio;

impl OnMio {
    pub(super) fn start(names: &Names, behaviour: Behaviour) -> Running {
        let address = ([127, 0, 0, 1], 0).into();
        let service = Plain(behaviour.clone(), UnderTest::new(behaviour).schema);
        let server = SyncServer::bind(address, service, &names.identity()).expect("a free port");
        let (address, stop) = (server.address(), server.stop_handle());
        let thread = std::thread::spawn(move || server.run().expect("it serves"));
        Running { address, drain: Box::new(move || stop.drain().expect("it can be woken")), thread }
    }
}
