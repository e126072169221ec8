//! What virtual ports say of themselves, for pages and metrics.

use std::net::SocketAddr;

use crate::api::stats::{TcpBackend, TcpPort};
use micronet_transport::balance::Algorithm;
use micronet_wire::network::InstanceState;
use micronet_wire::schema::Timestamp;

/// A virtual port, and what has gone through it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortReport {
    /// Where it listens.
    pub address: SocketAddr,
    /// The service's name, or `tcp-PORT`.
    pub name: String,
    /// By which algorithm backends are picked.
    pub algorithm: Algorithm,
    /// Connections that found no backend, and were reset.
    pub unserved: u64,
    /// Where its connections go.
    pub backends: Vec<BackendReport>,
}

/// A backend of a virtual port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendReport {
    /// The instance's name, or its address.
    pub name: String,
    /// Where it is.
    pub address: SocketAddr,
    /// Whether it gets connections.
    pub state: InstanceState,
    /// Why, in words.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// How long connecting takes lately on average, in microseconds.
    pub connect_us: u64,
    /// What has gone to it and come from it.
    pub traffic: Traffic,
}

/// What has gone through, since the start. Bytes are counted as they are passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections that are open, or are being made.
    pub open: u64,
    /// Connections that were made, those that are open included.
    pub total: u64,
    /// Attempts to connect that failed.
    pub failed: u64,
    /// Connections that one side broke off, or that were cut when the time to drain was over.
    pub reset: u64,
    /// Connections that were cut because nobody said anything for too long.
    pub idle: u64,
    /// Bytes to the backend.
    pub sent_bytes: u64,
    /// Bytes from the backend.
    pub received_bytes: u64,
}

impl From<PortReport> for TcpPort {
    fn from(report: PortReport) -> Self {
        Self {
            name: report.name,
            address: report.address.to_string(),
            algorithm: report.algorithm.to_string(),
            unserved: report.unserved,
            backends: report.backends.into_iter().map(TcpBackend::from).collect(),
        }
    }
}

impl From<BackendReport> for TcpBackend {
    fn from(report: BackendReport) -> Self {
        let Traffic { open, total, failed, sent_bytes, received_bytes, .. } = report.traffic;
        Self {
            name: report.name,
            address: report.address.to_string(),
            state: report.state,
            open,
            total,
            failed,
            sent_bytes,
            received_bytes,
        }
    }
}
