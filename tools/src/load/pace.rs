//! When a client's next request is due.

use std::time::Instant;

/// How the requests of one client follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Closed loop: a request is due as soon as the one before is answered, so that a slow server is asked less often.
    Closed,
}

impl Pace {
    /// Waits until the next request is due and gives the time from which its latency counts.
    ///
    /// An open loop counts from the time at which the request was due, even if it could only be sent later: else a
    /// stall of the server would hide in requests that were never measured ("coordinated omission", G. Tene, "How NOT
    /// to Measure Latency", 2013). In a closed loop the two are the same.
    #[expect(clippy::unused_async, reason = "a schedule has to wait")]
    pub(crate) async fn turn(&mut self) -> Instant {
        match self {
            Self::Closed => Instant::now(),
        }
    }
}
