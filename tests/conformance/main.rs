//! Holds the Rust implementation to proto-spec: vectors, registry, SPEC.md's tables, and the independent decoder.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod codec;
mod messages;
mod python;
mod registry;
mod transcripts;
