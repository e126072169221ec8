//! What is kept for each of a connection's calls in flight, by stream.
//!
//! Ids are given out in sequence and most calls are short, so that nearly all that are in flight lie close together: each has a place in a
//! ring, which is found without hashing. What outlives its neighbours moves to a map.

use super::streams::StreamMap;

/// Places that a ring has at first, and that it keeps when nothing is in flight.
const RING_MIN: usize = 16;
/// Places that a ring has at most: what is beyond them is found in the map.
const RING_MAX: usize = 4096;

/// A map by stream, for calls.
#[derive(Debug)]
pub struct CallTable<T> {
    /// A power of two of places, or none: that of a stream is its id modulo their number.
    ring: Vec<Option<(u32, T)>>,
    in_ring: usize,
    outlived: StreamMap<T>,
}

impl<T> Default for CallTable<T> {
    fn default() -> Self {
        Self { ring: Vec::new(), in_ring: 0, outlived: StreamMap::default() }
    }
}

impl<T> CallTable<T> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.in_ring + self.outlived.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is kept for a stream.
    #[must_use]
    pub fn get(&self, stream: u32) -> Option<&T> {
        match self.ring.get(self.place(stream)) {
            Some(Some((of, kept))) if *of == stream => Some(kept),
            _ if self.outlived.is_empty() => None,
            _ => self.outlived.get(&stream),
        }
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, stream: u32) -> Option<&mut T> {
        let place = self.place(stream);
        match self.ring.get_mut(place) {
            Some(Some((of, kept))) if *of == stream => Some(kept),
            _ if self.outlived.is_empty() => None,
            _ => self.outlived.get_mut(&stream),
        }
    }

    /// Keeps something for a stream for which nothing is kept.
    pub fn insert(&mut self, stream: u32, kept: T) {
        let mut place = self.place(stream);
        while self.ring.get(place).is_none_or(Option::is_some) && self.grow() {
            place = self.place(stream);
        }
        match self.ring[place].replace((stream, kept)) {
            None => self.in_ring += 1,
            Some((older, kept)) => drop(self.outlived.insert(older, kept)),
        }
    }

    /// Takes what is kept for a stream.
    pub fn remove(&mut self, stream: u32) -> Option<T> {
        let place = self.place(stream);
        let found = self.ring.get_mut(place).and_then(|kept| kept.take_if(|(of, _)| *of == stream));
        let Some((_, kept)) = found else {
            return if self.outlived.is_empty() { None } else { self.outlived.remove(&stream) };
        };
        self.in_ring -= 1;
        if self.in_ring == 0 && self.ring.len() > RING_MIN {
            self.ring = Vec::new();
        }
        Some(kept)
    }

    /// All of them, in an order that the same history repeats.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let in_ring = self.ring.iter().flatten().map(|(stream, kept)| (*stream, kept));
        in_ring.chain(self.outlived.iter().map(|(stream, kept)| (*stream, kept)))
    }

    fn place(&self, stream: u32) -> usize {
        stream as usize & self.ring.len().wrapping_sub(1)
    }

    /// Twice the places, where at least half of them are taken. Those that had a place each have one each again.
    fn grow(&mut self) -> bool {
        let before = self.ring.len();
        if before > 0 && (self.in_ring * 2 < before || before >= RING_MAX) {
            return false;
        }
        let mut places = Vec::new();
        places.resize_with((before * 2).max(RING_MIN), || None);
        for (stream, kept) in std::mem::replace(&mut self.ring, places).into_iter().flatten() {
            let place = self.place(stream);
            self.ring[place] = Some((stream, kept));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Calls that come in sequence: each lasts for as long as `lasts` says of its stream.
    fn check(calls: u32, lasts: impl Fn(u32) -> u32) {
        let (mut table, mut model) = (CallTable::default(), BTreeMap::new());
        for now in 1..=calls {
            table.insert(now, now * 3);
            model.insert(now, now * 3);
            let over: Vec<u32> =
                model.keys().copied().filter(|stream| stream + lasts(*stream) <= now).collect();
            for stream in over {
                assert_eq!(table.remove(stream), model.remove(&stream), "{stream}");
                assert_eq!((table.get(stream).copied(), table.remove(stream)), (None, None));
            }
            assert_eq!((table.len(), table.is_empty()), (model.len(), model.is_empty()));
            if now % 64 == 0 {
                let mut found: Vec<(u32, u32)> = table.iter().map(|(stream, kept)| (stream, *kept)).collect();
                found.sort_unstable();
                assert!(found.into_iter().eq(model.iter().map(|(stream, kept)| (*stream, *kept))));
            }
            for stream in model.keys() {
                assert_eq!(table.get(*stream), model.get(stream));
                assert_eq!(table.get_mut(*stream).copied(), model.get(stream).copied());
            }
        }
    }

    #[test]
    fn short_calls_long_ones_and_both_are_found() {
        check(500, |_| 0);
        check(500, |_| 100);
        check(2_000, |stream| if stream % 16 == 3 { 1_500 } else { stream % 7 });
        check(300, |_| u32::MAX / 2);
    }

    #[test]
    fn what_many_took_is_given_back() {
        let mut table = CallTable::default();
        (0..10_000).for_each(|stream| table.insert(stream, ()));
        assert_eq!((table.len(), table.ring.len()), (10_000, RING_MAX));
        (0..10_000).for_each(|stream| assert_eq!(table.remove(stream), Some(())));
        assert!(table.is_empty() && table.ring.is_empty() && table.outlived.is_empty());
    }
}
