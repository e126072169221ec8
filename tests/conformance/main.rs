//! Holds the Rust implementation to proto-spec: vectors, registry, SPEC.md's tables, the independent decoder, and both drivers on sockets; and
//! its HTTP to a corpus of requests.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod codec;
mod dissector;
mod drivers;
mod frames;
mod http1;
mod messages;
mod python;
mod refusals;
mod registry;
mod transcripts;
