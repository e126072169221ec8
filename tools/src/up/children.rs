//! Child processes: started, heard and reaped. Only these are ever signalled.

use std::fs::{File, OpenOptions};
use std::future::pending;
use std::io::{self, Write};
use std::net::{self, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use micronet_services::database::ServerUrl;
use micronet_services::redis_url::RedisUrl;
use rustix::process::Pid;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};

use super::log_tail;
use crate::data_folder::FILE_MODE;
use crate::inherited;
use crate::registry;
use crate::server_process::{DRAINING_LINE, READY_PREFIX};

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
    /// The Redis that it tells of sessions, handed on alike.
    pub(super) redis: Option<RedisUrl>,
    /// Where its stderr goes.
    pub(super) log: PathBuf,
    /// Where it listens with sockets that are kept open here while it is started anew.
    pub(super) sockets: Vec<SocketAddr>,
    /// The line with which its log goes on, where it was started before; else a new log is begun.
    pub(super) again: Option<String>,
}

/// What a child does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It has said where it listens.
    Ready(SocketAddr),
    /// It accepts nothing any more on the sockets that it shares with its successor.
    Draining,
    /// It has ended, in these words.
    Ended(String),
}

/// A child process. When this is dropped the process is killed, so that none is left behind by a mistake of ours.
#[derive(Debug)]
pub(super) struct Child {
    process: tokio::process::Child,
    /// The child ends when this closes, which the operating system sees to even if this process is killed.
    _stdin: Option<OwnedFd>,
    stdout: Option<Lines<BufReader<ChildStdout>>>,
}

impl Child {
    /// Starts the process, which gets these sockets; else says why not.
    pub(super) fn start(launch: &Launch, sockets: &[net::TcpListener]) -> Result<Self, String> {
        let log = log_of(launch)
            .map_err(|error| format!("could not open its log {}: {error}", launch.log.display()))?;
        let mut command = Command::new(&launch.program);
        command.args(&launch.arguments).arg("--data").arg(&launch.data);
        let (ours, theirs) =
            UnixStream::pair().map_err(|error| format!("could not open a socket for its stdin: {error}"))?;
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        // A group of its own: Ctrl-C reaches `up` alone, which then stops its children in their order.
        command.process_group(0);
        for variable in registry::address_variables() {
            command.env_remove(variable);
        }
        match &launch.database {
            Some(server) => command.env(registry::DATABASE_ENVIRONMENT, server.secret_text()),
            None => command.env_remove(registry::DATABASE_ENVIRONMENT),
        };
        match &launch.redis {
            Some(url) => command.env(registry::REDIS_ENVIRONMENT, url.secret_text()),
            None => command.env_remove(registry::REDIS_ENVIRONMENT),
        };
        let mut process = command.spawn().map_err(|error| {
            let program = launch.program.display();
            format!("could not start {program}: {error}; is the program's file still there?")
        })?;
        // So that the child's end is nobody's but the child's.
        drop(command);
        if !launch.sockets.is_empty() {
            inherited::send(&ours, sockets)
                .map_err(|error| format!("could not hand it its sockets: {error}"))?;
        }
        let stdout = process.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        Ok(Self { process, _stdin: Some(ours.into()), stdout })
    }

    /// Its process id, until it is reaped.
    pub(super) fn pid(&self) -> Option<Pid> {
        self.process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
    }

    /// Waits for what it does next. May be dropped and asked again. After its end nothing comes any more.
    ///
    /// What it prints besides where it listens is read and dropped: it must not wait for somebody to read it.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            tokio::select! {
                biased;
                line = next_line(&mut self.stdout) => match line {
                    Some(line) => {
                        let address = line.strip_prefix(READY_PREFIX);
                        if let Some(address) = address.and_then(|address| address.trim().parse().ok()) {
                            return Event::Ready(address);
                        }
                        if line == DRAINING_LINE {
                            return Event::Draining;
                        }
                    }
                    None => self.stdout = None,
                },
                ended = self.process.wait() => return Event::Ended(match ended {
                    Ok(status) => status.to_string(),
                    Err(error) => format!("it could not be waited for: {error}"),
                }),
            }
        }
    }
}

async fn next_line(stdout: &mut Option<Lines<BufReader<ChildStdout>>>) -> Option<String> {
    match stdout {
        Some(lines) => lines.next_line().await.ok().flatten(),
        None => pending().await,
    }
}

/// A log begins with the first start, and the one before is kept beside it. It goes on with later starts.
fn log_of(launch: &Launch) -> io::Result<File> {
    if launch.again.is_none() {
        keep_former(&launch.log)?;
    }
    let mut log = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(&launch.log)?;
    if let Some(line) = &launch.again {
        writeln!(log, "{line}")?;
    }
    Ok(log)
}

fn keep_former(path: &Path) -> io::Result<()> {
    match std::fs::rename(path, log_tail::previous(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, kill_process};

    use super::*;
    use crate::data_folder::tests::ScratchFolder;
    use crate::server_process;

    /// How a shell script is started as a child.
    fn launch(scratch: &ScratchFolder, script: &str) -> Launch {
        Launch {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            data: scratch.0.clone(),
            database: None,
            redis: None,
            sockets: Vec::new(),
            log: scratch.open().log("child-1"),
            again: None,
        }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        server_process::runtime().unwrap().block_on(future)
    }

    fn at_port_9() -> Event {
        Event::Ready("127.0.0.1:9".parse().unwrap())
    }

    #[test]
    fn a_child_says_where_it_listens_and_ends_when_told() {
        let scratch = ScratchFolder::new("child-ready");
        block_on(async {
            let script = "echo starting; echo listening on 127.0.0.1:9; echo more; read line; exit 7";
            let mut child = Child::start(&launch(&scratch, script), &[]).unwrap();
            assert_eq!(child.next().await, at_port_9());
            kill_process(child.pid().unwrap(), Signal::TERM).unwrap();
            assert_eq!(child.next().await, Event::Ended("signal: 15 (SIGTERM)".into()));
            assert_eq!(child.pid(), None);
        });
    }

    #[test]
    fn a_child_whose_stdin_closes_can_end() {
        let scratch = ScratchFolder::new("child-stdin");
        block_on(async {
            let script = "echo listening on 127.0.0.1:9; read line; exit 7";
            let mut child = Child::start(&launch(&scratch, script), &[]).unwrap();
            assert_eq!(child.next().await, at_port_9());
            child._stdin = None;
            assert_eq!(child.next().await, Event::Ended("exit status: 7".into()));
        });
    }

    #[test]
    fn a_log_goes_on_where_a_child_is_started_again() {
        let scratch = ScratchFolder::new("child-log");
        block_on(async {
            let mut each = launch(&scratch, "echo no disk >&2; exit 3");
            let run = async |launch: &Launch| Child::start(launch, &[]).unwrap().next().await;
            let ended = Event::Ended("exit status: 3".into());
            assert_eq!(run(&each).await, ended);
            each.again = Some("---- again".into());
            assert_eq!(run(&each).await, ended);
            let read = |path: &Path| std::fs::read_to_string(path).unwrap();
            assert_eq!(read(&each.log), "no disk\n---- again\nno disk\n");
            each.again = None;
            run(&each).await;
            assert_eq!(read(&each.log), "no disk\n");
            assert_eq!(read(&log_tail::previous(&each.log)), "no disk\n---- again\nno disk\n");
        });
    }

    #[test]
    fn what_can_not_be_started_says_so() {
        let scratch = ScratchFolder::new("child-none");
        let launch = Launch { program: "/nowhere/at/all".into(), ..launch(&scratch, "") };
        let why = block_on(async { Child::start(&launch, &[]).unwrap_err() });
        assert!(why.contains("/nowhere/at/all") && why.contains("still there"), "{why}");
    }
}
