//! Writes under tokens that take longer than a transaction: in one process, one at a time for each token. A repeat waits for the
//! first copy's end.
//!
//! What a write does in one transaction needs none of this: there the database keeps repeats apart.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use tokio::sync::watch;

/// The writes that are under way. Clones share them.
pub struct Underway<T>(Rc<Shared<T>>);

struct Shared<T> {
    works: RefCell<BTreeMap<String, Work<T>>>,
    works_max: usize,
    count: watch::Sender<usize>,
}

struct Work<T> {
    body_hash: [u8; 32],
    end: watch::Receiver<Option<T>>,
}

/// What a copy of a write has to do.
pub enum Turn<T> {
    /// It is the first: it does the work.
    First(First<T>),
    /// Another copy is at work: wait for its end.
    Later(Later<T>),
}

/// Why a write can't begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTurn {
    /// The token's write is under way with another request.
    Reused,
    /// As many writes are under way as may be.
    Full,
}

/// The one who does the work. Dropped without an end, as by a panic, it lets the next copy try.
pub struct First<T> {
    all: Rc<Shared<T>>,
    key: String,
    end: watch::Sender<Option<T>>,
}

/// One who waits. Who stops waiting costs nobody anything.
pub struct Later<T>(watch::Receiver<Option<T>>);

impl<T: Clone> Underway<T> {
    /// Nothing is under way; later so many writes may be at once.
    #[must_use]
    pub fn at_most(works_max: usize) -> Self {
        Self(Rc::new(Shared { works: RefCell::default(), works_max, count: watch::Sender::new(0) }))
    }

    /// Begins a write, by the key of its token and the hash of its request.
    ///
    /// # Errors
    /// When it can't begin.
    pub fn begin(&self, key: &str, body_hash: [u8; 32]) -> Result<Turn<T>, NoTurn> {
        let mut works = self.0.works.borrow_mut();
        if let Some(work) = works.get(key) {
            let is_same = work.body_hash == body_hash;
            return if is_same { Ok(Turn::Later(Later(work.end.clone()))) } else { Err(NoTurn::Reused) };
        }
        if works.len() >= self.0.works_max {
            return Err(NoTurn::Full);
        }
        let (end, at_end) = watch::channel(None);
        works.insert(key.to_owned(), Work { body_hash, end: at_end });
        self.0.count.send_replace(works.len());
        Ok(Turn::First(First { all: Rc::clone(&self.0), key: key.to_owned(), end }))
    }

    /// Whether a write is under way.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.0.works.borrow().contains_key(key)
    }

    /// Waits until nothing is under way.
    pub async fn idle(&self) {
        // The sender lives as long as we do.
        let _ = self.0.count.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl<T> First<T> {
    /// The work is done: whoever waits gets this.
    pub fn done(self, end: T) {
        self.end.send_replace(Some(end));
    }
}

impl<T> Drop for First<T> {
    fn drop(&mut self) {
        let mut works = self.all.works.borrow_mut();
        works.remove(&self.key);
        self.all.count.send_replace(works.len());
    }
}

impl<T: Clone> Later<T> {
    /// What the first copy came to; `None` if it was given up.
    pub async fn end(mut self) -> Option<T> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|end| end.clone())
    }
}

impl<T> fmt::Debug for Underway<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Underway").field("writes", &*self.0.count.borrow()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BODY: [u8; 32] = [1; 32];

    fn first(underway: &Underway<u32>, key: &str) -> First<u32> {
        match underway.begin(key, BODY) {
            Ok(Turn::First(first)) => first,
            _ => panic!("{key} is not the first"),
        }
    }

    fn later(underway: &Underway<u32>, key: &str) -> Later<u32> {
        match underway.begin(key, BODY) {
            Ok(Turn::Later(later)) => later,
            _ => panic!("{key} is not under way"),
        }
    }

    #[tokio::test(flavor = "local")]
    async fn whoever_comes_later_gets_what_the_first_came_to() {
        let underway = Underway::at_most(2);
        let work = first(&underway, "a");
        let waiting: Vec<_> = (0..3).map(|_| tokio::task::spawn_local(later(&underway, "a").end())).collect();
        let impatient = tokio::task::spawn_local(later(&underway, "a").end());
        tokio::task::yield_now().await;
        impatient.abort();
        assert!(underway.has("a") && !underway.has("b"));
        work.done(7);
        for waiter in waiting {
            assert_eq!(waiter.await.unwrap(), Some(7));
        }
        // Its end is not kept: that is for the store.
        drop(first(&underway, "a"));
    }

    #[tokio::test(flavor = "local")]
    async fn a_work_that_is_given_up_lets_the_next_one_try() {
        let underway = Underway::at_most(2);
        let work = first(&underway, "a");
        let waiting = later(&underway, "a");
        drop(work);
        assert_eq!(waiting.end().await, None);
        first(&underway, "a").done(1);
    }

    #[tokio::test(flavor = "local", start_paused = true)]
    async fn there_is_room_for_so_many_and_the_last_one_ends_the_wait() {
        let underway = Underway::at_most(2);
        underway.idle().await;
        let works = [first(&underway, "a"), first(&underway, "b")];
        assert_eq!(underway.begin("c", BODY).err(), Some(NoTurn::Full));
        assert_eq!(underway.begin("a", [2; 32]).err(), Some(NoTurn::Reused));
        drop(later(&underway, "a"));
        assert!(tokio::time::timeout(Duration::from_secs(9), underway.idle()).await.is_err());
        drop(works);
        underway.idle().await;
        drop(first(&underway, "c"));
    }
}
