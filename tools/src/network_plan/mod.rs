//! A network as its operator declares it, in a file: segments with services in them, links between segments, and who may call whom.
//!
//! ```toml
//! [segment.edge]                     # a name of yours
//! members = ["gateway"]              # services, or single instances: "product-2"
//!
//! [segment.shop]
//! members = ["order", "user"]
//! latency = "200us"                  # within the segment
//!
//! [segment.stock]
//! members = ["product"]
//!
//! [[link]]
//! between = ["edge", "shop"]
//! latency = "5ms"                    # each way
//! jitter = "2ms"                     # and by chance up to so much more
//! loss = "0.5%"                      # of segments of 1,400 bytes
//! bandwidth = "10MB/s"               # each way, of each connection; also Mbit/s
//!
//! [[link]]
//! between = ["shop", "stock"]
//! latency = "1ms"
//!
//! [[allow]]                          # with one such rule, nothing else is allowed
//! from = ["gateway"]                 # services, segments, or "*"
//! to = ["order", "user", "stock"]
//!
//! [[allow]]
//! from = "order"
//! to = ["product", "user"]
//! ```
//!
//! Segments without a link of their own reach each other by the fastest way over others: latencies and jitter add up, and so does what is lost;
//! the narrowest link decides how much passes. Whoever is in no segment is as near to all as the machine has it.
//!
//! This module reads no file and speaks to nobody. [`read()`] makes a plan of a text, [`rules`] makes of it what each process has to keep to,
//! [`show`] shows it.

mod read;
pub(crate) mod rules;
pub(crate) mod show;
mod units;
mod ways;

pub(crate) use self::read::Wrong;
use self::read::read;
use crate::registry::callers;

/// A declared network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Its segments, in the order of the file.
    pub(crate) segments: Vec<Segment>,
    /// The links between them.
    pub(crate) links: Vec<Link>,
    /// Who may call whom; everybody everybody where there are none.
    pub(crate) allows: Vec<Allow>,
    /// The file's text.
    pub(crate) source: String,
    /// The services that there are.
    services: Vec<String>,
    /// The way from each segment to each.
    ways: Vec<Vec<Quality>>,
}

/// A part of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Its name.
    pub(crate) name: String,
    /// Its services and single instances.
    pub(crate) members: Vec<String>,
    /// What it is like within.
    pub(crate) within: Quality,
}

/// What joins two segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// The segments' places.
    pub(crate) between: [usize; 2],
    /// What it is like.
    pub(crate) quality: Quality,
}

/// What a way is like, in each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quality {
    /// Bytes take so long, in microseconds.
    pub(crate) latency_us: u64,
    /// And by chance up to so much longer, in microseconds.
    pub(crate) jitter_us: u64,
    /// So many of 1,000 segments are lost.
    pub(crate) loss_permille: u32,
    /// So many bytes a second pass; 0 for as many as come.
    pub(crate) bytes_per_s: u64,
}

/// A rule by which services may call others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allow {
    /// Services that may call.
    pub(crate) from: Vec<String>,
    /// Services that they may call.
    pub(crate) to: Vec<String>,
    /// The same as it was written: with segments, or `*`.
    pub(crate) written: [Vec<String>; 2],
    /// The line of the file on which it begins.
    pub(crate) line: usize,
}

impl Plan {
    /// Reads a plan for the services that this version has.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(crate) fn read(text: &str) -> Result<Self, Wrong> {
        read(text, &callers())
    }
}

#[cfg(test)]
mod tests;
