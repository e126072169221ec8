//! Frames and their parts, as proptest makes them: each right in itself.

use bytes::{Bytes, BytesMut};
use micronet_wire::conn::{Announcement, Beacon};
use micronet_wire::error::{Code, Retry, RpcError};
use micronet_wire::frame::{Close, Goaway, Health, Label, Pong, put_error, put_frame};
use micronet_wire::header::{Kind, flags};
use micronet_wire::hello::Hello;
use micronet_wire::ledger::Ledger;
use micronet_wire::limits::{
    CONNECTION_CREDIT_BYTES_MIN, CREDIT_BYTES_MAX, DEADLINE_US_MAX, FRAME_PAYLOAD_BYTES_HARD_MAX,
    FRAME_PAYLOAD_BYTES_MIN, STREAM_CREDIT_BYTES_MIN,
};
use micronet_wire::metadata::Metadata;
use micronet_wire::principal::Principal;
use micronet_wire::request::{RequestHead, TraceContext};
use micronet_wire::schema::Fingerprint;
use proptest::option;
use proptest::prelude::*;

/// The methods that streams here have.
pub(crate) const METHODS: [u32; 2] = [0xA45F_A70A, 7];

pub(crate) fn kinds() -> impl Strategy<Value = Kind> {
    proptest::sample::select(Kind::ALL)
}

pub(crate) fn ledgers() -> impl Strategy<Value = Ledger> {
    any::<[u32; 4]>().prop_map(|[receive_queue_us, handler_us, credit_wait_us, write_queue_us]| Ledger {
        receive_queue_us,
        handler_us,
        credit_wait_us,
        write_queue_us,
    })
}

fn principals() -> impl Strategy<Value = Principal> {
    let name = || "[!-~]{1,64}";
    prop_oneof![
        Just(Principal::Anonymous),
        Just(Principal::Operator),
        name().prop_map(|name| Principal::Service { name: name.into() }),
        (name(), "[!-~]{0,64}", "[!-~]{0,64}", proptest::collection::vec(name(), 0..=64)).prop_map(
            |(subject, organization, session, permissions)| {
                Principal::User { subject, organization, session, permissions }
            }
        ),
    ]
}

/// Pieces of schemas.
pub(crate) fn beacons() -> impl Strategy<Value = Beacon> {
    let piece = proptest::collection::vec(any::<u8>(), 1..100);
    (1_u8.., any::<[u8; 16]>(), 0_u32..1000, piece, 0_u32..1000).prop_map(
        |(version, fingerprint, offset, piece, rest)| Beacon {
            version,
            fingerprint: Fingerprint(fingerprint),
            length: offset + u32::try_from(piece.len()).unwrap() + rest,
            offset,
            piece: piece.into(),
        },
    )
}

pub(crate) fn announcements() -> impl Strategy<Value = Announcement> {
    let health = proptest::sample::select(vec![Health::Serving, Health::Draining]);
    (option::of(1..=u32::MAX), option::of(50_u32..=60_000), option::of(health)).prop_map(
        |(calls_in_flight_max, heartbeat_interval_ms, health)| Announcement {
            calls_in_flight_max,
            heartbeat_interval_ms,
            health,
        },
    )
}

fn metadata() -> impl Strategy<Value = Metadata> {
    proptest::collection::vec(("[a-z0-9._-]{1,64}", "\\PC{0,16}"), 0..=16).prop_map(|pairs| {
        let mut metadata = Metadata::default();
        for (key, value) in pairs {
            // One that would be too much is left out.
            let _ = metadata.set(key, value);
        }
        metadata
    })
}

pub(crate) fn heads() -> impl Strategy<Value = RequestHead> {
    let trace = (any::<[u8; 16]>(), any::<[u8; 8]>(), any::<u8>()).prop_map(|(trace_id, span_id, flags)| {
        let trace = TraceContext { trace_id, span_id, flags };
        if trace.is_some() { trace } else { TraceContext::default() }
    });
    (
        1..=DEADLINE_US_MAX,
        trace,
        "[!-~]{0,64}",
        option::of("[!-~]{1,64}"),
        option::of(principals()),
        metadata(),
    )
        .prop_map(|(deadline_us, trace, request_id, token, principal, metadata)| RequestHead {
            deadline_us,
            trace,
            request_id: request_id.into(),
            token,
            principal,
            bulk: false,
            metadata,
        })
}

pub(crate) fn hellos() -> impl Strategy<Value = Hello> {
    let name = || "[A-Za-z0-9._-]{0,64}";
    let names = (name(), name(), name());
    let credit = (STREAM_CREDIT_BYTES_MIN..=CREDIT_BYTES_MAX, CONNECTION_CREDIT_BYTES_MIN..=CREDIT_BYTES_MAX);
    let limits =
        (FRAME_PAYLOAD_BYTES_MIN..=FRAME_PAYLOAD_BYTES_HARD_MAX, 1..=u32::MAX, 50_u32..=60_000, credit);
    let rest =
        (any::<(u8, u8)>(), any::<[u8; 16]>(), option::of(any::<[u8; 16]>()), any::<bool>(), ".{0,200}");
    (names, limits, rest).prop_map(|(names, limits, (versions, nonce, schema, checksums, software))| Hello {
        versions,
        cluster: names.0,
        node: names.1,
        instance: names.2,
        nonce,
        frame_payload_max: limits.0,
        calls_in_flight_max: limits.1,
        heartbeat_interval_ms: limits.2,
        schema: schema.map(Fingerprint),
        checksums,
        stream_credit: limits.3.0.min(limits.3.1),
        connection_credit: limits.3.1,
        software,
    })
}

pub(crate) fn errors() -> impl Strategy<Value = RpcError> {
    let detail = proptest::collection::vec(any::<u8>(), 0..300);
    (
        proptest::sample::select(Code::ALL),
        ".{0,250}",
        detail,
        proptest::sample::select(&[Retry::Never, Retry::NeverStarted, Retry::MaybeExecuted][..]),
        any::<u32>(),
    )
        .prop_map(|(code, message, detail, retry, retry_after_ms)| RpcError {
            code,
            message,
            detail: Bytes::from(detail),
            retry,
            retry_after_ms,
        })
}

/// The payload of a frame of this kind that is right in itself.
pub(crate) fn payloads(kind: Kind) -> BoxedStrategy<Vec<u8>> {
    let ledger_and = |more: Vec<u8>, ledger: Ledger| [&ledger.encode(), &more[..]].concat();
    match kind {
        Kind::Hello => hellos().prop_map(|hello| encoded(|out| hello.encode(out))).boxed(),
        Kind::Proof => any::<[u8; 32]>().prop_map(|mac| [&[1][..], &mac].concat()).boxed(),
        // Few values, so that answers often have a question.
        Kind::Ping => (0_u64..4).prop_map(|opaque| (opaque * 1_000_000).to_be_bytes().to_vec()).boxed(),
        Kind::Pong => (0_u64..4, any::<u64>())
            .prop_map(|(opaque, bytes_received)| {
                let pong = Pong { opaque: opaque * 1_000_000, bytes_received, ..Pong::default() };
                encoded(|out| pong.encode(out))
            })
            .boxed(),
        Kind::Goaway => {
            (0_u32..8).prop_map(|last_stream| encoded(|out| Goaway { last_stream }.encode(out))).boxed()
        }
        Kind::Close => (any::<u16>(), ".{0,20}")
            .prop_map(|(code, message)| encoded(|out| Close { code, message }.encode(out)))
            .boxed(),
        Kind::Request | Kind::Notice => (heads(), any::<Vec<u8>>())
            .prop_map(|(head, message)| {
                let mut out = BytesMut::new();
                head.encode(&mut out).unwrap();
                [out.to_vec(), message].concat()
            })
            .boxed(),
        Kind::Reply => {
            (ledgers(), any::<Vec<u8>>()).prop_map(move |(ledger, reply)| ledger_and(reply, ledger)).boxed()
        }
        Kind::Error => (errors(), ledgers())
            .prop_map(|(error, ledger)| encoded(|out| put_error(out, &error, &ledger)))
            .boxed(),
        Kind::Cancel => Just(Vec::new()).boxed(),
        Kind::Credit => prop_oneof![5 => 0_u32..100_000, 1 => any::<u32>()]
            .prop_map(|bytes| bytes.to_be_bytes().to_vec())
            .boxed(),
        // As the first piece of a message that is a little longer, or as another piece.
        Kind::Data => (0_u32..100_000, 0_usize..300)
            .prop_map(|(total, rest)| [&total.to_be_bytes()[..], &vec![7; rest]].concat())
            .boxed(),
        Kind::Announce => announcements().prop_map(|said| encoded(|out| said.encode(out))).boxed(),
        Kind::Beacon => beacons().prop_map(|said| encoded(|out| said.encode(out))).boxed(),
    }
}

pub(crate) fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out);
    out
}

/// Frames that are right in themselves, but may come at a wrong time, on a wrong stream, or from the wrong side.
pub(crate) fn frames() -> impl Strategy<Value = Vec<u8>> {
    // What a connection can go on after is more frequent than what ends it.
    let kind = prop_oneof![
        6 => Just(Kind::Request),
        6 => Just(Kind::Reply),
        4 => Just(Kind::Error),
        3 => Just(Kind::Cancel),
        3 => Just(Kind::Notice),
        3 => Just(Kind::Ping),
        2 => Just(Kind::Pong),
        2 => Just(Kind::Announce),
        1 => Just(Kind::Beacon),
        1 => Just(Kind::Goaway),
        4 => Just(Kind::Data),
        3 => Just(Kind::Credit),
        1 => kinds(),
    ];
    let method = prop_oneof![9 => Just(METHODS[0]), 1 => Just(METHODS[1])];
    (kind, 1_u32..8, method).prop_flat_map(|(kind, stream, method)| {
        (payloads(kind), bits(kind))
            .prop_map(move |(payload, bits)| frame_with(kind, bits, stream, method, &payload))
    })
}

/// The flags of a frame of this kind, besides that of its checksum.
pub(crate) fn bits(kind: Kind) -> BoxedStrategy<u8> {
    const IN_PIECES: [u8; 6] = [
        0,
        flags::END,
        flags::MORE,
        flags::CONTINUED,
        flags::CONTINUED | flags::MORE,
        flags::CONTINUED | flags::END,
    ];
    match kind {
        Kind::Data => proptest::sample::select(&IN_PIECES[..]).boxed(),
        Kind::Request => prop_oneof![6 => Just(flags::END), 2 => Just(0), 2 => Just(flags::MORE)].boxed(),
        Kind::Reply => prop_oneof![4 => Just(flags::END), 1 => Just(flags::END | flags::CONTINUED)].boxed(),
        _ => Just(flags::END).boxed(),
    }
}

pub(crate) fn frame(kind: Kind, stream: u32, method: u32, payload: &[u8]) -> Vec<u8> {
    frame_with(kind, flags::END, stream, method, payload)
}

/// The same, with these flags where the kind has a choice.
pub(crate) fn frame_with(kind: Kind, bits: u8, stream: u32, method: u32, payload: &[u8]) -> Vec<u8> {
    let label = match kind {
        kind if kind.is_control() => Label::control(kind),
        Kind::Credit => Label { kind, flags: 0, encoding: 0, stream, method },
        Kind::Cancel => Label { kind, flags: flags::END, encoding: 0, stream, method },
        _ => Label { kind, flags: bits, encoding: 1, stream, method },
    };
    let mut out = BytesMut::new();
    put_frame(&mut out, label, true, |out| {
        out.extend_from_slice(payload);
        Ok::<(), ()>(())
    })
    .unwrap();
    out.to_vec()
}
