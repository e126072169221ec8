//! The processor time of processes, as the scheduler counts it.

use std::fs;

/// What all threads of a process have run so far, in nanoseconds (`/proc/PID/task/TID/schedstat`); zero when it has ended.
#[must_use]
pub fn ns_of(pid: u32) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return 0 };
    let of_thread = |path: std::path::PathBuf| {
        let text = fs::read_to_string(path.join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    tasks.flatten().filter_map(|task| of_thread(task.path())).sum()
}
