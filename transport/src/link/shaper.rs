//! One direction of a link: bytes with times in, bytes at the times at which they are due out.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use micronet_wire::limits::{LINK_BUFFER_BYTES, LINK_SEGMENT_BYTES};

use super::{Conditions, TIMEOUT_NS_MAX};
use crate::chance::Chance;

/// What passes at once, however little passes a second: ten segments, the initial window of RFC 6928.
const BURST_BYTES: u64 = 10 * LINK_SEGMENT_BYTES as u64;
/// What may wait for a bandwidth is what passes in this time: a router's queue. More would keep heartbeats waiting.
const QUEUE_NS: u64 = 250_000_000;
/// How often a segment is lost at most (`tcp_retries2` of the Linux kernel).
const LOSSES_MAX: u32 = 15;
const SECOND_NS: u64 = 1_000_000_000;

/// The bytes on their way in one direction, in their order.
#[derive(Debug)]
pub struct Shaper {
    segments: VecDeque<Segment>,
    held: usize,
    /// When the bandwidth has been used up to: the token bucket as virtual time (GCRA, ITU-T I.371).
    used_ns: u64,
    last_due_ns: u64,
    chance: Chance,
}

#[derive(Debug)]
struct Segment {
    due_ns: u64,
    bytes: Bytes,
}

impl Shaper {
    /// A direction whose jitter and losses come from this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { segments: VecDeque::new(), held: 0, used_ns: 0, last_due_ns: 0, chance: Chance::new(seed) }
    }

    /// Takes as many of the bytes as there is room for; how many.
    pub fn accept(&mut self, now: u64, bytes: &[u8], conditions: &Conditions) -> usize {
        let taken = bytes.len().min(self.room(conditions));
        for segment in bytes[..taken].chunks(LINK_SEGMENT_BYTES) {
            let due_ns = self.due(now, segment.len(), conditions);
            self.segments.push_back(Segment { due_ns, bytes: Bytes::copy_from_slice(segment) });
        }
        self.held += taken;
        taken
    }

    /// Bytes that can be accepted now.
    #[must_use]
    pub fn room(&self, conditions: &Conditions) -> usize {
        let Conditions { delay_ns, jitter_ns, bytes_per_s, .. } = *conditions;
        let most = match bytes_per_s {
            0 => LINK_BUFFER_BYTES,
            _ => bytes_in(bytes_per_s, delay_ns + jitter_ns + QUEUE_NS)
                .clamp(2 * LINK_SEGMENT_BYTES, LINK_BUFFER_BYTES),
        };
        most.saturating_sub(self.held)
    }

    /// The next bytes that are due at `now`; none where the link is cut.
    #[must_use]
    pub fn ready(&self, now: u64, conditions: &Conditions) -> Option<&[u8]> {
        let next = self.segments.front().filter(|next| next.due_ns <= now && !conditions.cut);
        next.map(|next| &next.bytes[..])
    }

    /// So many of the ready bytes have been passed on.
    pub fn passed(&mut self, bytes: usize) {
        self.held -= bytes;
        if let Some(next) = self.segments.front_mut() {
            next.bytes.advance(bytes);
            if next.bytes.is_empty() {
                self.segments.pop_front();
            }
        }
    }

    /// When the next bytes are due; nothing is while the link is cut.
    #[must_use]
    pub fn next_due_ns(&self, conditions: &Conditions) -> Option<u64> {
        self.segments.front().filter(|_| !conditions.cut).map(|next| next.due_ns)
    }

    /// Whether nothing is on its way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// When a segment arrives that is sent now: after it has passed, travelled, and been sent again as often as it was lost; and not before
    /// those that were sent earlier.
    fn due(&mut self, now: u64, length: usize, conditions: &Conditions) -> u64 {
        let mut due_ns = now;
        if conditions.bytes_per_s > 0 {
            let takes_ns = |bytes: u64| time_of(bytes, conditions.bytes_per_s);
            self.used_ns =
                self.used_ns.max(now.saturating_sub(takes_ns(BURST_BYTES))) + takes_ns(length as u64);
            due_ns = due_ns.max(self.used_ns);
        }
        due_ns += conditions.travel_ns(&mut self.chance);
        let mut timeout_ns = conditions.timeout_ns();
        for _ in 0..LOSSES_MAX {
            if !self.chance.permille(conditions.loss_permille) {
                break;
            }
            due_ns += timeout_ns;
            timeout_ns = (2 * timeout_ns).min(TIMEOUT_NS_MAX); // RFC 6298, 5.5.
        }
        self.last_due_ns = self.last_due_ns.max(due_ns);
        self.last_due_ns
    }
}

/// How long bytes take to pass, in nanoseconds; an hour at most.
fn time_of(bytes: u64, bytes_per_s: u64) -> u64 {
    (bytes.saturating_mul(SECOND_NS) / bytes_per_s).min(3_600 * SECOND_NS)
}

fn bytes_in(bytes_per_s: u64, time_ns: u64) -> usize {
    let bytes = u128::from(bytes_per_s) * u128::from(time_ns) / u128::from(SECOND_NS);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn link(delay_ms: u64, bytes_per_s: u64, loss_permille: u32) -> Conditions {
        Conditions { delay_ns: delay_ms * MS, bytes_per_s, loss_permille, ..Conditions::default() }
    }

    /// Sends so many bytes at once, as fast as they are taken, and reads them as soon as they are due: when the last one came, in milliseconds.
    fn transfer(conditions: &Conditions, bytes: usize) -> u64 {
        let mut shaper = Shaper::new(7);
        let sent: Vec<u8> = (0..bytes).map(|at| at.to_le_bytes()[at % 3]).collect();
        let start = 3_600 * SECOND_NS;
        let (mut offered, mut received, mut now) = (0, Vec::new(), start);
        while received.len() < bytes {
            offered += shaper.accept(now, &sent[offered..], conditions);
            assert!(shaper.held <= LINK_BUFFER_BYTES);
            if let Some(ready) = shaper.ready(now, conditions) {
                // Whoever reads takes what it likes.
                let taken = ready.len().div_ceil(2);
                received.extend_from_slice(&ready[..taken]);
                shaper.passed(taken);
            } else {
                now = shaper.next_due_ns(conditions).unwrap();
            }
        }
        assert!(received == sent && shaper.is_empty() && shaper.held == 0);
        (now - start) / MS
    }

    #[test]
    fn bytes_take_as_long_as_the_link_says() {
        assert_eq!(transfer(&link(0, 0, 0), 1_000_000), 0);
        assert_eq!(transfer(&link(40, 0, 0), 1_000), 40);
        // What is on its way is bounded, as by TCP's window: four times LINK_BUFFER_BYTES.
        assert_eq!(transfer(&link(40, 0, 0), 4 * LINK_BUFFER_BYTES), 160);
        // All but the burst of 14,000 bytes at 100,000 a second.
        assert_eq!(transfer(&link(0, 100_000, 0), 1_014_000), 10_000);
        assert_eq!(transfer(&link(50, 100_000, 0), 1_014_000), 10_050);
        let slow = transfer(&link(0, 1_000, 0), 20_000);
        assert_eq!(slow, 6_000);
    }

    #[test]
    fn jitter_spreads_and_keeps_the_order() {
        let conditions = Conditions { jitter_ns: 10 * MS, ..link(20, 0, 0) };
        let mut shaper = Shaper::new(3);
        let mut dues = Vec::new();
        for n in 0..100_u64 {
            shaper.accept(n * 100 * MS, b"x", &conditions);
            let due = shaper.next_due_ns(&conditions).unwrap();
            dues.push((due - n * 100 * MS) / MS);
            shaper.passed(1);
        }
        assert!(dues.iter().all(|ms| (20..=30).contains(ms)), "{dues:?}");
        assert!(dues.contains(&20) && dues.iter().any(|ms| *ms >= 28), "{dues:?}");
        assert!((25..=160).contains(&transfer(&conditions, LINK_BUFFER_BYTES)));
    }

    #[test]
    fn a_lost_segment_comes_after_a_timeout_and_all_behind_it_wait() {
        // RFC 6298: three times the round trip, and no less than 200 ms; then twice as long.
        assert_eq!(link(10, 0, 0).timeout_ns(), 200 * MS);
        assert_eq!(link(100, 0, 0).timeout_ns(), 600 * MS);
        let conditions = link(10, 0, 500);
        let mut shaper = Shaper::new(3);
        let mut seen = Vec::new();
        for n in 0..200_u64 {
            let now = n * 10_000_000 * MS;
            shaper.accept(now, b"x", &conditions);
            seen.push((shaper.next_due_ns(&conditions).unwrap() - now) / MS);
            shaper.passed(1);
        }
        let count = |ms| seen.iter().filter(|took| **took == ms).count();
        assert!((80..=120).contains(&count(10)) && (35..=65).contains(&count(210)), "{seen:?}");
        assert!((12..=40).contains(&count(10 + 200 + 400)), "{seen:?}");
        // Twenty segments at once, one of two lost: the first loss holds up all that follow.
        let mut shaper = Shaper::new(3);
        shaper.accept(0, &[0; 20 * LINK_SEGMENT_BYTES], &conditions);
        let dues: Vec<u64> = shaper.segments.iter().map(|segment| segment.due_ns).collect();
        assert!(dues.is_sorted() && dues[19] >= 210 * MS, "{dues:?}");
    }

    #[test]
    fn a_cut_link_passes_nothing_and_takes_only_what_fits() {
        let (whole, cut) = (link(5, 0, 0), Conditions { cut: true, ..link(5, 0, 0) });
        let mut shaper = Shaper::new(1);
        assert_eq!(shaper.accept(0, b"before", &whole), 6);
        assert_eq!((shaper.ready(10 * MS, &cut), shaper.next_due_ns(&cut)), (None, None));
        assert_eq!(shaper.accept(10 * MS, &vec![1; 2 * LINK_BUFFER_BYTES], &cut), LINK_BUFFER_BYTES - 6);
        assert_eq!((shaper.accept(10 * MS, b"more", &cut), shaper.room(&cut)), (0, 0));
        // It heals: what was on its way goes on.
        assert_eq!(shaper.ready(20 * MS, &whole), Some(&b"before"[..]));
    }

    #[test]
    fn a_narrow_link_holds_no_more_than_passes_soon() {
        let narrow = link(0, 40_000, 0);
        let mut shaper = Shaper::new(1);
        assert_eq!(shaper.accept(0, &[0; 100_000], &narrow), 10_000);
        assert!(shaper.last_due_ns <= 250 * MS);
        assert_eq!(Shaper::new(1).room(&link(0, 1, 0)), 2 * LINK_SEGMENT_BYTES);
    }
}
