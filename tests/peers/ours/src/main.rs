//! micronet as its callers see it, with all that it does for a call: checksums, proof of the cluster's secret or certificates,
//! deadline, request id, trace context, and the account of time. Its server is `micronet bench serve`.

mod api;
mod asynchronous;
mod membership;
mod synchronous;

use clap::{Parser, ValueEnum};
use harness::command_line::Load;
use harness::runtime;

use crate::membership::Membership;

#[derive(Parser)]
enum Command {
    /// Call in a closed loop, and say what it took
    Call {
        driver: Driver,
        #[command(flatten)]
        load: Load,
        #[command(flatten)]
        membership: Membership,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Driver {
    /// That on tokio
    Tokio,
    /// The synchronous one
    Mio,
    /// The synchronous one, asking for bytes again and again instead of sleeping
    Spinning,
}

fn main() {
    let Command::Call { driver, load, membership } = Command::parse();
    match driver {
        Driver::Tokio => runtime::run(async move { asynchronous::call(&load, &membership).await }),
        Driver::Mio => synchronous::call(&load, &membership, false),
        Driver::Spinning => synchronous::call(&load, &membership, true),
    }
}
