//! What a capture of both directions would show: an account of all frames that is kept from outside, and the rules that it
//! can tell are broken (SPEC.md sections 4 and 5).

use std::collections::BTreeMap;

use bytes::{Buf, BytesMut};
use micronet_wire::frame::{Frame, Goaway};
use micronet_wire::header::{Header, Kind, PREFACE, flags};
use micronet_wire::hello::Hello;
use micronet_wire::limits::{FRAGMENT_BYTES_MAX, FRAME_PAYLOAD_BYTES_HARD_MAX};

use crate::plan::{ACCEPTOR, DIALLER};

/// What one side has said on a stream.
#[derive(Debug, Default)]
struct Said {
    /// Bytes of messages for which it took credit.
    paid: u64,
    /// Bytes of a message that are still to come.
    left: usize,
    /// It may say nothing further.
    over: bool,
}

/// One side's frames.
#[derive(Debug, Default)]
struct Spoken {
    bytes: BytesMut,
    has_greeted: bool,
    streams: BTreeMap<u32, Said>,
    /// Credit that it has granted: for streams, and for the connection as stream 0.
    granted: BTreeMap<u32, u64>,
    paid: u64,
    last_stream: u32,
    goaway: Option<u32>,
    closed: bool,
}

/// Both sides' frames.
#[derive(Debug)]
pub(super) struct Observer {
    sides: [Spoken; 2],
    /// What a side may say on each stream, and on the connection, before it gets more credit.
    credits: [(u64, u64); 2],
    /// Streams on which nothing is answered.
    one_way: BTreeMap<u32, ()>,
}

impl Observer {
    pub(super) fn new(hellos: &[Hello; 2]) -> Self {
        // Each side's credit is what the other one says.
        let credit = |hello: &Hello| (u64::from(hello.stream_credit), u64::from(hello.connection_credit));
        Self {
            sides: Default::default(),
            credits: [credit(&hellos[ACCEPTOR]), credit(&hellos[DIALLER])],
            one_way: BTreeMap::new(),
        }
    }

    /// A side has sent these bytes.
    pub(super) fn see(&mut self, side: usize, bytes: &[u8]) -> Result<(), String> {
        let spoken = &mut self.sides[side];
        spoken.bytes.extend_from_slice(bytes);
        if !spoken.has_greeted {
            if spoken.bytes.len() < PREFACE.len() {
                return Ok(());
            }
            spoken.bytes.advance(PREFACE.len());
            spoken.has_greeted = true;
        }
        while let Some(frame) = Frame::take(&mut self.sides[side].bytes, FRAME_PAYLOAD_BYTES_HARD_MAX)
            .map_err(|error| format!("wire: side {side} says nonsense: {error}"))?
        {
            let header = frame.header;
            self.take(side, frame).map_err(|words| {
                let Header { kind, stream, .. } = header;
                format!("wire: {} of side {side} on stream {stream}: {words}", kind.name())
            })?;
        }
        Ok(())
    }

    /// The highest stream that the acceptor said it had seen, when it said that it takes no further ones.
    pub(super) fn goaway(&self) -> Option<u32> {
        self.sides[ACCEPTOR].goaway
    }

    fn take(&mut self, side: usize, frame: Frame) -> Result<(), &'static str> {
        let Header { kind, flags, stream, .. } = frame.header;
        if std::mem::replace(&mut self.sides[side].closed, kind == Kind::Close) {
            return Err("after CLOSE");
        }
        match kind {
            Kind::Request | Kind::Notice => {
                let dialler = &mut self.sides[DIALLER];
                if side != DIALLER || stream <= dialler.last_stream || dialler.goaway.is_some() {
                    return Err("no call may be made so");
                }
                dialler.last_stream = stream;
                let over = flags & flags::END != 0;
                dialler.streams.insert(stream, Said { over, ..Said::default() });
                self.sides[ACCEPTOR].streams.insert(stream, Said::default());
                if kind == Kind::Notice {
                    self.one_way.insert(stream, ());
                }
            }
            Kind::Goaway => {
                let last = Goaway::decode(&frame.payload).ok_or("malformed")?.last_stream;
                if side == ACCEPTOR && last > self.sides[DIALLER].last_stream {
                    return Err("it names a call that was not made");
                }
                self.sides[side].goaway = Some(last);
            }
            Kind::Cancel => {
                let said = self.said(side, stream)?;
                said.left = 0;
                // All requests may have been said before.
                said.over = true;
            }
            Kind::Credit => {
                let mut payload = frame.payload;
                let granted = u64::from(payload.try_get_u32().map_err(|_| "malformed")?);
                *self.sides[side].granted.entry(stream).or_default() += granted;
            }
            Kind::Data => {
                let over = self.say(side, &frame, 0)?;
                self.said(side, stream)?.over = over;
            }
            Kind::Reply | Kind::Error => {
                if side != ACCEPTOR || self.one_way.contains_key(&stream) {
                    return Err("nobody awaits it");
                }
                if flags & flags::CONTINUED != 0 {
                    self.say(side, &frame, 16)?;
                }
                let said = self.said(side, stream)?;
                if std::mem::replace(&mut said.over, true) {
                    return Err("a second end");
                }
                if kind == Kind::Reply && said.left > 0 {
                    return Err("the end within a message");
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn said(&mut self, side: usize, stream: u32) -> Result<&mut Said, &'static str> {
        self.sides[side].streams.get_mut(&stream).ok_or("a stream that was not opened")
    }

    /// A frame with a piece of a message after `skip` bytes; whether no further message follows.
    fn say(&mut self, side: usize, frame: &Frame, skip: usize) -> Result<bool, &'static str> {
        let Header { flags, stream, .. } = frame.header;
        let (more, first) = (flags & flags::MORE != 0, flags & flags::CONTINUED == 0);
        let mut piece = &frame.payload[skip..];
        let total = if first && more {
            piece.try_get_u32().map_err(|_| "it has no length")? as usize
        } else {
            piece.len()
        };
        if piece.len() > FRAGMENT_BYTES_MAX {
            return Err("a piece is too long");
        }
        let said = self.said(side, stream)?;
        if said.over {
            return Err("after the end");
        }
        if !first {
            said.left = said.left.checked_sub(piece.len()).ok_or("more than was announced")?;
            if (said.left == 0) == more || piece.is_empty() {
                return Err("the pieces are not those of a message");
            }
        } else if said.left > 0 {
            return Err("a message begins within another");
        } else if !piece.is_empty() {
            said.left = total - piece.len();
            said.paid += total as u64;
            let paid = said.paid;
            self.sides[side].paid += total as u64;
            let granted = &self.sides[1 - side].granted;
            let granted = |stream: u32| granted.get(&stream).copied().unwrap_or(0);
            let (of_stream, of_connection) = self.credits[side];
            if paid > of_stream + granted(stream) {
                return Err("without credit of the stream");
            }
            if self.sides[side].paid > of_connection + granted(0) {
                return Err("without credit of the connection");
            }
        }
        Ok(flags & flags::END != 0)
    }
}
