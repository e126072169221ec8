//! Ports for servers that are killed and started again on the same one.
//!
//! The operating system gives port 0 a port out of its range for outgoing connections. While the server is down that port may go
//! to somebody's connection, or a client that dials it may even meet itself. So these come from below that range, and from below those
//! ports that `up` takes for a network on `--base-port 0`, which it holds while nobody listens there.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

use micronet_transport::identity::random_bytes;

/// `up` looks for free ones from 20000 on, and Linux from 32768.
const PORTS: RangeInclusive<u16> = 10_000..=19_999;
/// How far below its port for HTTP a gateway listens for RPC, unless it is told otherwise.
const TO_RPC: u16 = 999;

/// What this process was given before: nobody may listen there yet.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that nobody listens on, nor on the one where a gateway on it would listen for RPC.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free() -> u16 {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..10_000 {
        let port = u16::from_ne_bytes(random_bytes());
        if PORTS.contains(&port) && [port, port - TO_RPC].iter().all(|port| is_free(*port, &given)) {
            given.extend([port, port - TO_RPC]);
            return port;
        }
    }
    panic!("no port from {PORTS:?} is free");
}

fn is_free(port: u16, given: &BTreeSet<u16>) -> bool {
    !given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
