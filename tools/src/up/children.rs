//! Child processes: started, awaited, signalled and reaped. Only these are ever signalled.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::task::Poll;
use std::time::Duration;

use micronet_services::database::ServerUrl;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::log_tail::{self, LogTail};
use crate::address::reachable;
use crate::config::InstancePlan;
use crate::data_folder::{FILE_MODE, failed};
use crate::error::CommandError;
use crate::registry;
use crate::server_process::READY_PREFIX;

/// How long a child that has closed its stdout may take to end, in milliseconds.
const END_MS_MAX: u64 = 1_000;
/// Lines of a dead child's log that are shown.
const LAST_LINES: usize = 10;

/// How a child is started.
#[derive(Debug)]
pub(super) struct Launch {
    /// The program.
    pub(super) program: PathBuf,
    /// Its arguments, but for the data folder.
    pub(super) arguments: Vec<String>,
    /// The data folder.
    pub(super) data: PathBuf,
    /// The server that holds the databases. It is handed on by the environment, which strangers can't see.
    pub(super) database: Option<ServerUrl>,
    /// Where its stderr goes.
    pub(super) log: PathBuf,
}

/// A child process. When this is dropped the process is killed, so that none is left behind by a mistake of ours.
pub(super) struct Child {
    plan: InstancePlan,
    process: tokio::process::Child,
    /// The child ends when this closes, which the operating system sees to even if this process is killed.
    _stdin: Option<ChildStdin>,
    stdout: Option<Lines<BufReader<ChildStdout>>>,
    log: PathBuf,
    address: Option<SocketAddr>,
    exit: Option<ExitStatus>,
}

impl Child {
    /// Starts the process.
    pub(super) fn start(plan: &InstancePlan, launch: Launch) -> Result<Self, CommandError> {
        let log = new_log(&launch.log).map_err(|error| failed("create", &launch.log, &error))?;
        let mut command = Command::new(&launch.program);
        command.args(&launch.arguments).arg("--data").arg(&launch.data);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        // A group of its own: Ctrl-C reaches `up` alone, which then stops its children in their order.
        command.process_group(0);
        for variable in registry::address_variables() {
            command.env_remove(variable);
        }
        match &launch.database {
            Some(server) => command.env(registry::DATABASE_ENVIRONMENT, server.secret_text()),
            None => command.env_remove(registry::DATABASE_ENVIRONMENT),
        };
        let mut process = command.spawn().map_err(|error| {
            CommandError::new(format!(
                "{} could not start {}: {error}",
                plan.instance,
                launch.program.display()
            ))
            .next("is the program's file still there? build it again, and start again")
        })?;
        let stdin = process.stdin.take();
        let stdout = process.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        Ok(Self {
            plan: plan.clone(),
            process,
            _stdin: stdin,
            stdout,
            log: launch.log,
            address: None,
            exit: None,
        })
    }

    /// What it was started as.
    pub(super) fn plan(&self) -> &InstancePlan {
        &self.plan
    }

    /// Its process id, while it runs.
    pub(super) fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Where it listens, once it is ready.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Where a program on this machine reaches it, once it is ready.
    pub(super) fn reachable(&self) -> Option<SocketAddr> {
        self.address.map(reachable)
    }

    /// Whether it has not ended yet.
    pub(super) fn is_running(&self) -> bool {
        self.exit.is_none()
    }

    /// Follows its log from here on.
    pub(super) fn log_tail(&self) -> LogTail {
        LogTail::new(&self.plan.instance, &self.log)
    }

    /// Waits for the line that says where it listens.
    pub(super) async fn wait_until_ready(&mut self, ready_ms_max: u64) -> Result<(), CommandError> {
        let Some(mut stdout) = self.stdout.take() else { return Ok(()) };
        match timeout(Duration::from_millis(ready_ms_max), ready_line(&mut stdout)).await {
            Ok(Some(address)) => {
                self.address = Some(address);
                // What it prints later goes nowhere, but it must not wait for somebody to read it.
                tokio::task::spawn_local(async move { while let Ok(Some(_)) = stdout.next_line().await {} });
                Ok(())
            }
            Ok(None) => {
                let ended = timeout(Duration::from_millis(END_MS_MAX), self.process.wait()).await;
                self.exit = ended.ok().and_then(Result::ok);
                Err(CommandError::new(LastWords::of(self).to_string()))
            }
            Err(_) => {
                let what = format!("{} was not ready within {ready_ms_max} ms", self.plan.instance);
                Err(CommandError::new(format!("{what}{}", log_tail::excerpt(&self.log, LAST_LINES))))
            }
        }
    }

    /// Asks it to drain and end.
    pub(super) fn terminate(&mut self) {
        self.signal(Signal::TERM);
    }

    /// Ends it at once.
    pub(super) fn kill(&mut self) {
        self.signal(Signal::KILL);
    }

    /// There is no process id once the child is reaped, so that no stranger's process is ever signalled.
    fn signal(&self, signal: Signal) {
        let pid = self.process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid
            && let Err(error) = kill_process(pid, signal)
        {
            tracing::debug!(instance = self.plan.instance, ?signal, %error, "not signalled");
        }
    }
}

/// Waits until one of the running children has ended, reaps it, and gives its place. Never completes if none runs.
pub(super) async fn next_exit(children: &mut [Child]) -> usize {
    poll_fn(|context| {
        for (place, child) in children.iter_mut().enumerate().filter(|(_, child)| child.is_running()) {
            // `wait` may be dropped and asked again; what it waits for is kept in the process.
            if let Poll::Ready(waited) = pin!(child.process.wait()).poll(context) {
                child.exit = Some(waited.unwrap_or_default());
                return Poll::Ready(place);
            }
        }
        Poll::Pending
    })
    .await
}

/// How a child ended that was not told to: its exit status and the end of its log.
#[derive(Debug)]
pub(super) struct LastWords {
    instance: String,
    exit: Option<ExitStatus>,
    was_ready: bool,
    log: PathBuf,
}

impl LastWords {
    /// The last words of a child that has ended.
    pub(super) fn of(child: &Child) -> Self {
        Self {
            instance: child.plan.instance.clone(),
            exit: child.exit,
            was_ready: child.address.is_some(),
            log: child.log.clone(),
        }
    }
}

impl fmt::Display for LastWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = if self.was_ready { "has ended by itself" } else { "ended before it was ready" };
        write!(f, "{} {when}", self.instance)?;
        if let Some(exit) = self.exit {
            write!(f, " ({exit})")?;
        }
        f.write_str(&log_tail::excerpt(&self.log, LAST_LINES))
    }
}

async fn ready_line(stdout: &mut Lines<BufReader<ChildStdout>>) -> Option<SocketAddr> {
    while let Ok(Some(line)) = stdout.next_line().await {
        if let Some(address) = line.strip_prefix(READY_PREFIX).and_then(|address| address.trim().parse().ok())
        {
            return Some(address);
        }
    }
    None
}

/// A log starts anew with each start; the one before is kept beside it.
fn new_log(path: &Path) -> io::Result<File> {
    if path.exists() {
        std::fs::rename(path, log_tail::previous(path))?;
    }
    OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_folder::tests::ScratchFolder;
    use crate::server_process;

    /// Longer than any machine takes to start a shell.
    const LONG_MS: u64 = 60_000;

    /// Runs a shell script as a child, up to where it is ready or not.
    async fn start(scratch: &ScratchFolder, script: &str, ready_ms_max: u64) -> (Child, Result<(), String>) {
        let plan = InstancePlan { service: None, instance: "child-1".into(), port: 0, rpc_port: None };
        let launch = Launch {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            data: scratch.0.clone(),
            database: None,
            log: scratch.open().log("child-1"),
        };
        let mut child = Child::start(&plan, launch).unwrap();
        let ready = child.wait_until_ready(ready_ms_max).await.map_err(|error| error.to_string());
        (child, ready)
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        server_process::runtime().unwrap().block_on(future)
    }

    #[test]
    fn a_child_says_where_it_listens_and_ends_when_told() {
        let scratch = ScratchFolder::new("child-ready");
        block_on(async {
            let script = "echo starting; echo listening on 127.0.0.1:9; read line; exit 7";
            let (child, ready) = start(&scratch, script, LONG_MS).await;
            assert_eq!(ready, Ok(()));
            assert_eq!(child.address().map(|address| address.port()), Some(9));
            let mut children = [child];
            assert!(children[0].is_running());
            children[0].terminate();
            assert_eq!(next_exit(&mut children).await, 0);
            assert!(!children[0].is_running() && children[0].id().is_none());
            assert!(LastWords::of(&children[0]).to_string().contains("SIGTERM"));
        });
    }

    #[test]
    fn a_child_whosestdin_closes_can_end() {
        let scratch = ScratchFolder::new("child-stdin");
        block_on(async {
            let (mut child, _) =
                start(&scratch, "echo listening on 127.0.0.1:9; read line; exit 7", LONG_MS).await;
            child._stdin = None;
            let mut children = [child];
            next_exit(&mut children).await;
            let words = LastWords::of(&children[0]).to_string();
            assert!(words.contains("child-1 has ended by itself (exit status: 7)"), "{words}");
        });
    }

    #[test]
    fn a_child_that_does_not_start_leaves_its_last_words() {
        let scratch = ScratchFolder::new("child-dead");
        let (child, ready) = block_on(start(&scratch, "echo no disk >&2; exit 3", LONG_MS));
        let words = ready.unwrap_err();
        for word in ["child-1", "before it was ready", "exit status: 3", "no disk", "child-1.log"] {
            assert!(words.contains(word), "{word} is missing in: {words}");
        }
        assert!(!child.is_running());
    }

    #[test]
    fn a_child_that_is_silent_is_given_up() {
        let scratch = ScratchFolder::new("child-silent");
        block_on(async {
            let (mut child, ready) = start(&scratch, "read line", 20).await;
            let words = ready.unwrap_err();
            assert!(words.contains("child-1 was not ready within 20 ms"), "{words}");
            assert!(child.is_running());
            child.kill();
            next_exit(&mut [child]).await;
        });
    }
}
