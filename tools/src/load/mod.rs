//! The load engine: clients that ask, wait, judge and measure. Commands bring the workload and the protocol.
//!
//! [`engine`] runs the clients, [`pace`] says when a request is due, [`tally`] counts, [`report`] draws; [`http`] is a
//! protocol. The engine knows no service and no URL; a workload knows no socket and no clock.

pub(crate) mod engine;
pub(crate) mod http;
mod pace;
mod progress;
pub(crate) mod random;
pub(crate) mod report;
pub(crate) mod tally;

pub(crate) use self::pace::Pace;
pub(crate) use self::tally::Verdict;
