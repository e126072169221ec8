//! What it costs to note the story of a request and to remember it, in nanoseconds, while nobody follows and while somebody does.
//!
//! `cargo bench -p micronet-tests --bench records`

use std::hint::black_box;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use micronet_transport::balance::{Algorithm, Candidate};
use micronet_transport::clock;
use micronet_transport::records::{Called, Records, Story};
use micronet_wire::http1::{RequestHead, ServerConnection};
use micronet_wire::ledger::Ledger;
use micronet_wire::network::{InstanceState, RecordFilter};
use micronet_wire::principal::Principal;
use micronet_wire::service::CallContext;
use rustix::time::{ClockId, clock_gettime};

const REQUESTS: u32 = 300_000;
const ROUNDS: usize = 5;

fn main() {
    let records = Rc::new(Records::default());
    let mut input =
        BytesMut::from("GET /products/Tux HTTP/1.1\r\nHost: localhost:8000\r\nUser-Agent: curl/8\r\n\r\n");
    let head = ServerConnection::new().poll_head(&mut input).ok().flatten().expect("a request");
    let (context, message) = (
        CallContext { request_id: "0a1b2c3d-0000abcd".into(), ..CallContext::default() },
        Bytes::from_static(&[3; 20]),
    );
    let names: [Rc<str>; 2] = ["product-1".into(), "product-2".into()];
    println!("what is remembered of         ns");
    best("a request over HTTP", || edge(&records, &head, &names));
    best("  of which reading the clock", || {
        black_box(clock::now());
    });
    best("a call served", || served(&records, context.clone(), &message));
    best("  of which the context's copy", || drop(black_box(context.clone())));
    let follows = records.follow(RecordFilter::default());
    best("a request, followed", || edge(&records, &head, &names));
    drop(follows);
}

/// The best of some rounds: what else the machine did isn't counted.
fn best(what: &str, mut act: impl FnMut()) {
    let mut least = f64::MAX;
    for _ in 0..ROUNDS {
        let since = processor_ns();
        (0..REQUESTS).for_each(|_| act());
        least = least.min((processor_ns() - since) as f64 / f64::from(REQUESTS));
    }
    println!("{what:<28} {least:>5.0}");
}

/// The processor time of this thread.
fn processor_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

fn edge(records: &Rc<Records>, head: &RequestHead, names: &[Rc<str>; 2]) {
    let now = 1 << 40;
    let story = Story::edge(records, now, "0a1b2c3d-0000abcd", head, 0);
    story.comes_from([127, 0, 0, 1].into(), false);
    story.limit("address", 99_999, 100_000, false);
    story.asks(&Principal::Anonymous);
    story.limit("shop", 99_999, 100_000, false);
    story.picks(now, Algorithm::RoundRobin, 2);
    for name in names {
        story.candidate(name, InstanceState::Up, &Candidate::new(1), String::new);
    }
    story.tries(&names[0], false);
    story.tried(now + 900, Some(Ok(())), Some(Ledger::default()));
    story.answered(now + 1_000, 200, None, 120);
    drop(black_box(story));
}

fn served(records: &Rc<Records>, mut context: CallContext, message: &Bytes) {
    let now = clock::now();
    let called = Called { service: "product", method: "query", id: 7 };
    let story = Story::served(records, now, &mut context, called, "gateway-1", message);
    story.waited(3);
    story.ended(now + 1_000, Ok(message));
    drop(black_box(story));
}
