//! The connections of a capture, frame by frame.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use micronet_wire::explain::{Conversation, Explained, Schemas, Side};
use micronet_wire::header::Kind;

use super::capture::Packet;
use super::segment::{Segment, segment};
use super::stream::{Next, Stream};

/// Something that was said on a connection.
#[derive(Debug)]
pub(super) struct Said {
    /// When its last byte was captured, in microseconds since 1970.
    pub(super) at_us: u64,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) side: Side,
    pub(super) told: Explained,
    /// Of an answer: how long it came after its request, in microseconds.
    pub(super) after_us: Option<u64>,
}

/// What a capture came to.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) connections: usize,
    pub(super) frames: u64,
    /// Frames with something wrong.
    pub(super) faulty: u64,
    /// Bytes of connections that the capture lacks.
    pub(super) lost_bytes: u64,
}

/// Everything that was said, to whoever wants to see it.
pub(super) struct Connections<F> {
    schemas: Schemas,
    open: BTreeMap<(SocketAddr, SocketAddr), Connection>,
    /// Connections on which something else was spoken.
    foreign: BTreeSet<(SocketAddr, SocketAddr)>,
    seen: BTreeSet<(SocketAddr, SocketAddr)>,
    pub(super) counts: Counts,
    tell: F,
}

/// A connection, with its dialler first.
struct Connection {
    dialler: SocketAddr,
    acceptor: SocketAddr,
    /// Whether it is known who dialled.
    certain: bool,
    streams: [Stream; 2],
    conversation: Conversation,
    requests: BTreeMap<u32, u64>,
    frames: u64,
    last_us: u64,
}

/// Requests of one connection whose answers are waited for; the oldest are forgotten first.
const REQUESTS_MAX: usize = 8192;

impl<F: FnMut(&Said)> Connections<F> {
    pub(super) fn new(schemas: Schemas, tell: F) -> Self {
        Self {
            schemas,
            open: BTreeMap::new(),
            foreign: BTreeSet::new(),
            seen: BTreeSet::new(),
            counts: Counts::default(),
            tell,
        }
    }

    /// What is known of services by now.
    pub(super) fn schemas(&self) -> &Schemas {
        &self.schemas
    }

    /// Takes a packet; of those of one port alone, where one is wanted.
    pub(super) fn packet(&mut self, packet: &Packet<'_>, port: Option<u16>) {
        let Some(segment) = segment(packet) else { return };
        if port.is_some_and(|port| segment.from.port() != port && segment.to.port() != port) {
            return;
        }
        let key =
            if segment.from < segment.to { (segment.from, segment.to) } else { (segment.to, segment.from) };
        if segment.syn && !segment.ack {
            self.end(key);
            self.foreign.remove(&key);
        }
        if self.foreign.contains(&key) {
            return;
        }
        let schemas = &self.schemas;
        let connection = self.open.entry(key).or_insert_with(|| Connection::new(&segment, schemas.clone()));
        connection.last_us = segment.at_us;
        let side = connection.side(segment.from);
        let stream = connection.stream(side);
        if segment.syn {
            stream.begin(segment.sequence);
            return;
        }
        let found = stream.take(segment.sequence, segment.payload);
        self.told(key, side, found);
    }

    /// Nothing more comes.
    pub(super) fn finish(&mut self) {
        let keys: Vec<_> = self.open.keys().copied().collect();
        keys.into_iter().for_each(|key| self.end(key));
    }

    fn end(&mut self, key: (SocketAddr, SocketAddr)) {
        for side in [Side::Dialler, Side::Acceptor] {
            let Some(connection) = self.open.get_mut(&key) else { return };
            let left = connection.stream(side).give_up();
            self.told(key, side, left);
            let Some(connection) = self.open.get_mut(&key) else { return };
            // What a capture breaks off in is no fault of the frame's.
            if let Some(rest) = connection.conversation.finish(side)
                && connection.frames > 0
                && rest.header.is_none()
            {
                self.counts.lost_bytes += rest.bytes.len() as u64;
            }
        }
        self.open.remove(&key);
    }

    fn told(&mut self, key: (SocketAddr, SocketAddr), side: Side, found: Vec<Next>) {
        for next in found {
            let Some(connection) = self.open.get_mut(&key) else { return };
            let told = match next {
                Next::Bytes(bytes) => connection.read(side, &bytes),
                Next::Lost(bytes) => {
                    self.counts.lost_bytes += bytes;
                    connection.conversation.skip(side);
                    continue;
                }
            };
            let is_foreign = |told: &Explained| told.header.is_none() && told.title != "PREFACE";
            if connection.frames == 0 && told.iter().all(is_foreign) && told.iter().any(looks_foreign) {
                self.foreign.insert(key);
                self.open.remove(&key);
                return;
            }
            for told in told {
                if is_foreign(&told) {
                    self.counts.lost_bytes += told.bytes.len() as u64;
                    continue;
                }
                connection.frames += 1;
                if self.seen.insert(key) {
                    self.counts.connections += 1;
                }
                self.counts.frames += u64::from(told.header.is_some());
                self.counts.faulty += u64::from(!told.faults.is_empty());
                let side = connection.sides_of(&told, side);
                let after_us = connection.after(&told);
                let (from, to) = match side {
                    Side::Dialler => (connection.dialler, connection.acceptor),
                    Side::Acceptor => (connection.acceptor, connection.dialler),
                };
                (self.tell)(&Said { at_us: connection.last_us, from, to, side, told, after_us });
            }
            for schema in connection.conversation.schemas().added() {
                if !self.schemas.added().iter().any(|known| known.fingerprint() == schema.fingerprint()) {
                    self.schemas.add(schema.clone());
                }
            }
        }
    }
}

/// Whether bytes are surely another protocol's.
fn looks_foreign(told: &Explained) -> bool {
    told.parts.iter().any(|part| part.meaning.starts_with("TLS") || part.meaning.starts_with("text"))
}

impl Connection {
    fn new(segment: &Segment<'_>, schemas: Schemas) -> Self {
        // Without the first packets: services listen on ports below those that diallers get.
        let certain = segment.syn;
        let from_dialler = if certain { !segment.ack } else { segment.from.port() > segment.to.port() };
        let (dialler, acceptor) =
            if from_dialler { (segment.from, segment.to) } else { (segment.to, segment.from) };
        Self {
            dialler,
            acceptor,
            certain,
            streams: <[Stream; 2]>::default(),
            conversation: Conversation::new(schemas),
            requests: BTreeMap::new(),
            frames: 0,
            last_us: 0,
        }
    }

    fn side(&self, from: SocketAddr) -> Side {
        if from == self.dialler { Side::Dialler } else { Side::Acceptor }
    }

    fn stream(&mut self, side: Side) -> &mut Stream {
        &mut self.streams[usize::from(side == Side::Acceptor)]
    }

    /// Reads bytes; where the frames in them show that it was guessed wrongly who dialled, they are read again.
    fn read(&mut self, side: Side, bytes: &[u8]) -> Vec<Explained> {
        let told = self.conversation.read(side, bytes);
        if self.certain {
            return told;
        }
        match told.iter().find_map(sender) {
            None => told,
            Some(sender) => {
                self.certain = true;
                if sender == side {
                    return told;
                }
                std::mem::swap(&mut self.dialler, &mut self.acceptor);
                self.streams.swap(0, 1);
                self.conversation = Conversation::new(self.conversation.schemas().clone());
                self.conversation.read(side.other(), bytes)
            }
        }
    }

    /// Whose these are, since who dialled may be known better by now.
    fn sides_of(&self, told: &Explained, guessed: Side) -> Side {
        sender(told).unwrap_or(guessed)
    }

    /// How long an answer came after its request.
    fn after(&mut self, told: &Explained) -> Option<u64> {
        let header = told.header?;
        match header.kind {
            Kind::Request => {
                if self.requests.len() == REQUESTS_MAX {
                    self.requests.pop_first();
                }
                self.requests.insert(header.stream, self.last_us);
                None
            }
            Kind::Reply | Kind::Error => {
                self.requests.remove(&header.stream).map(|since| self.last_us.saturating_sub(since))
            }
            _ => None,
        }
    }
}

/// Who alone sends frames of this kind.
pub(super) fn sender(told: &Explained) -> Option<Side> {
    match told.header?.kind {
        Kind::Proof | Kind::Request | Kind::Cancel | Kind::Notice => Some(Side::Dialler),
        Kind::Reply | Kind::Error | Kind::Beacon => Some(Side::Acceptor),
        _ => None,
    }
}
