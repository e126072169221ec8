//! A call and its reply, between the two sides of a connection that hand each other their bytes.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use micronet_wire::conn::{Config, Connection, Event, Role, Timing};
use micronet_wire::hello::{Credential, Hello, Nonce, Secret};
use micronet_wire::request::TraceContext;
use micronet_wire::service::CallOptions;

use super::shop::payload;
use crate::meter::Meter;

const METHOD: u32 = 7;

pub(crate) fn all(meter: &mut Meter) {
    for (bytes, size) in [(64, "64 B"), (16 << 10, "16 KiB")] {
        let (mut pair, request) = (Pair::open(), payload(bytes));
        meter.case(&format!("connection: a call and its reply, {size}"), || pair.call(&request));
    }
    let (mut pair, request) = (Pair::open(), payload(64));
    meter.batches("connection: the same, 50 at a time", |times| {
        (0..times / 50).for_each(|_| pair.calls(50, &request));
    });
}

/// Two sides that have shaken hands.
struct Pair {
    dialler: Connection,
    acceptor: Connection,
    to_dialler: BytesMut,
    to_acceptor: BytesMut,
    now: u64,
}

impl Pair {
    fn open() -> Self {
        let mut pair = Self {
            dialler: side(Role::Dialler, "gateway", [1; 16]),
            acceptor: side(Role::Acceptor, "shop", [2; 16]),
            to_dialler: BytesMut::new(),
            to_acceptor: BytesMut::new(),
            now: 0,
        };
        for _ in 0..3 {
            pair.reach_acceptor();
            pair.reach_dialler();
        }
        assert!(matches!(pair.dialler.poll_event(), Some(Event::Ready(_))));
        assert!(matches!(pair.acceptor.poll_event(), Some(Event::Ready(_))));
        pair
    }

    fn reach_acceptor(&mut self) {
        carry(&mut self.dialler, &mut self.acceptor, &mut self.to_acceptor, self.now);
    }

    fn reach_dialler(&mut self) {
        carry(&mut self.acceptor, &mut self.dialler, &mut self.to_dialler, self.now);
    }

    fn call(&mut self, request: &Bytes) {
        self.calls(1, request);
    }

    fn calls(&mut self, count: usize, request: &Bytes) {
        self.now += 20_000;
        for _ in 0..count {
            let options = CallOptions {
                deadline_ns: self.now + 5_000_000_000,
                request_id: "req-0123456789abcdef".into(),
                trace: TraceContext { trace_id: [7; 16], span_id: [8; 8], flags: 1 },
                ..CallOptions::default()
            };
            self.dialler.call(self.now, METHOD, request, &options).expect("there is room");
        }
        self.reach_acceptor();
        let mut served = 0;
        while let Some(event) = self.acceptor.poll_event() {
            if let Event::Request { stream, context, request, .. } = event {
                self.acceptor.start(self.now, stream).expect("it waits");
                drop(black_box(context));
                let timing = Timing { started_ns: self.now, finished_ns: self.now + 1_000 };
                self.acceptor.reply(self.now + 1_000, stream, &request, timing);
                served += 1;
            }
        }
        self.reach_dialler();
        let mut replies = 0;
        while let Some(event) = self.dialler.poll_event() {
            replies += usize::from(matches!(black_box(event), Event::Reply { .. }));
        }
        assert_eq!((served, replies), (count, count));
    }
}

/// One of the sides, which prove to each other that they are of one cluster.
fn side(role: Role, node: &str, nonce: Nonce) -> Connection {
    let hello = Hello { cluster: "guard".into(), node: node.into(), nonce, ..Hello::default() };
    let config = Config {
        credential: Some(Credential::Cluster),
        cluster_secret: Some(Secret::new("a secret of the guard alone")),
        ..Config::new(role, hello)
    };
    Connection::new(config, 0)
}

/// What one side has to say arrives at the other, through a buffer as a socket's reader has it.
fn carry(from: &mut Connection, to: &mut Connection, unread: &mut BytesMut, now: u64) {
    loop {
        let said = from.output();
        if said.is_empty() {
            return;
        }
        let length = said.len();
        unread.reserve(length);
        unread.extend_from_slice(said);
        said.clear();
        to.receive(now, unread, length);
    }
}
