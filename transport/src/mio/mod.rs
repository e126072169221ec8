//! The synchronous driver: the same connection as everywhere, moved by plain function calls and the crate mio, without a runtime.
//!
//! A [`client::SyncClient`] makes calls that block, one or many at once; a [`server::SyncServer`] answers many connections in one
//! poll loop by a plain function. Both stay on one thread, and follow that thread's [`clock`](crate::clock).

pub mod client;
mod deadlines;
mod served;
pub mod server;
mod socket;

#[cfg(test)]
mod tests;
