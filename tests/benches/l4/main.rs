//! What passing TCP through costs: CPU time of the proxy for a long stream, and for short questions and answers, beside a loop that
//! copies and, where it is installed, HAProxy. All take turns, so that what the machine does besides hits all of them.
//!
//! `cargo bench -p micronet-tests --bench l4 -- --help`

mod load;
mod proxies;

use std::fs;

use clap::Parser;

use crate::load::{Load, serve};
use crate::proxies::{Kind, Proxy};

/// Measures TCP pass-through.
#[derive(Parser)]
#[command(name = "l4", disable_help_subcommand = true)]
struct Arguments {
    /// How often each proxy has its turn at each load
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How many bytes a long stream has, in MiB
    #[arg(long, default_value_t = 1024)]
    stream: u64,
    /// How many questions are asked, on each of eight connections
    #[arg(long, default_value_t = 20_000)]
    questions: u64,
    /// cargo says so
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let server = serve();
    let loads = [
        Load::Stream { bytes: arguments.stream << 20 },
        Load::Questions { bytes: 64, count: arguments.questions },
        Load::Questions { bytes: 4 << 10, count: arguments.questions },
        Load::Questions { bytes: 64 << 10, count: arguments.questions / 10 },
    ];
    println!("{}", machine());
    for load in loads {
        println!("\n{load}\n{:<18} {:>12} {:>12} {:>24}", "PROXY", "CPU", "RATE", "CPU, TO THE COPYING LOOP");
        let mut rows: Vec<(Kind, Vec<(f64, f64)>)> = Vec::new();
        for _ in 0..arguments.rounds {
            for kind in Kind::ALL {
                let Some(proxy) = Proxy::start(kind, server) else { continue };
                let before = proxy.cpu_ns();
                let seconds = load.run(proxy.address());
                let cpu = (proxy.cpu_ns() - before) as f64 / load.units();
                match rows.iter_mut().find(|(other, _)| *other == kind) {
                    Some((_, samples)) => samples.push((cpu, load.units() / seconds)),
                    None => rows.push((kind, vec![(cpu, load.units() / seconds)])),
                }
            }
        }
        let peer =
            rows.iter().find(|(kind, _)| *kind == Kind::Copying).map_or(f64::NAN, |(_, all)| cpu_of(all));
        for (kind, samples) in &rows {
            let cpu = cpu_of(samples);
            let rate = median(samples.iter().map(|(_, rate)| *rate));
            println!(
                "{:<18} {:>12} {:>12} {:>24.2}",
                kind.name(),
                format!("{:.2} µs", cpu / 1e3),
                format!("{rate:.0}/s"),
                cpu / peer
            );
        }
        if rows.len() < Kind::ALL.len() {
            println!("(HAProxy is not installed)");
        }
    }
}

fn cpu_of(samples: &[(f64, f64)]) -> f64 {
    median(samples.iter().map(|(cpu, _)| *cpu))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu =
        info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{}, {cores} cores, Linux {}", cpu.unwrap_or("unknown CPU"), kernel.trim())
}
