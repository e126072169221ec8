//! Headers, frames and their payloads: what is accepted is what SPEC.md accepts, and is written as it was read.

use bytes::{Bytes, BytesMut};
use micronet_wire::conn::{Announcement, Beacon};
use micronet_wire::error::Code;
use micronet_wire::faults::Faults;
use micronet_wire::frame::{Close, Frame, Goaway, Health, Label, Pong, put_error, put_frame, take_error};
use micronet_wire::header::{Header, HeaderError, Kind, flags};
use micronet_wire::hello::Hello;
use micronet_wire::limits::{
    DEADLINE_US_MAX, ERROR_DETAIL_BYTES_MAX, ERROR_MESSAGE_BYTES_MAX, FRAME_PAYLOAD_BYTES_HARD_MAX,
    FRAME_PAYLOAD_BYTES_MAX, HEADER_BYTES, HELLO_PAYLOAD_BYTES_MAX,
};
use micronet_wire::request::RequestHead;

use crate::driver::{saw, saw_words};

// ---- headers ----

/// A header as it is, and with its checksum set right.
pub(crate) fn header(input: &[u8]) {
    let Some(bytes) = input.first_chunk::<HEADER_BYTES>() else { return };
    check_header(bytes);
    let mut repaired = *bytes;
    repair_header(&mut repaired);
    check_header(&repaired);
}

fn repair_header(bytes: &mut [u8]) {
    let sum = crc32c(&bytes[..20]);
    bytes[20..24].copy_from_slice(&sum.to_be_bytes());
}

fn check_header(bytes: &[u8; HEADER_BYTES]) {
    for max in [0, 4096, FRAME_PAYLOAD_BYTES_MAX, u32::MAX] {
        let decoded = Header::decode(bytes, max);
        saw((decoded.map(|header| (header.kind, header.flags)).map_err(|error| error.code() as u16), max));
        assert_eq!(decoded.map_err(HeaderError::code).map(drop), judged(bytes, max), "{bytes:02x?}, {max}");
        if let Ok(header) = decoded {
            assert_eq!(&header.encode(), bytes);
        }
    }
}

/// What SPEC 2.9 says of a header, in its order, written anew.
fn judged(bytes: &[u8; HEADER_BYTES], max: u32) -> Result<(), Code> {
    let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let (length, kind, bits, encoding) = (word(0), bytes[4], bytes[5], bytes[6]);
    let (stream, method) = (word(8), word(12));
    if word(20) != crc32c(&bytes[..20]) {
        return Err(Code::Checksum);
    }
    let known = matches!(kind, 1..=8 | 16..=22);
    let reserved = bytes[7] == 0 && bits < 16 && (bits & 2 != 0 || word(16) == 0);
    let of_call = stream != 0 && method != 0;
    let of_connection = stream == 0 && method == 0;
    let (end, more, continued) = (bits & 1 != 0, bits & 4 != 0, bits & 8 != 0);
    let placed = match kind {
        0..16 => of_connection && encoding == 0 && !end && !more && !continued,
        16 => of_call && !continued && !(end && more),
        17 => of_call && end && !more,
        19 => of_call && end && !more && !continued && encoding == 0,
        20 => of_call && !(end && more),
        21 => (of_call || of_connection) && encoding == 0 && !end && !more && !continued,
        _ => of_call && end && !more && !continued,
    };
    if !(known && reserved && placed) {
        return Err(Code::Protocol);
    }
    if length > max.min(FRAME_PAYLOAD_BYTES_HARD_MAX) { Err(Code::FrameTooLarge) } else { Ok(()) }
}

/// CRC32C (SPEC 2.3), so that the reader's own is checked too.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        let [low, ..] = sum.to_le_bytes();
        (sum >> 8) ^ CRC_OF_BYTES[usize::from(low ^ byte)]
    })
}

/// The remainder of each byte, bit by bit.
const CRC_OF_BYTES: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u32;
    while byte < 256 {
        let (mut sum, mut bit) = (byte, 0);
        while bit < 8 {
            sum = (sum >> 1) ^ (0x82F6_3B78 & 0_u32.wrapping_sub(sum & 1));
            bit += 1;
        }
        table[byte as usize] = sum;
        byte += 1;
    }
    table
};

// ---- frames ----

/// The frames of a stream of bytes, in whatever pieces it comes, as it is and with lengths and checksums set right.
pub(crate) fn frames(input: &[u8]) {
    let Some((&piece, bytes)) = input.split_first() else { return };
    let mut repaired = bytes.to_vec();
    repair_frames(&mut repaired);
    for bytes in [bytes, &repaired] {
        let whole = taken(bytes, bytes.len().max(1));
        let in_pieces = taken(bytes, usize::from(piece) + 1);
        assert_eq!(whole, in_pieces);
        let (found, end) = whole;
        saw((found.len().min(4), found.last().map(|frame| frame[4..6].to_vec()), end));
        // What was taken is what stood there, and nothing else was.
        let all = found.concat();
        assert!(bytes.starts_with(&all), "frames came out that didn't go in");
    }
}

/// The frames, each written again, and what ended them.
fn taken(bytes: &[u8], piece: usize) -> (Vec<Vec<u8>>, Option<Code>) {
    let (mut input, mut found) = (BytesMut::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        input.extend_from_slice(piece);
        loop {
            let before = input.len();
            match Frame::take(&mut input, FRAME_PAYLOAD_BYTES_MAX) {
                Ok(Some(frame)) => found.push(written(&frame)),
                Ok(None) => {
                    assert_eq!(input.len(), before, "a frame that isn't whole was touched");
                    break;
                }
                Err(error) => return (found, Some(error.code())),
            }
        }
    }
    (found, None)
}

fn written(frame: &Frame) -> Vec<u8> {
    let Header { kind, flags, encoding, stream, method, .. } = frame.header;
    let label = Label { kind, flags: flags & !flags::CHECKSUM, encoding, stream, method };
    let mut out = BytesMut::new();
    put_frame(&mut out, label, flags & flags::CHECKSUM != 0, |out| {
        out.extend_from_slice(&frame.payload);
        Ok::<(), ()>(())
    })
    .unwrap();
    out.to_vec()
}

/// Sets lengths and checksums right, from the front, so that what is within frames is reached.
pub(crate) fn repair_frames(bytes: &mut [u8]) {
    let mut rest = bytes;
    while rest.len() >= HEADER_BYTES {
        let claimed = u32::from_be_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
        let length = claimed.min(rest.len() - HEADER_BYTES);
        let (head, after) = rest.split_at_mut(HEADER_BYTES);
        let (payload, after) = after.split_at_mut(length);
        head[..4].copy_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
        let sum = if head[5] & flags::CHECKSUM != 0 { crc32c(payload) } else { 0 };
        head[16..20].copy_from_slice(&sum.to_be_bytes());
        repair_header(head);
        rest = after;
    }
}

// ---- payloads ----

/// HELLO's payload.
pub(crate) fn hello(input: &[u8]) {
    match Hello::decode(input) {
        Ok(hello) => {
            let mut again = Vec::new();
            hello.encode(&mut again);
            assert_eq!(Hello::decode(&again).as_ref(), Ok(&hello));
            assert!(ascending(&input[2..], 2), "{input:02x?}");
            // SPEC 3.4.
            assert!(
                (32_768..=16_777_216).contains(&hello.frame_payload_max) && hello.calls_in_flight_max > 0
            );
            assert!((50..=60_000).contains(&hello.heartbeat_interval_ms));
            let names = [&hello.cluster, &hello.node, &hello.instance];
            let plain = |letter: u8| letter.is_ascii_alphanumeric() || b"-_.".contains(&letter);
            assert!(names.iter().all(|name| name.len() <= 64 && name.bytes().all(plain)), "{names:?}");
            assert!(again.len() <= HELLO_PAYLOAD_BYTES_MAX as usize);
            saw((hello.cluster.is_empty(), hello.node.is_empty(), hello.schema.is_some(), hello.checksums));
            saw(hello.software.len().ilog2_or_zero());
        }
        Err((code, words)) => {
            assert!(matches!(code, Code::Protocol | Code::Capability), "{code}: {words}");
            saw_words(&words);
        }
    }
}

/// A request's head and what follows it.
pub(crate) fn request_head(input: &[u8]) {
    match RequestHead::decode(Bytes::copy_from_slice(input)) {
        Ok((head, message)) => {
            assert!(input.ends_with(&message) && (1..=DEADLINE_US_MAX).contains(&head.deadline_us));
            assert!(ascending(&input[6..input.len() - message.len()], 1), "{input:02x?}");
            let texts = [Some(head.request_id.as_str()), head.token.as_deref()];
            let plain = |text: &&str| text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
            assert!(texts.iter().flatten().all(plain), "{texts:?}");
            let mut again = BytesMut::new();
            head.encode(&mut again).unwrap();
            again.extend_from_slice(&message);
            assert!(again.len() <= input.len(), "it is longer when it is written again");
            saw((head.trace.is_some(), head.request_id.is_empty(), head.token.is_some()));
            saw(head.principal.as_ref().map(|principal| principal.key().len()));
            assert_eq!(RequestHead::decode(again.freeze()), Ok((head, message)));
        }
        Err(error) => {
            assert_eq!(error.code, Code::BadRequest, "{error}");
            saw_words(&error.message);
        }
    }
}

/// Whether entries fill these bytes and come in ascending order (SPEC 3.2, 6.2), their keys of one byte or two.
fn ascending(mut entries: &[u8], key_bytes: usize) -> bool {
    let mut last = None;
    while !entries.is_empty() {
        let number =
            |bytes: &[u8]| bytes.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        let Some((head, rest)) = entries.split_at_checked(key_bytes + 2) else { return false };
        // The highest bit says whether the entry may be skipped.
        let key = number(&head[..key_bytes]) % (0x80 << (8 * (key_bytes - 1)));
        let length = number(&head[key_bytes..]);
        if last >= Some(key) || rest.len() < length {
            return false;
        }
        (last, entries) = (Some(key), &rest[length..]);
    }
    true
}

/// The small payloads, and errors.
pub(crate) fn payloads(input: &[u8]) {
    if let Some(pong) = Pong::decode(input) {
        let mut again = Vec::new();
        pong.encode(&mut again);
        assert_eq!(again, input);
        saw(("pong", pong.health as u8));
    }
    match Announcement::decode(input) {
        Ok(said) => {
            assert!(ascending(input, 2), "{input:02x?}");
            let mut again = Vec::new();
            said.encode(&mut again);
            assert!(again.len() <= input.len(), "it is longer when it is written again");
            assert_eq!(Announcement::decode(&again), Ok(said));
            let health = said.health.map(Health::number);
            saw((said.calls_in_flight_max.is_some(), said.heartbeat_interval_ms.is_some(), health));
        }
        Err((code, words)) => {
            assert!(matches!(code, Code::Protocol | Code::Capability), "{words}");
            saw_words(&words);
        }
    }
    let beacon = Beacon::decode(Bytes::copy_from_slice(input));
    // SPEC 4.10, written anew.
    let number = |at: usize| {
        input.get(at..at + 4).map_or(0, |four| four.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    let piece = input.len().saturating_sub(25) as u64;
    let is_beacon = (1..=4096).contains(&piece)
        && input[0] > 0
        && number(17) <= 1 << 20
        && number(21) + piece <= number(17);
    assert_eq!(beacon.is_some(), is_beacon);
    if let Some(beacon) = beacon {
        let mut again = Vec::new();
        beacon.encode(&mut again);
        assert_eq!(again, input);
        saw(("beacon", beacon.offset == 0, number(21) + piece == number(17)));
    }
    if let Some(goaway) = Goaway::decode(input) {
        let mut again = Vec::new();
        goaway.encode(&mut again);
        assert_eq!(again, input);
    }
    if let Some(close) = Close::decode(input) {
        let mut again = Vec::new();
        close.encode(&mut again);
        assert_eq!(again, input);
        saw(("close", Code::from_number(close.code).is_some()));
    }
    let Some((error, ledger)) = take_error(Bytes::copy_from_slice(input)) else { return };
    if let Some(faults) = Faults::of(&error) {
        saw(("faults", faults.list().len().min(3), faults.has_more(), faults.all_missing()));
    }
    assert!(error.detail.len() <= ERROR_DETAIL_BYTES_MAX && input.ends_with(&error.detail));
    saw(("error", error.code as u16, error.retry.number(), error.detail.is_empty()));
    let mut again = Vec::new();
    put_error(&mut again, &error, &ledger);
    let number = u16::from_be_bytes([input[16], input[17]]);
    if Code::from_number(number).is_some() {
        assert!(error.message.len() <= ERROR_MESSAGE_BYTES_MAX);
        // The code says whose fault it is, whatever the sender says.
        let told = [&input[..18], &again[18..19], &input[19..]].concat();
        assert_eq!(again, told);
    } else {
        assert!(error.message.starts_with(&format!("error {number}: ")), "{error}");
    }
}

/// The logarithm of a size, for places that are told apart by it.
trait Magnitude {
    fn ilog2_or_zero(self) -> u32;
}

impl Magnitude for usize {
    fn ilog2_or_zero(self) -> u32 {
        self.checked_ilog2().unwrap_or(0)
    }
}

/// The number of a kind is what its name says; the records of `connection.rs` rely on it.
const _: () = assert!(Kind::Notice as u8 == 22);
