//! A service with a stream of each shape, that the gateway knows by its schema only.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use micronet_tests::folder::Folder;
use micronet_tests::rpc::Served;
use micronet_transport::identity::Identity;
use micronet_wire::builtin::WithBuiltin;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::hello::Secret;
use micronet_wire::metadata::CLIENT_ADDRESS;
use micronet_wire::schema::{Message, Timestamp};
use micronet_wire::service::{CallContext, Incoming, Outgoing, service};

/// Asks for numbers.
#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Count {
    /// The last one; without it they don't end.
    pub(crate) to: Option<u64>,
    /// Those after this one.
    pub(crate) after: Option<u64>,
}

/// A number.
#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Counted {
    /// Itself.
    pub(crate) through: u64,
    /// Who counts.
    pub(crate) by: String,
}

/// Asks for much.
#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Flood {
    /// How long each message is, in bytes.
    pub(crate) bytes: u32,
}

/// A lot.
#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Water {
    /// As long as was asked for.
    pub(crate) drops: String,
}

/// A number.
#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Number {
    /// Itself.
    #[field(max = 1000)]
    pub(crate) number: u32,
}

/// A text and nothing else.
#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Word {
    /// Itself.
    #[field(max = 20)]
    pub(crate) text: String,
}

/// What was heard.
#[derive(Message, Debug, Clone, Default, PartialEq)]
pub(crate) struct Heard {
    /// Itself.
    pub(crate) text: String,
    /// From which address.
    pub(crate) from: String,
}

/// Streams of each shape.
#[service(name = "feeds")]
trait Feeds {
    /// Numbers, in order.
    #[rpc(http("GET /api/v1/feeds/count"), public, idempotent)]
    async fn count(
        &self,
        c: &CallContext,
        request: Count,
        replies: Outgoing<Counted>,
    ) -> Result<(), RpcError>;
    /// As much as somebody takes.
    #[rpc(http("GET /api/v1/feeds/flood/{bytes}"), public, idempotent)]
    async fn flood(&self, c: &CallContext, request: Flood, replies: Outgoing<Water>) -> Result<(), RpcError>;
    /// What not everybody may know.
    #[rpc(http("GET /api/v1/feeds/secret"), permission = "feeds:read", idempotent)]
    async fn secret(
        &self,
        c: &CallContext,
        request: Count,
        replies: Outgoing<Counted>,
    ) -> Result<(), RpcError>;
    /// The sum of numbers.
    #[rpc(http("WS /api/v1/feeds/sum"), public)]
    async fn sum(&self, c: &CallContext, requests: Incoming<Number>) -> Result<Number, RpcError>;
    /// Says each again, and from where it came; what is blank gets no answer.
    #[rpc(http("WS /api/v1/feeds/echo"), public)]
    async fn echo(
        &self,
        c: &CallContext,
        requests: Incoming<Word>,
        replies: Outgoing<Heard>,
    ) -> Result<(), RpcError>;
    /// Doubles each; 13 is unlucky.
    #[rpc(http("WS /api/v1/feeds/double"), public)]
    async fn double(
        &self,
        c: &CallContext,
        requests: Incoming<Number>,
        replies: Outgoing<Number>,
    ) -> Result<(), RpcError>;
}

struct Feeding {
    name: String,
    sent: Arc<AtomicUsize>,
}

impl Feeding {
    async fn tell(&self, request: Count, mut replies: Outgoing<Counted>) -> Result<(), RpcError> {
        let mut number = request.after.unwrap_or(0);
        while request.to.is_none_or(|last| number < last) {
            number += 1;
            replies.send(&Counted { through: number, by: self.name.clone() }).await?;
            if request.to.is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Ok(())
    }
}

impl Feeds for Feeding {
    async fn count(
        &self,
        _: &CallContext,
        request: Count,
        replies: Outgoing<Counted>,
    ) -> Result<(), RpcError> {
        self.tell(request, replies).await
    }

    async fn flood(
        &self,
        _: &CallContext,
        request: Flood,
        mut replies: Outgoing<Water>,
    ) -> Result<(), RpcError> {
        let water = Water { drops: "x".repeat(request.bytes as usize) };
        loop {
            replies.send(&water).await?;
            self.sent.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn secret(
        &self,
        _: &CallContext,
        request: Count,
        replies: Outgoing<Counted>,
    ) -> Result<(), RpcError> {
        self.tell(request, replies).await
    }

    async fn sum(&self, _: &CallContext, mut requests: Incoming<Number>) -> Result<Number, RpcError> {
        let mut sum = 0;
        while let Some(Number { number }) = requests.next().await? {
            sum += number;
        }
        Ok(Number { number: sum })
    }

    async fn echo(
        &self,
        c: &CallContext,
        mut requests: Incoming<Word>,
        mut replies: Outgoing<Heard>,
    ) -> Result<(), RpcError> {
        let from = c.metadata.get(CLIENT_ADDRESS).unwrap_or_default().to_owned();
        while let Some(Word { text }) = requests.next().await? {
            let is_blank = text.trim().is_empty();
            let heard = Heard { text, from: from.clone() };
            replies.send(&if is_blank { Heard::default() } else { heard }).await?;
        }
        Ok(())
    }

    async fn double(
        &self,
        _: &CallContext,
        mut requests: Incoming<Number>,
        mut replies: Outgoing<Number>,
    ) -> Result<(), RpcError> {
        while let Some(Number { number }) = requests.next().await? {
            if number == 13 {
                return Err(RpcError::new(Code::Internal, "thirteen is unlucky"));
            }
            replies.send(&Number { number: 2 * number }).await?;
        }
        Ok(())
    }
}

/// An instance of it; it drains when this is dropped.
pub(crate) struct Instance {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    /// Messages of a flood that were sent.
    pub(crate) sent: Arc<AtomicUsize>,
    _served: Served,
}

/// Starts an instance with the secrets of this folder.
pub(crate) fn instance(folder: &Folder, name: &str) -> Instance {
    let sent = Arc::new(AtomicUsize::new(0));
    let feeding = Feeding { name: name.to_owned(), sent: Arc::clone(&sent) };
    let (secret, instance, name) = (folder.cluster_secret(), name.to_owned(), name.to_owned());
    let shown = name.clone();
    let identity = move || Identity {
        cluster: "micronet".into(),
        node: "feeds".into(),
        instance,
        cluster_secret: Some(Secret::new(secret)),
        ..Identity::default()
    };
    let served = Served::start(identity, move || {
        let service = FeedsServer::new(feeding).expect("a schema");
        WithBuiltin::new(service, &name, "0", Timestamp(0)).expect("a schema")
    });
    Instance { name: shown, address: served.address, sent, _served: served }
}
