//! TCP pass-through: virtual ports of the gateway, whose connections go to backends byte for byte, whatever is spoken on them.
//!
//! The life of a connection: a [`VirtualPort`] accepts it, `backends` picks where it goes, `backend` connects, and `relay` passes what
//! both sides say, each direction by `one_way`, through a `pipe` in the kernel if there is much of it.

mod backend;
mod backends;
mod check;
pub mod limits;
mod one_way;
mod pipe;
mod relay;
mod report;
mod virtual_port;

pub use self::report::{BackendReport, PortReport, Traffic};
pub use self::virtual_port::{Config, Target, VirtualPort};

#[cfg(test)]
mod tests;
