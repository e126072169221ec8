//! The frames of calls: REQUEST, NOTICE, REPLY, ERROR, DATA, CREDIT, CANCEL (SPEC.md 4, 5, 6, 8).

use std::ops::Range;

use bytes::Bytes;

use super::control::{code, words};
use super::message::{is_secret, whole};
use super::notes::{Noted, Notes, micros, number, text};
use super::{Schemas, Side, hex};
use crate::error::{Code, Retry};
use crate::faults::Faults;
use crate::frame::take_error;
use crate::header::{Header, Kind, flags};
use crate::ledger::Ledger;
use crate::limits::FRAGMENT_BYTES_MAX;
use crate::metadata::Metadata;
use crate::request::{RequestHead, tag};
use crate::schema::CallShape;

/// Which of a method's messages it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    Request,
    Reply,
    Error,
}

impl Direction {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Reply => "reply",
            Self::Error => "error",
        }
    }
}

/// A piece of a message that travels in several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) direction: Direction,
    /// The length of the whole message, where this piece is its first.
    pub(super) begins: Option<u32>,
    /// Its bytes in the frame.
    pub(super) at: Range<usize>,
    /// Whether it is the last one.
    pub(super) ends: bool,
}

/// What the frames of a call say besides their parts.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// For the title.
    pub(super) words: Option<String>,
    pub(super) piece: Option<Piece>,
}

/// Notes the payload of a frame of a call.
pub(super) fn call(
    header: &Header,
    side: Option<Side>,
    notes: &mut Notes<'_>,
    schemas: &Schemas,
) -> Noted<Said> {
    match header.kind {
        Kind::Request | Kind::Notice => request(header, notes, schemas),
        Kind::Reply => reply(header, notes, schemas),
        Kind::Error => error(header, notes, schemas),
        Kind::Data => data(header, direction(header, side, schemas), notes, schemas),
        Kind::Credit => {
            let more = notes.number(4, "credit", |bytes| format!("{bytes} bytes more may be sent"))?;
            if more == 0 {
                notes.fault("it gives no credit");
            }
            Ok(Said { words: Some(format!("{more} bytes")), piece: None })
        }
        _ => Ok(Said::default()),
    }
}

/// Whose message DATA carries: where it isn't known who sends, what the method's shape allows.
fn direction(header: &Header, side: Option<Side>, schemas: &Schemas) -> Direction {
    let of_dialler = match side {
        Some(side) => side == Side::Dialler,
        // SPEC 4.3: the acceptor's never bears END.
        None if header.flags & flags::END != 0 => true,
        None => {
            let shape = schemas.method(header.method).map(|(_, method)| method.shape);
            shape.is_none_or(|shape| shape == CallShape::ClientStream)
        }
    };
    if of_dialler { Direction::Request } else { Direction::Reply }
}

fn request(header: &Header, notes: &mut Notes<'_>, schemas: &Schemas) -> Noted<Said> {
    let payload = notes.rest();
    let size = notes.number(2, "head", |size| format!("{size} bytes"))?;
    let mut size = usize::try_from(size).unwrap_or(0);
    notes.number(4, "deadline", |us| format!("{} are left", micros(us)))?;
    size = size.saturating_sub(4);
    while size > 0 {
        let length = notes.rest().get(1..3).map_or(0, |length| usize::try_from(number(length)).unwrap_or(0));
        head_entry(notes, 3 + length)?;
        size = size.saturating_sub(3 + length);
    }
    let head = RequestHead::decode(Bytes::copy_from_slice(payload));
    let words = match head {
        Ok((head, _)) if !head.request_id.is_empty() => Some(format!("id {}", head.request_id)),
        Ok(_) => None,
        Err(error) => {
            notes.fault(error.message);
            None
        }
    };
    if header.flags & flags::MORE != 0 {
        notes.number(4, "announced", |length| format!("a request of {length} bytes follows"))?;
    } else if header.flags & flags::END != 0 {
        whole(notes, schemas, header.method, Direction::Request);
    }
    Ok(Said { words, piece: None })
}

fn head_entry(notes: &mut Notes<'_>, size: usize) -> Noted {
    let kind = notes.rest().first().copied().unwrap_or(0);
    let (name, meaning): (String, fn(&[u8]) -> String) = match kind {
        tag::TRACE => ("TRACE".into(), trace),
        tag::REQUEST_ID => ("REQUEST_ID".into(), text),
        tag::TOKEN => ("TOKEN".into(), text),
        tag::PRINCIPAL => ("PRINCIPAL".into(), principal),
        tag::METADATA => return metadata(notes, size),
        tag::CLASS => ("CLASS".into(), |value| match value {
            [1] => "BULK: it can wait".into(),
            other => format!("unknown: {}", hex(other)),
        }),
        other if other & tag::IGNORABLE != 0 => (format!("entry {other:02X}, may be skipped"), hex),
        other => (format!("entry {other:02X}"), hex),
    };
    notes.take(size, 0, &name, |entry| meaning(&entry[3..]))?;
    Ok(())
}

fn trace(value: &[u8]) -> String {
    match (value.get(..16), value.get(16..24), value.get(24..)) {
        (Some(trace), Some(span), Some([flags])) => {
            let sampled = if flags & 1 == 1 { ", sampled" } else { "" };
            format!("trace {}, span {}{sampled}", hex(trace), hex(span))
        }
        _ => hex(value),
    }
}

fn principal(value: &[u8]) -> String {
    let Some((kind, mut rest)) = value.split_first() else { return "cut short".into() };
    let mut names = Vec::new();
    while let Some((length, more)) = rest.split_first() {
        let (name, more) = more.split_at_checked(usize::from(*length)).unwrap_or((more, &[]));
        names.push(String::from_utf8_lossy(name).into_owned());
        rest = more;
    }
    match (kind, names.as_slice()) {
        (0, []) => "ANONYMOUS".into(),
        (1, []) => "OPERATOR".into(),
        (2, [name]) => format!("SERVICE {name}"),
        (3, [subject, organization, session, permissions @ ..]) => format!(
            "USER {subject}, organization {organization:?}, session {session:?}, may {}",
            permissions.join(" ")
        ),
        _ => format!("unknown: {}", hex(value)),
    }
}

/// A pair a part. Of those that bear a credential nobody is shown the value.
fn metadata(notes: &mut Notes<'_>, size: usize) -> Noted {
    let bytes = notes.rest();
    let Some(pairs) = bytes.get(3..size) else {
        notes.take(size, 0, "METADATA", hex)?;
        return Ok(());
    };
    notes.take(3, 0, "METADATA", |_| format!("{} bytes", pairs.len()))?;
    let end = notes.offset() + pairs.len();
    while notes.offset() < end {
        let Some((key, value, pair)) = Metadata::first_pair(notes.rest()) else {
            let left = end - notes.offset();
            notes.take(left, 1, "no pair", hex)?;
            break;
        };
        let name = String::from_utf8_lossy(key).into_owned();
        let is_secret =
            ["authorization", "cookie", "password", "secret"].iter().any(|word| name.contains(word));
        let shown = if is_secret { crate::transcode::MASKED.to_owned() } else { text(value) };
        notes.take(pair, 1, &name, |_| shown)?;
        if is_secret {
            notes.hide();
        }
    }
    Ok(())
}

fn ledger(notes: &mut Notes<'_>) -> Noted<Ledger> {
    let mut bytes = notes.rest();
    for (name, meaning) in [
        ("receive_queue", "until the handler started"),
        ("handler", "in the handler"),
        ("credit_wait", "waiting for credit"),
        ("write_queue", "until it was written"),
    ] {
        notes.number(4, name, |us| format!("{} {meaning}", micros(us)))?;
    }
    Ok(Ledger::decode(&mut bytes).unwrap_or_default())
}

fn reply(header: &Header, notes: &mut Notes<'_>, schemas: &Schemas) -> Noted<Said> {
    let ledger = ledger(notes)?;
    let words = Some(format!("{} in the handler", micros(u64::from(ledger.handler_us))));
    if header.flags & flags::CONTINUED != 0 {
        let piece = piece(notes, schemas, header.method, Direction::Reply, None, true);
        return Ok(Said { words, piece: Some(piece) });
    }
    // SPEC 4.3: after a stream of replies there is none here.
    let streamed = schemas.method(header.method).is_some_and(|(_, method)| {
        matches!(method.shape, CallShape::ServerStream | CallShape::Bidirectional)
    });
    fits_a_frame(notes);
    if !(streamed && notes.rest().is_empty()) {
        whole(notes, schemas, header.method, Direction::Reply);
    }
    Ok(Said { words, piece: None })
}

fn error(header: &Header, notes: &mut Notes<'_>, schemas: &Schemas) -> Noted<Said> {
    let payload = notes.rest();
    ledger(notes)?;
    let number = notes.number(2, "code", code)?;
    notes.number(1, "fault", |number| match number {
        1 => "of the caller".into(),
        2 => "of the callee".into(),
        3 => "of the network".into(),
        other => format!("unknown: {other}"),
    })?;
    notes.number(1, "retry", |number| match u8::try_from(number).ok().and_then(Retry::from_number) {
        Some(Retry::Never) => "never: the same call will fail again".into(),
        Some(Retry::NeverStarted) => "never_started: it may be sent again".into(),
        Some(Retry::MaybeExecuted) => "maybe_executed: only what does no harm twice may be sent again".into(),
        None => format!("unknown: {number}"),
    })?;
    notes.number(4, "retry_after", |ms| match ms {
        0 => "at once".into(),
        ms => micros(1_000 * ms),
    })?;
    let said = words(notes)?;
    match take_error(Bytes::copy_from_slice(payload)) {
        None => notes.fault("it is no ERROR"),
        Some((error, _)) if error.code == Code::InvalidInput && !error.detail.is_empty() => {
            let faults = Faults::of(&error).unwrap_or_default();
            let list: Vec<String> = faults.list().iter().map(ToString::to_string).collect();
            notes.note(error.detail.len(), 0, "faults", &list.join("; "));
        }
        Some((error, _)) if error.code == Code::Application => {
            whole(notes, schemas, header.method, Direction::Error);
        }
        Some(_) => notes.unknown("detail"),
    }
    Ok(Said { words: Some(format!("{}: {said}", code(number))), piece: None })
}

fn data(header: &Header, direction: Direction, notes: &mut Notes<'_>, schemas: &Schemas) -> Noted<Said> {
    let has = |flag: u8| header.flags & flag != 0;
    if has(flags::CONTINUED) {
        let piece = piece(notes, schemas, header.method, direction, None, !has(flags::MORE));
        return Ok(Said { words: None, piece: Some(piece) });
    }
    if has(flags::MORE) {
        if notes.rest().len() == 4 {
            notes.number(4, "announced", |length| format!("a message of {length} bytes waits for credit"))?;
            return Ok(Said { words: Some("an announcement".into()), piece: None });
        }
        let length = notes.number(4, "whole", |length| format!("a message of {length} bytes begins"))?;
        let begins = Some(u32::try_from(length).unwrap_or(u32::MAX));
        let piece = piece(notes, schemas, header.method, direction, begins, false);
        return Ok(Said { words: None, piece: Some(piece) });
    }
    if has(flags::END) && notes.rest().is_empty() {
        return Ok(Said { words: Some("no more messages".into()), piece: None });
    }
    fits_a_frame(notes);
    whole(notes, schemas, header.method, direction);
    Ok(Said::default())
}

/// SPEC 4.3: a frame has so many bytes of a message at most.
fn fits_a_frame(notes: &mut Notes<'_>) {
    if notes.rest().len() > FRAGMENT_BYTES_MAX {
        notes.fault(format!("more than {FRAGMENT_BYTES_MAX} bytes of a message in one frame"));
    }
}

fn piece(
    notes: &mut Notes<'_>,
    schemas: &Schemas,
    method: u32,
    direction: Direction,
    begins: Option<u32>,
    ends: bool,
) -> Piece {
    fits_a_frame(notes);
    let at = notes.offset()..notes.offset() + notes.rest().len();
    notes.note(at.len(), 0, "piece", &format!("{} bytes of a {}", at.len(), direction.name()));
    // Nobody can tell where in it the secret stands.
    if is_secret(schemas, method, direction) {
        notes.hide();
    }
    Piece { direction, begins, at, ends }
}
