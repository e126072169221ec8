//! What registry.toml says of frames: kinds, their senders and flags, shapes of calls and timers; as SPEC.md and the code have it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;
use micronet_wire::conn::{Config, Connection, Event, Role};
use micronet_wire::header::{Header, Kind, flags};
use micronet_wire::hello::Hello;

use crate::registry::{columns, from_hex, limits_in_code, registry, row, rows};

#[test]
fn kinds_and_flags() {
    let code: Vec<_> = Kind::ALL.iter().map(|kind| row([&(*kind as u8), &kind.name()])).collect();
    assert_eq!(rows("kind", &["number", "name"]), code);
    assert_eq!(
        rows("kind", &["number", "name", "sent_by"]),
        columns("**2.2**", "| number | kind", &[0, 1, 2])
    );
    let in_code = [
        row([&flags::END, &"END"]),
        row([&flags::CHECKSUM, &"CHECKSUM"]),
        row([&flags::MORE, &"MORE"]),
        row([&flags::CONTINUED, &"CONTINUED"]),
    ];
    assert_eq!(rows("flag", &["bit", "name"]), in_code);
    assert_eq!(rows("flag", &["bit", "name"]), from_hex(columns("**2.7**", "| bit", &[0, 1])));
    let all = rows("flag", &["bit"]).iter().fold(0, |all, bit| all | bit[0].parse::<u8>().unwrap());
    assert_eq!(all, flags::KNOWN);
}

/// Whether a side of this role takes frames of a kind at all, by the words with which it refuses one without payload.
fn takes(role: Role, kind: Kind) -> bool {
    let config = |role| Config::new(role, Hello::default());
    let mut connection = Connection::new(config(role), 0);
    let mut greeting = Connection::new(config(Role::Dialler), 0).output().split();
    let length = greeting.len();
    connection.receive(0, &mut greeting, length);
    let on = u32::from(!kind.is_control());
    let flags = (0..16)
        .find(|flags| header(kind, *flags, on).is_ok_and(|header| header.flags & flags::CHECKSUM != 0));
    let header = header(kind, flags.unwrap(), on).unwrap();
    let mut bytes = BytesMut::from(&header.encode()[..]);
    connection.receive(0, &mut bytes, header.length as usize);
    std::iter::from_fn(|| connection.poll_event()).all(|event| match event {
        Event::Closed { error: Some(error), .. } => !error.message.ends_with("goes the other way"),
        _ => true,
    })
}

/// The header of a frame without payload, if its flags are its kind's.
fn header(kind: Kind, flags: u8, on: u32) -> Result<Header, micronet_wire::header::HeaderError> {
    let header = Header { length: 0, kind, flags, encoding: 0, stream: on, method: on, payload_checksum: 0 };
    Header::decode(&header.encode(), 0)
}

#[test]
fn senders_of_kinds() {
    let in_code: Vec<_> = Kind::ALL
        .iter()
        .map(|kind| {
            let by = match (takes(Role::Acceptor, *kind), takes(Role::Dialler, *kind)) {
                (true, true) => "both",
                (true, false) => "dialler",
                (false, true) => "acceptor",
                (false, false) => "nobody",
            };
            row([&kind.name(), &by])
        })
        .collect();
    assert_eq!(rows("kind", &["name", "sent_by"]), in_code);
}

/// A set of flags by their names, as `END CONTINUED`; none is an empty text.
fn flags_named(names: &str) -> u8 {
    let bit = |name| match name {
        "END" => flags::END,
        "MORE" => flags::MORE,
        "CONTINUED" => flags::CONTINUED,
        other => panic!("{other} is no flag"),
    };
    names.split_whitespace().fold(0, |all, name| all | bit(name))
}

/// The sets of flags that each kind may bear: in the registry, in SPEC 2.7, and in the code, of which all sets are tried.
#[test]
fn flags_of_kinds() {
    let in_code: BTreeMap<&str, BTreeSet<u8>> = Kind::ALL
        .iter()
        .map(|kind| {
            let on = u32::from(!kind.is_control());
            let takes = |flags: &u8| header(*kind, *flags, on).is_ok();
            (kind.name(), (0..=u8::MAX).filter(|flags| flags & flags::CHECKSUM == 0).filter(takes).collect())
        })
        .collect();
    let registry = registry();
    let listed: BTreeMap<&str, BTreeSet<u8>> = registry["kind"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| {
            let sets = kind["flags"].as_array().unwrap().iter();
            (kind["name"].as_str().unwrap(), sets.map(|set| flags_named(set.as_str().unwrap())).collect())
        })
        .collect();
    assert_eq!(listed, in_code);
    let mut in_spec = BTreeMap::new();
    let table = columns("**2.7**", "| kind | flags", &[0, 1]);
    for row in &table {
        let sets = row[1]
            .split(" (")
            .next()
            .unwrap()
            .split("; ")
            .map(|set| set.trim_matches('-').replace("none", ""));
        let sets: BTreeSet<u8> = sets.map(|set| flags_named(&set)).collect();
        for name in row[0].split(", ") {
            match name {
                "and control frames" => {
                    let control = Kind::ALL.iter().filter(|kind| kind.is_control());
                    in_spec.extend(control.map(|kind| (kind.name(), sets.clone())));
                }
                name => drop(in_spec.insert(name, sets.clone())),
            }
        }
    }
    assert_eq!(in_spec, in_code);
}

#[test]
fn shapes() {
    let arity = |words: &str| match words.split([' ', ',']).next() {
        Some("one") => "one",
        Some("any") => "many",
        _ => "none",
    };
    let mut in_spec = columns("**4.1**", "| shape | the dialler", &[0, 1, 2]);
    for row in &mut in_spec {
        (row[1], row[2]) = (arity(&row[1]).to_owned(), arity(&row[2]).to_owned());
    }
    assert_eq!(rows("shape", &["name", "requests", "replies"]), in_spec);
    let in_code = rows("variant", &["of", "name"]).into_iter().filter(|row| row[0] == "CallShape");
    assert_eq!(
        columns("**4.1**", "| shape | the dialler", &[0]),
        in_code.map(|row| row[1..].to_vec()).collect::<Vec<_>>()
    );
}

#[test]
fn timers() {
    assert_eq!(
        rows("timer", &["name", "whose", "clause"]),
        columns("**16.3**", "| name | whose", &[0, 1, 5])
    );
    let limits = limits_in_code();
    for timer in registry()["timer"].as_array().unwrap() {
        let Some(limit) = timer.get("limit") else { continue };
        assert!(limits.contains_key(limit.as_str().unwrap()), "{limit:?} is no limit");
    }
}
