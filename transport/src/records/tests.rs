//! What is remembered, for how long, and who hears of it.

use micronet_wire::error::{Code, RpcError};
use micronet_wire::http1::ServerConnection;
use micronet_wire::network::{InstanceState, RecordKind};
use micronet_wire::principal::Principal;
use micronet_wire::service::{CallContext, CallOptions};

use super::limits::FOLLOWING_MAX;
use super::*;
use crate::balance::{Algorithm, Candidate};
use bytes::{Bytes, BytesMut};

const MS: u64 = 1_000_000;

fn called() -> Called<'static> {
    Called { service: "product", method: "query", id: 7 }
}

fn made(records: &Rc<Records>, request_id: &str) -> Story {
    let options = CallOptions { request_id: request_id.into(), ..CallOptions::default() };
    Story::made(records, clock::now(), &options, called(), &Bytes::from_static(b"12345"))
}

fn remember(records: &Rc<Records>, request_id: &str, answer: Result<&Bytes, &RpcError>) {
    made(records, request_id).ended(clock::now(), answer);
}

#[test]
fn a_story_becomes_the_record_that_it_tells() {
    let records = Rc::new(Records::default());
    let trace = TraceContext { trace_id: [0xAB; 16], span_id: [0x12; 8], flags: 1 };
    let mut context = CallContext {
        request_id: "one".into(),
        trace,
        principal: Principal::Service { name: "order".into() },
        ..CallContext::default()
    };
    let story =
        Story::served(&records, 1_000 * MS, &mut context, called(), "order-1", &Bytes::from_static(b"abc"));
    assert_eq!((context.trace.trace_id, context.trace.flags), (trace.trace_id, 1));
    assert_ne!(context.trace.span_id, trace.span_id, "what the handler calls happens within its own span");
    story.waited(17);
    story.limit("shop", 3, 10, false);
    story.ended(1_005 * MS, Ok(&Bytes::from_static(b"four")));
    assert!(records.find("one").is_empty(), "it isn't over yet");
    drop(story);

    let [record] = &records.find("one")[..] else { panic!("one record") };
    let of_trace = records.find(&"ab".repeat(16));
    assert_eq!(of_trace, std::slice::from_ref(record));
    let hex = |bytes: [u8; 8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(record.kind, RecordKind::Served);
    assert_eq!(record.parent_span_id, "12".repeat(8));
    assert_eq!(record.span_id, hex(context.trace.span_id));
    assert_eq!((record.took_us, record.bytes_in, record.bytes_out), (5_000, 3, 4));
    assert_eq!((&*record.from, &*record.principal), ("order-1", "service:order"));
    assert_eq!((&*record.service, &*record.method, record.method_id), ("product", "query", 7));
    assert_eq!((&*record.code, &*record.words, &record.http), ("OK", "", &None));
    let ledger = record.ledger.unwrap();
    assert_eq!((ledger.receive_queue_us, ledger.handler_us), (17, 5_000));
    assert_eq!((&*record.limits[0].name, record.limits[0].left, record.limits[0].burst), ("shop", 3, 10));
    assert!(record.sampled && record.attempts.is_empty());
}

#[test]
fn a_request_over_http_keeps_what_it_was() {
    let records = Rc::new(Records::default());
    let _following = records.follow(RecordFilter::default()).unwrap();
    let fields = "Host: shop\r\nUser-Agent: test/1\r\nReferer: /home\r\n";
    let mut bytes = BytesMut::from(&*format!("POST /orders?page=2 HTTP/1.1\r\n{fields}\r\n"));
    let head = ServerConnection::new().poll_head(&mut bytes).unwrap().expect("a head");
    let story = Story::edge(&records, clock::now(), "one", &head, 5);
    story.comes_from([127, 0, 0, 1].into(), true);
    story.asks(&Principal::User {
        subject: "user-1".into(),
        organization: String::new(),
        session: String::new(),
        permissions: vec![],
    });
    story.answered(clock::now(), 409, Some(("OUT_OF_STOCK", "none is left")), 1 << 40);
    drop(story);
    let [record] = &records.find("one")[..] else { panic!("one record") };
    let http = record.http.as_ref().expect("over HTTP");
    assert_eq!((&*http.method, &*http.target, http.status, http.tls), ("POST", "/orders?page=2", 409, true));
    assert_eq!((&*http.version, &*http.user_agent, &*http.referer), ("HTTP/1.1", "test/1", "/home"));
    assert_eq!((&*record.from, &*record.principal), ("127.0.0.1", "user:user-1"));
    assert_eq!((&*record.code, &*record.words), ("OUT_OF_STOCK", "none is left"));
    assert_eq!((record.kind, record.bytes_in, record.bytes_out), (RecordKind::Edge, 5, 1 << 40));
    assert_eq!((record.ledger, &*record.trace_id), (None, &*records.find(&record.trace_id)[0].trace_id));
}

#[test]
fn attempts_tell_who_was_picked_and_why_others_were_not() {
    let records = Rc::new(Records::default());
    let story = made(&records, "one");
    let names: [Rc<str>; 2] = ["product-1".into(), "product-2".into()];
    let candidate = Candidate { in_flight: 2, ..Candidate::new(1) };
    let error = RpcError::new(Code::ConnectionLost, "gone");
    story.picks(clock::now(), Algorithm::LeastConnections, 2);
    for name in &names {
        story.candidate(name, InstanceState::Up, &candidate, String::new);
    }
    let first = story.tries(&names[0], false);
    story.tried(clock::now(), Some(Err(&error)), None);
    story.picks(clock::now(), Algorithm::LeastConnections, 2);
    story.candidate(&names[0], InstanceState::Down, &candidate, || "it was tried already".into());
    story.candidate(&names[1], InstanceState::Up, &candidate, String::new);
    let second = story.tries(&names[1], true);
    story.tried(
        clock::now(),
        Some(Ok(())),
        Some(micronet_wire::ledger::Ledger { handler_us: 5, ..Default::default() }),
    );
    story.ended(clock::now(), Ok(&Bytes::new()));
    let trace = story.trace();
    drop(story);

    assert!(first.trace_id == trace.trace_id && second.trace_id == trace.trace_id);
    assert!(first.span_id != second.span_id && first.span_id != trace.span_id);
    let [record] = &records.find("one")[..] else { panic!("one record") };
    let [one, other] = &record.attempts[..] else { panic!("two attempts") };
    assert_eq!(
        (one.instance.as_deref(), &*one.code, &*one.words),
        (Some("product-1"), "CONNECTION_LOST", "gone")
    );
    assert_eq!((one.candidates_count, one.candidates.len(), &*one.algorithm), (2, 2, "least_connections"));
    assert_eq!((one.candidates[0].score, one.candidates[0].in_flight), (3_000, 2));
    assert_eq!((other.instance.as_deref(), &*other.code, other.probe), (Some("product-2"), "OK", true));
    assert_eq!(other.candidates[0].excluded, "it was tried already");
    assert_eq!(other.candidates[0].state, InstanceState::Down);
    assert_eq!(other.ledger.map(|ledger| ledger.handler_us), Some(5));
}

#[test]
fn of_what_went_well_only_the_pick_is_kept() {
    let records = Rc::new(Records::default());
    let story = made(&records, "one");
    story.picks(clock::now(), Algorithm::RoundRobin, 3);
    let names: [Rc<str>; 3] = ["a".into(), "b".into(), "c".into()];
    names.iter().for_each(|name| {
        story.candidate(name, InstanceState::Up, &Candidate::new(1), String::new);
    });
    story.tries(&names[1], false);
    story.tried(clock::now(), Some(Ok(())), None);
    story.ended(clock::now(), Ok(&Bytes::new()));
    drop(story);
    let record = &records.find("one")[0];
    assert_eq!(record.attempts[0].candidates_count, 3);
    let kept: Vec<&str> = record.attempts[0].candidates.iter().map(|each| &*each.instance).collect();
    assert_eq!(kept, ["b"]);
}

#[test]
fn what_nobody_waited_for_is_abandoned() {
    let records = Rc::new(Records::default());
    let story = made(&records, "one");
    story.picks(clock::now(), Algorithm::RoundRobin, 1);
    story.tries(&"a".into(), false);
    drop(story);
    let record = &records.find("one")[0];
    assert_eq!((&*record.code, &*record.attempts[0].code), ("ABANDONED", "ABANDONED"));
}

#[test]
fn failures_outlive_what_went_well() {
    let records = Rc::new(Records::default());
    let ok = Bytes::from_static(b"reply");
    remember(&records, "well", Ok(&ok));
    remember(&records, "failed", Err(&RpcError::new(Code::Internal, "broken")));
    remember(&records, "refused", Err(&RpcError::new(Code::BadRequest, "no")));
    let ids = ["well", "failed", "refused"];
    assert!(ids.iter().all(|id| records.find(id).len() == 1));
    let before = records.memory();
    assert_eq!((before.records, before.all_since), (3, before.notable_since));
    for at in 0..100_000 {
        remember(&records, &at.to_string(), Ok(&ok));
    }
    assert!(records.find("well").is_empty() && records.find("refused").is_empty());
    assert_eq!(records.find("failed")[0].words, "broken");
    assert_eq!(records.find("99999").len(), 1);
    let after = records.memory();
    assert!(after.bytes <= (RECORDS_BYTES_MAX + NOTABLE_BYTES_MAX) as u64, "{after:?}");
    assert!(after.all_since > after.notable_since, "{after:?}");
}

#[test]
fn followers_hear_what_they_want_and_lose_what_they_do_not_take() {
    let records = Rc::new(Records::default());
    let mut all = records.follow(RecordFilter::default()).unwrap();
    let mut failed = records.follow(RecordFilter { failed: true, ..RecordFilter::default() }).unwrap();
    let ok = Bytes::from_static(b"reply");
    for at in 0..FOLLOWING_MAX + 10 {
        remember(&records, &at.to_string(), Ok(&ok));
    }
    remember(&records, "failed", Err(&RpcError::new(Code::Internal, "broken")));
    assert_eq!((all.lost(), failed.lost()), (11, 0));
    let first = all.try_next().unwrap();
    assert_eq!(
        (&*first.record.request_id, &first.request[..], &first.reply[..]),
        ("0", &b"12345"[..], &b"reply"[..])
    );
    assert_eq!(failed.try_next().unwrap().record.request_id, "failed");
    assert!(failed.try_next().is_none());
    drop((all, failed));
    remember(&records, "after", Ok(&ok));
    assert!(!records.is_followed());
    let followers: Vec<_> = (0..20).filter_map(|_| records.follow(RecordFilter::default())).collect();
    assert_eq!(followers.len(), limits::FOLLOWERS_MAX);
}

#[test]
fn one_of_many_by_chance() {
    let records = Rc::new(Records::default());
    let mut some = records.follow(RecordFilter { one_in: 10, ..RecordFilter::default() }).unwrap();
    let ok = Bytes::new();
    (0..2_000).for_each(|at: u32| remember(&records, &at.to_string(), Ok(&ok)));
    let drawn = std::iter::from_fn(|| some.try_next()).count();
    assert!((100..400).contains(&drawn), "{drawn}");
}
