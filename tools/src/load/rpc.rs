//! The binary RPC as a channel of the load engine: calls on a connection that clients share.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use micronet_transport::client::Client;
use micronet_transport::clock;
use micronet_transport::identity::Identity;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::schema::{EncodedSchema, Variant};
use micronet_wire::service::{CallOptions, Caller};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::engine::{Channel, ExchangeError, Traced};

/// How long a connection may take to be made, its handshake included, in milliseconds.
const CONNECT_MS_MAX: u64 = 5_000;

/// A call that is ready to be made, any number of times.
#[derive(Clone, Debug)]
pub(crate) struct RpcRequest {
    /// The method's id.
    pub(crate) method: u32,
    /// The encoded request.
    pub(crate) body: Bytes,
    /// The idempotency token; none where the method needs none.
    pub(crate) token: Option<String>,
}

/// What came of a call that the instance has answered.
#[derive(Clone, Debug)]
pub(crate) struct RpcAnswer {
    /// Who answered.
    pub(crate) instance: Rc<str>,
    /// The size of the reply, in bytes.
    pub(crate) bytes: u64,
    /// Why it refused, as a name: an error's code, or the service's own error.
    pub(crate) refused: Option<String>,
}

impl Traced for RpcAnswer {
    fn instance(&self) -> Option<&str> {
        Some(&self.instance)
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// A connection to one instance, which its clients share; made again when it is lost.
#[derive(Debug)]
pub(crate) struct Line {
    service: String,
    address: SocketAddr,
    identity: Rc<Identity>,
    schema: Rc<EncodedSchema>,
    connected: RefCell<Option<Connected>>,
    /// Held by who connects; others wait for it.
    connecting: Mutex<()>,
}

/// A line that stands.
#[derive(Clone, Debug)]
pub(crate) struct Connected {
    /// The connection.
    pub(crate) client: Client,
    instance: Rc<str>,
}

impl Line {
    /// A line to an instance of a service, whose errors have names in this schema; nothing is connected yet.
    pub(crate) fn new(
        service: &str,
        address: SocketAddr,
        identity: Rc<Identity>,
        schema: Rc<EncodedSchema>,
    ) -> Self {
        Self {
            service: service.to_owned(),
            address,
            identity,
            schema,
            connected: RefCell::default(),
            connecting: Mutex::default(),
        }
    }

    /// The connection, while it takes calls.
    pub(crate) fn connected(&self) -> Option<Connected> {
        self.connected.borrow().clone().filter(|connected| connected.client.is_serving())
    }

    /// The connection, made anew where there is none that takes calls.
    pub(crate) async fn connect(&self, patience: Duration) -> Result<Connected, ExchangeError> {
        let _turn = self.connecting.lock().await;
        if let Some(connected) = self.connected() {
            return Ok(connected);
        }
        let unconnected = |detail: String| ExchangeError { kind: "no connection", detail };
        let connecting = async {
            let client = Client::connect_to(&self.service, self.address, &self.identity).await?;
            let hello = client.ready().await?;
            Ok(Connected { client, instance: hello.instance.as_str().into() })
        };
        let patience = patience.min(Duration::from_millis(CONNECT_MS_MAX));
        let connected = match timeout(patience, connecting).await {
            Ok(connected) => connected.map_err(|error: RpcError| unconnected(error.to_string()))?,
            Err(_) => {
                let words = format!("{} did not say hello within {} ms", self.address, patience.as_millis());
                return Err(unconnected(words));
            }
        };
        self.connected.replace(Some(connected.clone()));
        Ok(connected)
    }

    /// The name of an error: the service's own, if it is one.
    pub(crate) fn name_of(&self, method: u32, error: &RpcError) -> String {
        let schema = self.schema.schema();
        let own = schema
            .methods
            .iter()
            .find(|candidate| candidate.id == method)
            .and_then(|method| schema.error_variant(method, &error.detail))
            .filter(|_| error.code == Code::Application);
        own.map_or_else(|| error.code.name().to_owned(), Variant::error_code)
    }
}

/// One client's way to an instance.
#[derive(Clone, Debug)]
pub(crate) struct RpcChannel {
    line: Rc<Line>,
    patience: Duration,
}

impl RpcChannel {
    /// A client of this line, whose calls may take so long.
    pub(crate) fn new(line: Rc<Line>, patience: Duration) -> Self {
        Self { line, patience }
    }
}

impl Channel for RpcChannel {
    type Request = RpcRequest;
    type Answer = RpcAnswer;

    async fn open(&mut self) -> Result<(), ExchangeError> {
        self.line.connect(self.patience).await.map(|_| ())
    }

    async fn exchange(&mut self, request: &RpcRequest) -> Result<RpcAnswer, ExchangeError> {
        let Connected { client, instance } = match self.line.connected() {
            Some(connected) => connected,
            None => self.line.connect(self.patience).await?,
        };
        let patience_ns = u64::try_from(self.patience.as_nanos()).unwrap_or(u64::MAX / 2);
        let options = CallOptions {
            deadline_ns: clock::now().saturating_add(patience_ns),
            token: request.token.clone(),
            ..CallOptions::default()
        };
        let call = client.call(request.method, request.body.clone(), options);
        let error = match timeout(self.patience, call).await {
            Ok(Ok(reply)) => {
                return Ok(RpcAnswer { instance, bytes: reply.body.len() as u64, refused: None });
            }
            Ok(Err(error)) => error,
            Err(_) => RpcError::new(Code::DeadlineExceeded, "no answer within the deadline"),
        };
        match error.code {
            Code::DeadlineExceeded => {
                Err(ExchangeError { kind: "no answer in time", detail: error.to_string() })
            }
            Code::ConnectionLost | Code::Silent => {
                Err(ExchangeError { kind: "connection lost", detail: error.to_string() })
            }
            _ => {
                let refused = Some(self.line.name_of(request.method, &error));
                Ok(RpcAnswer { instance, bytes: 0, refused })
            }
        }
    }
}
