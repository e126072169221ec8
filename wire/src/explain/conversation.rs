//! Both directions of a connection, frame by frame, also when they are joined in the middle.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use super::call::{Direction, Piece};
use super::frame::explained;
use super::message::assembled;
use super::notes::Notes;
use super::{Explained, Part, Schemas, Side};
use crate::conn::Beacon;
use crate::header::{Header, HeaderError, Kind, PREFACE, flags};
use crate::ledger::Ledger;
use crate::limits::{
    EXPLAINED_PIECES_BYTES_MAX, EXPLAINED_STREAMS_MAX, FRAME_PAYLOAD_BYTES_HARD_MAX, HEADER_BYTES,
    SCHEMA_BYTES_MAX,
};
use crate::schema::{EncodedSchema, Fingerprint};

/// Follows a connection: bytes of both sides go in as they come, and frames come out.
#[derive(Debug)]
pub struct Conversation {
    schemas: Schemas,
    dialler: Incoming,
    acceptor: Incoming,
    /// Messages of which the last piece hasn't come, by their stream.
    messages: BTreeMap<(u32, Direction), Assembly>,
    /// The bytes of these messages.
    held: usize,
    said: Said,
}

/// What comes from one side.
#[derive(Debug, Default)]
struct Incoming {
    input: BytesMut,
    /// The preface, or a frame, was seen: what follows is frames.
    begun: bool,
}

/// A message that is not here whole.
#[derive(Debug)]
struct Assembly {
    length: usize,
    pieces: u32,
    bytes: BytesMut,
}

/// The schema that beacons say, piece by piece (SPEC 4.10).
#[derive(Debug, Default)]
struct Said {
    fingerprint: Fingerprint,
    pieces: BTreeMap<u32, Bytes>,
}

impl Said {
    /// Takes a piece, and gives the schema when it was the last that was missing.
    fn take(&mut self, beacon: Beacon) -> Option<EncodedSchema> {
        if beacon.fingerprint != self.fingerprint {
            *self = Self { fingerprint: beacon.fingerprint, pieces: BTreeMap::new() };
        }
        // Pieces that contradict each other are not worth keeping; nor is more than a schema can have.
        let bytes: usize = self.pieces.values().map(Bytes::len).sum();
        if bytes > SCHEMA_BYTES_MAX {
            self.pieces.clear();
        }
        self.pieces.insert(beacon.offset, beacon.piece);
        let mut schema = BytesMut::new();
        for (offset, piece) in &self.pieces {
            if *offset as usize != schema.len() {
                return None;
            }
            schema.extend_from_slice(piece);
        }
        if schema.len() != beacon.length as usize || Fingerprint::of(&schema) != self.fingerprint {
            return None;
        }
        self.pieces.clear();
        EncodedSchema::decode(schema.freeze()).ok()
    }
}

impl Conversation {
    /// A connection of which nothing was seen.
    #[must_use]
    pub fn new(schemas: Schemas) -> Self {
        Self {
            schemas,
            dialler: Incoming::default(),
            acceptor: Incoming::default(),
            messages: BTreeMap::new(),
            held: 0,
            said: Said::default(),
        }
    }

    /// What is known of services by now: what it was begun with, and what has passed.
    #[must_use]
    pub fn schemas(&self) -> &Schemas {
        &self.schemas
    }

    /// Takes bytes that this side has sent, and gives what is whole by now.
    pub fn read(&mut self, side: Side, bytes: &[u8]) -> Vec<Explained> {
        self.incoming(side).input.extend_from_slice(bytes);
        let mut found = Vec::new();
        while let Some(next) = self.incoming(side).next() {
            found.push(match next {
                Next::Frame(bytes) => self.frame(side, bytes),
                Next::Preface(bytes) => preface(bytes),
                Next::Unknown(bytes) => unknown(bytes),
            });
        }
        found
    }

    /// Bytes of this side are missing here: what is there of a frame is given up, and the next frame is looked for.
    pub fn skip(&mut self, side: Side) -> Option<Explained> {
        let of_side = |direction| match side {
            Side::Dialler => direction == Direction::Request,
            Side::Acceptor => direction != Direction::Request,
        };
        let held = &mut self.held;
        self.messages.retain(|(_, direction), message| {
            let stays = !of_side(*direction);
            *held -= if stays { 0 } else { message.bytes.len() };
            stays
        });
        self.finish(side)
    }

    /// No more bytes of this side come: what is left of them.
    pub fn finish(&mut self, side: Side) -> Option<Explained> {
        let left = std::mem::take(self.incoming(side));
        let bytes = left.input.freeze();
        match bytes.first_chunk().map(|head| Header::decode(head, FRAME_PAYLOAD_BYTES_HARD_MAX)) {
            _ if bytes.is_empty() => None,
            Some(Ok(_)) => Some(explained(bytes, Some(side), &self.schemas).0),
            _ => Some(unknown(bytes)),
        }
    }

    fn incoming(&mut self, side: Side) -> &mut Incoming {
        match side {
            Side::Dialler => &mut self.dialler,
            Side::Acceptor => &mut self.acceptor,
        }
    }

    fn frame(&mut self, side: Side, bytes: Bytes) -> Explained {
        let (mut told, piece) = explained(bytes, Some(side), &self.schemas);
        let Some(header) = told.header else { return told };
        match piece {
            Some(piece) => self.put_together(&mut told, &header, &piece),
            None if header.kind == Kind::Reply => {
                let reply = told.bytes.get(HEADER_BYTES + Ledger::BYTES..).unwrap_or_default();
                self.schemas.learn_from_reply(header.method, reply);
            }
            None if header.kind == Kind::Beacon => {
                if let Some(schema) =
                    Beacon::decode(told.bytes.slice(HEADER_BYTES..)).and_then(|said| self.said.take(said))
                {
                    self.schemas.add(schema);
                }
            }
            None => {}
        }
        if header.flags & flags::END != 0 && side == Side::Acceptor {
            self.forget((header.stream, Direction::Request));
            self.forget((header.stream, Direction::Reply));
        }
        told
    }

    fn put_together(&mut self, told: &mut Explained, header: &Header, piece: &Piece) {
        let key = (header.stream, piece.direction);
        let bytes = told.bytes.slice(piece.at.clone());
        if let Some(length) = piece.begins {
            self.forget(key);
            if self.messages.len() < EXPLAINED_STREAMS_MAX {
                let length = length as usize;
                self.messages.insert(key, Assembly { length, pieces: 0, bytes: BytesMut::new() });
            }
        }
        let Some(message) = self.messages.get_mut(&key) else { return };
        if self.held + bytes.len() > EXPLAINED_PIECES_BYTES_MAX {
            return self.forget(key);
        }
        message.bytes.extend_from_slice(&bytes);
        message.pieces += 1;
        self.held += bytes.len();
        if !piece.ends {
            return;
        }
        let Some(message) = self.messages.remove(&key) else { return };
        self.held -= message.bytes.len();
        if message.bytes.len() != message.length {
            told.faults.push(format!("{} bytes, but {} were told", message.bytes.len(), message.length));
            return;
        }
        let words = format!("{} bytes in {} pieces, ends here", message.length, message.pieces);
        let end = told.bytes.len();
        let meaning = format!("the {}: {words}", piece.direction.name());
        told.parts.push(Part { at: end..end, depth: 0, name: "message".into(), meaning, secret: false });
        let mut notes = Notes::at_end(&told.bytes);
        assembled(&mut notes, &self.schemas, header.method, piece.direction, &message.bytes);
        told.parts.append(&mut notes.parts);
        told.faults.append(&mut notes.faults);
        if header.kind == Kind::Reply {
            self.schemas.learn_from_reply(header.method, &message.bytes);
        }
    }

    fn forget(&mut self, key: (u32, Direction)) {
        if let Some(message) = self.messages.remove(&key) {
            self.held -= message.bytes.len();
        }
    }
}

/// What is next in the bytes of one side.
enum Next {
    Preface(Bytes),
    Frame(Bytes),
    Unknown(Bytes),
}

impl Incoming {
    fn next(&mut self) -> Option<Next> {
        let input = &self.input[..];
        if !self.begun && input.len() < PREFACE.len() && PREFACE.starts_with(input) {
            return None;
        }
        if !self.begun && input.starts_with(&PREFACE) {
            self.begun = true;
            return Some(Next::Preface(self.input.split_to(PREFACE.len()).freeze()));
        }
        let size = match whole(input) {
            Whole::Bytes(size) => size,
            Whole::NotYet => return None,
            Whole::Never => {
                let unknown = if is_foreign(input) { input.len() } else { frame_after(input) };
                self.begun = false; // A preface may follow: another connection's, or after lost bytes.
                return (unknown > 0).then(|| Next::Unknown(self.input.split_to(unknown).freeze()));
            }
        };
        self.begun = true;
        if input.len() < size {
            return None;
        }
        Some(Next::Frame(self.input.split_to(size).freeze()))
    }
}

/// How many bytes a frame takes.
enum Whole {
    Bytes(usize),
    NotYet,
    /// It is no frame.
    Never,
}

fn whole(input: &[u8]) -> Whole {
    let Some(head) = input.first_chunk() else { return Whole::NotYet };
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    match Header::decode(head, FRAME_PAYLOAD_BYTES_HARD_MAX) {
        Err(HeaderError::Checksum | HeaderError::TooLarge { .. }) => Whole::Never,
        // Its length can be trusted, whatever else is wrong with it.
        Ok(_) | Err(_) if length > FRAME_PAYLOAD_BYTES_HARD_MAX => Whole::Never,
        Ok(_) | Err(_) => Whole::Bytes(HEADER_BYTES + length as usize),
    }
}

/// How many bytes stand before the next place where a frame, or the preface, begins or may begin.
fn frame_after(input: &[u8]) -> usize {
    let begins = |at: &usize| {
        let from = &input[*at..];
        match whole(from) {
            Whole::Bytes(_) => true,
            Whole::NotYet => false,
            Whole::Never => from.starts_with(&PREFACE),
        }
    };
    let searched = input.len().saturating_sub(HEADER_BYTES - 1);
    (1..searched).find(begins).unwrap_or(searched)
}

/// Whether another protocol is spoken here: text, as in HTTP, or TLS.
fn is_foreign(input: &[u8]) -> bool {
    is_tls(input) || is_text(input)
}

fn is_tls(input: &[u8]) -> bool {
    matches!(input, [0x14..=0x17, 3, ..])
}

fn is_text(input: &[u8]) -> bool {
    input.iter().all(|byte| matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b'~'))
}

fn preface(bytes: Bytes) -> Explained {
    let part = Part {
        at: 0..bytes.len(),
        depth: 0,
        name: "preface".into(),
        meaning: "this connection speaks micronet, version 1 of its framing".into(),
        secret: false,
    };
    Explained { bytes, header: None, title: "PREFACE".into(), parts: vec![part], faults: Vec::new() }
}

fn unknown(bytes: Bytes) -> Explained {
    let first = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let meaning = if is_tls(&bytes) {
        "TLS: what is in it can't be read here".to_owned()
    } else if is_text(&bytes) {
        format!("text: {}", crate::transcode::cut(&String::from_utf8_lossy(first)))
    } else {
        format!("{} bytes that are no frame", bytes.len())
    };
    let title = format!("no frame, {} bytes", bytes.len());
    let part = Part { at: 0..bytes.len(), depth: 0, name: "unknown".into(), meaning, secret: false };
    Explained { bytes, header: None, title, parts: vec![part], faults: Vec::new() }
}
