//! Heartbeats (SPEC.md section 7): when to send a PING, and when silence means that the peer is dead.

use std::collections::VecDeque;

use crate::limits::{HEARTBEAT_ANSWER_MS, HEARTBEATS_MISSED_MAX, PINGS_UNANSWERED_MAX};

/// What silence means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    Ping,
    Dead,
}

/// What has been heard of the peer, and when.
#[derive(Debug)]
pub(super) struct Keepalive {
    interval_ns: u64,
    last_heard_ns: u64,
    /// Whole intervals since then in which this side ran.
    silent_intervals: u32,
    next_ping_ns: u64,
    /// The opaque values of PINGs without an answer; a later answer settles the earlier ones too.
    unanswered: VecDeque<u64>,
}

impl Keepalive {
    pub(super) fn new(now: u64, interval_ms: u32) -> Self {
        let interval_ns = u64::from(interval_ms) * 1_000_000;
        Self {
            interval_ns,
            last_heard_ns: now,
            silent_intervals: 0,
            next_ping_ns: now + interval_ns,
            unanswered: VecDeque::new(),
        }
    }

    /// The interval that both sides keep from now on.
    pub(super) fn agree(&mut self, interval_ms: u32) {
        let interval_ns = u64::from(interval_ms) * 1_000_000;
        // Counted from where the current interval began: silence that has been noticed stays so.
        self.next_ping_ns = self.next_ping_ns - self.interval_ns + interval_ns;
        self.interval_ns = interval_ns;
    }

    pub(super) fn heard(&mut self, now: u64) {
        self.last_heard_ns = now;
        self.silent_intervals = 0;
        self.next_ping_ns = now + self.interval_ns;
    }

    /// Notes a PING with this value; false when it must not be sent.
    pub(super) fn may_ping(&mut self, opaque: u64) -> bool {
        // SPEC 7.2: what is remembered stays bounded, and none is forgotten, or its answer would look like a violation.
        let allowed = self.unanswered.len() < PINGS_UNANSWERED_MAX;
        if allowed {
            self.unanswered.push_back(opaque);
        }
        allowed
    }

    /// Whether a PONG with this value answers a PING of ours.
    pub(super) fn answered(&mut self, opaque: u64) -> bool {
        let Some(at) = self.unanswered.iter().position(|sent| *sent == opaque) else { return false };
        self.unanswered.drain(..=at);
        true
    }

    pub(super) fn next_deadline(&self) -> u64 {
        self.next_ping_ns
    }

    /// Whether a PING has had no answer for longer than it should take. PINGs say when they were sent.
    pub(super) fn is_overdue(&self, now: u64) -> bool {
        self.silent_intervals > 0
            && self
                .unanswered
                .front()
                .is_some_and(|sent| now.saturating_sub(*sent) > HEARTBEAT_ANSWER_MS * 1_000_000)
    }

    pub(super) fn silent_ns(&self, now: u64) -> u64 {
        now.saturating_sub(self.last_heard_ns)
    }

    pub(super) fn judge(&mut self, now: u64) -> Verdict {
        if now < self.next_ping_ns {
            return Verdict::Fine;
        }
        let late_ns = now - self.next_ping_ns;
        self.next_ping_ns = now + self.interval_ns;
        if late_ns > self.interval_ns {
            // SPEC 7.4: it was we who didn't run. What the peer sent meanwhile is not read yet, so judge anew from here.
            self.silent_intervals = 0;
        }
        self.silent_intervals += 1;
        // SPEC 7.3: each silent interval sends a PING, until the last of them has had no answer for an interval.
        if self.silent_intervals > HEARTBEATS_MISSED_MAX { Verdict::Dead } else { Verdict::Ping }
    }
}
