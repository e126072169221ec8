//! Captures, read again byte by byte.

use std::collections::BTreeMap;

use bytes::BytesMut;
use micronet_wire::conn::Beacon;
use micronet_wire::frame::{Frame, Label, put_frame};
use micronet_wire::header::{Kind, PREFACE};
use micronet_wire::network::{TappedConnection, TappedFrame};
use micronet_wire::schema::{Blob, Fingerprint, Timestamp};

use super::pcap::Capture;

const SCHEMA: [u8; 9_000] = [5; 9_000];
const DIALLER: u16 = 40_000;
const ACCEPTOR: u16 = 8_002;

fn connection(id: u64, v6: bool, schema: &[u8]) -> TappedConnection {
    let host = if v6 { "[::1]" } else { "127.0.0.1" };
    TappedConnection {
        id,
        dialler: format!("{host}:{DIALLER}"),
        acceptor: format!("{host}:{ACCEPTOR}"),
        dialled: false,
        peer: "order-1".into(),
        tls: true,
        fingerprint: Blob(Fingerprint::of(&SCHEMA).0.to_vec()),
        schema: Blob(schema.to_vec()),
    }
}

fn frame(connection: u64, by_dialler: bool, kind: Kind, length: usize) -> TappedFrame {
    let mut bytes = BytesMut::new();
    let of_call = u32::from(!kind.is_control());
    let label = Label {
        stream: of_call,
        method: of_call,
        flags: 1 - u8::from(kind.is_control()),
        ..Label::control(kind)
    };
    put_frame(&mut bytes, label, true, |out| {
        out.resize(out.len() + length, 7);
        Ok::<(), ()>(())
    })
    .unwrap();
    let at = Timestamp(1_700_000_000_123_456);
    TappedFrame { connection, at, by_dialler, frame: Blob(bytes.to_vec()) }
}

/// A packet as it was read: whose, its flags, sequence number, acknowledgement and payload.
struct Packet {
    port: u16,
    flags: u8,
    sequence: u32,
    acknowledged: u32,
    payload: Vec<u8>,
}

/// RFC 1071: over correct bytes, checksum included, the sum of all words is FFFF.
fn is_intact(words: &[u8]) -> bool {
    let sum = words.chunks(2).fold(0_u32, |sum, pair| {
        let sum = sum + (u32::from(pair[0]) << 8) + u32::from(pair.get(1).copied().unwrap_or(0));
        (sum & 0xFFFF) + (sum >> 16)
    });
    sum == 0xFFFF
}

fn packets(mut file: &[u8]) -> Vec<Packet> {
    assert_eq!(file[..4], [0xD4, 0xC3, 0xB2, 0xA1]);
    assert_eq!(file[20..24], [1, 0, 0, 0]);
    file = &file[24..];
    let mut all = Vec::new();
    while !file.is_empty() {
        assert_eq!(u32::from_le_bytes(file[..4].try_into().unwrap()), 1_700_000_000);
        assert_eq!(u32::from_le_bytes(file[4..8].try_into().unwrap()), 123_456);
        let length = u32::from_le_bytes(file[8..12].try_into().unwrap()) as usize;
        assert_eq!(file[8..12], file[12..16]);
        let (packet, rest) = file[16..].split_at(length);
        file = rest;
        let (ip, addresses) = match packet[12..14] {
            [8, 0] => {
                assert!(is_intact(&packet[14..34]));
                assert_eq!(usize::from(u16::from_be_bytes([packet[16], packet[17]])), length - 14);
                (34, &packet[26..34])
            }
            _ => (54, &packet[22..54]),
        };
        let segment = &packet[ip..];
        let whole =
            [addresses, &[0, 6], &u16::try_from(segment.len()).unwrap().to_be_bytes(), segment].concat();
        assert!(is_intact(&whole), "the checksum of TCP");
        let word = |at: usize| u32::from_be_bytes(segment[at..at + 4].try_into().unwrap());
        all.push(Packet {
            port: u16::from_be_bytes([segment[0], segment[1]]),
            flags: segment[13],
            sequence: word(4),
            acknowledged: word(8),
            payload: segment[usize::from(segment[12] >> 4) * 4..].to_vec(),
        });
    }
    all
}

/// What each side has said, in the order of its sequence numbers, which have no holes; acknowledgements are of what was said.
fn streams(packets: &[Packet]) -> BTreeMap<u16, Vec<u8>> {
    let mut said: BTreeMap<u16, Vec<u8>> = BTreeMap::from([(DIALLER, vec![]), (ACCEPTOR, vec![])]);
    for packet in packets {
        let own = said.get_mut(&packet.port).unwrap();
        let is_syn = packet.flags & 2 != 0;
        assert_eq!(packet.sequence as usize, if is_syn { 0 } else { own.len() + 1 });
        own.extend_from_slice(&packet.payload);
        if packet.flags & 0x10 != 0 {
            let other = &said[&(DIALLER + ACCEPTOR - packet.port)];
            assert_eq!(packet.acknowledged as usize, other.len() + 1);
        }
    }
    said
}

fn kinds(said: &[u8]) -> Vec<Kind> {
    let mut bytes = BytesMut::from(said.strip_prefix(&PREFACE).unwrap_or(said));
    std::iter::from_fn(|| Frame::take(&mut bytes, u32::MAX).unwrap()).map(|frame| frame.header.kind).collect()
}

fn captured(write: impl FnOnce(&mut Capture<&mut Vec<u8>>)) -> Vec<u8> {
    let mut file = Vec::new();
    let mut capture = Capture::begin(&mut file).unwrap();
    write(&mut capture);
    capture.flush().unwrap();
    file
}

#[test]
fn from_the_middle_of_a_connection_the_schema_comes_first() {
    for v6 in [false, true] {
        let file = captured(|capture| {
            capture.connection("product-1", &connection(1, v6, &SCHEMA));
            capture.frame("product-1", &frame(1, true, Kind::Request, 10)).unwrap();
            capture.frame("product-1", &frame(1, false, Kind::Reply, 200_000)).unwrap();
            // Nothing is known of this one.
            capture.frame("product-1", &frame(2, false, Kind::Reply, 10)).unwrap();
        });
        let packets = packets(&file);
        assert!(packets.iter().all(|packet| packet.flags & 2 == 0));
        let said = streams(&packets);
        assert_eq!(kinds(&said[&DIALLER]), [Kind::Request]);
        assert_eq!(kinds(&said[&ACCEPTOR]), [Kind::Beacon, Kind::Beacon, Kind::Beacon, Kind::Reply]);
        let mut bytes = BytesMut::from(&said[&ACCEPTOR][..]);
        let mut schema = Vec::new();
        for _ in 0..3 {
            let frame = Frame::take(&mut bytes, u32::MAX).unwrap().unwrap();
            schema.extend_from_slice(&Beacon::decode(frame.payload).unwrap().piece);
        }
        assert_eq!(schema, SCHEMA);
    }
}

#[test]
fn from_its_start_a_connection_is_whole() {
    let file = captured(|capture| {
        capture.connection("product-1", &connection(1, false, &[]));
        capture.frame("product-1", &frame(1, true, Kind::Hello, 60)).unwrap();
        capture.frame("product-1", &frame(1, false, Kind::Hello, 60)).unwrap();
        capture.frame("product-1", &frame(1, true, Kind::Request, 10)).unwrap();
        // The schema is known only now.
        capture.connection("product-1", &connection(1, false, &SCHEMA));
        capture.frame("product-1", &frame(1, false, Kind::Reply, 10)).unwrap();
    });
    let packets = packets(&file);
    let shaken: Vec<_> = packets[..3].iter().map(|packet| (packet.port, packet.flags)).collect();
    assert_eq!(shaken, [(DIALLER, 2), (ACCEPTOR, 0x12), (DIALLER, 0x10)]);
    let said = streams(&packets);
    assert!(said.values().all(|said| said.starts_with(&PREFACE)));
    assert_eq!(kinds(&said[&DIALLER]), [Kind::Hello, Kind::Request]);
    let beacons = [Kind::Beacon; 3];
    assert_eq!(kinds(&said[&ACCEPTOR]), [&[Kind::Hello][..], &beacons, &[Kind::Reply]].concat());
}

#[test]
fn connections_of_two_processes_are_told_apart() {
    let file = captured(|capture| {
        for name in ["product-1", "product-2"] {
            capture.connection(name, &connection(1, false, &SCHEMA));
            capture.frame(name, &frame(1, true, Kind::Request, 10)).unwrap();
        }
    });
    // Each begins with its own numbers.
    let requests: Vec<_> = packets(&file)
        .into_iter()
        .filter(|packet| packet.port == DIALLER && !packet.payload.is_empty())
        .collect();
    assert_eq!(requests.iter().map(|packet| packet.sequence).collect::<Vec<_>>(), [1, 1]);
}
