//! Where the instances of services are, found out while a process runs: from a file that changes, from the domain name system, and
//! from the instances themselves, which announce themselves.
//!
//! Whoever finds something tells the process's [`Network`](crate::network::Network), which tells the upstreams. What can't be found
//! any more stays as it was, with the reason: a name server that is away takes no instance along.

pub mod dns;
pub mod file;
pub(crate) mod findings;
pub mod registrations;
