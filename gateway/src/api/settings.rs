//! What is configured of the edge, as the gateway's own service shows it.

use micronet_wire::schema::{Message, Timestamp};

/// What is configured of the edge, and since when it holds.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// The gateway's own instance.
    #[field(example = "gateway-1")]
    pub instance: String,
    /// How often settings were changed since the start, which is the first time.
    pub revision: u64,
    /// Since when these hold.
    pub since: Timestamp,
    /// The file that they are from, if there is one.
    #[field(example = "edge.toml")]
    pub file: Option<String>,
    /// What stands in the file, in the order of its tables; everything else has its default.
    pub given: Vec<Setting>,
    /// Whether the HTTP port speaks TLS.
    pub https: bool,
    /// Settings that were changed and hold only when the gateway is started again.
    pub pending: Vec<String>,
}

/// A setting that stands in the file.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its table and its key.
    #[field(example = "tls.certificate")]
    pub key: String,
    /// What the file says; a password in a URL is left out.
    pub value: String,
}
