//! When the clients' next requests are due, and when there are no more.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::alarm::Alarm;
use super::arrivals::{Arrivals, Spread};

/// How requests follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// Closed loop: a client's request is due as soon as its last one is answered, so that a slow server is asked less often.
    Closed,
    /// Open loop: requests are due by a schedule, whoever may still be waiting.
    Open {
        /// How many a second, on average; positive.
        rate_per_s: f64,
        /// How they are spread.
        spread: Spread,
    },
}

/// When a run is over. Without a limit, clients go on until they have no more to ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// After so many requests.
    pub(crate) requests: Option<u64>,
    /// No request is due after this time.
    pub(crate) duration: Option<Duration>,
}

/// All clients' turns: each is somebody's, once.
///
/// An open loop counts from the time at which a request was due, even if it could only be sent later: else a stall of the
/// server would hide in requests that were never measured ("coordinated omission", G. Tene, "How NOT to Measure Latency",
/// 2013). Clients that are free wait for their turn in a queue, and the first of them for the time; what is due while all are
/// busy waits for a client. So there are never more requests in flight than clients, and what waits takes no memory.
#[derive(Debug)]
pub(crate) struct Turns {
    begin: Instant,
    limits: Limits,
    taken: Cell<u64>,
    ended: Cell<bool>,
    schedule: Option<Schedule>,
}

#[derive(Debug)]
struct Schedule {
    arrivals: RefCell<Arrivals>,
    /// Held by the client that waits for the next request to be due; others stand behind it.
    alarm: Mutex<Alarm>,
}

impl Turns {
    /// The turns of a run that begins now. Within a runtime only.
    pub(crate) fn begin(pace: Pace, limits: Limits) -> Self {
        let schedule = match pace {
            Pace::Closed => None,
            Pace::Open { rate_per_s, spread } => Some(Schedule {
                arrivals: Arrivals::new(rate_per_s, spread).into(),
                alarm: Mutex::new(Alarm::new()),
            }),
        };
        Self { begin: Instant::now(), limits, taken: Cell::new(0), ended: Cell::new(false), schedule }
    }

    /// When the run began.
    pub(crate) fn began(&self) -> Instant {
        self.begin
    }

    /// Waits until the next request is due, and gives the time from which its latency counts; None when there is no more.
    pub(crate) async fn next(&self) -> Option<Instant> {
        let Some(Schedule { arrivals, alarm }) = &self.schedule else { return self.next_due(Instant::now()) };
        let mut alarm = alarm.lock().await;
        loop {
            let offset = arrivals.borrow().due();
            if !self.allows(offset) {
                return None;
            }
            let due = self.begin.checked_add(offset)?;
            // Nothing is taken before it is due, so that a client that is stopped here has left nothing out.
            alarm.wait_until(due).await;
            if arrivals.borrow().due() == offset {
                arrivals.borrow_mut().advance();
                return self.take(offset).then_some(due);
            }
            // Somebody who had not to wait has taken it meanwhile.
        }
    }

    /// The next request that is due by now, as [`next`](Self::next) gives it: in a closed loop always one, while there are any.
    pub(crate) fn next_due(&self, now: Instant) -> Option<Instant> {
        let Some(Schedule { arrivals, .. }) = &self.schedule else {
            return self.take(now - self.begin).then_some(now);
        };
        let mut arrivals = arrivals.borrow_mut();
        let offset = arrivals.due();
        let due = self.begin.checked_add(offset).filter(|due| *due <= now)?;
        let taken = self.take(offset);
        if taken {
            arrivals.advance();
        }
        taken.then_some(due)
    }

    /// Has nobody begin anything from now on, but for those who wait for what is due next.
    pub(crate) fn end(&self) {
        self.ended.set(true);
    }

    /// How many requests were due by now that nobody has begun: a run that is stopped has to own up to them.
    pub(super) fn overdue(&self) -> u64 {
        let Some(schedule) = &self.schedule else { return 0 };
        let (mut arrivals, now) = (schedule.arrivals.borrow_mut(), self.begin.elapsed());
        let mut overdue = 0;
        while arrivals.due() < now && self.take(arrivals.due()) {
            arrivals.advance();
            overdue += 1;
        }
        overdue
    }

    /// Whether the limits allow a request at this time.
    fn allows(&self, offset: Duration) -> bool {
        let Limits { requests, duration } = self.limits;
        !self.ended.get()
            && requests.is_none_or(|most| self.taken.get() < most)
            && duration.is_none_or(|duration| offset < duration)
    }

    fn take(&self, offset: Duration) -> bool {
        let allowed = self.allows(offset);
        if allowed {
            self.taken.set(self.taken.get() + 1);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::server_process;

    const FAST: Pace = Pace::Open { rate_per_s: 10_000.0, spread: Spread::Fixed };

    /// Takes turns with so many clients until there are no more, and counts.
    fn turns_of(pace: Pace, limits: Limits, clients: usize) -> u64 {
        server_process::runtime().unwrap().block_on(async {
            let turns = Rc::new(Turns::begin(pace, limits));
            let mut running = tokio::task::JoinSet::new();
            for _ in 0..clients {
                let turns = Rc::clone(&turns);
                running.spawn_local(async move {
                    let (mut count, mut before) = (0_u64, None);
                    while let Some(due) = turns.next().await {
                        assert!(due <= Instant::now() && before <= Some(due), "a turn comes when it is due");
                        before = Some(due);
                        count += 1;
                        tokio::task::yield_now().await;
                    }
                    count
                });
            }
            let mut all = 0;
            while let Some(count) = running.join_next().await {
                all += count.unwrap();
            }
            all
        })
    }

    #[test]
    fn there_are_as_many_turns_as_the_limits_say() {
        let requests = |most| Limits { requests: Some(most), duration: None };
        let time = |ms| Limits { requests: None, duration: Some(Duration::from_millis(ms)) };
        for clients in [1, 7] {
            assert_eq!(turns_of(Pace::Closed, requests(1_000), clients), 1_000);
            assert_eq!(turns_of(Pace::Closed, time(0), clients), 0);
            assert_eq!(turns_of(FAST, requests(100), clients), 100);
            assert_eq!(turns_of(FAST, time(20), clients), 200);
            let both = Limits { requests: Some(50), duration: Some(Duration::from_secs(3_600)) };
            assert_eq!(turns_of(FAST, both, clients), 50);
            let poisson = Pace::Open { rate_per_s: 10_000.0, spread: Spread::Poisson { seed: 4 } };
            assert_eq!(turns_of(poisson, requests(100), clients), 100);
        }
    }

    #[test]
    fn what_was_due_and_not_begun_is_known() {
        server_process::runtime().unwrap().block_on(async {
            let limits = Limits { requests: Some(30), duration: None };
            let turns = Turns::begin(FAST, limits);
            for _ in 0..10 {
                turns.next().await.unwrap();
            }
            // The other twenty are due within two milliseconds more.
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert_eq!((turns.overdue(), turns.overdue()), (20, 0));
            let slow = Pace::Open { rate_per_s: 0.001, spread: Spread::Fixed };
            let turns = Turns::begin(slow, Limits::default());
            turns.next().await.unwrap();
            assert_eq!(turns.overdue(), 0, "what is not due is not missing");
            assert_eq!(Turns::begin(Pace::Closed, limits).overdue(), 0);
        });
    }
}
