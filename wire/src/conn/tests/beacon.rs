//! BEACON: the schema is said again while calls pass, behind everything else.

use super::*;
use crate::limits::{BEACON_INTERVAL_MS, BEACON_PIECE_BYTES_MAX, WRITE_BATCH_BYTES};
use crate::schema::Fingerprint;

const SCHEMA: [u8; 2 * BEACON_PIECE_BYTES_MAX + 7] = [3; 2 * BEACON_PIECE_BYTES_MAX + 7];
const PIECES: usize = 3;

fn pair() -> Pair {
    let mut pair = Pair::with(|configs| {
        for config in configs {
            config.beacon = Some(Bytes::from_static(&SCHEMA));
            config.hello.schema = Some(Fingerprint::of(&SCHEMA));
        }
    });
    pair.deliver();
    assert_eq!([pair.events(DIALLER), pair.events(ACCEPTOR)], [["ready"], ["ready"]]);
    pair
}

/// The kinds of the frames in some bytes, and the beacons among them.
fn frames(mut bytes: BytesMut) -> (Vec<Kind>, Vec<Beacon>) {
    let (mut kinds, mut beacons) = (Vec::new(), Vec::new());
    while let Some(frame) = Frame::take(&mut bytes, u32::MAX).unwrap() {
        kinds.push(frame.header.kind);
        if frame.header.kind == Kind::Beacon {
            beacons.push(Beacon::decode(frame.payload).unwrap());
        }
    }
    assert!(bytes.is_empty());
    (kinds, beacons)
}

impl Pair {
    /// All that a side has to say now arrives; which frames these were.
    fn kinds_said(&mut self, side: usize) -> Vec<Kind> {
        let mut all = Vec::new();
        loop {
            let batch = self.sides[side].output().split();
            if batch.is_empty() {
                return all;
            }
            self.inject(1 - side, &batch);
            all.extend(frames(batch).0);
        }
    }

    /// A call is made and answered; what the acceptor says.
    fn talk(&mut self) -> Vec<Kind> {
        let stream = self.call(1_000).unwrap();
        self.deliver_from(DIALLER);
        self.reply(stream, b"reply");
        self.kinds_said(ACCEPTOR)
    }
}

fn beacons(kinds: &[Kind]) -> usize {
    kinds.iter().filter(|kind| **kind == Kind::Beacon).count()
}

#[test]
fn a_connection_under_traffic_beacons_in_time_and_an_idle_one_does_not() {
    let mut busy = pair();
    let (mut said, mut at) = (0, Vec::new());
    for tenths in 1..=400 {
        busy.now += 100 * MS;
        let now = beacons(&busy.talk());
        if now > 0 {
            at.push(tenths * 100);
        }
        said += now;
    }
    assert_eq!(at, [1, 2, 3, 4].map(|times| times * BEACON_INTERVAL_MS));
    assert_eq!(said, 4 * PIECES);

    // The pings of an idle connection are no calls.
    let mut idle = pair();
    for _ in 0..100 {
        for side in [DIALLER, ACCEPTOR] {
            idle.now += idle.sides[side].next_deadline().unwrap().saturating_sub(idle.now);
            idle.sides[side].handle_timeout(idle.now);
        }
        assert!(!idle.kinds_said(DIALLER).is_empty());
        assert_eq!(beacons(&idle.kinds_said(ACCEPTOR)), 0);
    }
    assert!(idle.now > 3 * BEACON_INTERVAL_MS * MS);
    // The first call after that brings one at once.
    assert_eq!(beacons(&idle.talk()), PIECES);
}

#[test]
fn its_pieces_are_the_schema() {
    let mut pair = pair();
    pair.now += BEACON_INTERVAL_MS * MS;
    pair.call(1_000).unwrap();
    pair.deliver_from(DIALLER);
    let mut all = BytesMut::new();
    while !pair.sides[ACCEPTOR].output().is_empty() {
        let batch = pair.sides[ACCEPTOR].output().split();
        all.extend_from_slice(&batch);
    }
    let said = frames(all).1;
    assert_eq!(said, Beacon::all(Fingerprint::of(&SCHEMA), &Bytes::from_static(&SCHEMA)).collect::<Vec<_>>());
    assert_eq!(said.iter().flat_map(|beacon| beacon.piece.to_vec()).collect::<Vec<_>>(), SCHEMA);
}

#[test]
fn streams_without_requests_beacon_too() {
    let mut pair = pair();
    let stream = pair.watch();
    assert_eq!(beacons(&pair.kinds_said(ACCEPTOR)), 0);
    for _ in 0..2 {
        pair.now += BEACON_INTERVAL_MS * MS;
        pair.say(ACCEPTOR, stream, 10);
        assert_eq!(beacons(&pair.kinds_said(ACCEPTOR)), PIECES);
    }
}

#[test]
fn nobody_waits_for_more_than_a_piece_of_it_and_it_waits_for_no_more_than_a_batch() {
    let mut pair = pair();
    pair.now += BEACON_INTERVAL_MS * MS;
    let mut batches = Vec::new();
    for _ in 0..2 * PIECES {
        let stream = pair.call(1_000).unwrap();
        pair.deliver_from(DIALLER);
        pair.reply(stream, &[0; 1000]);
        pair.sides[ACCEPTOR].ping(pair.now);
        let batch = pair.sides[ACCEPTOR].output().split();
        assert!(batch.len() < WRITE_BATCH_BYTES + BEACON_PIECE_BYTES_MAX + 64);
        pair.inject(DIALLER, &batch);
        batches.push(frames(batch).0);
        pair.deliver_from(DIALLER);
    }
    for batch in &batches {
        assert_eq!(batch[..2], [Kind::Ping, Kind::Reply]);
    }
    // There is a reply in each batch, and yet the beacon gets through, a piece in every other.
    assert_eq!(batches.iter().map(|batch| beacons(batch)).collect::<Vec<_>>(), [0, 1, 0, 1, 0, 1]);

    // The same beside a long message.
    pair.now += BEACON_INTERVAL_MS * MS;
    let stream = pair.call(1_000).unwrap();
    pair.deliver_from(DIALLER);
    pair.reply(stream, &[0; 4 * FRAGMENT_BYTES_MAX]);
    let kinds = pair.kinds_said(ACCEPTOR);
    let (data, beacon, reply) = (Kind::Data, Kind::Beacon, Kind::Reply);
    assert_eq!(kinds, [data, beacon, data, beacon, data, beacon, reply]);
}

#[test]
fn diallers_and_those_that_have_no_schema_say_none() {
    let mut pair = Pair::open();
    pair.now += 2 * BEACON_INTERVAL_MS * MS;
    assert_eq!(beacons(&pair.talk()), 0);
    let mut pair = self::pair();
    pair.now += 2 * BEACON_INTERVAL_MS * MS;
    pair.call(1_000).unwrap();
    assert_eq!(beacons(&pair.kinds_said(DIALLER)), 0);
}

#[test]
fn a_malformed_one_ends_the_connection() {
    let fine = |schema: &'static [u8]| {
        Beacon::all(Fingerprint::of(schema), &Bytes::from_static(schema)).next().unwrap()
    };
    let cases: [(&str, usize, Beacon, &[&str]); 4] = [
        ("well-formed", DIALLER, fine(b"schema"), &[]),
        ("the other side's", ACCEPTOR, fine(b"schema"), &["closed PROTOCOL_ERROR by us"]),
        (
            "empty",
            DIALLER,
            Beacon { piece: Bytes::new(), ..fine(b"schema") },
            &["closed PROTOCOL_ERROR by us"],
        ),
        ("too long", DIALLER, Beacon { length: 5, ..fine(b"schema") }, &["closed PROTOCOL_ERROR by us"]),
    ];
    for (name, to, beacon, wanted) in cases {
        let mut pair = Pair::open();
        let mut bytes = BytesMut::new();
        put(&mut bytes, Label::control(Kind::Beacon), true, |out| beacon.encode(out));
        pair.inject(to, &bytes);
        assert_eq!(pair.events(to), wanted, "{name}");
    }
}
