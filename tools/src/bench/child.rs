//! A server that a measurement starts for itself: this program in a process of its own, which ends with this one.

use std::env;
use std::fs::{self, DirBuilder};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use crate::certs::{Authority, CertsFolder, Holder, LIFETIME_S_DEFAULT};
use crate::data_folder;
use crate::error::CommandError;
use crate::registry::CLUSTER_DEFAULT;
use crate::server_process::READY_PREFIX;

/// How long it may take to be ready, in milliseconds.
const READY_MS_MAX: u64 = 10_000;
/// Only the owner may enter its folder.
const FOLDER_MODE: u32 = 0o700;

/// The process. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Server {
    _child: Child,
    /// When this closes, the process ends by itself.
    _stdin: Option<ChildStdin>,
    address: SocketAddr,
    /// What it works on, which goes with it.
    _folder: Option<Scratch>,
}

/// A data folder for a measurement, with secrets of its own, which is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// A folder that nobody else has, for its owner's eyes only.
    pub(super) fn new() -> Result<Self, CommandError> {
        let failed =
            |what: String| CommandError::new(format!("no folder for the server to be measured: {what}"));
        let number = getrandom::u64().map_err(|error| failed(error.to_string()))?;
        let path = env::temp_dir().join(format!("micronet-bench-{number:016x}"));
        DirBuilder::new().mode(FOLDER_MODE).create(&path).map_err(|error| failed(error.to_string()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes certificates for an instance of the service and for the operator, by a CA of their own; gives their folder.
    pub(super) fn certificates(&self, service: &str, instance: &str) -> Result<PathBuf, CommandError> {
        let path = data_folder::certs(&self.0);
        let folder = CertsFolder::new(&path);
        let authority = Authority::create(&folder, CLUSTER_DEFAULT, false)?;
        let served = Holder::service(CLUSTER_DEFAULT, service, instance, (&[], &[]))?;
        for holder in [served, Holder::operator(CLUSTER_DEFAULT)] {
            authority.issue_into(&folder, &holder, LIFETIME_S_DEFAULT)?;
        }
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "can't be removed");
        }
    }
}

impl Server {
    /// Starts `micronet bench ARGUMENTS` on a data folder, and waits until it says that it listens.
    pub(super) async fn start(
        arguments: &[&str],
        data: &Path,
        folder: Option<Scratch>,
    ) -> Result<Self, CommandError> {
        let failed =
            |why: String| CommandError::new(format!("the server to be measured didn't start: {why}"));
        let program = env::current_exe().map_err(|error| failed(error.to_string()))?;
        let mut command = Command::new(program);
        command
            .arg("bench")
            .args(arguments)
            .arg("--data")
            .arg(data)
            // That it starts is no news here.
            .args(["--log", "warn"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let stdin = child.stdin.take();
        let Some(stdout) = child.stdout.take() else { return Err(failed("it has no stdout".into())) };
        let listening = async {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let address = line.strip_prefix(READY_PREFIX).and_then(|text| text.trim().parse().ok());
                if address.is_some() {
                    // It may say more: nobody has to read that, but the pipe stays open.
                    tokio::task::spawn_local(
                        async move { while let Ok(Some(_)) = lines.next_line().await {} },
                    );
                    return address;
                }
            }
            None
        };
        match timeout(Duration::from_millis(READY_MS_MAX), listening).await {
            Ok(Some(address)) => Ok(Self { _child: child, _stdin: stdin, address, _folder: folder }),
            Ok(None) => Err(failed("it has ended".into())),
            Err(_) => Err(failed(format!("it wasn't ready within {} s", READY_MS_MAX / 1000))),
        }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}
