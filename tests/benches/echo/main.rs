//! What a call costs: a unary echo of 64 bytes on one connection, server and client in processes of their own, beside a multiplexed
//! echo on tokio that does nothing else. All pairs take turns, so that what the machine does besides hits all of them.
//!
//! `cargo bench -p micronet-tests --bench echo -- --help`

mod meter;
mod ours;
mod peer;
mod report;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use serde_json::Value;

use crate::meter::Meter;
use crate::report::{Report, Row};

/// What is echoed.
const PAYLOAD: [u8; 64] = [7; 64];

/// Measures unary echoes beside a multiplexed echo on tokio.
#[derive(Parser)]
#[command(name = "echo", disable_help_subcommand = true)]
struct Arguments {
    /// How often each pair has its turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long a turn is measured, in seconds
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Only pairs whose names contain this, and the peer
    #[arg(long, default_value = "")]
    only: String,
    /// cargo says so
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What a process that this program starts does.
#[derive(Subcommand)]
enum Part {
    #[command(hide = true)]
    Server { pair: Pair },
    #[command(hide = true)]
    Client { pair: Pair, address: SocketAddr, server: u32, in_flight: usize, seconds: f64 },
}

/// A server with its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Pair {
    /// The multiplexed echo.
    TokioMux,
    /// The driver on tokio, and a service of bytes.
    Micronet,
    /// The driver on tokio, and a typed service.
    MicronetTyped,
    /// The synchronous driver.
    MicronetSync,
}

impl Pair {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// In flight, and whether client and server share a core: with one call at a time only one of them works, and what two cores cost to
/// wake each other up would hide everything else.
const SETTINGS: [(usize, bool); 2] = [(64, false), (1, true)];

fn main() {
    let arguments = Arguments::parse();
    match arguments.part {
        None => measure(&arguments),
        Some(Part::Server { pair }) => serve(pair),
        Some(Part::Client { pair, address, server, in_flight, seconds }) => {
            let meter = Meter::new(server, Duration::from_secs_f64(seconds));
            match pair {
                Pair::TokioMux => peer::call(address, in_flight, meter),
                Pair::Micronet => ours::call(address, false, in_flight, meter),
                Pair::MicronetTyped => ours::call(address, true, in_flight, meter),
                Pair::MicronetSync => ours::call_sync(address, in_flight, &meter),
            }
            panic!("the connection ended");
        }
    }
}

fn serve(pair: Pair) {
    // No server outlives who started it.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    match pair {
        Pair::TokioMux => peer::serve(),
        Pair::Micronet => ours::serve(false),
        Pair::MicronetTyped => ours::serve(true),
        Pair::MicronetSync => ours::serve_sync(),
    }
}

fn measure(arguments: &Arguments) {
    let pinned = has_taskset();
    let mut report = Report::new(pinned, arguments.rounds, arguments.seconds);
    let is_wanted = |pair: &Pair| *pair == Pair::TokioMux || pair.name().contains(&arguments.only);
    for (in_flight, same_core) in SETTINGS {
        let pairs: Vec<Pair> = Pair::value_variants().iter().copied().filter(is_wanted).collect();
        let mut rows: Vec<Row> = pairs.iter().map(|pair| Row::new(pair.name(), in_flight)).collect();
        for _ in 0..arguments.rounds {
            for (pair, row) in pairs.iter().zip(&mut rows) {
                row.turns.push(turn(*pair, in_flight, arguments.seconds, pinned.then_some(same_core)));
            }
        }
        report.rows.extend(rows);
    }
    if arguments.json { println!("{}", report.json()) } else { print!("{}", report.table()) }
}

/// One turn of a pair; `same_core` where they are pinned.
fn turn(pair: Pair, in_flight: usize, seconds: f64, same_core: Option<bool>) -> Value {
    let name = pair.name();
    let server_core = same_core.map(|_| 0);
    let client_core = same_core.map(|same| usize::from(!same));
    let mut server = start(server_core, &["server", &name]);
    let address = first_line(&mut server);
    let (id, in_flight, seconds) = (server.id().to_string(), in_flight.to_string(), seconds.to_string());
    let mut client = start(client_core, &["client", &name, address.trim(), &id, &in_flight, &seconds]);
    let said = first_line(&mut client);
    let ended = client.wait().expect("the client can be waited for");
    drop(server.stdin.take());
    server.wait().expect("the server can be waited for");
    assert!(ended.success(), "the client of {name} failed");
    serde_json::from_str(&said).expect("the client says what it measured")
}

fn start(core: Option<usize>, arguments: &[&str]) -> Child {
    let program = std::env::current_exe().expect("this program is a file");
    let mut command = match core {
        Some(core) => {
            let mut command = Command::new("taskset");
            command.arg("-c").arg(core.to_string()).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().expect("this program starts again")
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    let stdout = child.stdout.as_mut().expect("its stdout is a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("it says something");
    line
}

fn has_taskset() -> bool {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores >= 2 && Command::new("taskset").arg("--version").stdout(Stdio::null()).status().is_ok()
}

/// Says where a server listens.
fn listening(address: SocketAddr) {
    println!("{address}");
}

/// Runs one side on a single-threaded runtime, as micronet's processes do.
fn on_runtime(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(Default::default())
        .expect("the runtime starts");
    runtime.block_on(work);
}
