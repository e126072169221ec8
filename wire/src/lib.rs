//! Bytes to meaning and back.
//!
//! This crate owns every format that micronet speaks. It does no I/O, reads no clock, starts no thread and uses no
//! async runtime: bytes and the time go in, bytes and events come out, so that the same code runs on tokio, on mio
//! and in a simulated network.

extern crate self as micronet_wire; // What the macros expand to names the crate from outside.

pub mod authority;
pub mod builtin;
pub mod checksum;
pub mod conn;
pub mod encoding;
pub mod error;
pub mod explain;
pub mod faults;
pub mod frame;
pub mod header;
pub mod hello;
pub mod http1;
pub mod json;
pub mod ledger;
pub mod limits;
pub mod metadata;
pub mod network;
pub mod openapi;
pub mod outcomes;
pub mod principal;
pub mod request;
pub mod rest;
pub mod schema;
pub mod service;
pub mod spiffe;
mod swar;
pub mod text;
pub mod transcode;
pub mod websocket;

#[cfg(test)]
mod message_tests;
#[cfg(test)]
mod service_tests;
