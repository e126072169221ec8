//! Looks whom services call, while somebody reads it.

use std::collections::BTreeMap;
use std::rc::Weak;
use std::time::Duration;

use micronet_transport::clock;

use super::Feed;
use super::draw::link;
use crate::control::api::live::{LinkEnds, LiveLink};
use crate::registry::{CONTROL, GATEWAY};

/// How often, in milliseconds.
const LOOK_MS: u64 = 1_000;

/// Looks to the end of the network.
pub(super) async fn look(feed: Weak<Feed>) {
    // The last counts of calls, and when they were read.
    let mut counted: BTreeMap<LinkEnds, (u64, u64)> = BTreeMap::new();
    loop {
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        let Some(feed) = feed.upgrade() else { return };
        if !feed.is_read() {
            counted.clear();
            feed.sources.borrow_mut().links.clear();
            continue;
        }
        // The gateway says it by itself.
        let seen = feed.governor.instances_seen_by(|service| service != GATEWAY).await;
        let now = clock::now();
        let mut links: BTreeMap<LinkEnds, LiveLink> = BTreeMap::new();
        let mut counts = BTreeMap::new();
        for (caller, seen) in seen {
            for called in seen.services.iter().filter(|called| called.service != CONTROL) {
                for each in &called.instances {
                    let (ends, mut drawn) = link(&caller.instance, &called.service, each, 0);
                    if let Some((at_ns, calls)) = counted.get(&ends) {
                        drawn.per_s = per_s(each.calls.saturating_sub(*calls), now.saturating_sub(*at_ns));
                    }
                    counts.insert(ends.clone(), (now, each.calls));
                    links.insert(ends, drawn);
                }
            }
        }
        counted = counts;
        feed.sources.borrow_mut().links = links;
    }
}

fn per_s(calls: u64, over_ns: u64) -> u64 {
    let per_s = u128::from(calls) * 1_000_000_000 / u128::from(over_ns.max(1));
    u64::try_from(per_s).unwrap_or(u64::MAX)
}
