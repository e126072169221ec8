//! The load engine: clients that ask, wait, judge and measure. Commands bring the workload and the protocol.
//!
//! [`engine`] runs the clients, [`pace`] says when a request is due ([`arrivals`] by which schedule, `alarm` by which timer),
//! `record` keeps what all of them saw ([`tally`] in numbers, [`timeline`] over time), [`report`] draws; [`http`] and [`rpc`]
//! are protocols. The engine knows no service and no URL; a workload knows no socket and no clock.

mod alarm;
pub(crate) mod arrivals;
pub(crate) mod engine;
pub(crate) mod http;
mod pace;
mod progress;
pub(crate) mod random;
mod record;
pub(crate) mod report;
pub(crate) mod rpc;
pub(crate) mod tally;
pub(crate) mod timeline;

pub(crate) use self::pace::{Limits, Pace, Turns};
pub(crate) use self::progress::{Goal, Progress};
pub(crate) use self::record::Standing;
pub(crate) use self::tally::Verdict;
