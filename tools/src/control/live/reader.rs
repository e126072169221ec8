//! Tells one reader what is new to it, when it takes it.

use std::rc::Rc;
use std::time::Duration;

use micronet_wire::error::RpcError;
use micronet_wire::service::Outgoing;
use tokio::sync::watch;

use super::Feed;
use super::picture::Picture;
use crate::control::api::live::{Live, LiveOf, Told};
use crate::control::events::{Events, Since};

/// The pause between two messages, in milliseconds: there are at most five a second.
const PAUSE_MS: u64 = 200;
/// The most events of a message.
const EVENTS_MAX: usize = 500;
/// The last events, which are told to whoever says of none that it knows it.
const EVENTS_FIRST: u64 = 100;

/// Tells it until nobody wants to hear it any more. What isn't taken yet is not made yet either: a slow reader gets fewer messages, each
/// of which says how things are when it is taken.
pub(crate) async fn tell(feed: &Rc<Feed>, request: LiveOf, replies: Outgoing<Live>) -> Result<(), RpcError> {
    let _reading = feed.reads();
    tell_of(feed.picture.subscribe(), &feed.governor.events, request, replies).await
}

async fn tell_of(
    mut pictures: watch::Receiver<Rc<Picture>>,
    events: &Rc<Events>,
    request: LiveOf,
    mut replies: Outgoing<Live>,
) -> Result<(), RpcError> {
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

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::task::{Context, Poll, Waker};

    use bytes::Bytes;
    use micronet_wire::encoding;
    use micronet_wire::schema::Timestamp;
    use micronet_wire::service::{CallContext, Exchange, Reply};
    use tokio::task::LocalSet;

    use super::*;
    use crate::control::api::live::{EventKind, LiveTotals, Severity};
    use crate::control::events::Event;

    /// A reader that takes so many messages.
    #[derive(Debug, Default)]
    struct Taking {
        room: Cell<usize>,
        taken: RefCell<Vec<Live>>,
        waits: RefCell<Option<Waker>>,
    }

    impl Taking {
        /// Takes one more message, and waits until it is there.
        async fn take(&self) -> Live {
            let wanted = self.taken.borrow().len() + 1;
            self.room.set(1);
            self.waits.take().into_iter().for_each(Waker::wake);
            while self.taken.borrow().len() < wanted {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            self.taken.borrow()[wanted - 1].clone()
        }
    }

    impl Exchange for Taking {
        fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), RpcError>> {
            if self.room.get() > 0 {
                return Poll::Ready(Ok(()));
            }
            self.waits.replace(Some(cx.waker().clone()));
            Poll::Pending
        }

        fn send(&self, message: Bytes) -> Result<(), RpcError> {
            self.room.update(|room| room - 1);
            self.taken.borrow_mut().push(encoding::decode(&message).unwrap());
            Ok(())
        }

        fn poll_message(&self, _: &mut Context<'_>) -> Poll<Result<Option<Bytes>, RpcError>> {
            Poll::Pending
        }

        fn poll_reply(&self, _: &mut Context<'_>) -> Poll<Result<Reply, RpcError>> {
            Poll::Pending
        }

        fn finish(&self) {}

        fn cancel(&self) {}
    }

    fn picture(per_s: u64) -> Rc<Picture> {
        let totals = LiveTotals { per_s, ..LiveTotals::default() };
        Rc::new(Picture { at: Timestamp(per_s.cast_signed()), totals, ..Picture::default() })
    }

    fn event(events: &Events, number: u64) {
        events.tell(Event::new(EventKind::Chat, Severity::Info, "", number.to_string()));
    }

    #[test]
    fn a_slow_reader_hears_only_what_is_newest_and_how_much_it_has_missed() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let local = LocalSet::new();
        local.block_on(&runtime.unwrap(), async {
            let (events, pictures) = (Events::new(), watch::Sender::new(picture(1)));
            (1..=150).for_each(|number| event(&events, number));
            let taking = Rc::new(Taking::default());
            let context = CallContext { exchange: Some(taking.clone()), ..CallContext::default() };
            let replies = Outgoing::of_replies(&context).unwrap();
            let (seen, told) = (pictures.subscribe(), Rc::clone(&events));
            let telling =
                tokio::task::spawn_local(
                    async move { tell_of(seen, &told, LiveOf::default(), replies).await },
                );
            let first = taking.take().await;
            assert!(first.whole && first.sequence == 1 && first.lost == 0);
            assert_eq!((first.events.len(), first.events[0].id), (100, 51));
            // Nothing is made that isn't taken.
            for per_s in 2..=40 {
                pictures.send_replace(picture(per_s));
                (0..20).for_each(|number| event(&events, number));
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            assert_eq!(taking.taken.borrow().len(), 1);
            let second = taking.take().await;
            assert_eq!((second.sequence, second.whole, second.at), (2, false, Timestamp(40)));
            assert_eq!(second.totals.unwrap().per_s, 40);
            assert_eq!((second.events.len(), second.lost), (500, 280));
            assert_eq!(second.events[499].id, 150 + 780);
            // A quick one hears at most five times a second.
            let begun = tokio::time::Instant::now();
            for per_s in 41..=50 {
                pictures.send_replace(picture(per_s));
                taking.take().await;
            }
            let took = begun.elapsed();
            assert!((Duration::from_millis(1_900)..Duration::from_millis(2_200)).contains(&took), "{took:?}");
            telling.abort();
        });
    }

    #[test]
    fn who_knows_an_event_hears_those_after_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let local = LocalSet::new();
        local.block_on(&runtime.unwrap(), async {
            let (events, pictures) = (Events::new(), watch::Sender::new(picture(1)));
            (1..=10).for_each(|number| event(&events, number));
            // 77 was another network's.
            for (known, first) in [(7, 8), (0, 1), (77, 1)] {
                let taking = Rc::new(Taking::default());
                let context = CallContext { exchange: Some(taking.clone()), ..CallContext::default() };
                let replies = Outgoing::of_replies(&context).unwrap();
                let (seen, told) = (pictures.subscribe(), Rc::clone(&events));
                let request = LiveOf { events_since: Some(known) };
                let telling =
                    tokio::task::spawn_local(async move { tell_of(seen, &told, request, replies).await });
                assert_eq!(taking.take().await.events[0].id, first, "{known}");
                telling.abort();
            }
        });
    }
}
