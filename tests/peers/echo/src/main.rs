//! Echoes of which nothing could be left out: the floors, and the least that one does on tokio.

mod blocking;
mod codec;
mod multiplexed;
mod polled;

use clap::{Parser, ValueEnum};
use harness::command_line::{Listen, Load};

#[derive(Parser)]
enum Command {
    /// Echo what comes
    Serve {
        kind: Kind,
        #[command(flatten)]
        listen: Listen,
    },
    /// Call in a closed loop, and say what it took
    Call {
        kind: Kind,
        #[command(flatten)]
        load: Load,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// epoll: all that has come is answered by one write
    Polled,
    /// Blocking reads and writes of the standard library, one call at a time
    Blocking,
    /// The same, asking for bytes again and again instead of sleeping
    Spinning,
    /// tokio with LengthDelimitedCodec, answered in place
    Codec,
    /// tokio with a task a request, a queue to the writer, and a place to wait for each reply
    Multiplexed,
}

fn main() {
    match Command::parse() {
        Command::Serve { kind, listen } => match kind {
            Kind::Polled => polled::serve(listen.listen),
            Kind::Blocking => blocking::serve(listen.listen, false),
            Kind::Spinning => blocking::serve(listen.listen, true),
            Kind::Codec => codec::serve(listen),
            Kind::Multiplexed => multiplexed::serve(listen),
        },
        Command::Call { kind, load } => match kind {
            Kind::Polled => polled::call(&load),
            Kind::Blocking => blocking::call(&load, false),
            Kind::Spinning => blocking::call(&load, true),
            Kind::Codec => codec::call(load),
            Kind::Multiplexed => multiplexed::call(load),
        },
    }
}
