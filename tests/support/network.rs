//! A whole network, started by `micronet up` on free ports with a data folder of its own.

use std::net::SocketAddr;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::folder::Folder;
use crate::http_client::HttpClient;
use crate::patience::until;
use crate::ports;
use crate::process::{self, Finished, Process, command_of, micronet};
use crate::program;

/// A running network.
#[derive(Debug)]
pub struct Network {
    up: Process,
    folder: Folder,
    file: Value,
}

impl Network {
    /// Starts a network with this demonstration data.
    ///
    /// # Panics
    /// When it doesn't start.
    #[track_caller]
    #[must_use]
    pub fn start(demo: &str) -> Self {
        Self::start_in(Folder::new(), &["--demo", demo])
    }

    /// Starts a network whose services stay away when they are killed, and can be started again by hand on their ports.
    ///
    /// # Panics
    /// When it doesn't start.
    #[track_caller]
    #[must_use]
    pub fn start_to_kill(demo: &str) -> Self {
        let product = format!("product={},{}", ports::free(), ports::free());
        let order = format!("order={}", ports::free());
        let ports = ["--port", &product, "--port", &order];
        Self::start_in(Folder::new(), &[&["--demo", demo, "--no-restart"], &ports[..]].concat())
    }

    /// Starts a network in this folder, with these flags of `up`.
    ///
    /// # Panics
    /// When it doesn't start.
    #[track_caller]
    #[must_use]
    pub fn start_in(folder: Folder, flags: &[&str]) -> Self {
        Self::start_with(folder, flags, &[])
    }

    /// The same with environment variables.
    ///
    /// # Panics
    /// When it doesn't start.
    #[track_caller]
    #[must_use]
    pub fn start_with(folder: Folder, flags: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_of(program::micronet(), folder, flags, environment)
    }

    /// The same of another program than the one under test.
    ///
    /// # Panics
    /// When it doesn't start.
    #[track_caller]
    #[must_use]
    pub fn start_of(program: &Path, folder: Folder, flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let arguments = [&["up", "--base-port", "0"], flags].concat();
        let mut command = command_of(program, folder.path(), &arguments);
        command.envs(environment.iter().copied());
        let mut up = Process::start("up", &mut command);
        // `up` says its piece after it has written the file.
        until("the network to be ready", || match up.stdout().contains("Ctrl-C stops the network") {
            true => Ok(()),
            false if up.is_running() => Err(up.said()),
            false => panic!("the network did not start; {}", up.said()),
        });
        let file = serde_json::from_str(&folder.read("network.json")).expect("network.json is JSON");
        Self { up, folder, file }
    }

    /// Its data folder.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The process `micronet up`.
    pub fn up(&mut self) -> &mut Process {
        &mut self.up
    }

    /// The gateway's address.
    #[must_use]
    pub fn gateway(&self) -> SocketAddr {
        self.address("gateway-1")
    }

    /// An instance's address.
    ///
    /// # Panics
    /// When there is no such instance.
    #[must_use]
    pub fn address(&self, instance: &str) -> SocketAddr {
        let address = self.entry(instance)["address"].as_str().map(str::parse);
        address.expect("an address").expect("an address")
    }

    /// Where the gateway passes TCP through to a service.
    ///
    /// # Panics
    /// When it doesn't.
    #[must_use]
    pub fn virtual_port(&self, service: &str) -> SocketAddr {
        let address = self.file["virtual_ports"][service].as_str().map(str::parse);
        address.expect("a virtual port").expect("an address")
    }

    /// Whether the gateway passes TCP through to any service.
    #[must_use]
    pub fn has_virtual_ports(&self) -> bool {
        self.file.get("virtual_ports").is_some()
    }

    /// The process ids of all instances.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let mut pids: Vec<u32> = self.entries().iter().map(pid).collect();
        // The gateway has an entry for each of its ports.
        pids.dedup();
        pids
    }

    /// Where the gateway speaks RPC.
    ///
    /// # Panics
    /// When it doesn't.
    #[must_use]
    pub fn gateway_rpc(&self) -> SocketAddr {
        let is_it = |entry: &&Value| entry["service"] == "gateway" && entry["protocol"] == "rpc";
        let entry = self.entries().iter().find(is_it).expect("the gateway speaks RPC");
        entry["address"].as_str().expect("an address").parse().expect("an address")
    }

    /// A connection to the gateway.
    #[must_use]
    pub fn http(&self) -> HttpClient {
        HttpClient::connect(self.gateway())
    }

    /// Runs `micronet ARGUMENTS` on this network's folder, to its end.
    #[track_caller]
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Finished {
        process::run(micronet(self.folder.path(), arguments))
    }

    /// The process of an instance.
    ///
    /// # Panics
    /// When there is no such instance.
    #[must_use]
    pub fn pid(&self, instance: &str) -> u32 {
        pid(self.entry(instance))
    }

    /// Kills an instance at once, and waits until it is gone.
    #[track_caller]
    pub fn kill(&self, instance: &str) {
        process::kill_child_of_ours(self.pid(instance), self.folder.path());
    }

    /// Stops the network as Ctrl-C does.
    ///
    /// # Panics
    /// When it doesn't end well.
    #[track_caller]
    pub fn stop(mut self) -> Folder {
        self.up.signal(Signal::INT);
        let status = self.up.wait();
        assert_eq!(status.code(), Some(0), "{}", self.up.said());
        self.folder
    }

    /// The folder, after the network was killed.
    #[must_use]
    pub fn into_folder(self) -> Folder {
        self.folder
    }

    fn entries(&self) -> &[Value] {
        self.file["entries"].as_array().expect("network.json has entries")
    }

    fn entry(&self, instance: &str) -> &Value {
        let found = self.entries().iter().find(|entry| entry["instance"] == instance);
        found.unwrap_or_else(|| panic!("there is no {instance} in {}", self.file))
    }
}

fn pid(entry: &Value) -> u32 {
    entry["pid"].as_u64().and_then(|pid| pid.try_into().ok()).expect("a process id")
}
