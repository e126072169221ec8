//! What a process of this machine needs, as Linux shows it in `/proc` (proc(5)).

use std::fs;
use std::time::{Duration, Instant};

use rustix::param::clock_ticks_per_second;

use crate::proc_stat::times;

/// A process's memory and the CPU time that it has used, at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    at: Instant,
    cpu: Duration,
    /// The most resident memory that it has had up to then, in bytes.
    pub(super) resident_bytes_max: u64,
}

impl Usage {
    /// Looks at a process; None when it is not there, or not to be seen.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
        let (stat, status) = (read("stat")?, read("status")?);
        Some(Self {
            at: Instant::now(),
            cpu: times(&stat, clock_ticks_per_second()).map(|(user, system)| user + system)?,
            resident_bytes_max: bytes(&status, "VmHWM:")?,
        })
    }

    /// The CPU time used since then, in percent of one core.
    pub(super) fn cpu_percent_since(&self, before: &Self) -> f64 {
        let elapsed = self.at.duration_since(before.at).as_secs_f64();
        if elapsed > 0.0 { 100.0 * self.cpu.saturating_sub(before.cpu).as_secs_f64() / elapsed } else { 0.0 }
    }
}

/// A line such as `VmHWM: 1234 kB`.
fn bytes(status: &str, name: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
    rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_shows_is_read() {
        assert_eq!(bytes("Name:\tx\nVmHWM:\t   20 kB\nVmRSS:\t  16 kB\n", "VmHWM:"), Some(20 << 10));
        assert_eq!(bytes("VmHWM: many\n", "VmHWM:"), None);
    }

    #[test]
    fn this_process_needs_something() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.resident_bytes_max > 0);
        assert!(Usage::of(u32::MAX).is_none());
    }
}
