//! BEACON (SPEC.md 4.10): an acceptor whose bytes anybody on the way may read says its schema again from time to time, so that
//! a capture that begins in mid-connection can be decoded whole. Peers only check its form.

use bytes::{Buf, BufMut, Bytes};

use super::{Connection, Role, put};
use crate::frame::Label;
use crate::header::Kind;
use crate::hello::VERSION_MAX;
use crate::limits::{BEACON_INTERVAL_MS, BEACON_PIECE_BYTES_MAX, SCHEMA_BYTES_MAX};
use crate::schema::Fingerprint;

/// A piece of a schema, and what it is a piece of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beacon {
    /// The protocol's version on this connection.
    pub version: u8,
    /// The fingerprint of the schema.
    pub fingerprint: Fingerprint,
    /// The length of the whole encoded schema, in bytes.
    pub length: u32,
    /// Where in it the piece begins.
    pub offset: u32,
    /// So much of it.
    pub piece: Bytes,
}

impl Beacon {
    /// What stands before the piece, in bytes.
    const HEAD_BYTES: usize = 25;

    /// All pieces of a schema, in their order.
    pub fn all(fingerprint: Fingerprint, schema: &Bytes) -> impl Iterator<Item = Self> {
        (0..schema.len()).step_by(BEACON_PIECE_BYTES_MAX).map(move |at| Self::at(fingerprint, schema, at))
    }

    fn at(fingerprint: Fingerprint, schema: &Bytes, offset: usize) -> Self {
        let end = schema.len().min(offset + BEACON_PIECE_BYTES_MAX);
        let [length, start] = [schema.len(), offset].map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX));
        Self { version: VERSION_MAX, fingerprint, length, offset: start, piece: schema.slice(offset..end) }
    }

    /// Appends the payload.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(self.version);
        out.put_slice(&self.fingerprint.0);
        out.put_u32(self.length);
        out.put_u32(self.offset);
        out.put_slice(&self.piece);
    }

    /// Reads a payload, or `None` when it is none.
    #[must_use]
    pub fn decode(mut payload: Bytes) -> Option<Self> {
        if payload.len() <= Self::HEAD_BYTES {
            return None;
        }
        let version = payload.get_u8();
        let mut fingerprint = Fingerprint::default();
        payload.copy_to_slice(&mut fingerprint.0);
        let said = Self {
            version,
            fingerprint,
            length: payload.get_u32(),
            offset: payload.get_u32(),
            piece: payload,
        };
        said.is_well_formed().then_some(said)
    }

    fn is_well_formed(&self) -> bool {
        let end = u64::from(self.offset) + self.piece.len() as u64;
        self.version != 0
            && self.length as usize <= SCHEMA_BYTES_MAX
            && self.piece.len() <= BEACON_PIECE_BYTES_MAX
            && end <= u64::from(self.length)
    }
}

/// When an acceptor says its schema again, and how far it is.
#[derive(Debug)]
pub(super) struct Beacons {
    schema: Option<(Fingerprint, Bytes)>,
    /// No beacon begins earlier; `u64::MAX` where none is sent.
    due_ns: u64,
    /// A frame of a call has come since the last one began.
    heard: bool,
    /// [`calls_put`](super::outbox::Outbox::calls_put) when the last one began.
    calls_put: u64,
    /// Where the next piece of the one under way begins.
    next: Option<usize>,
    /// A batch has gone before this piece: now it is its turn.
    has_waited: bool,
}

impl Beacons {
    /// None are sent until they are [begun](Self::begin).
    pub(super) fn of(role: Role, schema: Option<(Fingerprint, Bytes)>) -> Self {
        let schema = schema.filter(|(_, encoded)| role == Role::Acceptor && !encoded.is_empty());
        Self { schema, due_ns: u64::MAX, heard: false, calls_put: 0, next: None, has_waited: false }
    }

    /// The connection is open from now on.
    pub(super) fn begin(&mut self, now: u64) {
        if self.schema.is_some() {
            self.due_ns = now + BEACON_INTERVAL_MS * 1_000_000;
        }
    }

    /// Whether one is under way, or might begin.
    pub(super) fn wants_turn(&self, now: u64) -> bool {
        now >= self.due_ns || self.next.is_some()
    }

    /// A frame of a call has come.
    pub(super) fn heard(&mut self) {
        self.heard = true;
    }
}

impl Connection {
    pub(super) fn handle_beacon(&mut self, payload: Bytes) {
        if Beacon::decode(payload).is_none() {
            self.violation("BEACON: malformed");
        }
    }

    /// Begins a beacon when it is time, and calls have passed since the last one.
    pub(super) fn begin_beacon(&mut self) {
        if self.now < self.beacons.due_ns {
            return;
        }
        let calls_put = self.outbox.calls_put();
        if !std::mem::take(&mut self.beacons.heard) && calls_put == self.beacons.calls_put {
            return;
        }
        self.beacons.calls_put = calls_put;
        self.beacons.begin(self.now);
        self.beacons.next = Some(0);
    }

    /// SPEC 4.10: a piece of a beacon takes its turn with the pieces of long messages; here in every other batch at most.
    pub(super) fn put_beacon_in_turn(&mut self) -> bool {
        let under_way = self.beacons.next.is_some();
        let has_waited = std::mem::replace(&mut self.beacons.has_waited, under_way);
        if under_way && has_waited {
            self.put_beacon();
        }
        under_way && has_waited
    }

    /// Adds the next piece of the beacon under way to the batch that is about to be written.
    pub(super) fn put_beacon(&mut self) {
        let Some(offset) = self.beacons.next.take() else { return };
        let Some((fingerprint, schema)) = &self.beacons.schema else { return };
        let beacon = Beacon::at(*fingerprint, schema, offset);
        let next = offset + beacon.piece.len();
        self.beacons.next = (next < schema.len()).then_some(next);
        put(self.outbox.batch(), Label::control(Kind::Beacon), self.checksums, |out| beacon.encode(out));
        self.beacons.has_waited = false;
    }
}
