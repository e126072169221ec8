use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::{Conversation, Explained, Schemas, Side, frame, lines};
use crate::builtin::{BuiltinMethods, OwnSchema};
use crate::checksum::crc32c;
use crate::conn::{Beacon, Config, Connection, Role};
use crate::encoding;
use crate::error::RpcError;
use crate::frame::{Label, put_frame};
use crate::header::{Header, Kind, flags};
use crate::hello::Hello;
use crate::metadata::Metadata;
use crate::request::RequestHead;
use crate::schema::{Blob, EncodedSchema, Message, method_id};
use crate::service::{CallContext, CallOptions, service};

/// Who is at the door.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
struct Visitor {
    /// Its name.
    name: String,
    /// What only it knows.
    #[field(secret)]
    word: String,
    /// Where it has been.
    places: Vec<Option<u32>>,
}

/// A door.
#[service(name = "door")]
#[allow(dead_code, reason = "only its schema is of interest here")]
trait Door {
    /// Lets somebody in.
    #[rpc(public)]
    async fn knock(&self, context: &CallContext, request: Visitor) -> Result<Visitor, RpcError>;
}

const KNOCK: u32 = method_id("door.knock");

fn door() -> EncodedSchema {
    EncodedSchema::new(door_schema()).unwrap()
}

fn visitor() -> Visitor {
    Visitor { name: "Tux".into(), word: "fish".into(), places: vec![Some(7), None] }
}

fn knowing() -> Schemas {
    let mut schemas = Schemas::new();
    assert!(schemas.add(door()));
    schemas
}

/// A frame of the method `door.knock`.
fn of_call(kind: Kind, set: u8, payload: &[u8]) -> Bytes {
    of_method(KNOCK, kind, set, payload)
}

fn of_method(method: u32, kind: Kind, set: u8, payload: &[u8]) -> Bytes {
    let header = Header {
        length: u32::try_from(payload.len()).unwrap(),
        kind,
        flags: set | flags::CHECKSUM,
        encoding: 1,
        stream: 1,
        method,
        payload_checksum: crc32c(payload),
    };
    [&header.encode()[..], payload].concat().into()
}

fn request(metadata: &[(&str, &str)]) -> Bytes {
    let mut head = RequestHead { deadline_us: 1_500_000, request_id: "r-1".into(), ..RequestHead::default() };
    let mut said = Metadata::default();
    metadata.iter().for_each(|(key, value)| said.set(*key, *value).unwrap());
    head.metadata = said;
    let mut payload = BytesMut::new();
    head.encode(&mut payload).unwrap();
    payload.extend_from_slice(&encoding::encode(&visitor()).unwrap());
    of_call(Kind::Request, flags::END, &payload)
}

/// What is said of a part.
fn meaning<'a>(told: &'a Explained, name: &str) -> Option<&'a str> {
    told.parts.iter().find(|part| part.name == name).map(|part| part.meaning.as_str())
}

#[test]
fn a_request_is_told_field_by_field() {
    let told = frame(request(&[]), None, &knowing());
    assert_eq!((told.title.as_str(), told.faults.len()), ("REQUEST door.knock, stream 1, id r-1", 0));
    let expected = [
        ("flags", "END CHECKSUM"),
        ("method", "door.knock"),
        ("deadline", "1.500 s are left"),
        ("name", "\"Tux\""),
        ("word", "(secret)"),
        ("places", "2 items"),
        ("[0]", "7"),
        ("[1]", "null"),
    ];
    for (name, words) in expected {
        assert_eq!(meaning(&told, name), Some(words), "{name}");
    }
    let unknown = frame(request(&[]), None, &Schemas::new());
    assert_eq!(meaning(&unknown, "request"), Some("13 bytes"));
}

#[test]
fn secrets_are_in_no_line() {
    let told = frame(request(&[("authorization", "Bearer fish"), ("tenant", "one")]), None, &knowing());
    let text = lines(&told).join("\n");
    assert!(text.contains("\"one\"") && text.contains("(secret)") && text.contains("** ** ** **"), "{text}");
    let hex_of_fish = "66 69 73 68";
    assert!(!text.contains("fish") && !text.contains(hex_of_fish), "{text}");
    assert_eq!(told.secrets().count(), 2);
    // In pieces nobody can tell where the secret stands.
    let message = encoding::encode(&visitor()).unwrap();
    let piece = [&13_u32.to_be_bytes()[..], &message[..12]].concat();
    let told = frame(of_call(Kind::Data, flags::MORE, &piece), None, &knowing());
    assert_eq!(told.secrets().map(|at| at.len()).sum::<usize>(), 12);
}

#[test]
fn messages_in_pieces_are_put_together() {
    let message = encoding::encode(&visitor()).unwrap();
    let mut first = 13_u32.to_be_bytes().to_vec();
    first.extend(&message[..5]);
    let frames = [
        of_call(Kind::Data, flags::MORE, &first),
        of_call(Kind::Data, flags::MORE | flags::CONTINUED, &message[5..9]),
        of_call(Kind::Data, flags::END | flags::CONTINUED, &message[9..]),
    ];
    let mut conversation = Conversation::new(knowing());
    let told: Vec<Explained> =
        frames.iter().flat_map(|bytes| conversation.read(Side::Dialler, bytes)).collect();
    assert_eq!(meaning(&told[2], "message"), Some("the request: 13 bytes in 3 pieces, ends here"));
    assert_eq!((meaning(&told[2], "name"), meaning(&told[2], "word")), (Some("\"Tux\""), Some("(secret)")));
    // The first of them was lost: what follows is shown as pieces.
    let mut late = Conversation::new(knowing());
    let told: Vec<Explained> = frames[1..].iter().flat_map(|bytes| late.read(Side::Dialler, bytes)).collect();
    assert_eq!((told.len(), meaning(&told[1], "message")), (2, None));
}

#[test]
fn a_schema_that_passes_is_learnt() {
    let schema = door();
    let own = OwnSchema {
        fingerprint: Blob(schema.fingerprint().0.to_vec()),
        schema: Blob(schema.encoded().to_vec()),
    };
    let mut payload = vec![0; 16];
    payload.extend(encoding::encode(&own).unwrap());
    let mut conversation = Conversation::new(Schemas::new());
    let before = conversation.read(Side::Dialler, &request(&[]));
    assert_eq!(meaning(&before[0], "name"), None);
    let reply = of_method(BuiltinMethods::SCHEMA, Kind::Reply, flags::END, &payload);
    assert_eq!(conversation.read(Side::Acceptor, &reply)[0].faults, Vec::<String>::new());
    let after = conversation.read(Side::Dialler, &request(&[]));
    assert_eq!(meaning(&after[0], "name"), Some("\"Tux\""));
    assert_eq!(conversation.schemas().added().len(), 1);
}

#[test]
fn a_schema_is_learnt_from_beacons_whichever_comes_first() {
    let schema = door();
    let half = schema.encoded().len() / 2;
    let piece = |from: usize, to: usize| {
        let beacon = Beacon {
            version: 1,
            fingerprint: schema.fingerprint(),
            length: u32::try_from(schema.encoded().len()).unwrap(),
            offset: u32::try_from(from).unwrap(),
            piece: schema.encoded().slice(from..to),
        };
        let mut frame = BytesMut::new();
        let label = Label::control(Kind::Beacon);
        let written: Result<(), ()> = put_frame(&mut frame, label, true, |out| {
            beacon.encode(out);
            Ok(())
        });
        written.unwrap();
        frame
    };
    let mut conversation = Conversation::new(Schemas::new());
    let told = conversation.read(Side::Acceptor, &piece(half, schema.encoded().len()));
    assert!(told[0].title.starts_with("BEACON schema, bytes") && told[0].faults.is_empty(), "{told:?}");
    assert_eq!(conversation.schemas().added().len(), 0);
    conversation.read(Side::Acceptor, &piece(0, half));
    assert_eq!(conversation.schemas().added().len(), 1);
    let told = conversation.read(Side::Dialler, &request(&[]));
    assert_eq!(meaning(&told[0], "name"), Some("\"Tux\""));
}

#[test]
fn a_real_connection_is_told_without_faults() {
    let config = |role| Config::new(role, Hello { nonce: [7; 16], ..Hello::default() });
    let mut dialler = Connection::new(config(Role::Dialler), 0);
    let mut acceptor = Connection::new(config(Role::Acceptor), 0);
    let mut conversation = Conversation::new(knowing());
    let mut titles = Vec::new();
    let mut turn = |from: &mut Connection, to: &mut Connection, side: Side| {
        let mut bytes = from.output().split();
        for told in conversation.read(side, &bytes) {
            assert_eq!(told.faults, Vec::<String>::new(), "{}", told.title);
            titles.push(told.title);
        }
        let fresh = bytes.len();
        to.receive(1, &mut bytes, fresh);
    };
    turn(&mut dialler, &mut acceptor, Side::Dialler);
    turn(&mut acceptor, &mut dialler, Side::Acceptor);
    let message = encoding::encode(&visitor()).unwrap();
    dialler
        .call(2, KNOCK, &message, &CallOptions { deadline_ns: 1_000_000_000, ..CallOptions::default() })
        .unwrap();
    turn(&mut dialler, &mut acceptor, Side::Dialler);
    dialler.drain();
    turn(&mut dialler, &mut acceptor, Side::Dialler);
    let kinds: Vec<&str> = titles.iter().filter_map(|title| title.split(' ').next()).collect();
    assert_eq!(kinds, ["PREFACE", "HELLO", "PREFACE", "HELLO", "REQUEST", "GOAWAY"]);
}

#[test]
fn other_protocols_are_named() {
    let mut conversation = Conversation::new(Schemas::new());
    let told = conversation.read(Side::Dialler, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(meaning(&told[0], "unknown"), Some("text: GET /health HTTP/1.1"));
    let told =
        conversation.read(Side::Acceptor, b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03aaaaaaaaaaaaaaaa");
    assert_eq!(meaning(&told[0], "unknown"), Some("TLS: what is in it can't be read here"));
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0_usize..200) {
        let mut conversation = Conversation::new(knowing());
        let mut count = 0;
        for told in conversation.read(Side::Dialler, &bytes) {
            count += told.bytes.len();
        }
        count += conversation.finish(Side::Dialler).map_or(0, |left| left.bytes.len());
        prop_assert_eq!(count, bytes.len());
        // A frame with a byte that was changed; then one whose checksums are right all the same.
        let mut damaged = request(&[("tenant", "one")]).to_vec();
        let at = at % damaged.len();
        damaged[at] = bytes.first().copied().unwrap_or(0);
        let _ = lines(&frame(damaged.clone(), None, &knowing()));
        for kind in Kind::ALL {
            let _ = lines(&frame(of_call(*kind, flags::END, &bytes), None, &knowing()));
            conversation.read(Side::Acceptor, &of_call(*kind, flags::END, &bytes));
            conversation.read(Side::Acceptor, &of_method(BuiltinMethods::SCHEMA, *kind, flags::END, &bytes));
            let _ = lines(&frame(of_call(*kind, flags::MORE, &damaged[24..]), None, &knowing()));
            let _ = lines(&frame(of_call(*kind, flags::END, &damaged[24..]), None, &knowing()));
        }
    }
}
