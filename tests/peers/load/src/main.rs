//! Loads that no other tool at hand makes: HTTP at a constant rate, whatever the answers take, and long streams of TCP.

mod paced;
mod schedule;
mod stream;

use clap::Parser;

#[derive(Parser)]
enum Command {
    /// Post items at a constant rate
    Paced(paced::Paced),
    /// Send as many bytes as each connection asks for
    Source(stream::Source),
    /// Ask for bytes and read them
    Drain(stream::Drain),
}

fn main() {
    match Command::parse() {
        Command::Paced(paced) => paced::run(&paced),
        Command::Source(source) => stream::send(&source),
        Command::Drain(drain) => stream::drain(&drain),
    }
}
