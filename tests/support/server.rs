//! One service or gateway that is started by hand, as a process of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::patience::until;
use crate::ports;
use crate::process::{Process, command_of, micronet};
use crate::program;

/// A server and how to start it again.
#[derive(Debug)]
pub struct Server {
    process: Process,
    program: PathBuf,
    instance: String,
    address: SocketAddr,
    restart: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Server {
    /// Starts `micronet ARGUMENTS`, as `service product --demo shop`, under this name on a free port, and waits until it listens.
    ///
    /// # Panics
    /// When it doesn't.
    #[track_caller]
    #[must_use]
    pub fn start(data: &Path, instance: &str, arguments: &[&str]) -> Self {
        Self::start_with(data, instance, arguments, &[])
    }

    /// The same with environment variables.
    ///
    /// # Panics
    /// When it doesn't listen.
    #[track_caller]
    #[must_use]
    pub fn start_with(data: &Path, instance: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let listen = format!("127.0.0.1:{}", ports::free());
        Self::start_on(data, instance, &listen, arguments, environment)
    }

    /// The same under another program, which runs it: `strace`, with its flags.
    ///
    /// # Panics
    /// When it doesn't listen.
    #[track_caller]
    #[must_use]
    pub fn start_under(runner: &[String], data: &Path, instance: &str, arguments: &[&str]) -> Self {
        let listen = format!("127.0.0.1:{}", ports::free());
        let arguments = [arguments, &["--instance", instance]].concat();
        let ours = micronet(data, &[&arguments[..], &["--listen", &listen]].concat());
        let (program, flags) = runner.split_first().expect("a program");
        let mut command = Command::new(program);
        command.args(flags).arg(ours.get_program()).args(ours.get_args());
        for (variable, value) in ours.get_envs() {
            match value {
                Some(value) => command.env(variable, value),
                None => command.env_remove(variable),
            };
        }
        let mut process = Process::start(instance, &mut command);
        let address = ready(&mut process);
        let restart = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Self {
            process,
            program: program::micronet().to_owned(),
            instance: instance.to_owned(),
            address,
            restart,
            environment: Vec::new(),
        }
    }

    /// The same on a port that is known.
    ///
    /// # Panics
    /// When it doesn't listen.
    #[track_caller]
    #[must_use]
    pub fn start_on(
        data: &Path,
        instance: &str,
        listen: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        Self::start_of(program::micronet(), data, instance, listen, arguments, environment)
    }

    /// The same of another program than the one under test.
    ///
    /// # Panics
    /// When it doesn't listen.
    #[track_caller]
    #[must_use]
    pub fn start_of(
        program: &Path,
        data: &Path,
        instance: &str,
        listen: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let arguments = [arguments, &["--instance", instance]].concat();
        let mut command = command_of(program, data, &[&arguments[..], &["--listen", listen]].concat());
        command.envs(environment.iter().copied());
        let mut process = Process::start(instance, &mut command);
        let address = ready(&mut process);
        let restart = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = environment.iter().map(owned).collect();
        Self {
            process,
            program: program.to_owned(),
            instance: instance.to_owned(),
            address,
            restart,
            environment,
        }
    }

    /// Starts it again after its end, on the same port; and again, as a supervisor would, while it ends since its database doesn't answer in
    /// time.
    ///
    /// # Panics
    /// When it doesn't listen.
    #[track_caller]
    pub fn restart(&mut self, data: &Path) {
        assert!(!self.process.is_running(), "{} still runs", self.instance);
        let listen = self.address.to_string();
        let arguments: Vec<&str> = self.restart.iter().map(String::as_str).collect();
        let mut command = command_of(&self.program, data, &[&arguments[..], &["--listen", &listen]].concat());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let address = until("it to start again", || {
            self.process = Process::start(&self.instance, &mut command);
            ready_or_ended(&mut self.process)
                .inspect_err(|said| assert!(said.contains("the database is away; try again later"), "{said}"))
        });
        assert_eq!(address, self.address);
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Waits for the line that says where a server listens.
#[track_caller]
fn ready(process: &mut Process) -> SocketAddr {
    ready_or_ended(process).unwrap_or_else(|said| panic!("{said}"))
}

/// The same, or what it said if it has ended before.
#[track_caller]
fn ready_or_ended(process: &mut Process) -> Result<SocketAddr, String> {
    until("the line that says where it listens", || {
        let line = process.stdout();
        let address = line.lines().find_map(|line| line.strip_prefix("listening on ")?.parse().ok());
        match address {
            Some(address) => Ok(Ok(address)),
            None if process.is_running() => Err(process.said()),
            None => Ok(Err(format!("it ended before it was ready; {}", process.said()))),
        }
    })
}
