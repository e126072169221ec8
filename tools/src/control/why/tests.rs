//! The way of a request, from what several processes remember.

use micronet_wire::network::{CandidateRecord, HttpRecord};

use super::*;

fn attempt(instance: &str, span: &str, code: &str) -> AttemptRecord {
    AttemptRecord {
        instance: Some(instance.into()),
        span_id: span.into(),
        took_us: 900,
        code: code.into(),
        ..AttemptRecord::default()
    }
}

fn record(kind: RecordKind, method: &str, span: &str, parent: &str, at_us: i64) -> Record {
    Record {
        kind,
        request_id: "one".into(),
        trace_id: "ab".repeat(16),
        span_id: span.into(),
        parent_span_id: parent.into(),
        at: Timestamp(at_us),
        took_us: 1_000,
        service: "product".into(),
        method: method.into(),
        code: "OK".into(),
        ..Record::default()
    }
}

fn process(name: &str, records: Vec<Record>) -> Requests {
    Requests { seen_by: name.into(), records, ..Requests::default() }
}

/// An order that the gateway tried at two instances, the second of which asked product.
fn retried() -> Vec<Requests> {
    let edge = Record {
        service: "order".into(),
        took_us: 5_000,
        http: Some(HttpRecord {
            method: "POST".into(),
            route: "/orders".into(),
            status: 201,
            ..HttpRecord::default()
        }),
        attempts: vec![
            AttemptRecord {
                words: "the connection broke".into(),
                ..attempt("order-1", "a1", "CONNECTION_LOST")
            },
            AttemptRecord { after_us: 1_000, took_us: 3_500, ..attempt("order-2", "a2", "OK") },
        ],
        ..record(RecordKind::Edge, "buy", "e", "", 1_000_000)
    };
    let served = Record {
        service: "order".into(),
        took_us: 3_400,
        ..record(RecordKind::Served, "buy", "s", "a2", 1_001_100)
    };
    let made = Record {
        attempts: vec![attempt("product-1", "a3", "OK")],
        ..record(RecordKind::Made, "reserve", "m", "s", 1_001_200)
    };
    let reserved = record(RecordKind::Served, "reserve", "p", "a3", 1_001_300);
    vec![
        process("product-1", vec![reserved]),
        process("order-2", vec![made, served]),
        process("gateway-1", vec![edge]),
    ]
}

#[test]
fn what_was_made_and_what_was_served_are_one_way() {
    let why = why("one".into(), retried(), Vec::new());
    let way: Vec<(u32, &str, &str, u64, &str)> = why
        .hops
        .iter()
        .map(|hop| (hop.depth, &*hop.instance, &*hop.what, hop.after_us, &*hop.code))
        .collect();
    assert_eq!(
        way,
        [
            (0, "gateway-1", "POST /orders", 0, "OK"),
            (1, "order-1", "order.buy", 0, "CONNECTION_LOST"),
            (1, "order-2", "order.buy", 1_000, "OK"),
            (2, "product-1", "product.reserve", 1_200, "OK"),
        ]
    );
    assert_eq!((why.at, &*why.trace_id), (Timestamp(1_000_000), &*"ab".repeat(16)));
    assert_eq!(
        why.outcome,
        [
            "It was answered 201 by order-2, after 5.00 ms.",
            "order-1 was picked first, and failed after 0.90 ms with CONNECTION_LOST (the connection broke).",
            "order-2 was tried next, and answered after 3.50 ms.",
            "Most of the time, 2.60 of 5.00 ms, went to order.buy at order-2."
        ]
        .map(|words| words.replace("2.60 of", "2.60 ms of"))
    );
}

#[test]
fn what_a_process_has_forgotten_is_a_gap_and_nothing_more() {
    let mut processes = retried();
    processes.remove(1);
    let why = why("one".into(), processes, vec!["order-2".into()]);
    let way: Vec<(u32, &str)> = why.hops.iter().map(|hop| (hop.depth, &*hop.instance)).collect();
    assert_eq!(way, [(0, "gateway-1"), (1, "order-1"), (1, "order-2"), (0, "product-1")]);
    assert_eq!(why.silent, ["order-2"]);
}

#[test]
fn what_nobody_remembers_has_no_way() {
    let why = why("one".into(), vec![process("gateway-1", Vec::new())], Vec::new());
    assert!(why.hops.is_empty() && why.outcome.is_empty() && why.trace_id.is_empty());
    assert_eq!(why.processes.len(), 1);
}

#[test]
fn parents_that_are_their_own_children_end_somewhere() {
    let knot = vec![
        Record {
            span_id: "b".into(),
            parent_span_id: "a".into(),
            ..record(RecordKind::Served, "x", "", "", 1)
        },
        Record {
            span_id: "a".into(),
            parent_span_id: "b".into(),
            ..record(RecordKind::Served, "x", "", "", 2)
        },
        Record {
            span_id: "c".into(),
            parent_span_id: "c".into(),
            ..record(RecordKind::Served, "x", "", "", 3)
        },
    ];
    assert!(why("one".into(), vec![process("a", knot)], Vec::new()).hops.len() <= 3);
}

#[test]
fn why_nobody_could_be_picked_is_said() {
    let excluded = |instance: &str, excluded: &str| CandidateRecord {
        instance: instance.into(),
        excluded: excluded.into(),
        ..CandidateRecord::default()
    };
    let edge = Record {
        code: "SERVICE_UNAVAILABLE".into(),
        words: "Sorry, product service is unavailable right now".into(),
        http: Some(HttpRecord { status: 503, ..HttpRecord::default() }),
        attempts: vec![AttemptRecord {
            candidates: vec![
                excluded("product-1", "it is not connected: refused"),
                excluded("product-2", "blocked"),
            ],
            ..AttemptRecord::default()
        }],
        ..record(RecordKind::Edge, "query", "e", "", 1)
    };
    let why = why("one".into(), vec![process("gateway-1", vec![edge])], Vec::new());
    assert_eq!(
        why.outcome,
        [
            "It failed with 503 SERVICE_UNAVAILABLE after 1.00 ms: Sorry, product service is unavailable right now. No service \
             was asked.",
            "No instance could be picked (product-1: it is not connected: refused; product-2: blocked).",
        ]
    );
}
