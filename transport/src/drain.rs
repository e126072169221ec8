//! The word that it is time to stop, from whoever hears the signal to whoever serves.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use micronet_wire::limits::{LASTING_DRAIN_MS_MAX, LASTING_ENDED_PER_S};
use slab::Slab;

use crate::chance::Chance;
use crate::identity::random_bytes;

/// What was said.
const NOTHING: u8 = 0;
const DRAIN: u8 = 1;
/// Nobody is left who could say anything.
const NOBODY: u8 = 2;

/// Says when to drain.
#[derive(Debug)]
pub struct DrainTrigger(Arc<Word>);

/// Hears when to drain. Clones hear the same word.
///
/// Every connection listens all the time: so whoever has listened stays on the list, and to look again is a comparison.
#[derive(Debug)]
pub struct Drain {
    word: Arc<Word>,
    /// Its place on the list, and whom that wakes.
    listens: Option<(usize, Waker)>,
}

/// The word, and those who wait for it.
#[derive(Debug, Default)]
struct Word {
    said: AtomicU8,
    waiting: Mutex<Slab<Waker>>,
}

/// A trigger and those who hear it.
#[must_use]
pub fn channel() -> (DrainTrigger, Drain) {
    let word = Arc::new(Word::default());
    (DrainTrigger(Arc::clone(&word)), Drain { word, listens: None })
}

impl Word {
    fn say(&self, word: u8) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.said.compare_exchange(NOTHING, word, Ordering::AcqRel, Ordering::Acquire);
        waiting.iter().for_each(|(_, waiting)| waiting.wake_by_ref());
    }

    fn is_said(&self) -> bool {
        self.said.load(Ordering::Acquire) != NOTHING
    }
}

impl DrainTrigger {
    /// Begins to drain.
    pub fn drain(&self) {
        self.0.say(DRAIN);
    }
}

impl Drop for DrainTrigger {
    fn drop(&mut self) {
        self.0.say(NOBODY);
    }
}

impl Clone for Drain {
    fn clone(&self) -> Self {
        Self { word: Arc::clone(&self.word), listens: None }
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        if let Some((place, _)) = self.listens.take() {
            self.word.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(place);
        }
    }
}

impl Drain {
    /// Whether draining has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.word.said.load(Ordering::Acquire) == DRAIN
    }

    /// Ready when draining has begun, also when it had before, or when nobody is left who could begin it.
    pub fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.word.is_said() {
            return Poll::Ready(());
        }
        if !self.listens.as_ref().is_some_and(|(_, known)| known.will_wake(cx.waker())) {
            let mut waiting = self.word.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            // It may have been said just now: what is said is said with the list in hand.
            if self.word.is_said() {
                return Poll::Ready(());
            }
            let place = match &self.listens {
                Some((place, _)) => {
                    waiting[*place] = cx.waker().clone();
                    *place
                }
                None => waiting.insert(cx.waker().clone()),
            };
            self.listens = Some((place, cx.waker().clone()));
        }
        Poll::Pending
    }

    /// Completes when draining has begun, also when it had before, or when nobody is left who could begin it.
    pub async fn begun(&mut self) {
        poll_fn(|cx| self.poll_begun(cx)).await;
    }

    /// Completes when a connection that lasts has to end, at a moment of its own after draining has begun: so that not all clients come
    /// back at once. `open` counts these connections.
    pub async fn turn(&mut self, open: impl FnOnce() -> u64) {
        self.begun().await;
        let wave_ms = (open() * 1_000 / LASTING_ENDED_PER_S).min(LASTING_DRAIN_MS_MAX);
        let after_ms = Chance::new(u64::from_ne_bytes(random_bytes())).up_to(wave_ms);
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn who_listens_is_woken_and_leaves_no_trace() {
        crate::tests::run_paused(async {
            let (trigger, mut drain) = channel();
            let mut other = drain.clone();
            assert_eq!(drain.begun().now_or_never(), None);
            let listening = tokio::task::spawn_local(async move { other.begun().await });
            tokio::task::yield_now().await;
            let listeners = |drain: &Drain| drain.word.waiting.lock().unwrap().len();
            assert_eq!((listeners(&drain), listening.is_finished()), (2, false));
            trigger.drain();
            listening.await.unwrap();
            assert_eq!((listeners(&drain), drain.has_begun()), (1, true));
            drain.begun().await;
            assert_eq!(drain.clone().begun().now_or_never(), Some(()));
        });
    }

    #[test]
    fn where_nobody_is_left_to_say_it_nothing_is_waited_for() {
        let (trigger, mut drain) = channel();
        assert_eq!(drain.begun().now_or_never(), None);
        drop(trigger);
        assert_eq!((drain.begun().now_or_never(), drain.has_begun()), (Some(()), false));
    }
}
