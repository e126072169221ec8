//! How much of one limit each caller has used, of a bounded number of callers.
//!
//! Whoever has used nothing lately needs no place, so those are the only ones that lose theirs. Where all places are taken by callers who
//! have, newcomers share a few: they may be refused for what others of them do, but nobody gets more than the limit because of it, and
//! nobody can have their count forgotten by crowding the table.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};

use super::gcra::{Left, Limit, Used};

/// Callers that have a place of their own.
pub(crate) const PLACES_MAX: usize = 32 << 10;
/// Counts that callers without a place of their own share.
const SHARED_COUNTS: usize = 1 << 10;
/// Places that are looked at for whether they are used any more, whenever there is a newcomer.
const LOOKED_AT_ONCE: usize = 4;

/// How much callers have used of a limit.
#[derive(Debug)]
pub(crate) struct Table<K> {
    places_max: usize,
    places: Vec<(K, Used)>,
    /// Where each caller's place is.
    index: HashMap<K, u32>,
    /// Which place is looked at next.
    next: usize,
    /// The counts of those who have no place; none until the table was full for the first time.
    shared: Vec<Used>,
    /// Who shares a count with whom is nobody's choice.
    chance: RandomState,
}

impl<K: Copy + Eq + Hash> Default for Table<K> {
    fn default() -> Self {
        Self::new(PLACES_MAX, RandomState::new())
    }
}

impl<K: Copy + Eq + Hash> Table<K> {
    fn new(places_max: usize, chance: RandomState) -> Self {
        Self {
            places_max,
            places: Vec::new(),
            index: HashMap::with_hasher(chance.clone()),
            next: 0,
            shared: Vec::new(),
            chance,
        }
    }

    /// One more of this caller.
    pub(crate) fn pass(&mut self, who: K, limit: &Limit, now_ns: u64) -> Left {
        if let Some(at) = self.index.get(&who) {
            return limit.pass(&mut self.places[*at as usize].1, now_ns);
        }
        self.look_around(now_ns);
        if self.places.len() >= self.places_max {
            self.shared.resize(SHARED_COUNTS, Used::default());
            let at = self.shared_at(who);
            return limit.pass(&mut self.shared[at], now_ns);
        }
        // Who has shared a count brings it along.
        let mut used = self.shared.get(self.shared_at(who)).copied().unwrap_or_default();
        let left = limit.pass(&mut used, now_ns);
        if let Ok(at) = u32::try_from(self.places.len()) {
            self.index.insert(who, at);
            self.places.push((who, used));
        }
        left
    }

    /// What this caller has left, and nothing counted.
    pub(crate) fn look(&self, who: K, limit: &Limit, now_ns: u64) -> Left {
        let used = match self.index.get(&who) {
            Some(at) => self.places[*at as usize].1,
            None => self.shared.get(self.shared_at(who)).copied().unwrap_or_default(),
        };
        limit.look(used, now_ns)
    }

    /// Callers that have a place.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Frees a few places that nobody needs any more. Each newcomer has some looked at, so all are within as many newcomers as there are.
    fn look_around(&mut self, now_ns: u64) {
        for _ in 0..LOOKED_AT_ONCE.min(self.places.len()) {
            if self.next >= self.places.len() {
                self.next = 0;
            }
            let Some((who, used)) = self.places.get(self.next) else { return };
            if !used.is_nothing(now_ns) {
                self.next += 1;
                continue;
            }
            self.index.remove(who);
            self.places.swap_remove(self.next);
            if let Some((moved, _)) = self.places.get(self.next)
                && let Some(at) = self.index.get_mut(moved)
            {
                *at = u32::try_from(self.next).unwrap_or(u32::MAX);
            }
        }
    }

    fn shared_at(&self, who: K) -> usize {
        usize::try_from(self.chance.hash_one(who) % SHARED_COUNTS as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_crowd_has_nobodys_count_forgotten_and_gets_no_memory() {
        let limit = Limit::parse("5/min").expect("a limit");
        let mut table = Table::new(64, RandomState::new());
        let mut passes = |who: u32, now| table.pass(who, &limit, now).wait_ns.is_none();
        assert_eq!((0..9).filter(|_| passes(0, 1)).count(), 5);
        for who in 1..100_000 {
            passes(who, 2);
        }
        assert!(!passes(0, 3), "who was there first is still known");
        // Who has no place of their own isn't free to go on for ever either.
        assert!((0..9).filter(|_| passes(1_000_000, 3)).count() <= 5);
        assert_eq!(table.len(), 64);
        // After their time, places are free again.
        let later = 61_000_000_000;
        assert!(table.pass(7_777_777, &limit, later).wait_ns.is_none());
        assert!(table.len() < 64);
    }

    proptest! {
        /// However many callers crowd a small table, each passes no oftener than the limit allows.
        #[test]
        fn nobody_gets_more_than_the_limit(
            places in 1usize..6,
            burst in 1u32..5,
            calls in prop::collection::vec((0u8..12, 0u64..400), 1..400),
        ) {
            let limit = Limit::new(3, Duration::from_nanos(1_000), burst).expect("a limit");
            let (mut table, mut now) = (Table::new(places, RandomState::new()), 1u64);
            let mut passed: BTreeMap<u8, Vec<u64>> = BTreeMap::new();
            for (who, gap) in calls {
                now += gap;
                let looked = table.look(who, &limit, now).wait_ns;
                let left = table.pass(who, &limit, now).wait_ns;
                prop_assert_eq!(looked.is_some(), left.is_some());
                if left.is_none() {
                    passed.entry(who).or_default().push(now);
                }
                prop_assert!(table.len() <= places);
                prop_assert_eq!(table.index.len(), table.len());
                prop_assert!(table.index.iter().all(|(who, at)| table.places[*at as usize].0 == *who));
            }
            for times in passed.values() {
                for (at, first) in times.iter().enumerate() {
                    for (many, last) in (1u64..).zip(&times[at..]) {
                        prop_assert!(many <= u64::from(burst) + (last - first) * 3 / 1_000);
                    }
                }
            }
        }
    }
}
