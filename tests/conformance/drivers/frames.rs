//! Frames as scripts write them and compare them: every byte, but for what no two runs have alike (nonces, times) and the words that
//! an implementation is free to choose.

use bytes::{Buf, BytesMut};
use micronet_tests::spec::hex;
use micronet_wire::encoding::ENCODING_ID;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::frame::{Close, Frame, Goaway, Label, put_error, put_frame};
use micronet_wire::header::{Kind, PREFACE, flags};
use micronet_wire::hello::Hello;
use micronet_wire::ledger::Ledger;
use micronet_wire::limits::FRAME_PAYLOAD_BYTES_HARD_MAX;
use micronet_wire::request::RequestHead;

/// The bytes of one frame.
pub(super) fn frame(label: Label, payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    let put: Result<(), std::convert::Infallible> = put_frame(&mut out, label, true, |out| {
        out.extend_from_slice(payload);
        Ok(())
    });
    let Ok(()) = put;
    out.to_vec()
}

fn of_call(kind: Kind, stream: u32, method: u32) -> Label {
    let encoding = if kind == Kind::Cancel { 0 } else { ENCODING_ID };
    Label { kind, flags: flags::END, encoding, stream, method }
}

fn written(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut payload = BytesMut::new();
    write(&mut payload);
    payload.to_vec()
}

/// The preface and a HELLO of this cluster and these versions.
pub(super) fn greeting(cluster: &str, versions: (u8, u8)) -> Vec<u8> {
    let hello = Hello { cluster: cluster.into(), versions, nonce: [9; 16], ..Hello::default() };
    [&PREFACE[..], &frame(Label::control(Kind::Hello), &written(|out| hello.encode(out)))].concat()
}

pub(super) fn request(stream: u32, method: u32, body: &[u8]) -> Vec<u8> {
    call(Kind::Request, stream, method, body)
}

pub(super) fn notice(stream: u32, method: u32, body: &[u8]) -> Vec<u8> {
    call(Kind::Notice, stream, method, body)
}

fn call(kind: Kind, stream: u32, method: u32, body: &[u8]) -> Vec<u8> {
    called(of_call(kind, stream, method), body)
}

/// A request with these flags: of which the length follows, or whose messages do.
pub(super) fn opening(stream: u32, method: u32, flags: u8, body: &[u8]) -> Vec<u8> {
    called(Label { flags, ..of_call(Kind::Request, stream, method) }, body)
}

/// A message, a piece of one, or what else these flags make of it.
pub(super) fn data(stream: u32, method: u32, flags: u8, piece: &[u8]) -> Vec<u8> {
    frame(Label { flags, ..of_call(Kind::Data, stream, method) }, piece)
}

pub(super) fn credit(stream: u32, method: u32, bytes: u32) -> Vec<u8> {
    let label = Label { kind: Kind::Credit, flags: 0, encoding: 0, stream, method };
    frame(label, &bytes.to_be_bytes())
}

fn called(label: Label, body: &[u8]) -> Vec<u8> {
    let head = RequestHead { deadline_us: 10_000_000, ..RequestHead::default() };
    let payload = written(|out| {
        head.encode(out).expect("a plain head");
        out.extend_from_slice(body);
    });
    frame(label, &payload)
}

pub(super) fn cancel(stream: u32, method: u32) -> Vec<u8> {
    frame(of_call(Kind::Cancel, stream, method), &[])
}

pub(super) fn reply(stream: u32, method: u32, body: &[u8]) -> Vec<u8> {
    replying(stream, method, flags::END, body)
}

/// The REPLY with the last piece of a long one.
pub(super) fn last_piece(stream: u32, method: u32, piece: &[u8]) -> Vec<u8> {
    replying(stream, method, flags::END | flags::CONTINUED, piece)
}

fn replying(stream: u32, method: u32, flags: u8, body: &[u8]) -> Vec<u8> {
    let payload = written(|out| {
        out.extend_from_slice(&Ledger::default().encode());
        out.extend_from_slice(body);
    });
    frame(Label { flags, ..of_call(Kind::Reply, stream, method) }, &payload)
}

pub(super) fn error(stream: u32, method: u32, code: Code) -> Vec<u8> {
    let error = RpcError::new(code, "words");
    frame(of_call(Kind::Error, stream, method), &written(|out| put_error(out, &error, &Ledger::default())))
}

pub(super) fn ping(opaque: u64) -> Vec<u8> {
    frame(Label::control(Kind::Ping), &opaque.to_be_bytes())
}

pub(super) fn pong(opaque: u64) -> Vec<u8> {
    let pong = micronet_wire::frame::Pong { opaque, ..Default::default() };
    frame(Label::control(Kind::Pong), &written(|out| pong.encode(out)))
}

pub(super) fn goaway(last_stream: u32) -> Vec<u8> {
    frame(Label::control(Kind::Goaway), &written(|out| Goaway { last_stream }.encode(out)))
}

/// A CLOSE; `None` is a plain end.
pub(super) fn close(code: Option<Code>) -> Vec<u8> {
    let close = Close { code: code.map_or(0, |code| code as u16), message: String::new() };
    frame(Label::control(Kind::Close), &written(|out| close.encode(out)))
}

/// A frame as it is compared. Its checksums have been verified by now.
pub(super) fn comparable(frame: &Frame) -> String {
    let header = frame.header;
    let mut payload = frame.payload.to_vec();
    let mut hide = |from: usize, to: usize| {
        let to = to.min(payload.len());
        payload[from.min(to)..to].fill(0);
    };
    match header.kind {
        Kind::Reply => hide(0, Ledger::BYTES),
        // The time that is left, behind the head's length.
        Kind::Request | Kind::Notice => hide(2, 6),
        Kind::Ping => hide(0, 8),
        // Only which PING it answers, and whether its sender takes calls.
        Kind::Pong => {
            hide(8, 32);
            hide(33, 35);
        }
        Kind::Close => payload.truncate(2),
        Kind::Error => {
            hide(0, Ledger::BYTES);
            let words =
                payload.get(Ledger::BYTES + 8..Ledger::BYTES + 10).map_or(0, |mut length| length.get_u16());
            let from = (Ledger::BYTES + 8).min(payload.len());
            payload.drain(from..(from + 2 + usize::from(words)).min(payload.len()));
        }
        Kind::Hello => {
            if let Ok(hello) = Hello::decode(&payload) {
                // What strangers get of a real server is its own affair.
                let alike = Hello {
                    nonce: [0; 16],
                    schema: None,
                    software: String::new(),
                    connection_credit: 0,
                    ..hello
                };
                payload = written(|out| alike.encode(out));
            }
        }
        _ => {}
    }
    format!(
        "{} flags={} encoding={} stream={} method={} {}",
        header.kind.name(),
        header.flags,
        header.encoding,
        header.stream,
        header.method,
        hex(&payload)
    )
}

/// Takes what stands at the front: `PREFACE`, or a frame in its comparable form. `None` while it isn't there whole.
pub(super) fn take(input: &mut BytesMut) -> Result<Option<String>, String> {
    if input.len() >= PREFACE.len() && input.starts_with(&PREFACE) {
        input.advance(PREFACE.len());
        return Ok(Some("PREFACE".into()));
    }
    if input.first() == Some(&PREFACE[0]) {
        return Ok(None);
    }
    let frame = Frame::take(input, FRAME_PAYLOAD_BYTES_HARD_MAX).map_err(|error| error.to_string())?;
    Ok(frame.as_ref().map(comparable))
}

/// All that stands in bytes, in its comparable form.
pub(super) fn all_in(bytes: &[u8]) -> Vec<String> {
    let mut input = BytesMut::from(bytes);
    let mut found = Vec::new();
    while let Some(part) = take(&mut input).expect("well-formed frames") {
        found.push(part);
    }
    assert!(input.is_empty(), "a frame is cut short");
    found
}
