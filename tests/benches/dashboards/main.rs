//! What dashboards cost the gateway: its CPU time under the same load without readers of the feed and with them, in turns, so that what
//! the machine does besides hits both.
//!
//! `cargo bench -p micronet-tests --bench dashboards -- --help`

mod readers;

use std::fs;

use clap::Parser;
use micronet_tests::folder::Folder;
use micronet_tests::network::Network;

use crate::readers::Readers;

/// Measures what dashboards cost the gateway.
#[derive(Parser)]
#[command(name = "dashboards", disable_help_subcommand = true)]
struct Arguments {
    /// How many dashboards are open
    #[arg(long, default_value_t = 50)]
    readers: usize,
    /// How many requests a second the gateway has to answer besides
    #[arg(long, default_value_t = 800)]
    rate: u32,
    /// How long a turn is, in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How often each has its turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// So many instances of the lab's node, for a larger network
    #[arg(long, default_value_t = 3)]
    nodes: u32,
    /// cargo says so
    #[arg(long, hide = true)]
    bench: bool,
}

/// No limit of rates.
const SETTINGS: &str = "[rates]\naddress = \"off\"\napi = \"off\"\nmonitoring = \"off\"\n";

fn main() {
    let arguments = Arguments::parse();
    let folder = Folder::new();
    fs::create_dir_all(folder.path()).expect("a folder");
    let settings = folder.path().join("gateway.toml");
    fs::write(&settings, SETTINGS).expect("a file");
    let settings = settings.display().to_string();
    let network = Network::start_in(folder, &["--demo", "shop", "--gateway-config", &settings]);
    network.command(&["scale", "node", &arguments.nodes.to_string()]).check(0);
    let gateway = gateway_pid(&network);
    println!("{}", machine());
    println!(
        "{} requests a second for {} s; {} dashboards of a network of {} processes",
        arguments.rate,
        arguments.seconds,
        arguments.readers,
        network.pids().len() - 1
    );
    println!("{:>5} {:>14} {:>14} {:>7} {:>18}", "ROUND", "WITHOUT", "WITH", "RATIO", "MESSAGES A SECOND");
    let mut ratios = Vec::new();
    turn(&network, gateway, &arguments);
    for round in 0..arguments.rounds {
        let with = || {
            let readers = Readers::open(&network, arguments.readers);
            let cpu = turn(&network, gateway, &arguments);
            (cpu, readers.close())
        };
        // Each comes first as often as the other.
        let (without, (with, messages)) = if round % 2 == 0 {
            let without = turn(&network, gateway, &arguments);
            (without, with())
        } else {
            let with = with();
            (turn(&network, gateway, &arguments), with)
        };
        let ratio = with / without;
        ratios.push(ratio);
        let per_s = messages as f64 / arguments.seconds as f64 / arguments.readers.max(1) as f64;
        println!("{round:>5} {without:>11.1} ms {with:>11.1} ms {ratio:>7.3} {per_s:>18.1}");
    }
    ratios.sort_by(f64::total_cmp);
    println!("The median of the ratios is {:.3}.", ratios[ratios.len() / 2]);
}

/// Asks for products; the gateway's CPU time for it, in milliseconds.
fn turn(network: &Network, gateway: u32, arguments: &Arguments) -> f64 {
    let url = format!("http://{}/products/Tux", network.gateway());
    let (rate, duration) = (arguments.rate.to_string(), format!("{}s", arguments.seconds));
    let before = cpu_ms(gateway);
    network.command(&["load", &url, "--rate", &rate, "--duration", &duration, "--json"]).check(0);
    cpu_ms(gateway) - before
}

/// The CPU time that all threads of a process have had, in milliseconds.
fn cpu_ms(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let of_task = |task: fs::DirEntry| {
        let stat = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        stat.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0)
    };
    tasks.flatten().map(of_task).sum::<f64>() / 1e6
}

fn gateway_pid(network: &Network) -> u32 {
    let said = network.command(&["ps", "gateway", "--json"]).check(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&said).expect("ps prints JSON");
    let pid = json["processes"][0]["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
    pid.expect("the gateway runs")
}

fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores of {}", cpu.map_or("an unknown processor", |(_, name)| name))
}
