//! Ports for servers that are killed and started again on the same one.
//!
//! The operating system gives port 0 a port out of its range for outgoing connections. While the server is down that port may go
//! to somebody's connection, or a client that dials it may even meet itself. So these come from below that range.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;

use micronet_transport::identity::random_bytes;

/// Linux begins its own choice at 32768.
const PORTS: RangeInclusive<u16> = 10_000..=30_000;

/// A port that nobody listens on.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free() -> u16 {
    for _ in 0..1000 {
        let port = u16::from_ne_bytes(random_bytes());
        if PORTS.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port from {PORTS:?} is free");
}
