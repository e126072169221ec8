//! A server that a measurement starts for itself: this program in a process of its own, which ends with this one.

use std::env;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use crate::error::CommandError;
use crate::server_process::READY_PREFIX;

/// How long it may take to be ready, in milliseconds.
const READY_MS_MAX: u64 = 10_000;

/// The process. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    /// When this closes, the process ends by itself.
    _stdin: Option<ChildStdin>,
    address: SocketAddr,
}

impl Server {
    /// Starts `micronet ARGUMENTS`, and waits until it says that it listens.
    pub(super) async fn start(arguments: &[&OsStr]) -> Result<Self, CommandError> {
        let failed =
            |why: String| CommandError::new(format!("the server to be measured didn't start: {why}"));
        let program = env::current_exe().map_err(|error| failed(error.to_string()))?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
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
            Ok(Some(address)) => Ok(Self { child, _stdin: stdin, address }),
            Ok(None) => Err(failed("it has ended".into())),
            Err(_) => Err(failed(format!("it wasn't ready within {} s", READY_MS_MAX / 1000))),
        }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }
}
