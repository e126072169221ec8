//! One frame: its header, then what its kind makes of the payload.

use bytes::Bytes;

use super::call::{Piece, Said, call};
use super::control::control;
use super::notes::{Noted, Notes};
use super::{Explained, Schemas, Side};
use crate::checksum::crc32c;
use crate::header::{Header, Kind, flags};
use crate::limits::{FRAME_PAYLOAD_BYTES_HARD_MAX, HEADER_BYTES};

/// Explains one frame, which begins with its header. Where `side` is none, it isn't known who sends. Bytes after the frame are a
/// fault, as is a frame that was cut short.
#[must_use]
pub fn frame(bytes: impl Into<Bytes>, side: Option<Side>, schemas: &Schemas) -> Explained {
    explained(bytes.into(), side, schemas).0
}

/// The same, with the piece of a message that it carries.
pub(super) fn explained(bytes: Bytes, side: Option<Side>, schemas: &Schemas) -> (Explained, Option<Piece>) {
    let mut notes = Notes::new(&bytes);
    let checked = bytes.first_chunk().map(|head| Header::decode(head, FRAME_PAYLOAD_BYTES_HARD_MAX));
    let header = checked.as_ref().and_then(|checked| checked.as_ref().ok()).copied();
    if let Some(Err(error)) = checked {
        notes.fault(error.to_string());
    }
    let (title, piece) = match head(&mut notes, schemas).map(|()| header) {
        Ok(Some(header)) => payload(&header, side, &mut notes, schemas),
        Ok(None) => ("a frame that breaks the rules".into(), None),
        Err(_) => ("a header that is cut short".into(), None),
    };
    notes.unknown("left over");
    let (parts, faults) = (notes.parts, notes.faults);
    (Explained { bytes, header, title, parts, faults }, piece)
}

/// SPEC 2.1.
fn head(notes: &mut Notes<'_>, schemas: &Schemas) -> Noted {
    let bytes = notes.rest();
    let length = notes.number(4, "length", |length| format!("{length} bytes of payload"))?;
    let is_of_call = bytes.get(4).is_some_and(|kind| *kind >= 16);
    notes.number(1, "kind", |number| match u8::try_from(number).ok().and_then(Kind::from_number) {
        Some(kind) => kind.name().into(),
        None => format!("unknown: {number}"),
    })?;
    let set = notes.number(1, "flags", |set| flag_names(set).join(" "))?;
    notes.number(1, "encoding", |encoding| match encoding {
        0 => "no message".into(),
        1 => "1".into(),
        other => format!("unknown: {other}"),
    })?;
    notes.number(1, "zero", |_| "reserved".into())?;
    notes.number(4, "stream", |stream| match stream {
        0 => "the connection itself".into(),
        stream => stream.to_string(),
    })?;
    notes.number(4, "method", |method| match u32::try_from(method) {
        Ok(method) if is_of_call && method != 0 => schemas.name(method),
        _ => "none".into(),
    })?;
    let payload = bytes.get(HEADER_BYTES..).unwrap_or_default();
    let payload = usize::try_from(length).ok().and_then(|length| payload.get(..length));
    let is_checked = set & u64::from(flags::CHECKSUM) != 0;
    let (mut is_wrong, mut is_damaged) = (false, false);
    notes.number(4, "payload checksum", |sum| match payload {
        _ if !is_checked => "none".into(),
        None => "of what is not there whole".into(),
        Some(payload) if sum == u64::from(crc32c(payload)) => "right".into(),
        Some(payload) => {
            is_damaged = true;
            format!("wrong: the payload's is {:08x}", crc32c(payload))
        }
    })?;
    let right = bytes.get(..HEADER_BYTES - 4).map_or(0, crc32c);
    notes.number(4, "header checksum", |sum| {
        is_wrong = sum != u64::from(right);
        if is_wrong { format!("wrong: the header's is {right:08x}") } else { "right".into() }
    })?;
    // SPEC 2.6; the header's own is looked at before anything else of it.
    if is_damaged && !is_wrong {
        notes.fault("the payload's checksum doesn't match");
    }
    Ok(())
}

fn flag_names(set: u64) -> Vec<String> {
    let known = [
        (flags::END, "END"),
        (flags::CHECKSUM, "CHECKSUM"),
        (flags::MORE, "MORE"),
        (flags::CONTINUED, "CONTINUED"),
    ];
    let mut names: Vec<String> = known
        .iter()
        .filter(|(flag, _)| set & u64::from(*flag) != 0)
        .map(|(_, name)| (*name).to_owned())
        .collect();
    let unknown = set & !u64::from(flags::KNOWN);
    if unknown != 0 {
        names.push(format!("reserved {unknown:02x}"));
    }
    if names.is_empty() {
        names.push("none".into());
    }
    names
}

fn payload(
    header: &Header,
    side: Option<Side>,
    notes: &mut Notes<'_>,
    schemas: &Schemas,
) -> (String, Option<Piece>) {
    if let Some(side) = side
        && sender(header.kind).is_some_and(|sender| sender != side)
    {
        notes.fault(format!("{} is never sent by the {}", header.kind.name(), side.name()));
    }
    let missing = (header.length as usize).saturating_sub(notes.rest().len());
    let said = if header.kind.is_control() {
        control(header.kind, notes).map(|words| Said { words, piece: None })
    } else {
        call(header, side, notes, schemas)
    };
    if missing > 0 {
        notes.fault(format!("{missing} bytes of the payload are missing"));
    } else if !notes.rest().is_empty() {
        notes.fault(format!("{} bytes are left over", notes.rest().len()));
    }
    let said = said.unwrap_or_default();
    let mut title = header.kind.name().to_owned();
    if header.stream != 0 {
        title = format!("{title} {}, stream {}", schemas.name(header.method), header.stream);
    }
    if let Some(words) = said.words.filter(|words| !words.is_empty()) {
        let before = if header.stream == 0 { " " } else { ", " };
        title = format!("{title}{before}{words}");
    }
    (title, said.piece)
}

/// SPEC 2.2: who sends frames of this kind, where it isn't both.
pub(super) const fn sender(kind: Kind) -> Option<Side> {
    match kind {
        Kind::Proof | Kind::Request | Kind::Cancel | Kind::Notice => Some(Side::Dialler),
        Kind::Reply | Kind::Error | Kind::Beacon => Some(Side::Acceptor),
        _ => None,
    }
}
