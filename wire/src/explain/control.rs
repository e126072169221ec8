//! Control frames: HELLO, PROOF, ANNOUNCE, PING, PONG, GOAWAY, CLOSE (SPEC.md 3, 5.6, 5.7, 7).

use bytes::Bytes;

use super::hex;
use super::notes::{Noted, Notes, micros, number, text};
use crate::conn::{Announcement, Beacon};
use crate::error::Code;
use crate::frame::{Close, Health, Pong};
use crate::header::Kind;
use crate::hello::{Hello, PROOF_BYTES, key};

/// Notes the payload of a control frame; what of it the title shall say comes back.
pub(super) fn control(kind: Kind, notes: &mut Notes<'_>) -> Noted<Option<String>> {
    match kind {
        Kind::Hello => hello(notes).map(Some),
        Kind::Proof => proof(notes).map(|()| None),
        Kind::Announce => announce(notes).map(|()| None),
        Kind::Ping => notes.take(8, 0, "opaque", hex).map(|_| None),
        Kind::Pong => pong(notes).map(|()| None),
        Kind::Goaway => {
            let last = notes.number(4, "last stream", |id| match id {
                0 => "none was received".into(),
                id => format!("calls above {id} were not started"),
            })?;
            Ok(Some(format!("after stream {last}")))
        }
        Kind::Close => close(notes).map(Some),
        Kind::Beacon => beacon(notes).map(Some),
        _ => Ok(None),
    }
}

fn hello(notes: &mut Notes<'_>) -> Noted<String> {
    let payload = notes.rest();
    notes.number(1, "lowest version", |version| version.to_string())?;
    notes.number(1, "highest version", |version| version.to_string())?;
    entries(notes)?;
    match Hello::decode(payload) {
        Err((code, words)) => {
            notes.fault(format!("{code}: {words}"));
            Ok(String::new())
        }
        Ok(hello) if hello.instance.is_empty() => Ok(format!("of {}", hello.software)),
        Ok(hello) => Ok(format!("of {}", hello.instance)),
    }
}

fn announce(notes: &mut Notes<'_>) -> Noted {
    let payload = notes.rest();
    entries(notes)?;
    if let Err((code, words)) = Announcement::decode(payload) {
        notes.fault(format!("{code}: {words}"));
    }
    Ok(())
}

/// SPEC 3.2: entries of a key, a length and a value.
fn entries(notes: &mut Notes<'_>) -> Noted {
    while let [high, low, length @ ..] = notes.rest() {
        let size = length.first_chunk::<2>().map_or(0, |length| usize::from(u16::from_be_bytes(*length)));
        let (name, meaning) = entry(u16::from_be_bytes([*high, *low]));
        notes.take(4 + size, 0, &name, |entry| meaning(&entry[4..]))?;
    }
    notes.unknown("cut short");
    Ok(())
}

type Meaning = fn(&[u8]) -> String;

fn entry(of: u16) -> (String, Meaning) {
    let (name, meaning): (&str, Meaning) = match of {
        key::CLUSTER => ("CLUSTER", text),
        key::NODE => ("NODE", text),
        key::INSTANCE => ("INSTANCE", text),
        key::NONCE => ("NONCE", hex),
        key::FRAME_PAYLOAD_MAX => ("FRAME_PAYLOAD_MAX", |value| format!("{} bytes", number_of(value))),
        key::CALLS_IN_FLIGHT_MAX => {
            ("CALLS_IN_FLIGHT_MAX", |value| format!("{} calls at once", number_of(value)))
        }
        key::HEARTBEAT_INTERVAL_MS => {
            ("HEARTBEAT_INTERVAL_MS", |value| micros(1_000 * number(value.get(..4).unwrap_or_default())))
        }
        key::SCHEMA => ("SCHEMA", |value| format!("fingerprint {}", hex(value))),
        key::CHECKSUMS => ("CHECKSUMS", |value| match value {
            [1] => "wanted".into(),
            [0] => "not needed".into(),
            other => hex(other),
        }),
        key::SOFTWARE => ("SOFTWARE", |value| format!("{:?}", String::from_utf8_lossy(value))),
        key::STREAM_CREDIT => ("STREAM_CREDIT", |value| format!("{} bytes a stream", number_of(value))),
        key::CONNECTION_CREDIT => {
            ("CONNECTION_CREDIT", |value| format!("{} bytes of all streams", number_of(value)))
        }
        key::HEALTH => ("HEALTH", |value| match value {
            [number] => health(u64::from(*number)),
            other => hex(other),
        }),
        other if other & key::IGNORABLE != 0 => return (format!("entry {other:04X}, may be skipped"), hex),
        other => return (format!("entry {other:04X}"), hex),
    };
    (name.to_owned(), meaning)
}

fn number_of(value: &[u8]) -> String {
    match value.len() {
        4 => number(value).to_string(),
        _ => hex(value),
    }
}

fn health(number: u64) -> String {
    let health = u8::try_from(number).ok().and_then(Health::from_number);
    health.map_or_else(|| format!("unknown: {number}"), |health| health.name().into())
}

fn proof(notes: &mut Notes<'_>) -> Noted {
    let credential = notes.number(1, "credential", |number| match number {
        1 => "CLUSTER: it knows the cluster's secret".into(),
        2 => "OPERATOR: it knows the operator's token".into(),
        other => format!("unknown: {other}"),
    })?;
    notes.take(PROOF_BYTES - 1, 0, "HMAC-SHA-256", hex)?;
    if !matches!(credential, 1 | 2) {
        notes.fault("its credential is unknown");
    }
    Ok(())
}

fn pong(notes: &mut Notes<'_>) -> Noted {
    let payload = notes.rest();
    notes.take(8, 0, "opaque", hex)?;
    notes.number(8, "bytes_received", |bytes| format!("{bytes} bytes on this connection"))?;
    notes.number(4, "calls_in_flight", |calls| format!("{calls} on this connection"))?;
    notes.number(4, "instance_calls_in_flight", |calls| format!("{calls} in the whole process"))?;
    notes.number(4, "queue_delay_us", |us| format!("{} before handlers started, lately", micros(us)))?;
    notes.number(4, "scheduler_lag_us", |us| format!("{} late, lately", micros(us)))?;
    notes.number(1, "health", health)?;
    notes.number(2, "load_permille", |load| format!("{}.{} % of what it takes", load / 10, load % 10))?;
    if Pong::decode(payload).is_none() {
        notes.fault("it is no PONG");
    }
    Ok(())
}

/// SPEC 4.10.
fn beacon(notes: &mut Notes<'_>) -> Noted<String> {
    let payload = notes.rest();
    notes.number(1, "version", |version| version.to_string())?;
    notes.take(16, 0, "fingerprint", hex)?;
    let length = notes.number(4, "length", |length| format!("a schema of {length} bytes"))?;
    let offset = notes.number(4, "offset", |offset| format!("the piece begins after {offset} bytes"))?;
    let end = offset + notes.rest().len() as u64;
    notes.unknown("piece");
    if Beacon::decode(Bytes::copy_from_slice(payload)).is_none() {
        notes.fault("it is no BEACON");
    }
    Ok(format!("schema, bytes {offset} to {end} of {length}"))
}

fn close(notes: &mut Notes<'_>) -> Noted<String> {
    let payload = notes.rest();
    let number = notes.number(2, "code", code)?;
    let words = words(notes)?;
    if Close::decode(payload).is_none() {
        notes.fault("it is no CLOSE");
    }
    Ok(match number {
        0 => "a plain end".into(),
        number => format!("{}: {words}", code(number)),
    })
}

/// A code of the registry by name.
pub(super) fn code(number: u64) -> String {
    match u16::try_from(number).ok().and_then(Code::from_number) {
        _ if number == 0 => "0, nothing is wrong".into(),
        Some(code) => code.name().into(),
        None => format!("unknown: {number}"),
    }
}

/// SPEC 1.5: text, with its length before it.
pub(super) fn words(notes: &mut Notes<'_>) -> Noted<String> {
    let size = notes.rest().first_chunk::<2>().map_or(0, |length| usize::from(u16::from_be_bytes(*length)));
    let taken = notes.take(2 + size, 0, "message", |taken| text(&taken[2..]))?;
    Ok(String::from_utf8_lossy(&taken[2..]).into_owned())
}
