//! What is encoded comes back, and whatever comes is decoded or refused.

use bytes::{Bytes, BytesMut};
use micronet_wire::conn::{Announcement, Beacon};
use micronet_wire::frame::{Close, Frame, Goaway, Health, Pong, put_error, take_error};
use micronet_wire::header::{Header, Kind, flags};
use micronet_wire::hello::Hello;
use micronet_wire::limits::FRAME_PAYLOAD_BYTES_MAX;
use micronet_wire::request::RequestHead;
use proptest::prelude::*;

use crate::strategies::{announcements, beacons, encoded, errors, frames, heads, hellos, kinds, ledgers};

proptest! {
    #[test]
    fn headers_come_back(kind in kinds(), length in 0..=FRAME_PAYLOAD_BYTES_MAX, stream: u32, method: u32, sum: u32) {
        let call = !kind.is_control();
        let has_end = call && kind != Kind::Credit;
        let header = Header {
            length, kind, flags: flags::CHECKSUM | if has_end { flags::END } else { 0 }, encoding: 0,
            stream: if call { stream.max(1) } else { 0 }, method: if call { method.max(1) } else { 0 },
            payload_checksum: sum,
        };
        prop_assert_eq!(Header::decode(&header.encode(), FRAME_PAYLOAD_BYTES_MAX), Ok(header));
    }

    /// One changed bit of a header is always found, and one of a payload as well.
    #[test]
    fn a_changed_bit_is_found(bytes in frames(), at: prop::sample::Index, bit in 0_u8..8) {
        let mut changed = BytesMut::from(&bytes[..]);
        changed[at.index(bytes.len())] ^= 1_u8 << bit;
        prop_assert!(Frame::take(&mut changed, FRAME_PAYLOAD_BYTES_MAX).is_err());
    }

    #[test]
    fn frames_come_back_from_any_pieces(all in prop::collection::vec(frames(), 1..6), piece in 1_usize..50) {
        let bytes = all.concat();
        let (mut input, mut found) = (BytesMut::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            input.extend_from_slice(piece);
            while let Some(frame) = Frame::take(&mut input, FRAME_PAYLOAD_BYTES_MAX).unwrap() {
                found.extend([&frame.header.encode()[..], &frame.payload].concat());
            }
        }
        prop_assert_eq!(found, bytes);
        prop_assert!(input.is_empty());
    }

    #[test]
    fn hellos_come_back(hello in hellos()) {
        prop_assert_eq!(Hello::decode(&encoded(|out| hello.encode(out))), Ok(hello));
    }

    #[test]
    fn request_heads_come_back(head in heads(), message: Vec<u8>) {
        let mut payload = BytesMut::new();
        head.encode(&mut payload).unwrap();
        payload.extend_from_slice(&message);
        prop_assert_eq!(RequestHead::decode(payload.freeze()), Ok((head, Bytes::from(message))));
    }

    #[test]
    fn errors_come_back(error in errors(), ledger in ledgers()) {
        let payload = encoded(|out| put_error(out, &error, &ledger));
        prop_assert_eq!(take_error(payload.into()), Some((error, ledger)));
    }

    #[test]
    fn announcements_come_back(said in announcements()) {
        prop_assert_eq!(Announcement::decode(&encoded(|out| said.encode(out))), Ok(said));
    }

    #[test]
    fn beacons_come_back(said in beacons()) {
        prop_assert_eq!(Beacon::decode(encoded(|out| said.encode(out)).into()), Some(said));
    }

    #[test]
    fn control_payloads_come_back(opaque: u64, words in ".{0,250}", code: u16, last_stream: u32, draining: bool) {
        let health = if draining { Health::Draining } else { Health::Serving };
        let pong = Pong { opaque, health, load_permille: code, ..Pong::default() };
        prop_assert_eq!(Pong::decode(&encoded(|out| pong.encode(out))), Some(pong));
        let close = Close { code, message: words };
        prop_assert_eq!(Close::decode(&encoded(|out| close.encode(out))), Some(close));
        let goaway = Goaway { last_stream };
        prop_assert_eq!(Goaway::decode(&encoded(|out| goaway.encode(out))), Some(goaway));
    }

    /// Nothing that is read from a peer panics, whatever it is.
    #[test]
    fn any_bytes_are_decoded_or_refused(bytes: Vec<u8>) {
        let _ = (Announcement::decode(&bytes), Beacon::decode(bytes.clone().into()));
        let _ = (Hello::decode(&bytes), Pong::decode(&bytes), Goaway::decode(&bytes), Close::decode(&bytes));
        let _ = (RequestHead::decode(bytes.clone().into()), take_error(bytes.into()));
    }
}
