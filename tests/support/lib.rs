//! What the tests that cross crates share: the vectors of proto-spec, randomness from a seed, and a simulated network.

pub mod application;
pub mod link;
pub mod plan;
pub mod random;
pub mod simulator;
pub mod spec;
