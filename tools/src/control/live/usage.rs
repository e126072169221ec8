//! What processes of this machine use, as Linux shows it in `/proc/PID/stat` (proc(5)): a stalled process can't be asked.

use std::collections::BTreeMap;
use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};

use crate::proc_stat::{resident_pages, times};

/// What a process lately used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// CPU time, in thousandths of one core, since it was looked before.
    pub(crate) cpu_permille: u32,
    /// Memory that is in RAM, in bytes.
    pub(crate) resident_bytes: u64,
}

/// What was seen of processes, by process id.
#[derive(Debug, Default)]
pub(super) struct Usage(BTreeMap<u32, Seen>);

#[derive(Debug, Clone, Copy)]
struct Seen {
    at_ns: u64,
    cpu_us: u64,
    used: Used,
}

impl Usage {
    /// Looks at these processes, and forgets all others.
    pub(super) fn look(&mut self, now: u64, pids: impl Iterator<Item = u32>) {
        let (ticks_per_s, page_bytes) = (clock_ticks_per_second(), page_size() as u64);
        let mut seen = BTreeMap::new();
        for pid in pids {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let cpu = times(&stat, ticks_per_s).map(|(user, system)| user + system);
            let Some((cpu, pages)) = cpu.zip(resident_pages(&stat)) else { continue };
            let cpu_us = u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX);
            let before = self.0.get(&pid);
            let used = Used {
                cpu_permille: before.map_or(0, |before| permille(before, now, cpu_us)),
                resident_bytes: pages.saturating_mul(page_bytes),
            };
            seen.insert(pid, Seen { at_ns: now, cpu_us, used });
        }
        self.0 = seen;
    }

    /// What a process used when it was last looked.
    pub(super) fn of(&self, pid: u32) -> Used {
        self.0.get(&pid).map(|seen| seen.used).unwrap_or_default()
    }
}

fn permille(before: &Seen, now: u64, cpu_us: u64) -> u32 {
    let elapsed_us = now.saturating_sub(before.at_ns) / 1_000;
    let used = (cpu_us.saturating_sub(before.cpu_us) * 1_000).checked_div(elapsed_us).unwrap_or(0);
    u32::try_from(used).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let mut usage = Usage::default();
        let own = std::process::id();
        usage.look(1_000_000_000, [own, u32::MAX].into_iter());
        assert!(usage.of(own).resident_bytes > 1 << 20);
        assert_eq!(usage.of(u32::MAX), Used::default());
        let before = usage.0[&own];
        assert_eq!(permille(&before, before.at_ns + 2_000_000_000, before.cpu_us + 500_000), 250);
        usage.look(2_000_000_000, std::iter::empty());
        assert_eq!(usage.of(own), Used::default());
    }
}
