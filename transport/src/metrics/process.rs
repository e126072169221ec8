//! What the operating system says of this process.

use std::fs;

use micronet_wire::network::Usage;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::network::Network;
use crate::vitals;

/// What the process that is this instance uses now. What can't be read counts as nothing.
#[must_use]
pub fn usage(instance: &str, network: &Network) -> Usage {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of_status = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    // The folder itself is open while it is read.
    let open_fds = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count().saturating_sub(1));
    let vitals = vitals::of_process();
    Usage {
        instance: instance.to_owned(),
        started: vitals::started(),
        cpu_us: cpu_us(),
        cpu_permille: vitals.cpu_permille,
        resident_bytes: of_status("VmRSS:").unwrap_or(0) * 1024,
        threads: of_status("Threads:").unwrap_or(0),
        open_fds: open_fds as u64,
        fds_max: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
        connections: network.metrics().connections(),
        calls_in_flight: vitals.calls_in_flight,
        queue_delay_us: vitals.queue_delay_us,
        scheduler_lag_us: vitals.scheduler_lag_us,
    }
}

/// CPU time that this process has had, in microseconds.
pub(crate) fn cpu_us() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let part = |part: i64| u64::try_from(part).unwrap_or(0);
    part(time.tv_sec) * 1_000_000 + part(time.tv_nsec) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_uses_something() {
        let file = fs::File::open("/proc/self/status").unwrap();
        let before = usage("i", &Network::default());
        assert!(before.resident_bytes > 1 << 20 && before.threads >= 1, "{before:?}");
        assert!(before.open_fds >= 4 && before.open_fds <= before.fds_max, "{before:?}");
        drop(file);
        while cpu_us() < before.cpu_us + 1_000 {}
    }
}
