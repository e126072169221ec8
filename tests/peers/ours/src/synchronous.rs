//! The synchronous driver.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use harness::command_line::Load;
use harness::meter::Meter;
use micronet_transport::mio::client::SyncClient;
use micronet_wire::encoding::{decode, encode};
use micronet_wire::schema::Blob;

use crate::api::{BenchMethods, Payload};
use crate::membership::{Membership, options};

pub(crate) fn call(load: &Load, membership: &Membership, spins: bool) {
    assert_eq!(load.connections, 1, "a synchronous client is one connection");
    let mut client = SyncClient::connect(load.server, &membership.identity()).expect("the server listens");
    client.spin(spins);
    let payload = Payload { bytes: Blob(load.payload()) };
    let start = |client: &mut SyncClient| {
        let request = encode(&payload).expect("a short message");
        client.start(BenchMethods::ECHO, &request, &options()).expect("room for a call")
    };
    let meter = Meter::start(&load.times);
    // In the order of their numbers, in which they mostly end.
    let mut under_way: VecDeque<(u32, Instant)> = VecDeque::new();
    for _ in 0..load.in_flight {
        under_way.push_back((start(&mut client), Instant::now()));
    }
    while let Some((stream, end)) = client.next_end(Duration::from_secs(5)) {
        let reply: Payload = decode(&end.expect("a reply").body).expect("a payload");
        assert_eq!(reply.bytes.0.len(), load.size);
        let place = under_way.binary_search_by_key(&stream, |(number, _)| *number).ok();
        let (_, mut began) = place.and_then(|place| under_way.remove(place)).expect("a call of ours");
        meter.ended(&mut began);
        under_way.push_back((start(&mut client), began));
    }
    panic!("no call has ended for five seconds");
}
