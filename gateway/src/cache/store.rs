//! Answers that are kept, in a bounded number of bytes.

use std::collections::HashMap;
use std::rc::Rc;

use micronet_wire::rest::Answer;

/// What an answer and its place take besides the bytes of its body and of its key, roughly.
const OVERHEAD_BYTES: usize = 512;

/// Until when an answer is good: what had been heard of its service, and written through this gateway, when the call for it began. As
/// soon as either is more, it isn't good any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) heard: u64,
    pub(crate) written: u64,
}

/// Which method of which service an answer is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) service: usize,
    pub(crate) method: u32,
}

/// An answer that is kept.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) source: Source,
    pub(crate) stamp: Stamp,
    pub(crate) since_ns: u64,
    pub(crate) answer: Rc<Answer>,
}

/// Answers by what was asked. There are two halves: what is new, and asked for again, is in the young one. When that has half of the
/// bytes, the old half is forgotten and the young one is the old one. So what nobody asks for any more goes, at no cost for each.
#[derive(Debug, Default)]
pub(crate) struct Store {
    young: Half,
    old: Half,
}

#[derive(Debug, Default)]
struct Half {
    kept: HashMap<Box<str>, Kept>,
    bytes: usize,
}

impl Store {
    /// What is kept for this question, if it is still good.
    pub(crate) fn get(
        &mut self,
        key: &str,
        source: Source,
        stamp: Stamp,
        since_ns: u64,
        bytes_max: usize,
    ) -> Option<Kept> {
        let is_good = |kept: &Kept| kept.source == source && kept.stamp == stamp && kept.since_ns >= since_ns;
        if let Some(kept) = self.young.kept.get(key) {
            return is_good(kept).then(|| kept.clone());
        }
        let (key, kept) = self.old.take(key)?;
        is_good(&kept).then(|| {
            self.make_room(cost(&key, &kept), bytes_max);
            self.young.put(key, kept.clone());
            kept
        })
    }

    /// Keeps an answer, if it isn't too large a part of `bytes_max`.
    pub(crate) fn put(&mut self, key: Box<str>, kept: Kept, bytes_max: usize) {
        let cost = cost(&key, &kept);
        if cost > bytes_max / 8 {
            return;
        }
        self.old.take(&key);
        self.young.take(&key);
        self.make_room(cost, bytes_max);
        self.young.put(key, kept);
    }

    /// Forgets what is old until what is new has room: within half of the bytes.
    fn make_room(&mut self, cost: usize, bytes_max: usize) {
        if self.young.bytes + cost > bytes_max / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        if self.old.bytes > bytes_max / 2 {
            // There is less room than there was.
            self.old = Half::default();
        }
    }

    /// How many answers are kept, and how many bytes they take.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.young.kept.len() + self.old.kept.len(), self.young.bytes + self.old.bytes)
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Half {
    fn put(&mut self, key: Box<str>, kept: Kept) {
        self.bytes += cost(&key, &kept);
        self.kept.insert(key, kept);
    }

    fn take(&mut self, key: &str) -> Option<(Box<str>, Kept)> {
        let (key, kept) = self.kept.remove_entry(key)?;
        self.bytes -= cost(&key, &kept);
        Some((key, kept))
    }
}

fn cost(key: &str, kept: &Kept) -> usize {
    OVERHEAD_BYTES + key.len() + kept.answer.body().len()
}

#[cfg(test)]
mod tests {
    use micronet_wire::http1::Status;
    use proptest::prelude::*;

    use super::*;

    const SOURCE: Source = Source { service: 1, method: 2 };
    const STAMP: Stamp = Stamp { heard: 3, written: 4 };

    fn kept(body: &str, since_ns: u64) -> Kept {
        Kept { source: SOURCE, stamp: STAMP, since_ns, answer: Rc::new(Answer::text(Status::OK, body)) }
    }

    #[test]
    fn only_what_is_good_is_given() {
        let mut store = Store::default();
        store.put("/a".into(), kept("one", 10), 1 << 20);
        let mut is_there =
            |key: &str, source, stamp, since| store.get(key, source, stamp, since, 1 << 20).is_some();
        assert!(is_there("/a", SOURCE, STAMP, 10));
        assert!(!is_there("/a", SOURCE, STAMP, 11), "too old");
        assert!(!is_there("/a", SOURCE, Stamp { heard: 4, ..STAMP }, 0), "something has changed");
        assert!(!is_there("/a", SOURCE, Stamp { written: 5, ..STAMP }, 0), "something was written");
        assert!(!is_there("/a", Source { method: 3, ..SOURCE }, STAMP, 0), "the path leads elsewhere now");
        assert!(!is_there("/b", SOURCE, STAMP, 0));
        store.clear();
        assert_eq!((store.size(), store.get("/a", SOURCE, STAMP, 0, 1 << 20).is_none()), ((0, 0), true));
    }

    #[test]
    fn what_is_asked_for_stays() {
        let (mut store, max) = (Store::default(), 16 * (OVERHEAD_BYTES + 16));
        for at in 0..1_000 {
            store.put(format!("/{at:04}").into(), kept("0123456789", 0), max);
            if at > 0 {
                assert!(store.get("/0000", SOURCE, STAMP, 0, max).is_some(), "after {at}");
            }
        }
        assert!(store.get("/0001", SOURCE, STAMP, 0, max).is_none());
    }

    proptest! {
        #[test]
        fn it_never_takes_more_than_it_may(
            max in 0usize..20_000,
            steps in prop::collection::vec((0u8..40, 0usize..3_000, any::<bool>()), 1..300),
        ) {
            let mut store = Store::default();
            for (key, bytes, reads) in steps {
                let key = format!("/{key}");
                if reads {
                    store.get(&key, SOURCE, STAMP, 0, max);
                } else {
                    store.put(key.into(), kept(&"x".repeat(bytes), 0), max);
                }
                let of = |half: &Half| half.kept.iter().map(|(key, kept)| cost(key, kept)).sum::<usize>();
                prop_assert_eq!(store.size().1, of(&store.young) + of(&store.old));
                prop_assert!(store.size().1 <= max, "{} of {}", store.size().1, max);
            }
        }
    }
}
