//! Request ids: each answer carries one, and so do the calls behind it.

use std::cell::Cell;

use crate::limits::REQUEST_ID_BYTES_MAX;

/// Gives out ids that no other process gives out: a random prefix and a count.
#[derive(Debug)]
pub struct RequestIds {
    prefix: u32,
    count: Cell<u64>,
}

impl RequestIds {
    /// A new source, with this random prefix of its own.
    #[must_use]
    pub fn new(prefix: u32) -> Self {
        Self { prefix, count: Cell::new(0) }
    }

    /// The id that the client chose, if it may stand in a header, a log and a frame; else a fresh one.
    #[must_use]
    pub fn adopt(&self, chosen: Option<&str>) -> String {
        let usable = |id: &&str| {
            !id.is_empty()
                && id.len() <= REQUEST_ID_BYTES_MAX
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&b))
        };
        chosen.filter(usable).map_or_else(|| self.fresh(), str::to_owned)
    }

    fn fresh(&self) -> String {
        let count = self.count.get() + 1;
        self.count.set(count);
        format!("{:08x}-{count:08x}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usable_id_is_kept_and_another_replaced() {
        let ids = RequestIds::new(7);
        assert_eq!(ids.adopt(Some("order-7/a.b")), "order-7/a.b");
        for unusable in ["", "two words", "q\"uote", &"x".repeat(65)] {
            assert_ne!(ids.adopt(Some(unusable)), unusable);
        }
        assert_ne!(ids.adopt(None), ids.adopt(None));
    }
}
