//! `micronet lab load`: the loads of the nodes, shown and set.

use std::process::ExitCode;

use bytes::BytesMut;
use micronet_services::node::api::{Delay, Load, NodeMethods, NodeState, node_schema};
use micronet_wire::encoding;
use micronet_wire::transcode::to_json;

use super::nodes;
use crate::config::LabLoadConfig;
use crate::error::CommandError;
use crate::table::{Align, Table};
use crate::terminal::{self, Style};

/// Sets what is to change, and shows the nodes.
pub(super) async fn run(config: &LabLoadConfig) -> Result<ExitCode, CommandError> {
    let mut states = Vec::new();
    for node in nodes::of_network(&config.data, &config.instances).await? {
        states.push(match &config.change {
            Some(change) => node.change(config.reset, change).await?,
            None => node.state().await?,
        });
    }
    if config.json {
        let states: Vec<String> = states.iter().map(in_json).collect::<Result<_, _>>()?;
        terminal::say(&format!("[{}]", states.join(",")));
    } else {
        terminal::say(&table(&states).draw(Style::for_stdout()));
    }
    Ok(ExitCode::SUCCESS)
}

fn table(states: &[NodeState]) -> Table {
    let mut table = Table::new(&[
        ("NODE", Align::Left),
        ("COMPUTES", Align::Right),
        ("WAITS", Align::Left),
        ("SLOW", Align::Left),
        ("FAILS", Align::Left),
        ("ON AND OFF", Align::Left),
        ("PAYLOAD", Align::Right),
        ("REQUESTS", Align::Right),
        ("FAILED", Align::Right),
        ("NOW", Align::Right),
    ]);
    for state in states {
        let load = &state.load;
        table.row(vec![
            state.instance.clone(),
            time(load.work_us),
            wait(load.delay),
            slowness(load),
            some(load.errors_per_mille),
            if load.flap_ms == 0 { "-".into() } else { format!("every {} ms", load.flap_ms) },
            format!("{} B", load.payload_bytes),
            state.requests.to_string(),
            state.failed.to_string(),
            state.in_flight.to_string(),
        ]);
    }
    table
}

fn time(us: u32) -> String {
    match us {
        0 => "0".into(),
        us if us % 1_000_000 == 0 => format!("{} s", us / 1_000_000),
        us if us % 1_000 == 0 => format!("{} ms", us / 1_000),
        us => format!("{us} us"),
    }
}

fn wait(delay: Delay) -> String {
    match delay {
        Delay::None => "-".into(),
        Delay::Fixed { us } => time(us),
        Delay::Uniform { from_us, to_us } => format!("{} to {}", time(from_us), time(to_us)),
        Delay::Exponential { mean_us } => format!("exponential, mean {}", time(mean_us)),
        Delay::Lognormal { median_us, sigma } => format!("lognormal, median {}, {sigma}", time(median_us)),
        Delay::Pareto { least_us, shape } => format!("Pareto from {}, {shape}", time(least_us)),
    }
}

fn slowness(load: &Load) -> String {
    match (load.slower, load.slow_per_mille) {
        (1, _) | (_, 0) => "-".into(),
        (factor, 1_000) => format!("{factor} x"),
        (factor, of_thousand) => format!("{factor} x, {}", some(of_thousand)),
    }
}

fn some(of_thousand: u32) -> String {
    if of_thousand == 0 { "-".into() } else { format!("{of_thousand} of 1000") }
}

/// The state of a node as HTTP has it.
fn in_json(state: &NodeState) -> Result<String, CommandError> {
    let unshown = |error: String| CommandError::new(format!("the load can't be shown: {error}"));
    let schema = node_schema();
    let reply = schema.method(NodeMethods::LOAD).map(|method| method.reply);
    let reply = reply.ok_or_else(|| unshown("no such method".into()))?;
    let bytes = encoding::encode(state).map_err(|error| unshown(error.to_string()))?;
    let mut json = BytesMut::new();
    to_json(&schema, reply, &bytes, &mut json).map_err(|error| unshown(error.to_string()))?;
    Ok(String::from_utf8_lossy(&json).into_owned())
}
