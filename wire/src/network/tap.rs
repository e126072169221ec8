//! What a tap tells: calls as they end, and copies of frames, while somebody listens. Secrets are masked before anything leaves the
//! process that is tapped.

use super::{Record, RecordFilter};
use crate::schema::{Blob, Message, Timestamp, method_id};

/// Taps themselves, which are in no tap: what they tell would be told again.
pub const TAPS: [u32; 2] = [method_id("network.tap"), method_id("control.tap")];

/// Asks for what passes a process from now on.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct TapFilter {
    /// The requests and calls that end.
    pub calls: Option<RecordFilter>,
    /// With their messages as JSON.
    pub messages: bool,
    /// The frames of RPC connections.
    pub frames: Option<FrameFilter>,
}

/// Which frames somebody wants. What isn't said doesn't matter; without a word those that belong to no call are among them.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct FrameFilter {
    /// Of calls of this service only, as `product`.
    pub service: Option<String>,
    /// Of calls of this method only, as `create`.
    pub method: Option<String>,
    /// Of one in so many calls, whole; 0 and 1 for all of them.
    pub one_in: u32,
}

/// What a process tells at once. One that has nothing to tell says so from time to time.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Tapped {
    /// The instance that was tapped, as `product-2`.
    pub seen_by: String,
    /// What has passed.
    pub items: Vec<TappedItem>,
    /// Calls that have passed since the last time, and aren't told since the reader was too slow.
    pub lost_calls: u64,
    /// Frames likewise.
    pub lost_frames: u64,
}

/// One thing that has passed.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it is on its way at once")]
pub enum TappedItem {
    /// A request or call that has ended.
    Call {
        /// What came of it.
        record: Record,
        /// The request as JSON, secrets masked, and cut where it is long; empty where it isn't asked for, or can't be shown.
        request: String,
        /// Likewise the reply.
        reply: String,
    },
    /// A connection whose first frame follows, or of which more is known; it may be open for long.
    Connection {
        /// It.
        connection: TappedConnection,
    },
    /// A frame, after TLS.
    Frame {
        /// It.
        frame: TappedFrame,
    },
    /// Something that this version doesn't know.
    Unknown,
}

/// An RPC connection of the process that is tapped.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct TappedConnection {
    /// Its number in this process.
    pub id: u64,
    /// The dialler's address, as `127.0.0.1:43210`; empty where there is none.
    pub dialler: String,
    /// The acceptor's.
    pub acceptor: String,
    /// Whether this process has dialled.
    pub dialled: bool,
    /// The instance at the other end, as `order-1`; empty where it isn't known yet.
    pub peer: String,
    /// Whether its bytes travel in TLS.
    pub tls: bool,
    /// The fingerprint of the schema that the acceptor serves; empty where it isn't known.
    pub fingerprint: Blob,
    /// That schema, encoded; empty where it was told before in this tap, or isn't known.
    pub schema: Blob,
}

/// A frame as it was sent, but for its secrets.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct TappedFrame {
    /// The number of its connection.
    pub connection: u64,
    /// When it was read, or given to the socket.
    pub at: Timestamp,
    /// Whether the dialler has sent it.
    pub by_dialler: bool,
    /// Header and payload. In the place of secrets there are zeros, as many as they had bytes, and the checksums are those of what is left.
    pub frame: Blob,
}
