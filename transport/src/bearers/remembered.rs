//! Tokens that were verified, so that each signature is checked once. They are found by their ends, in tables whose hash a stranger
//! can't foresee, and compared whole: nothing but the token itself is taken for it.
//!
//! A token ends with its signature. Nobody can choose that of a token that is verified, so no two of them end alike, and the rest of a
//! long token needn't be hashed with each request.

use std::cell::Cell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use micronet_wire::limits::VERIFIED_TOKENS_MAX;

use super::token::Verified;

/// A token that was verified.
#[derive(Debug)]
pub(super) struct Remembered {
    /// What it says.
    pub(super) verified: Rc<Verified>,
    /// Up to which revision of what is revoked it was found not to be.
    pub(super) revision: Cell<u64>,
}

/// Two generations: what is used moves into the young one, and when that is full, the old one is forgotten.
#[derive(Debug)]
pub(super) struct Memory {
    young: HashMap<End, (Box<str>, Rc<Remembered>)>,
    old: HashMap<End, (Box<str>, Rc<Remembered>)>,
    room: usize,
}

/// The last bytes of a token; of a shorter one all of them, behind zeros.
type End = [u8; 32];

fn end_of(token: &str) -> End {
    token.as_bytes().last_chunk().copied().unwrap_or_else(|| {
        let mut end = End::default();
        end[size_of::<End>() - token.len()..].copy_from_slice(token.as_bytes());
        end
    })
}

impl Default for Memory {
    fn default() -> Self {
        Self::with_room(VERIFIED_TOKENS_MAX)
    }
}

impl Memory {
    fn with_room(room: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), room }
    }

    /// What is remembered of a token.
    pub(super) fn get(&mut self, token: &str) -> Option<Rc<Remembered>> {
        let end = end_of(token);
        if let Some((whole, known)) = self.young.get(&end) {
            return (**whole == *token).then(|| Rc::clone(known));
        }
        if *self.old.get(&end)?.0 != *token {
            return None;
        }
        let (whole, known) = self.old.remove(&end)?;
        self.put(whole, Rc::clone(&known));
        Some(known)
    }

    /// Remembers a token.
    pub(super) fn put(&mut self, token: Box<str>, remembered: Rc<Remembered>) {
        if self.young.len() >= self.room {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(end_of(&token), (token, remembered));
    }

    /// Forgets a token.
    pub(super) fn forget(&mut self, token: &str) {
        for generation in [&mut self.young, &mut self.old] {
            if let Entry::Occupied(known) = generation.entry(end_of(token))
                && *known.get().0 == *token
            {
                known.remove();
            }
        }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        (self.young, self.old) = Default::default();
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use micronet_wire::principal::Principal;

    use super::*;

    fn remembered(jti: &str) -> Rc<Remembered> {
        let (jti, scopes) = (jti.to_owned(), Vec::new());
        let principal = Principal::Anonymous;
        let verified = Rc::new(Verified { principal, jti, scopes, issued_s: 0, expires_s: 0 });
        Rc::new(Remembered { verified, revision: Cell::new(0) })
    }

    #[test]
    fn what_is_used_stays_and_the_rest_goes_by_generations() {
        let mut memory = Memory::with_room(2);
        for token in ["a", "b", "c", "d", "e"] {
            memory.put(token.into(), remembered(token));
            assert_eq!(memory.get("a").map(|known| known.verified.jti.clone()).as_deref(), Some("a"));
            assert!(memory.len() <= 4);
        }
        assert!(memory.get("e").is_some());
        assert!(memory.get("b").is_none());
        memory.forget("a");
        assert!(memory.get("a").is_none());
        memory.clear();
        assert_eq!(memory.len(), 0);
    }

    #[test]
    fn what_only_ends_like_a_token_is_another() {
        let mut memory = Memory::with_room(1);
        let signature = "s".repeat(64);
        let [one, other] = ["one", "other"].map(|said| format!("{said}.{signature}"));
        memory.put(one.as_str().into(), remembered("one"));
        for _ in 0..2 {
            assert!(memory.get(&other).is_none());
            memory.forget(&other);
            assert_eq!(memory.get(&one).map(|known| known.verified.jti.clone()).as_deref(), Some("one"));
            // It becomes one of the old generation.
            memory.put("young".into(), remembered("young"));
        }
    }
}
