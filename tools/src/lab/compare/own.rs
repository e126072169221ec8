//! A lab of its own for a comparison: a network on free ports, in a folder that goes with it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::data_folder::{create_folder, failed};
use crate::error::CommandError;
use crate::registry::DATABASE_ENVIRONMENT;
use crate::up::own_program;

/// How long the network may take to start, in milliseconds.
const START_MS_MAX: u64 = 60_000;
/// How long it may take to stop before it is killed, in milliseconds.
const STOP_MS_MAX: u64 = 20_000;
/// What `up` says when it is ready.
const READY: &str = "The network runs";

/// A lab. Its folder goes when this is dropped.
#[derive(Debug)]
pub(super) struct OwnLab {
    folder: PathBuf,
    /// `micronet up`, which ends when its stdin closes.
    up: Child,
}

impl OwnLab {
    /// Starts a lab, which is [`ready`](Self::ready) later.
    pub(super) fn launch() -> Result<Self, CommandError> {
        let number = getrandom::u64().map_err(|error| {
            CommandError::new(format!("the operating system gave no randomness: {error}"))
        })?;
        let folder = std::env::temp_dir().join(format!("micronet-lab-{number:016x}"));
        create_folder(&folder).map_err(|error| failed("create", &folder, &error))?;
        let log = log_of(&folder);
        let file = File::create(&log).map_err(|error| failed("create", &log, &error))?;
        let mut command = Command::new(own_program()?);
        command.args(["up", "--profile", "lab", "--base-port", "0", "--supervised", "--data"]);
        command.arg(data_of(&folder)).env_remove(DATABASE_ENVIRONMENT);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        // A group of its own: Ctrl-C reaches this process alone, which then stops the lab.
        command.process_group(0).kill_on_drop(true);
        let up = command
            .spawn()
            .map_err(|error| CommandError::new(format!("the lab could not be started: {error}")))?;
        Ok(Self { folder, up })
    }

    /// Waits until it can be used.
    pub(super) async fn ready(&mut self) -> Result<(), CommandError> {
        if matches!(timeout(Duration::from_millis(START_MS_MAX), self.said_so()).await, Ok(true)) {
            return Ok(());
        }
        let said = fs::read_to_string(log_of(&self.folder)).unwrap_or_default();
        Err(CommandError::new(format!("the lab did not start\n{}", said.trim_end())))
    }

    /// Its data folder.
    pub(super) fn data(&self) -> PathBuf {
        data_of(&self.folder)
    }

    /// Stops it, and waits until it has.
    pub(super) async fn stop(mut self) {
        drop(self.up.stdin.take());
        if timeout(Duration::from_millis(STOP_MS_MAX), self.up.wait()).await.is_err() {
            // Its processes end by themselves when it is gone.
            let _ = self.up.kill().await;
        }
    }

    async fn said_so(&mut self) -> bool {
        let Some(mut lines) = self.up.stdout.take().map(|stdout| BufReader::new(stdout).lines()) else {
            return false;
        };
        while let Ok(Some(line)) = lines.next_line().await {
            if line.starts_with(READY) {
                // What it says later goes nowhere, but it must not wait for somebody to read it.
                tokio::task::spawn_local(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return true;
            }
        }
        false
    }
}

fn data_of(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn log_of(folder: &Path) -> PathBuf {
    folder.join("up.log")
}

impl Drop for OwnLab {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::debug!(%error, folder = %self.folder.display(), "not removed");
        }
    }
}
