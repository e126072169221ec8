//! A reader that takes nothing for a while.

use std::time::{Duration, Instant};

use micronet_tests::process::memory;

use super::reader::{CLIENT, MANAGER, Reader, bearer};
use crate::access;

/// For how long it doesn't read.
const SILENT: Duration = Duration::from_secs(10);
/// What `up` may need more of memory for it, in bytes: less than what was told meanwhile.
const GROWN_MAX: u64 = 24 << 20;

#[test]
fn who_reads_nothing_for_a_while_hears_how_things_are_then() {
    let mut network = access::network(&[]);
    let mut slow = Reader::open(&network, CLIENT);
    let (mut http, bearer) = (network.http(), bearer(&network, MANAGER));
    let headers = [("Authorization", &*bearer)];
    let before = memory(network.up().id(), "RssAnon");
    let (begun, mut done) = (Instant::now(), 0_u64);
    // Much happens: each is an event, and a change of the network.
    while begun.elapsed() < SILENT {
        for what in ["drain", "undrain"] {
            http.request("POST", &format!("/api/v1/control/processes/product-2/{what}"), &headers, b"")
                .check(200);
            done += 1;
        }
    }
    http.request("POST", "/api/v1/control/processes/product-1/drain", &headers, b"").check(200);
    let grown = memory(network.up().id(), "RssAnon").saturating_sub(before);
    assert!(grown < GROWN_MAX, "{grown} bytes more");
    // Everything that it knows then is as somebody hears it who comes only now, and nothing was left out unnoticed.
    let new = Reader::open(&network, CLIENT);
    slow.until("the newest", |slow| (slow.at >= new.at && slow.lasting() == new.lasting()).then_some(()));
    let drained =
        slow.until("the last event", |slow| slow.event("Operator", "product-1", "drain product-1").cloned());
    assert_eq!(slow.instance("product-1")["faults"][0], "rests by the operator's word");
    let told = slow.events.iter().filter(|event| event["kind"] == "Operator").count() as u64;
    assert!(told + slow.lost > done, "{told} told, {} lost of {done}", slow.lost);
    assert!(drained["id"].as_u64() > Some(done), "{drained}");
}
