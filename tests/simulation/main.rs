//! Properties: of two connections on a simulated network, over many seeds; of the codec; of one connection against anything.
//!
//! `MICRONET_SEED=n` replays one seed and shows its history; `MICRONET_SEEDS=n` runs so many (1,000 by default).

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod adaptive;
mod balance;
mod breaker;
mod codec;
mod endurance;
mod health;
mod instances;
mod overload;
mod pool;
mod retries;
mod scenarios;
mod strategies;

use std::collections::BTreeMap;

use micronet_tests::plan::Plan;
use micronet_tests::simulator::run;

const SEEDS_DEFAULT: u64 = 1_000;

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, which is no number")))
}

/// The seeds to be run, as the environment says.
fn seeds() -> std::ops::Range<u64> {
    match from_environment("MICRONET_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..from_environment("MICRONET_SEEDS").unwrap_or(SEEDS_DEFAULT),
    }
}

#[test]
fn every_call_ends_once_whatever_the_network_does() {
    let seeds = seeds();
    let count = seeds.end - seeds.start;
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for seed in seeds {
        let report = run(Plan::new(seed)).unwrap_or_else(|failure| {
            panic!(
                "replay with MICRONET_SEED={seed} cargo test -p micronet-tests --test simulation\n{failure}"
            )
        });
        for (kind, times) in report.counts {
            *seen.entry(kind).or_default() += times;
        }
    }
    println!("{seen:#?}");
    let wanted = [(2, NOT_RARE), (MANY, RARE)].into_iter().filter(|(least, _)| count >= *least);
    for kind in wanted.flat_map(|(_, kinds)| kinds) {
        assert!(seen.contains_key(*kind), "{kind} has not happened: {seen:#?}");
    }
}

/// What must have happened in so many worlds, too.
const RARE: &[&str] = &["dropped DRAINING"];

/// That many worlds.
const MANY: u64 = 10_000;

/// What must have happened in any number of worlds, or they test less than they should.
const NOT_RARE: &[&str] = &[
    "abandoned",
    "announce",
    "announced",
    "answered",
    "call refused DRAINING",
    "call refused OVERLOADED",
    "cancel",
    "closed CHECKSUM_MISMATCH",
    "closed CONNECTION_LOST",
    "closed PEER_SILENT",
    "closed plainly",
    "dropped OVERLOADED",
    "dropped UNAUTHENTICATED",
    "failed CONNECTION_LOST",
    "failed DEADLINE_EXCEEDED",
    "failed DRAINING",
    "failed INTERNAL",
    "failed UNAUTHENTICATED",
    "goaway",
    "notice",
    "pong",
    "reply",
    "send",
    "send refused DRAINING",
    "send refused MESSAGE_TOO_LARGE",
    "message",
    "end of messages",
    "room",
];

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 0..20 {
        let [first, second] =
            [(); 2].map(|()| run(Plan::new(seed)).map(|report| (report.trace, report.sent)));
        assert!(first.unwrap() == second.unwrap(), "seed {seed}");
    }
}
