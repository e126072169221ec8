//! `[cache]`: what is answered from memory.

use std::time::Duration;

use super::Section;

/// What is answered from memory: by default nothing, since each answer then says which instance gave it, and that one is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Cache {
    /// What all answers that are kept may take, in bytes; 0 keeps none.
    pub size: usize,
    /// How long an answer is kept at most, though nothing was heard of a change.
    pub longest: Duration,
}

impl Default for Cache {
    fn default() -> Self {
        Self { size: 0, longest: Duration::from_secs(60) }
    }
}

impl Cache {
    /// Reads the table.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let unset = Self::default();
        Self {
            size: section.bytes("size", unset.size, 0..=4 << 30),
            longest: section.duration("longest", unset.longest, Duration::ZERO..=Duration::from_secs(86_400)),
        }
    }
}
