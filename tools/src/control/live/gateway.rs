//! Hears what the gateway says by the second, for as long as there is one.

use std::rc::{Rc, Weak};
use std::time::Duration;

use micronet_gateway::api::GatewayClient;
use micronet_transport::clock;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::DEADLINE_US_MAX;
use micronet_wire::principal::Principal;
use micronet_wire::service::CallOptions;
use tokio::time::timeout;

use super::Feed;
use crate::registry::GATEWAY;

/// A gateway that says nothing for so long has stopped where it stands. In milliseconds.
const SILENCE_MS_MAX: u64 = 3_000;
/// The pause before one is asked again that was not reached, in milliseconds.
const AGAIN_MS: u64 = 300;

/// Hears it to the end of the network.
pub(super) async fn hear(feed: Weak<Feed>) {
    while feed.strong_count() > 0 {
        let ended = listen(&feed).await;
        tracing::debug!(error = ?ended.err(), "the gateway says nothing more");
        if let Some(feed) = feed.upgrade()
            && feed.sources.borrow().watched.is_some()
        {
            feed.watched(None);
        }
        tokio::time::sleep(Duration::from_millis(AGAIN_MS)).await;
    }
}

/// Hears one process to its end.
async fn listen(feed: &Weak<Feed>) -> Result<(), RpcError> {
    let gone = || RpcError::new(Code::Draining, "the network ends");
    let governor = Rc::clone(&feed.upgrade().ok_or_else(gone)?.governor);
    let instance = governor.fleet()?.of_service(GATEWAY).first().cloned().ok_or_else(gone)?;
    let gateway = GatewayClient::new(governor.connection(&instance).await?);
    drop(governor);
    let options = CallOptions {
        principal: Some(Principal::Operator),
        deadline_ns: clock::now() + u64::from(DEADLINE_US_MAX) * 1_000,
        ..CallOptions::default()
    };
    let mut said = gateway.watch(options).await?;
    loop {
        let next = timeout(Duration::from_millis(SILENCE_MS_MAX), said.next()).await;
        let feed = feed.upgrade().ok_or_else(gone)?;
        match next {
            Ok(Ok(Some(watched))) => feed.watched(Some(watched)),
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            // It may go on.
            Err(_) if feed.sources.borrow().watched.is_some() => feed.watched(None),
            Err(_) => {}
        }
    }
}
