//! What happens in the network, for whoever wants to hear of it: told once, numbered, and kept for a while.
//!
//! The last events stand in a ring, and whoever follows has a place in it. So it costs nothing to have many followers, and one that is
//! slow holds up nobody: what has left the ring before it came to it is lost, and counted.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use micronet_transport::clock;
use micronet_wire::schema::Timestamp;
use micronet_wire::service::CallContext;
use tokio::sync::watch;

use super::api::live::{EventKind, Severity, Told};

/// Events that are kept.
pub(crate) const KEPT_MAX: usize = 2_048;
/// The most of an event's words, in bytes.
const WORDS_BYTES_MAX: usize = 1_024;

/// Everything that happens.
#[derive(Debug)]
pub(crate) struct Events {
    kept: RefCell<VecDeque<Rc<Told>>>,
    /// The number of the last one.
    last: watch::Sender<u64>,
}

/// Something that is to be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// What it is about.
    pub(crate) kind: EventKind,
    /// How much it matters.
    pub(crate) severity: Severity,
    /// Whom it concerns: an instance, a service, or nothing for the whole network.
    pub(crate) subject: String,
    /// What happened.
    pub(crate) words: String,
    /// Who did it.
    pub(crate) who: Option<String>,
    /// The request by which it was done.
    pub(crate) request_id: Option<String>,
}

/// A place among the events.
#[derive(Debug)]
pub(crate) struct Following {
    events: Rc<Events>,
    changes: watch::Receiver<u64>,
    /// The last one that was taken.
    taken: u64,
}

/// Some events in their order, and how many before them are lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Since {
    /// The events.
    pub(crate) events: Vec<Rc<Told>>,
    /// Those before the first of them that are kept no more.
    pub(crate) lost: u64,
}

impl Event {
    /// Something that happened to somebody.
    pub(crate) fn new(kind: EventKind, severity: Severity, subject: &str, words: impl Into<String>) -> Self {
        Self { kind, severity, subject: subject.to_owned(), words: words.into(), ..Self::default() }
    }

    /// Who did it: whoever makes this call.
    pub(crate) fn by(self, context: &CallContext) -> Self {
        let request_id = Some(context.request_id.to_string()).filter(|id| !id.is_empty());
        Self { who: Some(context.principal.key()), request_id, ..self }
    }
}

impl Events {
    /// Nothing has happened yet.
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self { kept: RefCell::default(), last: watch::Sender::new(0) })
    }

    /// Something has happened now.
    pub(crate) fn tell(&self, event: Event) {
        let Event { kind, severity, subject, mut words, who, request_id } = event;
        words.truncate(words.floor_char_boundary(WORDS_BYTES_MAX));
        let id = self.last() + 1;
        let at = Timestamp(clock::unix_us());
        let told = Told { id, at, kind, severity, subject, words, who, request_id };
        tracing::debug!(?kind, subject = told.subject, words = told.words, "an event");
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(Rc::new(told));
        drop(kept);
        self.last.send_replace(id);
    }

    /// The number of the last event; 0 before the first.
    pub(crate) fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// Those after the one of this number, as far as they are kept.
    pub(crate) fn since(&self, id: u64) -> Since {
        let kept = self.kept.borrow();
        let first = kept.front().map_or(id + 1, |told| told.id);
        let skipped = usize::try_from((id + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        let events = kept.iter().skip(skipped).map(Rc::clone).collect();
        Since { events, lost: first.saturating_sub(id + 1) }
    }

    /// Hears of what happens from now on.
    pub(crate) fn follow(self: &Rc<Self>) -> Following {
        self.follow_from(self.last())
    }

    /// Hears of what happened after the event of this number, and of what happens from now on.
    pub(crate) fn follow_from(self: &Rc<Self>, id: u64) -> Following {
        let changes = self.last.subscribe();
        Following { events: Rc::clone(self), changes, taken: id.min(self.last()) }
    }
}

impl Following {
    /// Those that were not taken yet; at most so many, the newest ones, and the others are lost.
    pub(crate) fn take(&mut self, count_max: usize) -> Since {
        self.changes.mark_unchanged();
        let Since { mut events, mut lost } = self.events.since(self.taken);
        let surplus = events.len().saturating_sub(count_max);
        events.drain(..surplus);
        lost += surplus as u64;
        self.taken = self.events.last();
        Since { events, lost }
    }

    /// Waits until there are some, and takes them. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Since {
        self.more().await;
        self.take(KEPT_MAX)
    }

    /// Waits until there are some to be taken.
    pub(crate) async fn more(&mut self) {
        let taken = self.taken;
        // The sender lives as long as `self`.
        let _ = self.changes.wait_for(|last| *last > taken).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u64) -> Event {
        Event::new(EventKind::Process, Severity::Info, "node-1", number.to_string())
    }

    fn words(since: &Since) -> Vec<&str> {
        since.events.iter().map(|told| &*told.words).collect()
    }

    #[test]
    fn who_follows_hears_everything_in_its_order() {
        let events = Events::new();
        events.tell(event(1));
        let mut following = events.follow();
        assert_eq!(following.take(10), Since::default());
        events.tell(event(2));
        events.tell(event(3));
        let taken = following.take(10);
        assert_eq!((words(&taken), taken.lost), (vec!["2", "3"], 0));
        assert_eq!(following.take(10), Since::default());
        assert_eq!(words(&events.since(0)), ["1", "2", "3"]);
        assert_eq!(words(&events.since(2)), ["3"]);
        assert_eq!(events.since(3), Since::default());
        assert_eq!(events.since(77), Since::default());
        // A number from another time.
        assert_eq!(events.follow_from(77).take(10), Since::default());
        assert_eq!(words(&events.follow_from(1).take(10)), ["2", "3"]);
    }

    #[test]
    fn who_is_slow_loses_the_oldest_and_hears_how_many() {
        let events = Events::new();
        let mut slow = events.follow();
        let told = KEPT_MAX as u64 + 10;
        (1..=told).for_each(|number| events.tell(event(number)));
        assert_eq!(events.kept.borrow().len(), KEPT_MAX);
        let taken = events.follow_from(5).take(usize::MAX);
        assert_eq!((taken.events.len(), taken.lost), (KEPT_MAX, 5));
        let taken = slow.take(3);
        assert_eq!((words(&taken), taken.lost), (vec!["2056", "2057", "2058"], told - 3));
    }

    #[test]
    fn long_words_are_cut_between_letters() {
        let events = Events::new();
        events.tell(Event::new(EventKind::Chat, Severity::Info, "", "aé".repeat(WORDS_BYTES_MAX)));
        let words = events.since(0).events[0].words.clone();
        assert!(words.len() <= WORDS_BYTES_MAX && words.len() > WORDS_BYTES_MAX - 4);
    }

    #[test]
    fn it_is_waited_for_what_comes() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let events = Events::new();
            let mut following = events.follow();
            let local = tokio::task::LocalSet::new();
            let heard = local.spawn_local(async move { following.next().await.events[0].id });
            local.spawn_local(async move {
                tokio::task::yield_now().await;
                events.tell(event(1));
                // What is told lives as long as somebody follows.
            });
            local.await;
            assert_eq!(heard.await.unwrap(), 1);
        });
    }
}
