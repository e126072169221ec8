//! Frames (SPEC.md sections 2, 5, 7, 8): taking them off a buffer, putting them on one, and their small payloads.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::checksum::crc32c;
use crate::error::{Code, Fault, Retry, RpcError};
use crate::header::{Header, HeaderError, Kind, flags};
use crate::ledger::Ledger;
use crate::limits::{ERROR_DETAIL_BYTES_MAX, ERROR_MESSAGE_BYTES_MAX, HEADER_BYTES};

/// A frame: its header, and its payload as a slice of what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The checked header.
    pub header: Header,
    /// The payload, its checksum verified.
    pub payload: Bytes,
}

impl Frame {
    /// Takes one frame off the front of `input`, or `None` when it isn't there whole; `input` is then as before.
    ///
    /// # Errors
    /// When the header or the payload breaks a rule of SPEC.md section 2; the connection must end.
    pub fn take(input: &mut BytesMut, payload_max: u32) -> Result<Option<Self>, HeaderError> {
        let Some(head) = input.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let header = Header::decode(head, payload_max)?;
        let whole = HEADER_BYTES + header.length as usize;
        if input.len() < whole {
            input.reserve(whole - input.len());
            return Ok(None);
        }
        let mut payload = input.split_to(whole).freeze();
        payload.advance(HEADER_BYTES);
        // SPEC 2.6.
        if !header.payload_is_intact(&payload) {
            return Err(HeaderError::Checksum);
        }
        Ok(Some(Self { header, payload }))
    }
}

/// What a frame's header says besides its length and checksums.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// The kind of frame.
    pub kind: Kind,
    /// [`flags::END`] or 0.
    pub flags: u8,
    /// The encoding of the payload's message, or 0.
    pub encoding: u8,
    /// The stream, or 0.
    pub stream: u32,
    /// The method, or 0.
    pub method: u32,
}

impl Label {
    /// The label of a control frame.
    #[must_use]
    pub const fn control(kind: Kind) -> Self {
        Self { kind, flags: 0, encoding: 0, stream: 0, method: 0 }
    }
}

/// Puts a frame at the end of `out`; `payload` writes what follows the header. When it fails, `out` is as before.
///
/// # Errors
/// Those of `payload`.
pub fn put_frame<E>(
    out: &mut BytesMut,
    label: Label,
    checksum: bool,
    payload: impl FnOnce(&mut BytesMut) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    if let Err(error) = payload(out) {
        out.truncate(start);
        return Err(error);
    }
    let (head, body) = out[start..].split_at_mut(HEADER_BYTES);
    let header = Header {
        #[expect(clippy::cast_possible_truncation, reason = "limits.rs bounds every payload below 16 MiB")]
        length: body.len() as u32,
        kind: label.kind,
        flags: label.flags | if checksum { flags::CHECKSUM } else { 0 },
        encoding: label.encoding,
        stream: label.stream,
        method: label.method,
        payload_checksum: if checksum { crc32c(body) } else { 0 },
    };
    head.copy_from_slice(&header.encode());
    Ok(())
}

/// The payload of a PONG (SPEC 7.2): a diagnosis, so that a dead link, congestion and a stalled process can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pong {
    /// The opaque value of the PING that it answers.
    pub opaque: u64,
    /// Bytes that the sender has received on this connection.
    pub bytes_received: u64,
    /// Calls in flight on this connection, both ways.
    pub calls_in_flight: u32,
    /// Calls that the sender's process is working on, for all its connections.
    pub instance_calls_in_flight: u32,
    /// How long calls have recently waited before their handlers started, on all connections of the sender's process: a maximum that
    /// halves every second. In microseconds.
    pub queue_delay_us: u32,
    /// How late the sender's process has recently run when a timer was due: a maximum that halves every second. In microseconds.
    pub scheduler_lag_us: u32,
    /// Whether the sender takes calls.
    pub health: Health,
    /// Calls that the sender's process is working on, in thousandths of what it accepts at once.
    pub load_permille: u16,
}

/// Whether an instance takes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// It does.
    #[default]
    Serving,
    /// It finishes what it has and takes no more.
    Draining,
}

impl Health {
    /// Its number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Serving => 1,
            Self::Draining => 2,
        }
    }

    /// The health of a number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Serving),
            2 => Some(Self::Draining),
            _ => None,
        }
    }

    /// Its name in the registry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Serving => "SERVING",
            Self::Draining => "DRAINING",
        }
    }
}

impl Pong {
    /// Its size on the wire.
    pub const BYTES: usize = 35;

    /// Appends the payload.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u64(self.opaque);
        out.put_u64(self.bytes_received);
        out.put_u32(self.calls_in_flight);
        out.put_u32(self.instance_calls_in_flight);
        out.put_u32(self.queue_delay_us);
        out.put_u32(self.scheduler_lag_us);
        out.put_u8(self.health.number());
        out.put_u16(self.load_permille);
    }

    /// Reads a payload, or `None` when it is none.
    #[must_use]
    pub fn decode(mut payload: &[u8]) -> Option<Self> {
        if payload.len() != Self::BYTES {
            return None;
        }
        Some(Self {
            opaque: payload.get_u64(),
            bytes_received: payload.get_u64(),
            calls_in_flight: payload.get_u32(),
            instance_calls_in_flight: payload.get_u32(),
            queue_delay_us: payload.get_u32(),
            scheduler_lag_us: payload.get_u32(),
            health: Health::from_number(payload.get_u8())?,
            load_permille: payload.get_u16(),
        })
    }
}

/// The payload of GOAWAY (SPEC 5.6): the last stream that the sender accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Goaway {
    /// Streams above this one were not, and will not be, started.
    pub last_stream: u32,
}

impl Goaway {
    /// Appends the payload.
    pub fn encode(self, out: &mut impl BufMut) {
        out.put_u32(self.last_stream);
    }

    /// Reads a payload, or `None` when it is none.
    #[must_use]
    pub fn decode(payload: &[u8]) -> Option<Self> {
        Some(Self { last_stream: u32::from_be_bytes(payload.try_into().ok()?) })
    }
}

/// The payload of CLOSE (SPEC 5.7): why the connection ends. Code 0 is a plain end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// A code of the registry, as a number, since a later version may have more; 0 when nothing is wrong.
    pub code: u16,
    /// The same in words.
    pub message: String,
}

impl Close {
    /// Appends the payload.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u16(self.code);
        put_text(out, &self.message);
    }

    /// Reads a payload, or `None` when it is none.
    #[must_use]
    pub fn decode(mut payload: &[u8]) -> Option<Self> {
        if payload.len() < 4 {
            return None;
        }
        let code = payload.get_u16();
        let message = take_text(&mut payload)?;
        payload.is_empty().then_some(Self { code, message })
    }
}

/// Appends the payload of an ERROR (SPEC 8.1): ledger, code, fault, retry advice, delay, words, detail. A detail that is too
/// long is left out.
pub fn put_error(out: &mut impl BufMut, error: &RpcError, ledger: &Ledger) {
    out.put_slice(&ledger.encode());
    out.put_u16(error.code as u16);
    out.put_u8(match error.code.fault() {
        Fault::Caller => 1,
        Fault::Callee => 2,
        Fault::Network => 3,
    });
    out.put_u8(error.retry.number());
    out.put_u32(error.retry_after_ms);
    put_text(out, &error.message);
    if error.detail.len() <= ERROR_DETAIL_BYTES_MAX {
        out.put_slice(&error.detail);
    }
}

/// Reads the payload of an ERROR, or `None` when it is none. A code that is not in the registry, from a later version, reads
/// as [`Code::Internal`] with its number in the words.
#[must_use]
pub fn take_error(mut payload: Bytes) -> Option<(RpcError, Ledger)> {
    let ledger = Ledger::decode(&mut payload)?;
    if payload.len() < 10 {
        return None;
    }
    let (number, fault, retry) = (payload.get_u16(), payload.get_u8(), payload.get_u8());
    if !(1..=3).contains(&fault) {
        return None;
    }
    let retry = Retry::from_number(retry)?;
    let retry_after_ms = payload.get_u32();
    let mut rest = &payload[..];
    let mut message = take_text(&mut rest)?;
    if rest.len() > ERROR_DETAIL_BYTES_MAX {
        return None;
    }
    payload.advance(payload.len() - rest.len());
    let code = Code::from_number(number).unwrap_or_else(|| {
        message = format!("error {number}: {message}");
        Code::Internal
    });
    Some((RpcError { code, message, detail: payload, retry, retry_after_ms }, ledger))
}

/// Text with its length in two bytes, cut at a character's end when it is longer than [`ERROR_MESSAGE_BYTES_MAX`].
fn put_text(out: &mut impl BufMut, text: &str) {
    let cut = &text[..text.floor_char_boundary(ERROR_MESSAGE_BYTES_MAX)];
    #[expect(clippy::cast_possible_truncation, reason = "cut to ERROR_MESSAGE_BYTES_MAX above")]
    out.put_u16(cut.len() as u16);
    out.put_slice(cut.as_bytes());
}

fn take_text(input: &mut &[u8]) -> Option<String> {
    if input.len() < 2 {
        return None;
    }
    let length = usize::from(input.get_u16());
    let (text, rest) = input.split_at_checked(length)?;
    *input = rest;
    (length <= ERROR_MESSAGE_BYTES_MAX).then(|| std::str::from_utf8(text).ok().map(str::to_owned))?
}
