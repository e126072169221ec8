//! Does the simulation find mistakes? Each of a list of them is put into a copy of the connection, and must be caught by some seed;
//! the copy without any must pass.
//!
//! `cargo test -p micronet-tests --test mutants -- --nocapture` shows by which seed and property.

mod list;
mod workspace;

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use list::MUTANTS;

/// So many seeds a mutant may live.
const SEEDS: u64 = 1_000;

/// What was wrong with a mutant; nothing if nothing was.
fn caught(program: &Path, number: usize) -> String {
    let output = Command::new(program).args([number.to_string(), SEEDS.to_string()]).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().lines().next().unwrap_or_default().to_owned()
}

#[test]
fn each_mutant_is_caught() {
    workspace::write_choice();
    let program = workspace::build();
    let names: Vec<&str> = std::iter::once("none").chain(MUTANTS.iter().map(|mutant| mutant.name)).collect();
    let (left, alive) = (Mutex::new(0..names.len()), Mutex::new(Vec::new()));
    let work = || {
        while let Some(number) = { left.lock().expect("nobody panics").next() } {
            let by = caught(&program, number);
            println!("{}: {}", names[number], if by.is_empty() { "passes" } else { &by });
            if by.is_empty() != (number == 0) {
                alive.lock().expect("nobody panics").push(format!("{}: {by}", names[number]));
            }
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
    let alive = alive.into_inner().expect("nobody panicked");
    assert!(alive.is_empty(), "not as it should be: {alive:#?}");
}
