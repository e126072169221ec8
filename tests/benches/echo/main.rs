//! What a call costs: unary echoes, server and client in processes of their own, beside a multiplexed echo on tokio that does nothing
//! else. All pairs take turns, so that what the machine does besides hits all of them.
//!
//! `cargo bench -p micronet-tests --bench echo -- --help`

mod certificates;
mod floor;
mod meter;
mod ours;
mod peer;
mod report;
mod setting;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use clap::{Parser, Subcommand, ValueEnum};
use serde_json::Value;

use crate::certificates::Certificates;
use crate::meter::Meter;
use crate::report::{Report, Row};
use crate::setting::{Load, SETTINGS, Setting};

/// As in micronet's processes.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
    /// Only pairs whose names contain this, and the first of each setting, with which they are compared
    #[arg(long, default_value = "")]
    only: String,
    /// Only settings whose names contain this
    #[arg(long, default_value = "")]
    setting: String,
    /// cargo says so
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What a process that this program starts does; by hand, to count instructions with callgrind: `server PAIR`, which says its address, and
/// `client PAIR ADDRESS PID --calls N`.
#[derive(Subcommand)]
enum Part {
    #[command(hide = true)]
    Server {
        pair: Pair,
        #[command(flatten)]
        load: Load,
    },
    #[command(hide = true)]
    Client {
        pair: Pair,
        address: SocketAddr,
        server: u32,
        #[command(flatten)]
        load: Load,
    },
}

/// A server with its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pair {
    /// The multiplexed echo.
    TokioMux,
    /// Sockets that are asked again and again, and bytes that are copied back.
    RawSpin,
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

fn main() {
    let arguments = Arguments::parse();
    match arguments.part {
        None => measure(&arguments),
        Some(Part::Server { pair, load }) => serve(pair, &load),
        Some(Part::Client { pair, address, server, load }) => {
            let meter = Meter::new(server, &load);
            match pair {
                Pair::TokioMux => peer::call(address, &load, meter),
                Pair::RawSpin => floor::call(address, &load, &meter),
                Pair::Micronet => ours::call(address, false, &load, meter),
                Pair::MicronetTyped => ours::call(address, true, &load, meter),
                Pair::MicronetSync => ours::call_sync(address, &load, &meter),
            }
            panic!("the connection ended");
        }
    }
}

fn serve(pair: Pair, load: &Load) {
    // No server outlives who started it.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    match pair {
        Pair::TokioMux => peer::serve(load),
        Pair::RawSpin => floor::serve(load),
        Pair::Micronet => ours::serve(false, load),
        Pair::MicronetTyped => ours::serve(true, load),
        Pair::MicronetSync => ours::serve_sync(load),
    }
}

fn measure(arguments: &Arguments) {
    let pinned = has_taskset();
    let certificates = Certificates::make();
    let mut report = Report::new(pinned, arguments.rounds, arguments.seconds);
    for setting in SETTINGS.iter().filter(|setting| setting.name.contains(&arguments.setting)) {
        let is_wanted = |at: usize, pair: Pair| at == 0 || pair.name().contains(&arguments.only);
        let pairs = setting.pairs.iter().copied().enumerate().filter(|(at, pair)| is_wanted(*at, *pair));
        let mut rows: Vec<Row> = pairs.map(|(_, pair)| Row::new(pair, setting)).collect();
        for _ in 0..arguments.rounds {
            for row in &mut rows {
                let load = setting.load(arguments.seconds, &certificates);
                row.turns.push(turn(row.pair, setting, &load, pinned));
            }
        }
        report.rows.extend(rows);
    }
    if arguments.json { println!("{}", report.json()) } else { print!("{}", report.table()) }
}

/// One turn of a pair.
fn turn(pair: Pair, setting: &Setting, load: &[String], pinned: bool) -> Value {
    let name = pair.name();
    let server_core = pinned.then_some(0);
    let client_core = pinned.then_some(usize::from(!setting.same_core));
    let mut server = start(server_core, &["server", &name], load);
    let address = first_line(&mut server);
    let id = server.id().to_string();
    let mut client = start(client_core, &["client", &name, address.trim(), &id], load);
    let said = first_line(&mut client);
    let ended = client.wait().expect("the client can be waited for");
    drop(server.stdin.take());
    server.wait().expect("the server can be waited for");
    assert!(ended.success(), "the client of {name} failed");
    serde_json::from_str(&said).expect("the client says what it measured")
}

fn start(core: Option<usize>, part: &[&str], load: &[String]) -> Child {
    let program = std::env::current_exe().expect("this program is a file");
    let mut command = match core {
        Some(core) => {
            let mut command = Command::new("taskset");
            command.arg("-c").arg(core.to_string()).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.args(part).args(load).stdin(Stdio::piped()).stdout(Stdio::piped());
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
