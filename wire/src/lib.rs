//! Bytes to meaning and back.
//!
//! This crate owns every format that micronet speaks. It does no I/O, reads no clock, starts no thread and uses no
//! async runtime: bytes and the time go in, bytes and events come out, so that the same code runs on tokio, on mio
//! and in a simulated network.

pub mod http1;
pub mod limits;
