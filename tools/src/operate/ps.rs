//! `micronet ps`: the processes of a network, and how they are.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use micronet_transport::clock;

use super::{Control, failure, json, options};
use crate::control::api::{ControlMethods, Process, ProcessState, Processes, Which};
use crate::error::CommandError;
use crate::table::{Align, Table};
use crate::terminal::{self, Style};

/// How often `--watch` looks, in milliseconds.
const WATCH_MS: u64 = 1_000;
/// Moves to the upper left corner, and clears what is there (ECMA-48: CUP, ED).
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Shows them, once or until Ctrl-C.
pub(super) async fn run(
    control: &Control,
    name: Option<String>,
    as_json: bool,
    watch: bool,
) -> Result<ExitCode, CommandError> {
    let which = Which { name };
    let look = async || control.processes(&which, options()).await.map_err(failure);
    if !watch {
        let processes = look().await?;
        terminal::say(&match as_json {
            true => json(ControlMethods::PROCESSES, &processes)?,
            false => table(&processes).draw(Style::for_stdout()),
        });
        return Ok(ExitCode::SUCCESS);
    }
    let clear = if std::io::stdout().is_terminal() { CLEAR } else { "" };
    let watching = async {
        let mut interval = tokio::time::interval(Duration::from_millis(WATCH_MS));
        loop {
            interval.tick().await;
            let shown = table(&look().await?).draw(Style::for_stdout());
            terminal::say(&format!("{clear}{shown}"));
        }
    };
    tokio::select! {
        ended = watching => ended,
        stopped = tokio::signal::ctrl_c() => match stopped {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(CommandError::new(format!("could not listen for Ctrl-C: {error}"))),
        },
    }
}

/// The processes as a table.
pub(crate) fn table(processes: &Processes) -> Table {
    let mut table = Table::new(&[
        ("SERVICE", Align::Left),
        ("INSTANCE", Align::Left),
        ("STATE", Align::Left),
        ("SINCE", Align::Right),
        ("PID", Align::Right),
        ("ADDRESS", Align::Left),
        ("RESTARTS", Align::Right),
        ("WHY", Align::Left),
    ]);
    let now_us = clock::unix_us();
    for process in &processes.processes {
        let age_us = u64::try_from(now_us - process.since.0).unwrap_or(0);
        table.row(vec![
            process.service.clone(),
            process.instance.clone(),
            state_name(process.state).to_owned(),
            age(age_us / 1_000_000),
            process.pid.map_or_else(|| "-".into(), |pid| pid.to_string()),
            process.address.clone().unwrap_or_else(|| "-".into()),
            process.restarts.to_string(),
            why(process),
        ]);
    }
    table
}

/// Why it is so: what the operator has said comes first, and how it last ended last.
fn why(process: &Process) -> String {
    let mut words = process.words.clone();
    words.push(process.reason.clone());
    if let (ProcessState::Running, Some(exit)) = (process.state, &process.last_exit) {
        words.push(format!("before: {exit}"));
    }
    words.join("; ")
}

fn state_name(state: ProcessState) -> &'static str {
    match state {
        ProcessState::Stopped => "stopped",
        ProcessState::Starting => "starting",
        ProcessState::Running => "running",
        ProcessState::Stopping => "stopping",
        ProcessState::BackingOff => "backing-off",
        ProcessState::CrashLoop => "crash-loop",
        ProcessState::Unknown => "unknown",
    }
}

/// A time that has passed, in its two greatest units.
fn age(seconds: u64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{minutes}m{:02}s", seconds % 60),
        3_600..86_400 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{}d{:02}h", hours / 24, hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use micronet_wire::schema::Timestamp;

    use super::*;

    #[test]
    fn a_process_is_a_row() {
        let process = Process {
            service: "product".into(),
            instance: "product-1".into(),
            address: Some("127.0.0.1:8002".into()),
            pid: Some(7),
            state: ProcessState::Running,
            since: Timestamp(clock::unix_us() - 125_000_000),
            reason: "ready".into(),
            restarts: 1,
            last_exit: Some("signal: 9 (SIGKILL)".into()),
            words: vec!["rests by the operator's word".into()],
        };
        let wanted = "\
SERVICE  INSTANCE   STATE    SINCE  PID  ADDRESS         RESTARTS  WHY
product  product-1  running  2m05s    7  127.0.0.1:8002         1  rests by the operator's word; ready; before: signal: 9 (SIGKILL)";
        assert_eq!(table(&Processes { processes: vec![process] }).draw(Style::PLAIN), wanted);
    }

    #[test]
    fn an_age_has_its_two_greatest_units() {
        for (seconds, wanted) in [(0, "0s"), (59, "59s"), (60, "1m00s"), (3_661, "1h01m"), (90_000, "1d01h")]
        {
            assert_eq!(age(seconds), wanted);
        }
    }
}
