//! Calls over RPC by the driver on tokio: each worker has one call under way, on a connection that several share.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use micronet_transport::clock;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::ledger::Ledger;
use micronet_wire::service::{Arity, CallOptions, Caller};
use tokio::time::sleep;

use super::tally::{Begun, End, Kind};
use super::work::{TIMEOUT, Work, Worker};
use crate::load::rpc::Line;
use crate::shop::request::Keys;

/// How long a worker of a closed loop waits after it could not connect, so that it doesn't spin on a dead server. In milliseconds.
const PAUSE_MS: u64 = 100;

/// What is called, again and again.
#[derive(Clone, Debug)]
pub(super) struct Called {
    /// The method's id.
    pub(super) method: u32,
    /// The encoded request.
    pub(super) body: Bytes,
    /// What a call bears, or each reply of a stream, in bytes.
    pub(super) payload_bytes: usize,
    /// Whether replies are a stream.
    pub(super) streams: bool,
    /// Whether each call has a token of its own, since repeating it would do harm.
    pub(super) has_token: bool,
}

/// One who calls.
pub(super) struct RpcCaller {
    line: Rc<Line>,
    called: Called,
    keys: Keys,
}

impl RpcCaller {
    /// Calls this on that line.
    pub(super) fn new(line: Rc<Line>, called: Called) -> Result<Self, getrandom::Error> {
        Ok(Self { line, called, keys: Keys::from_system()? })
    }

    async fn work(&mut self, work: &Work) {
        let began = (Instant::now(), clock::now());
        let mut now = began.0;
        loop {
            let due = match work.turns.next_due(now) {
                Some(due) => due,
                None => {
                    let Some(due) = work.turns.next().await else { return };
                    now = Instant::now();
                    due
                }
            };
            if work.gives_up(due, now) {
                continue;
            }
            let sent = now;
            let deadline_ns = began.1.saturating_add(nanos(now - began.0 + work.timeout));
            let called = self.call(deadline_ns, work).await;
            now = Instant::now();
            let end = match called {
                Ok((ledger, bytes)) => {
                    let mut tally = work.tally();
                    tally.account(due, &ledger);
                    tally.moved(now, self.called.body.len(), bytes);
                    End::Good
                }
                Err(end) => end,
            };
            let failed = end != End::Good;
            work.tally().ended(Begun { due, sent }, now, end);
            if failed && self.line.connected().is_none() && !work.schedule.span.is_open {
                sleep(Duration::from_millis(PAUSE_MS)).await;
                now = Instant::now();
            }
        }
    }

    /// The server's account, and how many bytes came back.
    async fn call(&mut self, deadline_ns: u64, work: &Work) -> Result<(Ledger, usize), End> {
        let connected = match self.line.connected() {
            Some(connected) => connected,
            None => self.line.connect(work.timeout).await.map_err(|error| End::Failed(error.kind.into()))?,
        };
        let Called { method, body, streams, has_token, .. } = &self.called;
        let token = has_token.then(|| self.keys.next());
        let options = CallOptions { deadline_ns, token, ..CallOptions::default() };
        let ended = if *streams {
            stream(&connected.client, *method, body.clone(), options).await
        } else {
            let reply = connected.client.call(*method, body.clone(), options).await;
            reply.map(|reply| (reply.ledger, reply.body.len()))
        };
        ended.map_err(|error| failed(&error, || self.line.name_of(*method, &error)))
    }
}

/// A call with a stream of replies, to its end.
async fn stream(
    client: &impl Caller,
    method: u32,
    body: Bytes,
    options: CallOptions,
) -> Result<(Ledger, usize), RpcError> {
    let exchange = client.open(method, Some(body), Arity::Many, options).await?;
    let mut bytes = 0;
    while let Some(message) = poll_fn(|cx| exchange.poll_message(cx)).await? {
        bytes += message.len();
    }
    let end = poll_fn(|cx| exchange.poll_reply(cx)).await?;
    Ok((end.ledger, bytes))
}

/// How a call ended that failed.
pub(super) fn failed(error: &RpcError, name: impl FnOnce() -> String) -> End {
    match error.code {
        Code::DeadlineExceeded => End::GivenUp(TIMEOUT.into()),
        Code::ConnectionLost | Code::Silent => End::Failed("connection lost".into()),
        _ => End::Failed(Kind::from(name())),
    }
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2)
}

impl Worker for RpcCaller {
    fn run(mut self: Box<Self>, work: Rc<Work>) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move { self.work(&work).await })
    }
}
