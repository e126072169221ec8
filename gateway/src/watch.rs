//! Tells by the second what passes the gateway, and at once when an instance's state changes.

use std::time::Duration;

use micronet_transport::clock;
use micronet_transport::identity::Identity;
use micronet_transport::upstream::Upstream;
use micronet_wire::error::RpcError;
use micronet_wire::network::{Instances, InstancesOf};
use micronet_wire::schema::Timestamp;
use micronet_wire::service::Outgoing;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::api::watch::{Second, Watched};
use crate::stats::{SECOND_NS, Stats};

/// How often it is looked whether a state has changed, in milliseconds: a part of a second.
const LOOK_MS: u64 = 100;

/// Tells it until nobody wants to hear it any more.
pub(crate) async fn watch(
    identity: &Identity,
    upstreams: &[Upstream],
    stats: &Stats,
    mut replies: Outgoing<Watched>,
) -> Result<(), RpcError> {
    let network = &identity.network;
    let mut told_second = clock::now() / SECOND_NS;
    let mut told_changes = None;
    // Just after a second has become whole.
    let begin = clock::instant((told_second + 1) * SECOND_NS).max(Instant::now());
    let mut looks = interval_at(begin, Duration::from_millis(LOOK_MS));
    looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let (now, changes) = (clock::now(), network.instance_changes());
        let number = now / SECOND_NS;
        let is_whole = number > told_second;
        if is_whole || told_changes.as_ref() != Some(&changes) {
            let seen = network.instances(&identity.instance, &InstancesOf::default());
            let second = is_whole.then(|| second(identity, upstreams, stats, (now, number - 1), &seen));
            (told_second, told_changes) = (number, Some(changes));
            replies.send(&Watched { at: Timestamp(clock::unix_us()), seen, second }).await?;
        }
        looks.tick().await;
    }
}

fn second(
    identity: &Identity,
    upstreams: &[Upstream],
    stats: &Stats,
    (now, number): (u64, u64),
    seen: &Instances,
) -> Second {
    let place = |service: &str| upstreams.iter().position(|upstream| upstream.service() == service);
    let services: Vec<_> =
        seen.services.iter().filter_map(|called| Some((place(&called.service)?, called))).collect();
    let measure = stats.second(now, number, &services);
    let ago_us = now.saturating_sub(number * SECOND_NS) / 1_000;
    let metrics = identity.network.metrics();
    Second {
        began: Timestamp(clock::unix_us().saturating_sub_unsigned(ago_us)),
        requests: measure.requests,
        connections: ["http", "rpc"].map(|protocol| metrics.connections_of(protocol)).iter().sum(),
        passed: measure.passed,
        services: measure.services,
    }
}
