//! Whether a plain address takes connections: what checks and clients find becomes one state, with its reason. Pure: the time is an
//! argument.

use super::limits::{CHECKS_UNTIL_UP, FAILURES_UNTIL_DOWN};

/// What is known of a plain address.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    up: bool,
    /// What contradicts the state, in a row.
    against: u32,
    since_ns: u64,
    reason: String,
}

impl Condition {
    /// Nothing is known yet: it is worth a try.
    pub(super) fn unknown(now: u64) -> Self {
        Self { up: true, against: 0, since_ns: now, reason: "not tried yet".into() }
    }

    /// Whether it gets connections.
    pub(super) fn is_up(&self) -> bool {
        self.up
    }

    /// Since when it is as it is, by the driver's clock.
    pub(super) fn since_ns(&self) -> u64 {
        self.since_ns
    }

    /// Why it is as it is.
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// It took a connection. True if that changed the state.
    pub(super) fn connected(&mut self, now: u64) -> bool {
        if self.up {
            if self.against == 0 && self.reason == "it takes connections" {
                return false;
            }
            self.against = 0;
            self.reason = "it takes connections".into();
            return false;
        }
        self.turn(now, CHECKS_UNTIL_UP, || format!("it has taken {CHECKS_UNTIL_UP} connections in a row"))
    }

    /// It took none, and this is why. True if that changed the state.
    pub(super) fn failed(&mut self, now: u64, why: &str) -> bool {
        if self.up {
            return self.turn(now, FAILURES_UNTIL_DOWN, || {
                format!("{FAILURES_UNTIL_DOWN} attempts to connect have failed: {why}")
            });
        }
        self.against = 0;
        false
    }

    fn turn(&mut self, now: u64, needed: u32, reason: impl Fn() -> String) -> bool {
        self.against += 1;
        if self.against < needed {
            return false;
        }
        *self = Self { up: !self.up, against: 0, since_ns: now, reason: reason() };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_in_a_row_take_it_down_and_two_connections_bring_it_back() {
        // `f` fails, `c` connects; the states after each.
        let check = |events: &str, states: &str| {
            let mut condition = Condition::unknown(0);
            let mut seen = String::new();
            for (at, event) in events.chars().enumerate() {
                let was = condition.is_up();
                let now = at as u64 + 1;
                let changed =
                    if event == 'c' { condition.connected(now) } else { condition.failed(now, "refused") };
                assert_eq!(changed, was != condition.is_up(), "{events} at {at}");
                assert_eq!(changed, condition.since_ns() == now, "{events} at {at}");
                seen.push(if condition.is_up() { 'u' } else { 'd' });
            }
            assert_eq!(seen, states, "{events}");
        };
        check("ccc", "uuu");
        check("fff", "uud");
        check("ffcfff", "uuuuud");
        check("fffcc", "uuddu");
        check("fffcfcc", "uuddddu");
        check("fffccffcff", "uudduuuuuu");
    }

    #[test]
    fn the_reason_says_what_happened() {
        let mut condition = Condition::unknown(0);
        for _ in 0..3 {
            condition.failed(5, "connection refused");
        }
        assert_eq!(condition.reason(), "3 attempts to connect have failed: connection refused");
    }
}
