//! Sockets, time and drivers for `micronet-wire`.
//!
//! One task owns a connection ([`driver`]); a [`server`] accepts connections and answers them by a service; a
//! [`client::Client`] is one connection that calls are made on; an [`upstream::Upstream`] keeps connections to all instances
//! of a service and picks one for each call. Everything runs on single-threaded runtimes, so nothing here takes a lock.

mod alarm;
pub mod backoff;
pub mod balance;
pub mod bearers;
pub mod breaker;
pub mod chance;
pub mod checks;
pub mod client;
pub mod clock;
pub mod crowd;
pub mod diagnosis;
pub mod discovery;
pub mod drain;
pub mod driver;
pub mod faults;
mod frames;
pub mod health;
pub mod http_server;
pub mod identity;
pub mod kernel_queue;
mod leave;
pub mod limiter;
pub mod link;
pub mod listener;
pub mod metrics;
pub mod mio;
pub mod network;
mod ops;
pub mod probe;
pub mod records;
pub mod resume;
pub mod retry;
pub mod server;
pub mod socket;
mod strangers;
pub mod tap;
pub mod tasks;
pub mod tls;
pub mod upstream;
pub mod vitals;
mod window;

#[cfg(test)]
mod tests;
