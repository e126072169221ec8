//! Properties of stores: random sequences of steps, each on a database of its own, whatever a model of it says.
//!
//! A sequence that fails is made as short as it can be and still fail, and printed; `PROPTEST_RNG_SEED=n` repeats a run.

use std::fmt::Debug;

use micronet_transport::identity::random_bytes;
use proptest::collection::vec;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::{On, TestDatabase, runtime};
use crate::database::{Database, Migration};

/// Steps of a sequence at most.
const STEPS_MAX: usize = 40;

/// Sequences of a test. A database on the server takes longer to come into being.
const SEQUENCES: u32 = 60;
const SEQUENCES_POSTGRES: u32 = 4;

/// What `MICRONET_SEEDS` asks for is divided by this, since a sequence takes as long as so many simulations.
const SEEDS_A_SEQUENCE: u32 = 100;
const SEEDS_A_SEQUENCE_POSTGRES: u32 = 500;

/// Runs `check` on many random sequences of steps.
pub(crate) fn check_sequences<S: Debug>(
    on: On,
    migrations: &[Migration],
    step: impl Strategy<Value = S>,
    check: impl AsyncFn(Database, Vec<S>),
) {
    let seed = std::env::var("PROPTEST_RNG_SEED").ok().map(|seed| seed.parse().unwrap());
    let seed = seed.unwrap_or_else(|| u64::from_ne_bytes(random_bytes()));
    let wanted: u32 = std::env::var("MICRONET_SEEDS").map_or(0, |seeds| seeds.parse().unwrap());
    let config = Config {
        cases: on
            .either(SEQUENCES, SEQUENCES_POSTGRES)
            .max(wanted / on.either(SEEDS_A_SEQUENCE, SEEDS_A_SEQUENCE_POSTGRES)),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&vec(step, 1..=STEPS_MAX), |steps| {
        let place = TestDatabase::new(on);
        runtime().block_on(async {
            let database = Database::open(place.location(), migrations).await.unwrap();
            check(database.clone(), steps).await;
            database.close().await;
        });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("repeat with PROPTEST_RNG_SEED={seed}\n{failure}");
    }
}

/// Writes that are queued in this order, in that in which they take effect: those of one batch together, where the first of them is.
pub(crate) fn by_effect<T, B: PartialEq>(writes: Vec<T>, batch: impl Fn(&T) -> Option<B>) -> Vec<T> {
    let batches: Vec<_> = writes.iter().map(batch).collect();
    let place = |at: usize| match &batches[at] {
        Some(batch) => batches.iter().position(|other| other.as_ref() == Some(batch)).unwrap_or(at),
        None => at,
    };
    let mut placed: Vec<_> = writes.into_iter().enumerate().collect();
    placed.sort_by_key(|(at, _)| place(*at));
    placed.into_iter().map(|(_, write)| write).collect()
}
