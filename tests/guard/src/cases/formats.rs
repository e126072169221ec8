//! Frames, the head of a request, payloads, and JSON both ways.

use std::convert::Infallible;
use std::hint::black_box;

use bytes::{BufMut, BytesMut};
use micronet_wire::encoding;
use micronet_wire::frame::{Frame, Label, put_frame};
use micronet_wire::header::{Kind, flags};
use micronet_wire::limits::FRAME_PAYLOAD_BYTES_HARD_MAX;
use micronet_wire::metadata::Metadata;
use micronet_wire::principal::Principal;
use micronet_wire::request::{RequestHead, TraceContext};
use micronet_wire::schema::ServiceSchema;
use micronet_wire::transcode::{to_binary, to_json};

use super::shop::{ASK_JSON, Ask, Item, ask, item, payload, schema};
use crate::meter::Meter;

pub(crate) fn all(meter: &mut Meter) {
    frames(meter, 64, "64 B");
    frames(meter, 16 << 10, "16 KiB");
    head(meter);
    payloads(meter);
    transcoding(meter);
}

fn frames(meter: &mut Meter, bytes: usize, size: &str) {
    let label = Label { kind: Kind::Reply, flags: flags::END, encoding: 1, stream: 3, method: 7 };
    let body = payload(bytes);
    let put = |out: &mut BytesMut| {
        let written = put_frame::<Infallible>(out, label, true, |out| {
            out.put_slice(&body);
            Ok(())
        });
        written.expect("nothing fails");
    };
    let mut out = BytesMut::with_capacity(bytes + 64);
    meter.case(&format!("frame: put, {size}"), || {
        out.clear();
        put(black_box(&mut out));
    });
    let mut one = BytesMut::new();
    put(&mut one);
    let mut input = BytesMut::with_capacity(bytes + 64);
    meter.case(&format!("frame: take, {size}"), || {
        input.reserve(one.len());
        input.extend_from_slice(&one);
        let frame = Frame::take(black_box(&mut input), FRAME_PAYLOAD_BYTES_HARD_MAX);
        drop(black_box(frame.expect("it is whole").expect("it is there")));
    });
}

fn head(meter: &mut Meter) {
    let mut metadata = Metadata::default();
    metadata.set("client-address", "192.0.2.7").expect("it is allowed");
    let plain = RequestHead {
        deadline_us: 5_000_000,
        trace: TraceContext { trace_id: [7; 16], span_id: [8; 8], flags: 1 },
        request_id: "req-0123456789abcdef".into(),
        ..RequestHead::default()
    };
    let full = RequestHead {
        token: Some("0a1b2c3d-0000abcd".into()),
        principal: Some(Principal::User {
            subject: "usr_7".into(),
            organization: "acme".into(),
            session: "ses_9".into(),
            permissions: vec!["orders:read".into(), "orders:write".into()],
        }),
        metadata,
        ..plain.clone()
    };
    for (name, head) in [("head of a call", plain), ("head of a user's call", full)] {
        let mut out = BytesMut::with_capacity(512);
        meter.case(&format!("{name}: put"), || {
            out.clear();
            black_box(&head).encode(&mut out).expect("it keeps its limits");
        });
        let mut bytes = BytesMut::new();
        head.encode(&mut bytes).expect("it keeps its limits");
        let bytes = bytes.freeze();
        meter.case(&format!("{name}: take"), || {
            drop(black_box(RequestHead::decode(black_box(bytes.clone()))));
        });
    }
}

fn payloads(meter: &mut Meter) {
    let item = item();
    let mut out = Vec::with_capacity(256);
    meter.case("payload: encode", || {
        out.clear();
        encoding::encode_into(black_box(&item), &mut out).expect("it is short");
    });
    let bytes = encoding::encode(&item).expect("it is short");
    meter.case("payload: decode", || {
        drop(black_box(encoding::decode::<Item>(black_box(&bytes)).expect("an item")));
    });
}

fn transcoding(meter: &mut Meter) {
    let encoded = schema();
    let schema: &ServiceSchema = encoded.schema();
    let method = schema.methods.iter().find(|method| method.name == "make").expect("a method");
    let mut out = BytesMut::with_capacity(512);
    let shuffled = br#"{"gift":true, "price":19.99, "quantity":3, "note":null, "name":"Humpback Whale"}"#;
    for (name, json) in [("JSON to binary", ASK_JSON), ("JSON to binary, fields out of order", shuffled)] {
        let mut pack = || {
            out.clear();
            to_binary(schema, method.request, black_box(json), &[], &mut out).expect("it is an Ask");
        };
        pack();
        meter.case(name, pack);
        assert_eq!(encoding::decode::<Ask>(&out).expect("an Ask"), ask());
    }
    let reply = encoding::encode(&item()).expect("it is short");
    meter.case("binary to JSON", || {
        out.clear();
        to_json(schema, method.reply, black_box(&reply), &mut out).expect("it is an Item");
    });
}
