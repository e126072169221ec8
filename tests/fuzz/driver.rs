//! Runs a target: what once failed, its seeds, and mutations of them, in sessions of which each is decided by its seed.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::PathBuf;
use std::time::Instant;

use micronet_tests::program::root;
use micronet_tests::random::Random;

use crate::mutation::mutated;

/// One reader, and what must hold of it.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Panics when something doesn't hold for this input.
    pub(crate) check: fn(&[u8]),
    /// Good inputs, and bad ones that are worth starting from.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// What the format is made of.
    pub(crate) words: &'static [&'static [u8]],
    /// Inputs that one session tries: as many as take some tenths of a second.
    pub(crate) cases: u64,
}

/// The number of seeds that a normal run of the simulation has, and how many of them are worth a session here.
const SEEDS_DEFAULT: u64 = 300;
const SEEDS_A_SESSION: u64 = 100;
/// Attempts at making a failure smaller.
const SMALLER_MAX: usize = 3_000;

thread_local! {
    static SEEN: RefCell<HashSet<u64>> = RefCell::default();
}

/// A target has come somewhere. An input that comes where none has been before is kept, and mutated further.
pub(crate) fn saw(place: impl Hash) {
    let mut hasher = DefaultHasher::new();
    place.hash(&mut hasher);
    SEEN.with_borrow_mut(|seen| seen.insert(hasher.finish()));
}

/// The same for words: without numbers, and without what is quoted in them.
pub(crate) fn saw_words(words: &str) {
    let plain = words.split('"').step_by(2).flat_map(str::chars);
    saw(plain.filter(|letter| !letter.is_ascii_digit()).collect::<String>());
}

/// Fuzzes one target, as the environment says.
pub(crate) fn fuzz(target: &Target) {
    if let Some(path) = std::env::var_os("MICRONET_FUZZ_INPUT") {
        let path = root().join(path);
        let input = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return (target.check)(&input);
    }
    let mut seeds = (target.seeds)();
    assert!(!seeds.is_empty(), "{} has nothing to start from", target.name);
    if let Some(folder) = std::env::var_os("MICRONET_FUZZ_CORPUS") {
        let folder = root().join(folder).join(target.name);
        fs::create_dir_all(&folder).unwrap();
        return (0..).zip(seeds).for_each(|(at, seed): (u32, _)| {
            fs::write(folder.join(at.to_string()), seed).unwrap();
        });
    }
    for (path, input) in regressions(target.name) {
        assert!(try_input(target, &input).is_some(), "what had been mended fails again: {}", path.display());
        seeds.push(input);
    }
    let mut known = HashSet::new();
    for seed in &seeds {
        known.extend(run(target, seed));
    }
    let (begin, sessions) = (Instant::now(), sessions());
    let count = sessions.end - sessions.start;
    let mut found = known.clone();
    for seed in sessions {
        found.extend(session(target, seeds.clone(), known.clone(), seed));
    }
    let (cases, name) = (count * target.cases, target.name);
    let rate = cases as f64 / begin.elapsed().as_secs_f64();
    let (places, started) = (found.len(), known.len());
    println!("{name}: {cases} cases, {rate:.0} cases/s, {places} places, {started} of them by the seeds");
}

fn sessions() -> std::ops::Range<u64> {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name} is {text:?}, which is no number")))
    };
    match number("MICRONET_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("MICRONET_SEEDS").unwrap_or(SEEDS_DEFAULT).div_ceil(SEEDS_A_SESSION),
    }
}

/// The files that are always run.
fn regressions(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(root().join("tests/fuzz/regressions").join(name)) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Mutates, and keeps what leads somewhere new; all places where it came.
fn session(target: &Target, mut corpus: Vec<Vec<u8>>, mut known: HashSet<u64>, seed: u64) -> HashSet<u64> {
    let mut hasher = DefaultHasher::new();
    target.name.hash(&mut hasher);
    let mut random = Random::new(seed ^ hasher.finish());
    for _ in 0..target.cases {
        let input = mutated(&corpus, target.words, &mut random);
        let seen = run(target, &input);
        if !seen.is_subset(&known) {
            known.extend(seen);
            corpus.push(input);
        }
    }
    known
}

/// Runs one input; where it came.
fn run(target: &Target, input: &[u8]) -> HashSet<u64> {
    try_input(target, input).unwrap_or_else(|| fail(target, input))
}

/// Where an input came; `None` if something didn't hold.
fn try_input(target: &Target, input: &[u8]) -> Option<HashSet<u64>> {
    SEEN.take();
    catch_unwind(AssertUnwindSafe(|| (target.check)(input))).ok()?;
    Some(SEEN.take())
}

/// Makes a failure smaller, writes it down, and fails by it.
fn fail(target: &Target, input: &[u8]) -> ! {
    // The first message has been shown. Those of the attempts, and of a few tests that may run meanwhile, would bury it.
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let small = smaller(target, input.to_vec());
    set_hook(hook);
    let path = std::env::temp_dir().join(format!("micronet-fuzz-{}-{}", target.name, std::process::id()));
    fs::write(&path, &small).unwrap();
    eprintln!("{:?}", String::from_utf8_lossy(&small));
    eprintln!(
        "replay with MICRONET_FUZZ_INPUT={} cargo test -p micronet-tests --test fuzz -- --exact {}",
        path.display(),
        target.name
    );
    (target.check)(&small);
    panic!("{} fails for an input once, and not again", target.name);
}

/// Leaves out whatever isn't needed for the failure.
fn smaller(target: &Target, mut input: Vec<u8>) -> Vec<u8> {
    let mut piece = input.len().next_power_of_two() / 2;
    let mut attempts = 0;
    while piece > 0 {
        let mut at = 0;
        while at < input.len() && attempts < SMALLER_MAX {
            let end = (at + piece).min(input.len());
            let without = [&input[..at], &input[end..]].concat();
            attempts += 1;
            match try_input(target, &without) {
                None => input = without,
                Some(_) => at = end,
            }
        }
        piece /= 2;
    }
    input
}
