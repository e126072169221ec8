//! Another machine: a network namespace with a cable to this one.

use std::process::Command;

/// Another machine, as a network namespace with a cable to this one. It goes when this is dropped.
#[derive(Debug)]
pub struct Machine {
    name: String,
    /// The third number of both addresses.
    net: u8,
}

impl Machine {
    /// Makes the machine; None, said loudly, where that is not possible and may be left out.
    ///
    /// # Panics
    /// Where it is not possible and may not be left out.
    #[track_caller]
    #[must_use]
    pub fn start() -> Option<Self> {
        let net = micronet_transport::identity::random_bytes::<1>()[0];
        let machine = Self { name: format!("micronet-{}-{net}", std::process::id()), net };
        match machine.connect() {
            Ok(()) => Some(machine),
            Err(why) => {
                let allowed = std::env::var_os("MICRONET_SKIP_EXTERNAL").is_some_and(|value| value == "1");
                assert!(
                    allowed,
                    "no network namespace can be made ({why}): run the tests as root with iproute2 installed; \
                     MICRONET_SKIP_EXTERNAL=1 leaves these tests out"
                );
                // Past the test harness, which would swallow it.
                use std::io::Write;
                let _ = writeln!(
                    std::io::stderr().lock(),
                    "SKIPPED: what needs network namespaces, since MICRONET_SKIP_EXTERNAL=1"
                );
                None
            }
        }
    }

    fn connect(&self) -> Result<(), String> {
        let name = &self.name;
        // Names of interfaces have at most 15 characters (IFNAMSIZ).
        let (near, far) = (self.interface(), "far");
        for arguments in [
            format!("netns add {name}"),
            format!("link add {near} type veth peer name {far} netns {name}"),
            format!("addr add 10.213.{}.1/24 dev {near}", self.net),
            format!("link set {near} up"),
            format!("-n {name} addr add 10.213.{}.2/24 dev {far}", self.net),
            format!("-n {name} link set {far} up"),
            format!("-n {name} link set lo up"),
            format!("-n {name} route add default via 10.213.{}.1", self.net),
        ] {
            ip(&arguments)?;
        }
        Ok(())
    }

    /// Pulls the cable out at the other machine.
    ///
    /// # Panics
    /// When `ip` doesn't do it.
    pub fn unplug(&self) {
        ip(&format!("-n {} link set far down", self.name)).expect("a link can be taken down");
    }

    /// Puts the cable in again.
    ///
    /// # Panics
    /// When `ip` doesn't do it.
    pub fn plug_in(&self) {
        ip(&format!("-n {} link set far up", self.name)).expect("a link can be brought up");
    }

    /// Makes the way there slow, and lets a queue stand before it that is longer than what one sender keeps in it.
    ///
    /// # Panics
    /// When `tc` doesn't do it.
    pub fn narrow(&self, kbit_per_s: u32) {
        let rule = format!(
            "qdisc add dev {} root tbf rate {kbit_per_s}kbit burst 3000 limit 1000000",
            self.interface()
        );
        tool("tc", &rule).expect("a link can be narrowed");
    }

    fn interface(&self) -> String {
        format!("mn{}-{}", std::process::id() % 1_000_000, self.net)
    }

    /// An address of this machine, as the other one sees it.
    #[must_use]
    pub fn here(&self, port: u16) -> String {
        format!("10.213.{}.1:{port}", self.net)
    }

    /// An address of the other machine.
    #[must_use]
    pub fn there(&self, port: u16) -> String {
        format!("10.213.{}.2:{port}", self.net)
    }

    /// The same command, on the other machine.
    #[must_use]
    pub fn run(&self, command: &Command) -> Command {
        let mut there = Command::new("ip");
        there.args(["netns", "exec", &self.name]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => there.env(name, value),
                None => there.env_remove(name),
            };
        }
        there
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The cable goes with the end of it that lies in the namespace; whatever was not made can't be deleted.
        let _ = ip(&format!("link del {}", self.interface()));
        let _ = ip(&format!("netns del {}", self.name));
    }
}

fn ip(arguments: &str) -> Result<(), String> {
    tool("ip", arguments)
}

/// Runs a tool of iproute2.
fn tool(program: &str, arguments: &str) -> Result<(), String> {
    let output = Command::new(program).args(arguments.split(' ')).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
