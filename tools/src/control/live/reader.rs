//! Tells one reader what is new to it, when it takes it.

use std::rc::Rc;
use std::time::Duration;

use micronet_wire::error::RpcError;
use micronet_wire::service::Outgoing;

use super::Feed;
use super::picture::Picture;
use crate::control::api::live::{Live, LiveOf, Told};
use crate::control::events::Since;

/// The pause between two messages, in milliseconds: there are at most five a second.
const PAUSE_MS: u64 = 200;
/// The most events of a message.
const EVENTS_MAX: usize = 500;
/// The last events, which are told to whoever says of none that it knows it.
const EVENTS_FIRST: u64 = 100;

/// Tells it until nobody wants to hear it any more. What isn't taken yet is not made yet either: a slow reader gets fewer messages, each
/// of which says how things are when it is taken.
pub(crate) async fn tell(
    feed: &Rc<Feed>,
    request: LiveOf,
    mut replies: Outgoing<Live>,
) -> Result<(), RpcError> {
    let _reading = feed.reads();
    let mut pictures = feed.picture.subscribe();
    let events = &feed.governor.events;
    let last = events.last();
    // A greater number than there is was another network's.
    let known = request.events_since.filter(|known| *known <= last);
    let mut following = events.follow_from(known.unwrap_or(last.saturating_sub(EVENTS_FIRST)));
    let mut sent: Option<Rc<Picture>> = None;
    for sequence in 1.. {
        replies.room().await?;
        let picture = Rc::clone(&pictures.borrow_and_update());
        let Since { events, lost } = following.take(EVENTS_MAX);
        let live = Live {
            sequence,
            events: events.iter().map(|told| Told::clone(told)).collect(),
            lost: if known.is_none() && sequence == 1 { 0 } else { lost },
            ..picture.since(sent.as_deref())
        };
        replies.send(&live).await?;
        sent = Some(picture);
        tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
        tokio::select! {
            changed = pictures.changed() => if changed.is_err() { break },
            () = following.more() => {}
        }
    }
    Ok(())
}
