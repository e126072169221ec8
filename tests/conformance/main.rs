//! Holds the Rust implementation to proto-spec: vectors, registry, SPEC.md's tables, and the independent decoder.

mod codec;
mod messages;
mod registry;
mod transcripts;
