//! How this process is doing, measured for the PONGs of all its connections (SPEC.md 7.2).
//!
//! A process runs its connections on one runtime, so what one thread counts is what the process does.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use micronet_wire::conn::Vitals;
use micronet_wire::ledger::micros;
use micronet_wire::limits::{CPU_SAMPLE_MS, DECAY_HALF_LIFE_MS, INSTANCE_CALLS_IN_FLIGHT_MAX, LAG_SAMPLE_MS};
use micronet_wire::schema::Timestamp;

use crate::tasks;
use crate::{clock, metrics};

/// A maximum that halves every second, so that it tells of what was lately, and not of what was ever.
#[derive(Debug, Clone, Copy, Default)]
pub struct DecayingMax {
    value: u32,
    at_ns: u64,
}

impl DecayingMax {
    /// Takes a sample into account.
    pub fn record(&mut self, now: u64, sample: u32) {
        if sample >= self.at(now) {
            *self = Self { value: sample, at_ns: now };
        }
    }

    /// What is left of the largest sample.
    #[must_use]
    pub fn at(&self, now: u64) -> u32 {
        let halvings = now.saturating_sub(self.at_ns) / (DECAY_HALF_LIFE_MS * 1_000_000);
        u32::try_from(halvings).ok().and_then(|halvings| self.value.checked_shr(halvings)).unwrap_or(0)
    }
}

/// How late timers fire: a timer that is set again and again says when it should fire, and when it did.
#[derive(Debug, Clone, Copy, Default)]
pub struct LagMeter {
    due_ns: Option<u64>,
    late: DecayingMax,
}

impl LagMeter {
    /// The timer is set.
    pub fn set(&mut self, due_ns: u64) {
        self.due_ns = Some(due_ns);
    }

    /// The timer has fired.
    pub fn fired(&mut self, now: u64) {
        self.late.record(now, self.overdue_us(now));
        self.due_ns = None;
    }

    /// How late timers have lately been. One that is overdue counts before it fires: whoever asks may run before it does.
    #[must_use]
    pub fn lag_us(&self, now: u64) -> u32 {
        self.late.at(now).max(self.overdue_us(now))
    }

    fn overdue_us(&self, now: u64) -> u32 {
        self.due_ns.map_or(0, |due_ns| micros(now.saturating_sub(due_ns)))
    }
}

/// What is known of this process.
#[derive(Debug, Default)]
struct Process {
    calls_in_flight: Cell<u32>,
    /// How many calls the limiter of its port lets work at once; 0 before it has said anything.
    calls_at_work_max: Cell<u32>,
    queue_delay: Cell<DecayingMax>,
    frames_received: Cell<u64>,
    frames_sent: Cell<u64>,
    lag: RefCell<LagMeter>,
    cpu: RefCell<CpuMeter>,
    sampled: Cell<bool>,
    /// When it began to serve, in microseconds since 1970; 0 before.
    started_us: Cell<i64>,
}

impl Process {
    fn calls_at_work_max(&self) -> u32 {
        match self.calls_at_work_max.get() {
            0 => INSTANCE_CALLS_IN_FLIGHT_MAX,
            limit => limit,
        }
    }
}

/// How much CPU time is used, looked at every second.
#[derive(Debug, Default)]
struct CpuMeter {
    at_ns: u64,
    cpu_us: u64,
    permille: u32,
}

impl CpuMeter {
    fn look(&mut self, now: u64, cpu_us: impl FnOnce() -> u64) {
        let passed_us = now.saturating_sub(self.at_ns) / 1_000;
        if passed_us < CPU_SAMPLE_MS * 1_000 {
            return;
        }
        let cpu_us = cpu_us();
        if self.at_ns > 0 {
            let used = cpu_us.saturating_sub(self.cpu_us) * 1_000 / passed_us;
            self.permille = u32::try_from(used).unwrap_or(u32::MAX);
        }
        (self.at_ns, self.cpu_us) = (now, cpu_us);
    }
}

thread_local! {
    static PROCESS: Process = Process::default();
}

/// How this process is doing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OfProcess {
    /// The calls that it is working on.
    pub(crate) calls_in_flight: u32,
    /// How many handlers it would have at work as things stand.
    pub(crate) calls_at_work_max: u32,
    /// Frames that were read, and written, on all connections of RPC so far.
    pub(crate) frames: [u64; 2],
    /// How long calls have lately waited for their handlers, in microseconds.
    pub(crate) queue_delay_us: u32,
    /// How late it has lately run when a timer was due, in microseconds.
    pub(crate) scheduler_lag_us: u32,
    /// The CPU time that it lately used, in thousandths of one core.
    pub(crate) cpu_permille: u32,
}

/// How this process is doing now.
pub(crate) fn of_process() -> OfProcess {
    let now = clock::now();
    PROCESS.with(|process| OfProcess {
        calls_in_flight: process.calls_in_flight.get(),
        calls_at_work_max: process.calls_at_work_max(),
        frames: [process.frames_received.get(), process.frames_sent.get()],
        queue_delay_us: process.queue_delay.get().at(now),
        scheduler_lag_us: process.lag.borrow().lag_us(now),
        cpu_permille: process.cpu.borrow().permille,
    })
}

/// So many frames were read.
pub(crate) fn frames_received(count: u64) {
    PROCESS.with(|process| process.frames_received.set(process.frames_received.get() + count));
}

/// So many frames were written.
pub(crate) fn frames_sent(count: u64) {
    PROCESS.with(|process| process.frames_sent.set(process.frames_sent.get() + count));
}

/// When this process began to serve.
pub(crate) fn started() -> Timestamp {
    PROCESS.with(|process| {
        if process.started_us.get() == 0 {
            process.started_us.set(clock::unix_us());
        }
        Timestamp(process.started_us.get())
    })
}

/// The part of one connection, or of one call over HTTP, in the calls that this process is working on.
#[derive(Debug, Default)]
pub(crate) struct Share(u32);

impl Share {
    /// One call.
    pub(crate) fn of_one_call() -> Self {
        let mut share = Self::default();
        share.set(1);
        share
    }

    /// So many calls are in flight here now.
    pub(crate) fn set(&mut self, calls: u32) {
        if calls == self.0 {
            return;
        }
        PROCESS.with(|process| {
            let others = process.calls_in_flight.get().saturating_sub(self.0);
            process.calls_in_flight.set(others.saturating_add(calls));
        });
        self.0 = calls;
    }

    /// How the process is doing, as the connection with this share tells it.
    pub(crate) fn vitals(&self, now: u64) -> Vitals {
        PROCESS.with(|process| Vitals {
            calls_elsewhere: process.calls_in_flight.get().saturating_sub(self.0),
            calls_in_flight_max: INSTANCE_CALLS_IN_FLIGHT_MAX,
            calls_at_work_max: process.calls_at_work_max(),
            queue_delay_us: process.queue_delay.get().at(now),
            scheduler_lag_us: process.lag.borrow().lag_us(now),
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// From now on no more calls than this are at work at once.
pub(crate) fn limited(calls_at_work_max: u32) {
    PROCESS.with(|process| process.calls_at_work_max.set(calls_at_work_max));
}

/// A handler starts whose call has waited for so long.
pub(crate) fn queued(now: u64, waited_us: u32) {
    PROCESS.with(|process| {
        let mut delay = process.queue_delay.get();
        delay.record(now, waited_us);
        process.queue_delay.set(delay);
    });
}

/// Starts to sample how late this process runs, unless that has been done. Within a `LocalRuntime` or a `LocalSet` only.
pub(crate) fn watch_lag() {
    started();
    if !PROCESS.with(|process| process.sampled.replace(true)) {
        tasks::spawn("lag of the runtime", sample_lag(Sampling));
    }
}

/// Ends with the runtime whose task holds it, so that the next one is sampled too.
struct Sampling;

impl Drop for Sampling {
    fn drop(&mut self) {
        // The thread itself may be ending.
        let _ = PROCESS.try_with(|process| {
            process.sampled.set(false);
            *process.lag.borrow_mut() = LagMeter::default();
        });
    }
}

async fn sample_lag(_sampling: Sampling) {
    loop {
        let due_ns = clock::now() + LAG_SAMPLE_MS * 1_000_000;
        PROCESS.with(|process| process.lag.borrow_mut().set(due_ns));
        tokio::time::sleep(Duration::from_millis(LAG_SAMPLE_MS)).await;
        PROCESS.with(|process| {
            let now = clock::now();
            process.lag.borrow_mut().fired(now);
            process.cpu.borrow_mut().look(now, metrics::cpu_us);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_maximum_halves_every_second() {
        let mut longest = DecayingMax::default();
        longest.record(5_000 * MS, 800);
        for (at_ms, value) in
            [(5_000, 800), (5_999, 800), (6_000, 400), (8_500, 100), (15_000, 0), (99_000, 0)]
        {
            assert_eq!(longest.at(at_ms * MS), value, "{at_ms}");
        }
        longest.record(6_000 * MS, 399);
        assert_eq!(longest.at(7_000 * MS), 200, "a smaller one counts for nothing");
        longest.record(7_000 * MS, 300);
        assert_eq!(longest.at(7_000 * MS), 300);
    }

    #[test]
    fn a_timer_that_is_overdue_counts_before_it_fires() {
        let mut meter = LagMeter::default();
        meter.set(100 * MS);
        assert_eq!(meter.lag_us(100 * MS), 0);
        assert_eq!(meter.lag_us(3_100 * MS), 3_000_000);
        meter.fired(3_100 * MS);
        meter.set(3_200 * MS);
        assert_eq!(meter.lag_us(3_200 * MS), 3_000_000);
        assert_eq!(meter.lag_us(4_100 * MS), 1_500_000);
        meter.fired(5_100 * MS);
        assert_eq!(meter.lag_us(5_100 * MS), 1_900_000);
    }

    #[test]
    fn cpu_time_is_a_share_of_what_passed() {
        let mut meter = CpuMeter::default();
        meter.look(5_000 * MS, || 70_000);
        assert_eq!(meter.permille, 0, "nobody knows what was before");
        meter.look(5_100 * MS, || panic!("too early to look"));
        meter.look(7_000 * MS, || 570_000);
        assert_eq!(meter.permille, 250);
        meter.look(8_000 * MS, || 2_570_000);
        assert_eq!(meter.permille, 2_000, "two cores");
    }

    #[test]
    fn shares_add_up_to_what_the_process_does() {
        let (mut one, mut two) = (Share::default(), Share::default());
        one.set(3);
        two.set(2);
        queued(0, 7);
        let seen = |share: &Share| (share.vitals(0).calls_elsewhere, share.vitals(0).queue_delay_us);
        assert_eq!((seen(&one), seen(&two)), ((2, 7), (3, 7)));
        one.set(1);
        assert_eq!(seen(&two), (1, 7));
        let over_http = Share::of_one_call();
        assert_eq!(seen(&two), (2, 7));
        drop((one, over_http));
        assert_eq!(seen(&two), (0, 7));
    }

    #[test]
    fn a_runtime_that_was_blocked_shows_it() {
        crate::tests::run_paused(async {
            watch_lag();
            watch_lag();
            tokio::time::sleep(Duration::from_millis(LAG_SAMPLE_MS / 2)).await;
            let lag_us = || Share::default().vitals(clock::now()).scheduler_lag_us;
            assert!(lag_us() < 2_000, "{}", lag_us());
            // The clock goes on, and nothing runs.
            tokio::time::advance(Duration::from_millis(LAG_SAMPLE_MS / 2 + 2_500)).await;
            assert!((2_400_000..2_600_000).contains(&lag_us()), "{}", lag_us());
            tokio::time::sleep(Duration::from_secs(20)).await;
            assert!(lag_us() < 2_000, "{}", lag_us());
        });
        assert!(!PROCESS.with(|process| process.sampled.get()));
    }
}
