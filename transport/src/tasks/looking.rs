//! What is told to somebody who asks what this process is doing.

use std::fs;
use std::process;

use micronet_wire::error::RpcError;
use micronet_wire::network::{Runtime, Tasks, TasksOf};
use micronet_wire::schema::Timestamp;
use tokio::runtime::Handle;

use super::{kinds, stacks};
use crate::clock;
use crate::network::Network;
use crate::vitals;

/// Requests and calls under way that are told; of more, the oldest.
const UNDER_WAY_MAX: usize = 200;

/// What this process, which is that instance, is doing.
pub(crate) async fn look(instance: &str, network: &Network, asked: TasksOf) -> Result<Tasks, RpcError> {
    let (under_way_count, under_way) = network.records().under_way(UNDER_WAY_MAX);
    let tasks = Tasks {
        instance: instance.to_owned(),
        pid: process::id(),
        at: Timestamp(clock::unix_us()),
        runtime: runtime(),
        kinds: kinds(),
        under_way_count: under_way_count as u64,
        under_way,
        tells_stacks: stacks::TOLD,
        ..Tasks::default()
    };
    if asked.stacks { stacks::add(tasks).await } else { Ok(tasks) }
}

fn runtime() -> Runtime {
    let metrics = Handle::current().metrics();
    let busy = metrics.worker_total_busy_duration(0);
    Runtime {
        tasks: metrics.num_alive_tasks() as u64,
        busy_us: u64::try_from(busy.as_micros()).unwrap_or(u64::MAX),
        parks: metrics.worker_park_count(0),
        queued: metrics.global_queue_depth() as u64,
        lag_us: vitals::of_process().scheduler_lag_us,
        threads: fs::read_dir("/proc/self/task").map_or(0, |threads| threads.count() as u64),
    }
}
