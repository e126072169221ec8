//! How often a client's messages are taken: one that is faster isn't read for a while.

use std::time::Duration;

use tokio::time::Instant;

use crate::rates::{Limit, Used};

/// How much of its limit a client has used.
#[derive(Debug)]
pub(super) struct Pace {
    begin: Instant,
    used: Used,
}

impl Pace {
    pub(super) fn begin(now: Instant) -> Self {
        Self { begin: now, used: Used::default() }
    }

    /// Until when nothing is read, if one more message would be too many now.
    pub(super) fn hold(&self, limit: Option<&Limit>, now: Instant) -> Option<Instant> {
        let left = limit?.look(self.used, self.since_begin(now));
        left.wait_ns.map(|wait_ns| now + Duration::from_nanos(wait_ns))
    }

    /// A message came.
    pub(super) fn count(&mut self, limit: Option<&Limit>, now: Instant) {
        let now_ns = self.since_begin(now);
        if let Some(limit) = limit {
            limit.pass(&mut self.used, now_ns);
        }
    }

    fn since_begin(&self, now: Instant) -> u64 {
        u64::try_from(now.duration_since(self.begin).as_nanos()).unwrap_or(u64::MAX)
    }
}
