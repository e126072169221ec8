//! Holds the Rust implementation to proto-spec: vectors, registry, SPEC.md's tables, the independent decoder, and both drivers on sockets.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod codec;
mod drivers;
mod frames;
mod messages;
mod python;
mod refusals;
mod registry;
mod transcripts;
