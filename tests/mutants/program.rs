//! Runs the simulation against the mutated connection: `mutants NUMBER SEEDS`, where 0 is no mutant. It prints how many seeds it
//! took, and what was wrong; nothing if nothing was.

#![allow(dead_code, reason = "the modules are those of the tests, and have more than is used here")]

mod application;
mod chance;
mod link;
mod plan;
mod random;
mod scenarios;
mod simulator;

use std::panic::{catch_unwind, set_hook};

fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse().expect("a number"));
    let mut next = || numbers.next().expect("two numbers");
    let (mutant, seeds): (u64, u64) = (next(), next());
    micronet_wire::mutants::choose(usize::try_from(mutant).expect("a small number"));
    set_hook(Box::new(|_| {}));
    let wrong = |check: &(dyn Fn() -> Result<(), String> + std::panic::RefUnwindSafe)| {
        let outcome = catch_unwind(|| check());
        let panicked = |panic: Box<dyn std::any::Any + Send>| {
            let words = panic.downcast_ref::<String>().cloned();
            format!("panic: {}", words.or(panic.downcast_ref::<&str>().map(|&s| s.into())).unwrap_or_default())
        };
        outcome.unwrap_or_else(|panic| Err(panicked(panic))).err()
    };
    let scenarios: [(&str, fn() -> Result<(), String>); 6] = [
        ("cancelled reservations", scenarios::cancelled_reservations_are_used_again),
        ("overtaking", scenarios::nobody_is_overtaken),
        ("ping beside a reply", || scenarios::pings_pass_long_messages(1_000_000, plan::ACCEPTOR)),
        ("ping beside a request", || scenarios::pings_pass_long_messages(1_000_000, plan::DIALLER)),
        ("two half-sent replies", || scenarios::half_sent_replies_never_deadlock(2, 0)),
        ("six half-sent replies", || scenarios::half_sent_replies_never_deadlock(6, 1)),
    ];
    for seed in 0..seeds {
        let run = || simulator::run(plan::Plan::new(seed)).map(|_| ()).map_err(|failure| failure.words);
        if let Some(words) = wrong(&run) {
            return println!("seed {seed}: {words}");
        }
    }
    for (name, scenario) in scenarios {
        if let Some(words) = wrong(&scenario) {
            return println!("{name}: {words}");
        }
    }
}
