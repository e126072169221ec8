//! Linux perf: samples of a process's stacks while it runs.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::{env, fs, process};

use crate::config::FlameConfig;
use crate::error::CommandError;

/// How much of its stack is copied with a sample, in bytes: release builds have no frame pointers, so perf unwinds it afterwards.
const STACK_BYTES: u32 = 32 << 10;

/// Records, and returns the samples as `perf script` tells them.
pub(super) fn record(config: &FlameConfig, pid: u32) -> Result<String, CommandError> {
    let folder = Folder::new()?;
    let data = folder.0.join("perf.data");
    let perf = |arguments: &[&str]| {
        let output = Command::new(&config.perf).args(arguments).stdin(Stdio::null()).output();
        output.map_err(|error| not_started(config, &error))
    };
    let (data, pid) = (data.display().to_string(), pid.to_string());
    let (frequency, seconds) = (config.frequency.to_string(), config.seconds.to_string());
    let graph = format!("dwarf,{STACK_BYTES}");
    // The processor's own counters aren't there in many virtual machines; the clock is everywhere.
    let recorded = perf(&[
        "record",
        "--quiet",
        "--event",
        "cpu-clock",
        "--freq",
        &frequency,
        "--call-graph",
        &graph,
        "--pid",
        &pid,
        "--output",
        &data,
        "--",
        "sleep",
        &seconds,
    ])?;
    check("record", &recorded)?;
    // Functions that were inlined would each be looked up by another program, which takes minutes.
    let script = perf(&["script", "--input", &data, "--no-inline", "--fields", "comm,ip,sym"])?;
    check("script", &script)?;
    Ok(String::from_utf8_lossy(&script.stdout).into_owned())
}

fn check(what: &str, output: &Output) -> Result<(), CommandError> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).take(3).collect();
    Err(CommandError::new(format!("perf {what} failed: {}", said.join(" "))).next(
        "does the process run, and is it yours? /proc/sys/kernel/perf_event_paranoid must be 2 or less, or you root",
    ))
}

fn not_started(config: &FlameConfig, error: &io::Error) -> CommandError {
    let words = match error.kind() {
        io::ErrorKind::NotFound => format!("there is no program {}", config.perf.display()),
        _ => format!("{}: {error}", config.perf.display()),
    };
    CommandError::new(words).next(
        "install Linux perf (Debian: linux-perf, Ubuntu: linux-tools-generic, Fedora: perf), or say where it is with --perf",
    )
}

/// A folder of this process's own, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, CommandError> {
        let path = env::temp_dir().join(format!("micronet-profile-{}", process::id()));
        fs::create_dir(&path)
            .map_err(|error| CommandError::new(format!("could not create {}: {error}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
