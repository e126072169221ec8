//! `micronet profile`: where a process's time goes, as a flame graph (B. Gregg, "The Flame Graph", CACM 59/6, 2016), by Linux perf.

mod graph;
mod perf;
mod stacks;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::{FlameConfig, FlameTarget};
use crate::error::CommandError;
use crate::network_file::NetworkFile;
use crate::table::{Align, Table};
use crate::terminal::{self, Style};

use self::tree::Node;

/// So many functions are printed.
const SHOWN: usize = 15;

/// Watches the process, draws, and tells what takes most.
pub(crate) fn run(config: &FlameConfig) -> Result<ExitCode, CommandError> {
    let (name, pid) = find(&config.target, &config.data)?;
    terminal::note(&format!("watching {name}, process {pid}, for {} s", config.seconds));
    let recorded = perf::record(config, pid)?;
    let stacks = stacks::of_script(&recorded);
    if stacks.is_empty() {
        return Err(CommandError::new(format!("{name} did nothing in {} s that was seen", config.seconds))
            .next("put load on it meanwhile, as by `micronet bench` or `micronet load`"));
    }
    let tree = Node::of(&stacks);
    let svg = config.svg.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.svg")));
    let title = format!("{name}: {} samples in {} s", tree.samples, config.seconds);
    write(&svg, &graph::draw(&tree, &title))?;
    if let Some(path) = &config.folded {
        write(path, &stacks::folded(&stacks))?;
    }
    terminal::say(&table(&stacks).draw(Style::for_stdout()));
    terminal::say(&format!("{} samples; the flame graph is {}", tree.samples, svg.display()));
    Ok(ExitCode::SUCCESS)
}

/// The process's name and id.
fn find(target: &FlameTarget, data: &Path) -> Result<(String, u32), CommandError> {
    let name = match target {
        FlameTarget::Pid(pid) => return Ok((format!("process-{pid}"), *pid)),
        FlameTarget::Name(name) => name,
    };
    let network = NetworkFile::of_running_network(data)?.ok_or_else(|| {
        CommandError::usage(format!("no network runs on {}", data.display()))
            .next("start one with `micronet up`, name its folder with --data, or give a process id")
    })?;
    let entries = &network.entries;
    let named = entries.iter().find(|entry| entry.instance == *name);
    let entry = named.or_else(|| entries.iter().find(|entry| entry.service == *name)).ok_or_else(|| {
        let mut names: Vec<&str> = entries.iter().map(|entry| entry.instance.as_str()).collect();
        names.dedup();
        CommandError::usage(format!("the running network has neither an instance nor a service {name:?}"))
            .next(format!("it has {}", names.join(", ")))
    })?;
    Ok((entry.instance.clone(), entry.pid))
}

/// The functions that take most by themselves.
fn table(stacks: &[stacks::Stack]) -> Table {
    let mut table = Table::new(&[
        ("ITSELF %", Align::Right),
        ("WITH WHAT IT CALLS %", Align::Right),
        ("FUNCTION", Align::Left),
    ]);
    for share in tree::shares(stacks).into_iter().take(SHOWN) {
        table.row(vec![
            format!("{:.1}", share.own_percent),
            format!("{:.1}", share.total_percent),
            share.function,
        ]);
    }
    table
}

fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    fs::write(path, text)
        .map_err(|error| CommandError::new(format!("could not write {}: {error}", path.display())))
}
