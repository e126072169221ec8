//! Where the time of requests over HTTP went: what the gateway, or the instance, that answered remembers of some of them. Each attempt there
//! has the account that the instance gave of it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use micronet_transport::client::Client;
use micronet_transport::clock;
use micronet_transport::identity::Identity;
use micronet_wire::error::RpcError;
use micronet_wire::http1::ResponseHead;
use micronet_wire::network::{LedgerRecord, OperationClient, RecordKind, RequestsOf};
use micronet_wire::service::CallOptions;
use tokio::time::timeout;

use super::report::model::LedgerMeans;
use super::rpc::nanos;
use crate::network_file::{NetworkFile, Protocol};
use crate::registry::GATEWAY;

/// The id of one in so many requests is kept.
const ONE_IN: u64 = 64;
/// So many ids, the latest.
const IDS_MAX: usize = 64;
/// How long all of it may take, in milliseconds: who doesn't answer is not waited for.
const PATIENCE_MS: u64 = 2_000;

/// The ids of some requests, as their answers tell them.
#[derive(Debug, Default)]
pub(super) struct Sampled {
    answers: Cell<u64>,
    ids: RefCell<VecDeque<String>>,
}

impl Sampled {
    /// An answer has come.
    pub(super) fn note(&self, head: &ResponseHead) {
        let count = self.answers.get();
        self.answers.set(count + 1);
        if count.is_multiple_of(ONE_IN)
            && let Some(id) = head.headers().get_str("X-Request-ID")
        {
            let mut ids = self.ids.borrow_mut();
            if ids.len() >= IDS_MAX {
                ids.pop_front();
            }
            ids.push_back(id.to_owned());
        }
    }
}

/// Who remembers requests.
pub(super) struct Remembered {
    sampled: Rc<Sampled>,
    at: SocketAddr,
    identity: Identity,
}

impl Remembered {
    /// The process of this network that answers at an address; none where that is somebody else's.
    pub(super) fn new(
        network: &NetworkFile,
        target: SocketAddr,
        sampled: Rc<Sampled>,
        identity: Identity,
    ) -> Option<Self> {
        let entry = network.entries.iter().find(|entry| entry.address == target)?;
        // An instance speaks RPC on the same port.
        let entry =
            if entry.protocol == Protocol::Http { network.first(GATEWAY, Protocol::Rpc)? } else { entry };
        Some(Self { sampled, at: entry.address, identity })
    }

    /// The means of those requests whose ids were kept since the last time; none where nothing is remembered of them.
    pub(super) async fn means(&self) -> Option<LedgerMeans> {
        let patience = Duration::from_millis(PATIENCE_MS);
        let ledgers = timeout(patience, self.ask()).await.ok()?.ok()?;
        means(&ledgers)
    }

    async fn ask(&self) -> Result<Vec<LedgerRecord>, RpcError> {
        let ids = self.sampled.ids.take();
        let client = OperationClient::new(Client::connect(self.at, &self.identity).await?);
        let mut ledgers = Vec::new();
        for request_id in ids {
            let deadline_ns = clock::now() + nanos(Duration::from_millis(PATIENCE_MS));
            let options = CallOptions { deadline_ns, ..CallOptions::default() };
            let requests = client.requests(&RequestsOf { request_id }, options).await?;
            let edge = requests.records.iter().filter(|record| record.kind == RecordKind::Edge);
            // The time of an attempt that failed is not told by the one that answered.
            ledgers.extend(edge.filter_map(|record| match record.attempts.as_slice() {
                [] => record.ledger,
                [.., last] => last.ledger,
            }));
        }
        Ok(ledgers)
    }
}

fn means(ledgers: &[LedgerRecord]) -> Option<LedgerMeans> {
    let mean = |part: fn(&LedgerRecord) -> u32| {
        ledgers.iter().map(|ledger| f64::from(part(ledger))).sum::<f64>() / ledgers.len() as f64
    };
    (!ledgers.is_empty()).then(|| LedgerMeans {
        replies: ledgers.len() as u64,
        receive_queue_us: mean(|ledger| ledger.receive_queue_us),
        handler_us: mean(|ledger| ledger.handler_us),
        credit_wait_us: mean(|ledger| ledger.credit_wait_us),
        write_queue_us: mean(|ledger| ledger.write_queue_us),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_of_those_that_are_remembered() {
        let ledger = |handler_us| LedgerRecord { handler_us, receive_queue_us: 5, ..LedgerRecord::default() };
        let means_of = means(&[ledger(100), ledger(200)]).unwrap();
        assert_eq!((means_of.replies, means_of.handler_us, means_of.receive_queue_us), (2, 150.0, 5.0));
        assert_eq!(means(&[]), None);
    }
}
