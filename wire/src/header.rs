//! The frame header (SPEC.md section 2): 24 bytes in front of every frame.
//!
//! ```text
//!  0        4     5      6         7         8        12        16                20               24
//!  | length | kind | flags | encoding | zero | stream | method | payload checksum | header checksum |
//! ```
//! All integers are in network byte order. `length` counts the payload, which follows the header.

use std::fmt;

use crate::checksum::crc32c;
use crate::error::Code;
use crate::limits::{FRAME_PAYLOAD_BYTES_HARD_MAX, HEADER_BYTES};

/// Where each part of the header starts.
mod at {
    pub(super) const LENGTH: usize = 0;
    pub(super) const KIND: usize = 4;
    pub(super) const FLAGS: usize = 5;
    pub(super) const ENCODING: usize = 6;
    pub(super) const RESERVED: usize = 7;
    pub(super) const STREAM: usize = 8;
    pub(super) const METHOD: usize = 12;
    pub(super) const PAYLOAD_CHECKSUM: usize = 16;
    pub(super) const HEADER_CHECKSUM: usize = 20;
}

// The layout has no padding and ends where the payload starts.
const _: () = {
    assert!(at::KIND == at::LENGTH + 4 && at::FLAGS == at::KIND + 1 && at::ENCODING == at::FLAGS + 1);
    assert!(
        at::RESERVED == at::ENCODING + 1 && at::STREAM == at::RESERVED + 1 && at::METHOD == at::STREAM + 4
    );
    assert!(at::PAYLOAD_CHECKSUM == at::METHOD + 4 && at::HEADER_CHECKSUM == at::PAYLOAD_CHECKSUM + 4);
    assert!(HEADER_BYTES == at::HEADER_CHECKSUM + 4);
};

/// What a connection starts with, in both directions (SPEC.md 1.2). Its first byte is no text, and its line ends and
/// Ctrl-Z show whether something on the way changes text files.
pub const PREFACE: [u8; 8] = *b"\x89MNP\r\n\x1a\x01";

macro_rules! kinds {
    ($($(#[doc = $doc:expr])* $name:ident = $number:literal, $text:literal;)*) => {
        /// What a frame is. All kinds of protocol version 1 have their numbers; those that say "reserved" are refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Kind { $($(#[doc = $doc])* $name = $number,)* }

        impl Kind {
            /// All kinds, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The kind with this number.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
            /// Its name in SPEC.md.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// Who speaks, in which versions, under which limits.
    Hello = 1, "HELLO";
    /// Proof of a secret, against the nonces of both HELLOs.
    Proof = 2, "PROOF";
    /// What has changed since HELLO.
    Announce = 3, "ANNOUNCE";
    /// Are you there?
    Ping = 4, "PING";
    /// The answer, with a diagnosis.
    Pong = 5, "PONG";
    /// No further streams, please: the sender drains.
    Goaway = 6, "GOAWAY";
    /// The last frame of a connection, with the reason.
    Close = 7, "CLOSE";
    /// The acceptor's schema again, for captures that begin in mid-connection.
    Beacon = 8, "BEACON";
    /// Opens a stream with a call.
    Request = 16, "REQUEST";
    /// The reply of a call.
    Reply = 17, "REPLY";
    /// The error of a call.
    Error = 18, "ERROR";
    /// The caller no longer wants the answer.
    Cancel = 19, "CANCEL";
    /// A message of a stream, or a piece of a message.
    Data = 20, "DATA";
    /// Bytes of messages that the peer may send besides what it may already.
    Credit = 21, "CREDIT";
    /// A whole one-way call: nothing is ever sent back on its stream.
    Notice = 22, "NOTICE";
}

impl Kind {
    /// Whether frames of this kind belong to the connection (stream 0) rather than to a call.
    #[must_use]
    pub const fn is_control(self) -> bool {
        (self as u8) < 16
    }
}

/// The bits of the header's `flags`.
pub mod flags {
    /// The last frame of its stream in this direction.
    pub const END: u8 = 0x01;
    /// The payload checksum is set.
    pub const CHECKSUM: u8 = 0x02;
    /// The message goes on in a later frame of the stream.
    pub const MORE: u8 = 0x04;
    /// The payload goes on with a message that an earlier frame began.
    pub const CONTINUED: u8 = 0x08;
    /// All bits that have a meaning; the others must be zero.
    pub const KNOWN: u8 = END | CHECKSUM | MORE | CONTINUED;
}

/// A decoded frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of payload after the header.
    pub length: u32,
    /// What the frame is.
    pub kind: Kind,
    /// See [`flags`].
    pub flags: u8,
    /// The encoding of the payload's message; 0 when there is none.
    pub encoding: u8,
    /// The stream, or 0 for the connection itself.
    pub stream: u32,
    /// The method of the stream's call, or 0 on control frames.
    pub method: u32,
    /// CRC32C of the payload, or 0 without [`flags::CHECKSUM`].
    pub payload_checksum: u32,
}

/// Why a frame is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// The header checksum doesn't match: the length can't be trusted, so the connection ends.
    Checksum,
    /// The kind has no meaning in this version.
    UnknownKind(u8),
    /// A reserved bit or byte is set.
    Reserved,
    /// The payload is longer than agreed.
    TooLarge {
        /// What the header claims.
        length: u32,
        /// What was agreed.
        max: u32,
    },
    /// A control frame names a stream or a method, a call's frame names none, or the flags are not those of its kind.
    Misplaced(Kind),
}

impl HeaderError {
    /// The code that closes the connection.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::Checksum => Code::Checksum,
            Self::TooLarge { .. } => Code::FrameTooLarge,
            Self::UnknownKind(_) | Self::Reserved | Self::Misplaced(_) => Code::Protocol,
        }
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum => write!(f, "the header's checksum doesn't match"),
            Self::UnknownKind(kind) => write!(f, "{kind} is no frame kind of this version"),
            Self::Reserved => write!(f, "a reserved bit of the header is set"),
            Self::TooLarge { length, max } => {
                write!(f, "a frame of {length} bytes, but at most {max} were agreed")
            }
            Self::Misplaced(kind) => {
                write!(f, "{} on a wrong stream, method or encoding, or with wrong flags", kind.name())
            }
        }
    }
}

impl std::error::Error for HeaderError {}

impl Header {
    /// The header as it travels.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[at::LENGTH..][..4].copy_from_slice(&self.length.to_be_bytes());
        out[at::KIND] = self.kind as u8;
        out[at::FLAGS] = self.flags;
        out[at::ENCODING] = self.encoding;
        out[at::STREAM..][..4].copy_from_slice(&self.stream.to_be_bytes());
        out[at::METHOD..][..4].copy_from_slice(&self.method.to_be_bytes());
        out[at::PAYLOAD_CHECKSUM..][..4].copy_from_slice(&self.payload_checksum.to_be_bytes());
        let checksum = crc32c(&out[..at::HEADER_CHECKSUM]);
        out[at::HEADER_CHECKSUM..].copy_from_slice(&checksum.to_be_bytes());
        out
    }

    /// Reads and checks a header; `payload_max` is the agreed limit.
    ///
    /// # Errors
    /// The first rule of SPEC.md section 2 that it breaks. The checksum comes first: after it, nothing else is noise.
    pub fn decode(bytes: &[u8; HEADER_BYTES], payload_max: u32) -> Result<Self, HeaderError> {
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        // SPEC 2.3: a corrupt length must not make the reader wait for bytes that never come.
        if word(at::HEADER_CHECKSUM) != crc32c(&bytes[..at::HEADER_CHECKSUM]) {
            return Err(HeaderError::Checksum);
        }
        let kind = Kind::from_number(bytes[at::KIND]).ok_or(HeaderError::UnknownKind(bytes[at::KIND]))?;
        let header = Self {
            length: word(at::LENGTH),
            kind,
            flags: bytes[at::FLAGS],
            encoding: bytes[at::ENCODING],
            stream: word(at::STREAM),
            method: word(at::METHOD),
            payload_checksum: word(at::PAYLOAD_CHECKSUM),
        };
        // SPEC 2.4: what is reserved is zero, so that it can be given a meaning later.
        let unchecked_sum = header.flags & flags::CHECKSUM == 0 && header.payload_checksum != 0;
        if header.flags & !flags::KNOWN != 0 || bytes[at::RESERVED] != 0 || unchecked_sum {
            return Err(HeaderError::Reserved);
        }
        if header.is_misplaced() {
            return Err(HeaderError::Misplaced(kind));
        }
        let max = payload_max.min(FRAME_PAYLOAD_BYTES_HARD_MAX);
        if header.length > max {
            return Err(HeaderError::TooLarge { length: header.length, max });
        }
        Ok(header)
    }

    /// SPEC 2.5, 2.7: control frames belong to the connection, the others to a call; and each kind has its flags.
    fn is_misplaced(&self) -> bool {
        let has = |flag: u8| self.flags & flag != 0;
        let of_no_call = self.stream == 0 || self.method == 0;
        let in_pieces = has(flags::MORE) || has(flags::CONTINUED);
        match self.kind {
            Kind::Request => of_no_call || has(flags::CONTINUED) || (has(flags::MORE) && has(flags::END)),
            Kind::Reply => of_no_call || has(flags::MORE) || !has(flags::END),
            Kind::Data => of_no_call || (has(flags::MORE) && has(flags::END)),
            Kind::Cancel => of_no_call || in_pieces || !has(flags::END) || self.encoding != 0,
            Kind::Error | Kind::Notice => of_no_call || in_pieces || !has(flags::END),
            // SPEC 4.6: credit is a stream's, or that of the connection.
            Kind::Credit => {
                (self.stream == 0) != (self.method == 0) || in_pieces || has(flags::END) || self.encoding != 0
            }
            _ => self.stream != 0 || self.method != 0 || self.encoding != 0 || in_pieces || has(flags::END),
        }
    }

    /// The same header before another payload of the same length.
    #[must_use]
    pub fn of_payload(&self, payload: &[u8]) -> Self {
        let has_checksum = self.flags & flags::CHECKSUM != 0;
        Self { payload_checksum: if has_checksum { crc32c(payload) } else { 0 }, ..*self }
    }

    /// Whether the payload is what the sender sent (SPEC 2.6).
    #[must_use]
    pub fn payload_is_intact(&self, payload: &[u8]) -> bool {
        self.flags & flags::CHECKSUM == 0 || crc32c(payload) == self.payload_checksum
    }
}
