//! Where the walk goes: an empty folder, a shell in it, and the network that was started last.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::symlink;
use std::process::Command;

use micronet_tests::folder::Folder;
use micronet_tests::patience::until;
use micronet_tests::process::Process;
use micronet_tests::{ports, program};
use rustix::process::Signal;

use crate::shell::Shell;

/// The gateways' ports in README.
const PORTS: [&str; 2] = ["localhost:8000", "localhost:6060"];
/// How far from its gateway's port a network may have others, of those that are counted from it.
const OTHERS: [i32; 12] = [-2999, -2998, -2997, -1000, -999, 1, 2, 3, 4, 12, 3950, 4026];

/// The folder, the shell, and what runs.
pub(crate) struct Stage {
    // It is stopped before its folder goes.
    network: Option<Process>,
    shell: Shell,
    folder: Folder,
    port: u16,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let folder = Folder::new();
        let programs = folder.path().join("bin");
        fs::create_dir_all(&programs).expect("a folder can be made");
        symlink(program::micronet(), programs.join("micronet")).expect("a link can be made");
        let shell = Shell::start(folder.path(), &programs);
        Self { network: None, shell, folder, port: 0 }
    }

    /// Runs a command as it stands in README, on other ports; gives what it said, which is nothing where a network was started.
    #[track_caller]
    pub(crate) fn run(&mut self, command: &str) -> String {
        if let Some(arguments) = command.strip_prefix("micronet up") {
            self.start(arguments);
            return String::new();
        }
        let here = format!("localhost:{}", self.port);
        let command = PORTS.iter().fold(command.to_owned(), |text, port| text.replace(port, &here));
        self.shell.run(&command)
    }

    /// Starts a network, and waits until it is ready.
    #[track_caller]
    fn start(&mut self, arguments: &str) {
        self.stop();
        self.port = base_port();
        let mut command = Command::new(program::micronet());
        command.arg("up").args(arguments.split_whitespace()).arg(format!("--base-port={}", self.port));
        command.current_dir(self.folder.path());
        for variable in
            ["FRONT", "CATALOG", "ORDER", "USERS", "MICRONET_DATA", "DATABASE_URL", "RUST_LOG", "CARGO"]
        {
            command.env_remove(variable);
        }
        let mut up = Process::start("up", &mut command);
        until("the network to be ready", || match up.stdout().contains("Ctrl-C stops the network") {
            true => Ok(()),
            false if up.is_running() => Err(up.said()),
            false => panic!("the network did not start; {}", up.said()),
        });
        self.network = Some(up);
    }

    /// Stops the network as Ctrl-C does.
    #[track_caller]
    fn stop(&mut self) {
        let Some(mut up) = self.network.take() else { return };
        up.signal(Signal::INT);
        assert_eq!(up.wait().code(), Some(0), "{}", up.said());
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

/// A port for a gateway, which has room beside it for the others of its network.
fn base_port() -> u16 {
    let is_free = |port: i32| {
        u16::try_from(port).is_ok_and(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
    };
    let fits = |port: &u16| {
        (14_000..28_000).contains(port) && OTHERS.iter().all(|other| is_free(i32::from(*port) + other))
    };
    std::iter::repeat_with(ports::free).take(500).find(fits).expect("a port with free ones beside it")
}
