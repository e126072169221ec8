//! When what happened last on a connection, and what follows if nothing does.

use std::time::Duration;

use micronet_wire::limits::HTTP_RATE_BYTES_PER_S_MIN;
use tokio::time::Instant;

use crate::settings;

/// When what happened last.
#[derive(Debug)]
pub(super) struct Times {
    /// Something was read.
    heard: Instant,
    /// The client was asked whether it is there, and nothing was read since.
    asked: Option<Instant>,
    /// A message came or went.
    spoke: Instant,
    /// What the client takes, while there is something for it.
    taking: Option<Taking>,
}

/// How a client takes what is there for it.
#[derive(Debug)]
struct Taking {
    since: Instant,
    last: Instant,
    bytes: usize,
}

/// What didn't happen in time.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// The client is to be asked whether it is there.
    Silent,
    /// It isn't.
    Gone(&'static str),
    /// Neither side has anything to say.
    Idle,
}

impl Times {
    pub(super) fn begin(now: Instant) -> Self {
        Self { heard: now, asked: None, spoke: now, taking: None }
    }

    /// A message came or went.
    pub(super) fn spoken(&mut self, now: Instant) {
        self.spoke = now;
    }

    /// Something was read.
    pub(super) fn heard(&mut self, now: Instant) {
        (self.heard, self.asked) = (now, None);
    }

    /// There is something to take.
    pub(super) fn offered(&mut self, now: Instant) {
        self.taking.get_or_insert(Taking { since: now, last: now, bytes: 0 });
    }

    /// So many bytes were taken.
    pub(super) fn took(&mut self, now: Instant, bytes: usize) {
        if let Some(taking) = &mut self.taking {
            (taking.last, taking.bytes) = (now, taking.bytes + bytes);
        }
    }

    /// Nothing is left.
    pub(super) fn took_all(&mut self) {
        self.taking = None;
    }

    /// When something is late unless it happens before. Whoever isn't read can't be heard.
    pub(super) fn due(&self, settings: &settings::WebSocketSettings, reads: bool) -> Instant {
        let idle = self.spoke + settings.idle;
        let taking = self.taking.as_ref().map(|taking| taking.due(settings.stall));
        let answer =
            reads.then(|| self.asked.map_or(self.heard + settings.ping, |asked| asked + settings.pong));
        [taking, answer].into_iter().flatten().fold(idle, Instant::min)
    }

    /// What is late now. A client that is to be asked counts as asked from then on.
    pub(super) fn late(
        &mut self,
        now: Instant,
        settings: &settings::WebSocketSettings,
        reads: bool,
    ) -> Option<Late> {
        if self.taking.as_ref().is_some_and(|taking| taking.due(settings.stall) <= now) {
            return Some(Late::Gone("the client takes nothing"));
        }
        match self.asked {
            Some(asked) if reads && asked + settings.pong <= now => {
                return Some(Late::Gone("the client doesn't answer"));
            }
            None if reads && self.heard + settings.ping <= now => {
                self.asked = Some(now);
                return Some(Late::Silent);
            }
            _ => {}
        }
        (self.spoke + settings.idle <= now).then_some(Late::Idle)
    }
}

impl Taking {
    /// Each byte within a time, and all of them at a minimum rate.
    fn due(&self, stall: Duration) -> Instant {
        let earned = Duration::from_millis(self.bytes as u64 * 1_000 / HTTP_RATE_BYTES_PER_S_MIN);
        (self.last + stall).min(self.since + stall + earned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_silent_is_asked_and_then_gone() {
        let (begin, settings) = (Instant::now(), settings::WebSocketSettings::default());
        let after = |s: u64| begin + Duration::from_secs(s);
        let mut times = Times::begin(begin);
        assert_eq!(times.due(&settings, true), after(30));
        assert_eq!(times.late(after(29), &settings, true), None);
        assert_eq!(times.late(after(30), &settings, true), Some(Late::Silent));
        assert_eq!(times.due(&settings, true), after(40));
        times.heard(after(39));
        assert_eq!(times.late(after(40), &settings, true), None);
        assert_eq!(times.late(after(69), &settings, true), Some(Late::Silent));
        assert_eq!(times.late(after(79), &settings, false), None, "nobody has listened");
        assert_eq!(times.late(after(79), &settings, true), Some(Late::Gone("the client doesn't answer")));
    }

    #[test]
    fn who_takes_nothing_or_too_little_is_gone() {
        let (begin, settings) = (Instant::now(), settings::WebSocketSettings::default());
        let after = |s: u64| begin + Duration::from_secs(s);
        let mut times = Times::begin(begin);
        times.offered(begin);
        times.took(after(20), 100_000);
        times.offered(after(21));
        assert_eq!(times.late(after(49), &settings, false), None);
        assert_eq!(times.late(after(50), &settings, false), Some(Late::Gone("the client takes nothing")));
        let mut slow = Times::begin(begin);
        slow.offered(begin);
        for second in 1..30 {
            slow.took(after(second), 1);
        }
        assert_eq!(slow.due(&settings, false), after(30) + Duration::from_millis(28));
        times.took_all();
        assert_eq!(times.due(&settings, false), after(600), "only silence is left");
        assert_eq!(times.late(after(600), &settings, false), Some(Late::Idle));
    }
}
