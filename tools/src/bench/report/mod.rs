//! What `bench` says of what it has measured. Nothing here measures.

pub(crate) mod latencies;
pub(crate) mod model;
