//! A lab of its own for a comparison: a network on free ports, in a folder that goes with it.

use std::fs::{self, File};
use std::path::PathBuf;
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

/// A running lab. Its folder goes when this is dropped, and its processes end.
#[derive(Debug)]
pub(super) struct OwnLab {
    folder: PathBuf,
    /// `micronet up`, which ends when its stdin closes; None once it was stopped.
    up: Option<Child>,
}

impl OwnLab {
    /// Starts a lab.
    pub(super) async fn start() -> Result<Self, CommandError> {
        let number = getrandom::u64().map_err(|error| {
            CommandError::new(format!("the operating system gave no randomness: {error}"))
        })?;
        let folder = std::env::temp_dir().join(format!("micronet-lab-{number:016x}"));
        create_folder(&folder).map_err(|error| failed("create", &folder, &error))?;
        let mut lab = Self { folder, up: None };
        lab.launch().await?;
        Ok(lab)
    }

    /// Its data folder.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Stops it, and waits until it has.
    pub(super) async fn stop(mut self) {
        if let Some(mut up) = self.up.take() {
            drop(up.stdin.take());
            if timeout(Duration::from_millis(STOP_MS_MAX), up.wait()).await.is_err() {
                // Its processes end by themselves when it is gone.
                let _ = up.kill().await;
            }
        }
    }

    async fn launch(&mut self) -> Result<(), CommandError> {
        let log = self.folder.join("up.log");
        let file = File::create(&log).map_err(|error| failed("create", &log, &error))?;
        let mut command = Command::new(own_program()?);
        command
            .args(["up", "--profile", "lab", "--base-port", "0", "--supervised", "--data"])
            .arg(self.data());
        command.env_remove(DATABASE_ENVIRONMENT).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        // A group of its own: Ctrl-C reaches this process alone, which then stops the lab.
        command.process_group(0).kill_on_drop(true);
        let mut up = command
            .spawn()
            .map_err(|error| CommandError::new(format!("the lab could not be started: {error}")))?;
        let mut lines = up.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        self.up = Some(up);
        let ready = async {
            while let Some(lines) = &mut lines {
                match lines.next_line().await {
                    Ok(Some(line)) if line.starts_with(READY) => return true,
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => return false,
                }
            }
            false
        };
        if !matches!(timeout(Duration::from_millis(START_MS_MAX), ready).await, Ok(true)) {
            let said = fs::read_to_string(&log).unwrap_or_default();
            return Err(CommandError::new(format!("the lab did not start\n{}", said.trim_end())));
        }
        // What it says later goes nowhere, but it must not wait for somebody to read it.
        if let Some(mut lines) = lines {
            tokio::task::spawn_local(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        }
        Ok(())
    }
}

impl Drop for OwnLab {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::debug!(%error, folder = %self.folder.display(), "not removed");
        }
    }
}
