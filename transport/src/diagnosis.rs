//! What is wrong with a connection: a dead link, congestion, a stalled process or one that is gone; from observations alone.
//!
//! | | answer | new connection | bytes on their way |
//! |---|---|---|---|
//! | fine | in time | | |
//! | congested | late, or earlier ones still come | accepted | not acknowledged, or not received |
//! | stalled process | none; or late, with a large scheduler lag | accepted by the kernel, nobody speaks | acknowledged |
//! | dead link | none | not accepted | not acknowledged |
//! | gone process | none | refused | |

use std::fmt;

use micronet_wire::frame::{Health, Pong};

use crate::kernel_queue::Unacknowledged;

/// A process whose timers have been late by this much was blocked or stopped, in microseconds.
const STALL_US: u32 = 250_000;
/// Bytes that stand on the way, above which a link is congested although answers come in time.
const STANDING_BYTES: u64 = 64 << 10;
/// Calls that wait for so long for their handlers are worth a word, in microseconds.
const BUSY_US: u32 = 50_000;

/// What is the matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Answers come in time.
    Fine,
    /// The link delivers, but later than it should.
    Congested,
    /// The peer's machine is there, and its process doesn't run, or didn't until just now.
    Stalled,
    /// Nothing comes through.
    DeadLink,
    /// The peer's machine is there, and its process is not.
    Gone,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Fine, Self::Congested, Self::Stalled, Self::DeadLink, Self::Gone];

    /// Its name, for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Congested => "congested",
            Self::Stalled => "stalled",
            Self::DeadLink => "dead_link",
            Self::Gone => "gone",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fine => "fine",
            Self::Congested => "congested link",
            Self::Stalled => "stalled process",
            Self::DeadLink => "dead link",
            Self::Gone => "gone process",
        })
    }
}

/// What became of a new TCP connection to the same address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fresh {
    /// Nobody listens there.
    Refused,
    /// Nothing came back, or there is no way there.
    Unreachable,
    /// It was accepted, and nobody spoke on it.
    Silent,
    /// It was accepted, and the peer said hello.
    Speaks,
}

impl Fresh {
    /// Its name, for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Silent => "silent",
            Self::Speaks => "speaks",
        }
    }
}

/// What is known when a PING was answered, or should have been.
#[derive(Debug, Clone, Default)]
pub struct Observations {
    /// How long an answer may take, in microseconds.
    pub patience_us: u64,
    /// How long the answer took, in microseconds, if it came.
    pub round_trip_us: Option<u64>,
    /// How long the answer before took, in microseconds, if there was one.
    pub round_trip_before_us: Option<u64>,
    /// Whether anything at all was heard since the PING was sent.
    pub heard_since: bool,
    /// The last PONG.
    pub pong: Option<Pong>,
    /// Bytes of ours that the kernel has taken.
    pub bytes_sent: u64,
    /// Bytes of ours that the kernel doesn't take.
    pub backlog_bytes: u64,
    /// What the kernel knows of the way out.
    pub unacknowledged: Option<Unacknowledged>,
    /// Why the connection ended, if it did.
    pub ended: Option<String>,
    /// What became of a new connection, if one was tried.
    pub fresh: Option<Fresh>,
}

impl Observations {
    /// Bytes of ours that the peer's process had not received by its last PONG.
    #[must_use]
    pub fn bytes_behind(&self) -> Option<u64> {
        self.pong.map(|pong| (self.bytes_sent + self.backlog_bytes).saturating_sub(pong.bytes_received))
    }

    fn lag_us(&self) -> u32 {
        self.pong.map_or(0, |pong| pong.scheduler_lag_us)
    }

    fn unacknowledged_bytes(&self) -> u64 {
        self.unacknowledged.map_or(0, |queue| queue.bytes)
    }
}

/// A verdict with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// What is the matter.
    pub verdict: Verdict,
    /// Why it is said, each in a few words; the first says most.
    pub reasons: Vec<String>,
}

impl Diagnosis {
    fn new(verdict: Verdict, because: impl Into<String>) -> Self {
        Self { verdict, reasons: vec![because.into()] }
    }

    fn and(mut self, reason: Option<String>) -> Self {
        self.reasons.extend(reason);
        self
    }
}

/// Says what is the matter.
#[must_use]
pub fn diagnose(seen: &Observations) -> Diagnosis {
    match seen.round_trip_us {
        Some(round_trip_us) => of_answer(seen, round_trip_us),
        None => of_silence(seen),
    }
}

/// An answer came. Its sender says whether it was its own process that was late.
fn of_answer(seen: &Observations, round_trip_us: u64) -> Diagnosis {
    let lag_us = seen.lag_us();
    let late = round_trip_us > seen.patience_us;
    if lag_us >= STALL_US && (!late || u64::from(lag_us) * 2 >= round_trip_us) {
        let words = format!("the process is back, but did not run for {} lately", ms(u64::from(lag_us)));
        return Diagnosis::new(Verdict::Stalled, words);
    }
    if late {
        let words = format!("the answer took {}, more than {}", ms(round_trip_us), ms(seen.patience_us));
        let process = format!("the peer's process was at most {} late itself", ms(u64::from(lag_us)));
        return Diagnosis::new(Verdict::Congested, words).and(Some(process)).and(on_the_way(seen));
    }
    let standing = seen.backlog_bytes.max(seen.bytes_behind().unwrap_or(0));
    if standing >= STANDING_BYTES {
        return Diagnosis::new(Verdict::Congested, format!("{standing} bytes of ours have not arrived"));
    }
    let pong = seen.pong.unwrap_or_default();
    let busy = (pong.queue_delay_us >= BUSY_US)
        .then(|| format!("but calls wait {} for their handlers", ms(u64::from(pong.queue_delay_us))));
    let draining = (pong.health == Health::Draining).then(|| "but it drains".to_owned());
    Diagnosis { verdict: Verdict::Fine, reasons: Vec::new() }.and(busy).and(draining)
}

/// No answer came. A new connection tells the machine from the process, and what was heard meanwhile the link from both.
fn of_silence(seen: &Observations) -> Diagnosis {
    let ended = seen.ended.clone();
    match seen.fresh {
        Some(Fresh::Refused) => {
            let words = "nobody listens there: a new connection is refused";
            return Diagnosis::new(Verdict::Gone, words).and(ended);
        }
        _ if seen.heard_since => {
            let words = "no answer to this PING in time, but others still come";
            return Diagnosis::new(Verdict::Congested, words).and(on_the_way(seen));
        }
        Some(Fresh::Unreachable) => {
            let words = "nothing comes back, and a new connection is not accepted either";
            return Diagnosis::new(Verdict::DeadLink, words).and(on_the_way(seen)).and(ended);
        }
        _ => {}
    }
    let not_acknowledged = seen.unacknowledged_bytes() > 0 || seen.backlog_bytes > 0;
    // A queue was on the way before, and it was not the process that was late.
    let was_congested =
        seen.round_trip_before_us.is_some_and(|before| before > seen.patience_us) && seen.lag_us() < STALL_US;
    match seen.fresh {
        Some(Fresh::Silent) if not_acknowledged => {
            let words = "a new connection is accepted, but bytes hardly come through";
            Diagnosis::new(Verdict::Congested, words).and(on_the_way(seen)).and(ended)
        }
        Some(Fresh::Silent) if was_congested => {
            let words =
                "a new connection is accepted, and the answer before was late without the process being so";
            Diagnosis::new(Verdict::Congested, words).and(ended)
        }
        Some(Fresh::Silent) => {
            let words = "the kernel there accepts a new connection, but nobody speaks on it";
            Diagnosis::new(Verdict::Stalled, words).and(acknowledged(seen)).and(ended)
        }
        Some(Fresh::Speaks) if ended.is_some() => {
            let words = "the connection ended, and a new one is answered: the process was started again, or a link came back";
            Diagnosis::new(Verdict::Gone, words).and(ended)
        }
        Some(Fresh::Speaks) if not_acknowledged => {
            let words = "a new connection is answered, but nothing comes through this one";
            Diagnosis::new(Verdict::DeadLink, words).and(on_the_way(seen))
        }
        Some(Fresh::Speaks) => {
            Diagnosis::new(Verdict::Congested, "a new connection is answered sooner than this one")
        }
        // Nothing further was tried.
        _ if not_acknowledged => {
            Diagnosis::new(Verdict::DeadLink, "nothing comes back").and(on_the_way(seen)).and(ended)
        }
        _ if seen.unacknowledged.is_some() => {
            Diagnosis::new(Verdict::Stalled, "no answer in time").and(acknowledged(seen)).and(ended)
        }
        _ => Diagnosis::new(Verdict::DeadLink, "nothing comes back").and(ended),
    }
}

/// What stands on the way out.
fn on_the_way(seen: &Observations) -> Option<String> {
    if seen.backlog_bytes > 0 {
        return Some(format!("{} bytes of ours wait to be written", seen.backlog_bytes));
    }
    if let Some(queue) = seen.unacknowledged.filter(|queue| queue.bytes > 0) {
        let again = match queue.retransmits {
            0 => String::new(),
            count => format!(", sent again {count} times"),
        };
        return Some(format!("{} bytes of ours are not acknowledged{again}", queue.bytes));
    }
    let behind = seen.bytes_behind().filter(|behind| *behind > 0)?;
    Some(format!("{behind} bytes of ours were not received by the last answer"))
}

fn acknowledged(seen: &Observations) -> Option<String> {
    let all = seen.unacknowledged.is_some_and(|queue| queue.bytes == 0);
    all.then(|| "its kernel has acknowledged all that was sent".to_owned())
}

fn ms(us: u64) -> String {
    format!("{}.{} ms", us / 1_000, us % 1_000 / 100)
}

#[cfg(test)]
mod tests;
