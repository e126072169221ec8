//! When which connection is due: one entry for each, moved only when it is due earlier than was known.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock;

/// The time until something is due, as mio takes it; `None` is for ever.
pub(super) fn patience(due_ns: u64) -> Option<Duration> {
    (due_ns != u64::MAX).then(|| Duration::from_nanos(due_ns.saturating_sub(clock::now())))
}

/// Connections by the time at which they are due.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BTreeSet<(u64, usize)>);

impl Deadlines {
    /// When the first of them is due; `u64::MAX` when none is.
    pub(super) fn earliest(&self) -> u64 {
        self.0.first().map_or(u64::MAX, |(due_ns, _)| *due_ns)
    }

    /// A connection is due at this time. `armed_ns` is what is known here of it, `u64::MAX` for nothing. That it is due later than
    /// was known is not noted: it costs less to look at it once in vain.
    pub(super) fn arm(&mut self, armed_ns: &mut u64, due_ns: u64, id: usize) {
        if due_ns < *armed_ns {
            self.0.remove(&(*armed_ns, id));
            self.0.insert((due_ns, id));
            *armed_ns = due_ns;
        }
    }

    /// Forgets a connection.
    pub(super) fn disarm(&mut self, armed_ns: u64, id: usize) {
        self.0.remove(&(armed_ns, id));
    }

    /// Takes a connection that is due. It has to be armed again.
    pub(super) fn take_due(&mut self, now: u64) -> Option<usize> {
        if self.earliest() > now {
            return None;
        }
        self.0.pop_first().map(|(_, id)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_once_and_the_earliest_first() {
        let mut deadlines = Deadlines::default();
        let mut armed = [u64::MAX; 3];
        for (id, due_ns) in [(0, 50), (1, 40), (2, 60), (2, 10), (0, 70), (1, u64::MAX)] {
            deadlines.arm(&mut armed[id], due_ns, id);
        }
        assert_eq!((armed, deadlines.earliest()), ([50, 40, 10], 10));
        deadlines.disarm(armed[1], 1);
        let due: Vec<_> = [9, 10, 49, 50, u64::MAX].map(|now| deadlines.take_due(now)).into();
        assert_eq!(due, [None, Some(2), None, Some(0), None]);
        assert_eq!(deadlines.earliest(), u64::MAX);
    }
}
