//! What a process of this machine has used so far, as Linux shows it in `/proc` (proc(5)).
//!
//! `stat` counts in clock ticks of 10 ms, for threads that have ended too. `schedstat` of each thread counts in nanoseconds, which is what
//! the scheduler itself goes by, but a thread's share is gone with it, and it isn't told how much of it was the kernel's. So the time is
//! that of `schedstat` while no thread ends, else that of `stat`; and in both cases it is split as `stat` splits it. This process has a clock
//! of its own for it (clock_gettime(2)), which knows all.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};

use super::report::model::{Cpu, Role};
use crate::proc_stat::times;

/// A process at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// In its own code, to a clock tick.
    user: Duration,
    /// In the kernel, to a clock tick.
    system: Duration,
    threads: BTreeMap<u32, Thread>,
    rss_kib: Option<u64>,
    /// Both, in nanoseconds, where it is this process.
    own: Option<Duration>,
}

/// A thread at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Thread {
    /// Its time on a processor; `None` where the kernel doesn't tell.
    ran_ns: Option<u64>,
    voluntary_switches: u64,
    involuntary_switches: u64,
}

impl Sample {
    /// Looks at a process; `None` when it is not there, or not to be seen.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let (user, system) = times(&fs::read_to_string(folder.join("stat")).ok()?, clock_ticks_per_second())?;
        let rss_kib =
            fs::read_to_string(folder.join("status")).ok().and_then(|status| number(&status, "VmRSS:"));
        let own = (pid == std::process::id()).then(own);
        Some(Self { user, system, threads: threads(&folder), rss_kib, own })
    }

    /// What was used since then.
    pub(super) fn since(&self, before: &Self, process: String, role: Role) -> Cpu {
        let (user, system) =
            (self.user.saturating_sub(before.user), self.system.saturating_sub(before.system));
        let all = self.ran_since(before).unwrap_or(user + system);
        // Where there was less than a tick, nothing tells whose it was.
        let ticks = (user + system).as_secs_f64();
        let share = if ticks > 0.0 { user.as_secs_f64() / ticks } else { 1.0 };
        let user = all.mul_f64(share);
        let switches = |of: fn(&Thread) -> u64| -> u64 {
            let since = |(id, thread): (&u32, &Thread)| {
                of(thread).saturating_sub(before.threads.get(id).map_or(0, of))
            };
            self.threads.iter().map(since).sum()
        };
        Cpu {
            process,
            role,
            user_us: micros(user),
            system_us: micros(all.saturating_sub(user)),
            voluntary_switches: switches(|thread| thread.voluntary_switches),
            involuntary_switches: switches(|thread| thread.involuntary_switches),
            rss_kib: self.rss_kib,
        }
    }

    /// By the scheduler's own account; `None` where a thread has ended since, or the kernel doesn't tell.
    fn ran_since(&self, before: &Self) -> Option<Duration> {
        if let Some((own, before)) = self.own.zip(before.own) {
            return Some(own.saturating_sub(before));
        }
        if before.threads.keys().any(|id| !self.threads.contains_key(id)) {
            return None;
        }
        let mut ns = 0;
        for (id, thread) in &self.threads {
            let earlier = match before.threads.get(id) {
                Some(earlier) => earlier.ran_ns?,
                None => 0,
            };
            ns += thread.ran_ns?.saturating_sub(earlier);
        }
        Some(Duration::from_nanos(ns))
    }
}

/// The time of this process, of threads that have ended too.
fn own() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

fn threads(process: &Path) -> BTreeMap<u32, Thread> {
    let entries = fs::read_dir(process.join("task")).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, thread(&entry.path()))))
        .collect()
}

fn thread(folder: &Path) -> Thread {
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_default();
    let status = read("status");
    Thread {
        ran_ns: read("schedstat").split(' ').next().and_then(|ns| ns.parse().ok()),
        voluntary_switches: number(&status, "voluntary_ctxt_switches:").unwrap_or(0),
        involuntary_switches: number(&status, "nonvoluntary_ctxt_switches:").unwrap_or(0),
    }
}

/// The number of a line such as `VmRSS: 1234 kB`.
fn number(status: &str, name: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn thread(ran_ns: Option<u64>, switches: u64) -> Thread {
        Thread { ran_ns, voluntary_switches: switches, involuntary_switches: 2 * switches }
    }

    fn sample(user_ms: u64, system_ms: u64, threads: &[(u32, Thread)]) -> Sample {
        Sample {
            user: Duration::from_millis(user_ms),
            system: Duration::from_millis(system_ms),
            threads: threads.iter().copied().collect(),
            rss_kib: Some(7),
            own: None,
        }
    }

    #[test]
    fn what_linux_shows_is_read() {
        let status = "VmRSS:\t   20 kB\nvoluntary_ctxt_switches:\t31\nnonvoluntary_ctxt_switches:\t4\n";
        assert_eq!(number(status, "VmRSS:"), Some(20));
        assert_eq!(number(status, "voluntary_ctxt_switches:"), Some(31));
        assert_eq!(number(status, "nonvoluntary_ctxt_switches:"), Some(4));
    }

    #[test]
    fn the_exact_account_is_used_while_there_is_one() {
        let check = |before: &Sample, after: &Sample, wanted: (u64, u64)| {
            let cpu = after.since(before, "p".into(), Role::Server);
            assert_eq!((cpu.user_us, cpu.system_us), wanted, "{before:?} {after:?}");
        };
        let before = sample(100, 100, &[(1, thread(Some(1_000), 1))]);
        // Three quarters are the process's own, by the ticks.
        let exact = sample(130, 110, &[(1, thread(Some(36_001_000), 5)), (2, thread(Some(4_000_000), 1))]);
        check(&before, &exact, (30_000, 10_000));
        check(&before, &sample(130, 110, &[(2, thread(Some(4_000_000), 1))]), (30_000, 10_000));
        check(&before, &sample(120, 110, &[(1, thread(None, 1))]), (20_000, 10_000));
        check(&before, &sample(100, 100, &[(1, thread(Some(501_000), 1))]), (500, 0));
        let cpu = exact.since(&before, "p".into(), Role::Server);
        assert_eq!((cpu.voluntary_switches, cpu.involuntary_switches, cpu.rss_kib), (5, 10, Some(7)));
    }

    #[test]
    fn this_process_works() {
        let before = Sample::of(std::process::id()).unwrap();
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_millis(30) {
            std::hint::spin_loop();
        }
        let cpu = Sample::of(std::process::id()).unwrap().since(&before, "p".into(), Role::Client);
        // Other threads of the tests may have worked too.
        assert!(cpu.user_us + cpu.system_us > 1_000, "{cpu:?}");
        assert!(Sample::of(u32::MAX).is_none());
    }
}
