//! The service of the gRPC peers: an echo, and an item of five fields.

use bytes::Bytes;

#[allow(missing_docs, unused_qualifications, clippy::all, reason = "made by tonic's own generator")]
mod made {
    include!(concat!(env!("OUT_DIR"), "/bench.Bench.rs"));
}
pub use made::{bench_client, bench_server};

/// What is echoed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Payload {
    /// Bytes without a meaning.
    #[prost(bytes = "bytes", tag = "1")]
    pub bytes: Bytes,
}

/// What an HTTP client posts.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ItemRequest {
    /// Which item.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// What it is called.
    #[prost(string, tag = "2")]
    pub name: String,
    /// What it costs.
    #[prost(double, tag = "3")]
    pub amount: f64,
    /// Whether it is for sale.
    #[prost(bool, tag = "4")]
    pub active: bool,
}

/// What it gets.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Item {
    /// Which item.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// What it is called.
    #[prost(string, tag = "2")]
    pub name: String,
    /// What it costs.
    #[prost(double, tag = "3")]
    pub amount: f64,
    /// Whether it is for sale.
    #[prost(bool, tag = "4")]
    pub active: bool,
    /// What became of it.
    #[prost(string, tag = "5")]
    pub status: String,
    /// Who says so.
    #[prost(string, tag = "6")]
    pub note: String,
}
