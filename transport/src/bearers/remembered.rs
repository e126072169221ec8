//! Tokens that were verified, so that each signature is checked once. They are found by their text, in tables whose hash a stranger
//! can't foresee, and compared whole: nothing but the token itself is taken for it.

use std::cell::Cell;
use std::collections::HashMap;
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
    young: HashMap<Box<str>, Rc<Remembered>>,
    old: HashMap<Box<str>, Rc<Remembered>>,
    room: usize,
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
        if let Some(known) = self.young.get(token) {
            return Some(Rc::clone(known));
        }
        let (token, known) = self.old.remove_entry(token)?;
        self.put(token, Rc::clone(&known));
        Some(known)
    }

    /// Remembers a token.
    pub(super) fn put(&mut self, token: Box<str>, remembered: Rc<Remembered>) {
        if self.young.len() >= self.room {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(token, remembered);
    }

    /// Forgets a token.
    pub(super) fn forget(&mut self, token: &str) {
        self.young.remove(token);
        self.old.remove(token);
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
}
