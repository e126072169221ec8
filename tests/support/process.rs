//! A process under test: started, read, signalled and reaped. Only what was started here is ever signalled.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};

use crate::folder::show;
use crate::leash;
use crate::patience::until;
use crate::program;

/// The command `micronet ARGUMENTS --data FOLDER`, without what the environment of the tests could tell it.
#[must_use]
pub fn micronet(data: &Path, arguments: &[&str]) -> Command {
    command_of(program::micronet(), data, arguments)
}

/// The same of another program than the one under test.
#[must_use]
pub fn command_of(program: &Path, data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).arg("--data").arg(data);
    for variable in [
        "USERS",
        "CATALOG",
        "ORDER",
        "FRONT",
        "DATABASE_URL",
        "MICRONET_DATA",
        "MICRONET_TOKEN",
        "MICRONET_TOKENS_KEPT",
        "RUST_LOG",
        "CARGO",
    ] {
        command.env_remove(variable);
    }
    // Whoever runs the tests may have signed in somewhere.
    command.env("XDG_CONFIG_HOME", data.join("config"));
    command
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Finished {
    /// Checks the exit code.
    ///
    /// # Panics
    /// When it is another; the message has all that the command said.
    #[track_caller]
    pub fn check(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// Runs a command to its end.
///
/// # Panics
/// When it doesn't start or doesn't end.
#[track_caller]
pub fn run(mut command: Command) -> Finished {
    let mut process = Process::start("command", &mut command);
    let status = process.wait();
    Finished { code: status.code(), stdout: process.stdout(), stderr: process.stderr() }
}

/// A running process. It is killed when this is dropped; of a failed test its output is shown.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    exit: Option<ExitStatus>,
    stdout: Stream,
    stderr: Stream,
}

impl Process {
    /// Starts it with nothing on stdin.
    ///
    /// # Panics
    /// When it doesn't start.
    #[track_caller]
    pub fn start(name: &str, command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} doesn't start: {error}"));
        leash::put_on(child.id());
        let stdout = Stream::read(child.stdout.take().expect("stdout is a pipe"));
        let stderr = Stream::read(child.stderr.take().expect("stderr is a pipe"));
        Self { name: name.to_owned(), child, exit: None, stdout, stderr }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has written to stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Everything that it has said so far, for messages.
    #[must_use]
    pub fn said(&self) -> String {
        let mut said = String::new();
        let _ = write!(said, "stdout of {}:\n{}\nits stderr:\n{}", self.name, self.stdout(), self.stderr());
        said
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        if self.exit.is_none() && has_ended(self.child.id()) {
            leash::take_off(self.child.id());
            self.exit = Some(self.child.wait().expect("a child can be waited for"));
        }
        self.exit.is_none()
    }

    /// Sends it a signal, unless it has ended.
    ///
    /// # Panics
    /// When that is not possible.
    pub fn signal(&mut self, signal: Signal) {
        if self.is_running() {
            let id = i32::try_from(self.child.id()).expect("a process id");
            kill_process(Pid::from_raw(id).expect("not 0"), signal).expect("our own child can be signalled");
        }
    }

    /// Ends it at once, as a crash would, and waits until it is gone.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    /// Waits for its end, and until all that it said has been read.
    ///
    /// # Panics
    /// When it doesn't end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        until(&format!("the end of {}", self.name), || {
            if self.is_running() { Err(self.said()) } else { Ok(()) }
        });
        self.stdout.finish();
        self.stderr.finish();
        self.exit.expect("it has ended")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = self.child.kill();
            leash::take_off(self.child.id());
            let _ = self.child.wait();
        }
        if thread::panicking() {
            self.stdout.finish();
            self.stderr.finish();
            show(&format!("stdout of {}", self.name), &self.stdout());
            show(&format!("stderr of {}", self.name), &self.stderr());
        }
    }
}

/// Whether a process has ended; one that is not reaped yet has.
///
/// # Panics
/// When `/proc` can't be read.
#[must_use]
pub fn has_ended(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    // The state follows the command's name, which stands in parentheses and may hold anything.
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    matches!(state, Some('Z' | 'X'))
}

/// What a line of proc_pid_status(5) says of a process's memory, in bytes: `VmRSS` is what is in RAM, `VmHWM` the most of it so far, and
/// `RssAnon` its own part, without the pages of the program, which come and go.
///
/// # Panics
/// When there is no such process or line.
#[must_use]
#[track_caller]
pub fn memory(pid: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process that runs");
    let kib =
        status.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':')?.strip_suffix("kB"));
    kib.and_then(|kib| kib.trim().parse::<u64>().ok()).unwrap_or_else(|| panic!("no {line} in {status}"))
        << 10
}

/// Ends a process at once that a process of ours has started for us: its command line has to name `data`.
///
/// # Panics
/// When it is not that process, or doesn't end.
#[track_caller]
pub fn kill_child_of_ours(pid: u32, data: &Path) {
    let command_line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command_line = String::from_utf8_lossy(&command_line).into_owned();
    assert!(command_line.contains(&*data.to_string_lossy()), "{pid} is not ours: {command_line:?}");
    let id = Pid::from_raw(i32::try_from(pid).expect("a process id")).expect("not 0");
    kill_process(id, Signal::KILL).expect("our child's child can be signalled");
    until("the end of a killed process", || if has_ended(pid) { Ok(()) } else { Err("it runs".into()) });
}

/// What a process writes, read as it comes, so that it never waits for us.
#[derive(Debug)]
struct Stream {
    text: Arc<Mutex<Vec<u8>>>,
    reading: Option<JoinHandle<()>>,
}

impl Stream {
    fn read(mut pipe: impl Read + Send + 'static) -> Self {
        let text: Arc<Mutex<Vec<u8>>> = Arc::default();
        let sink = Arc::clone(&text);
        let reading = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                sink.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..count]);
            }
        });
        Self { text, reading: Some(reading) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    fn finish(&mut self) {
        if let Some(reading) = self.reading.take() {
            let _ = reading.join();
        }
    }
}
