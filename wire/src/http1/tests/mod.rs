//! Tests of both sides as a peer sees them.

mod client;
mod properties;
mod response;
mod server;
