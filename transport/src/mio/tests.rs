//! Client and server over real loopback sockets. What they say byte by byte is held by the conformance tests.

mod streams;

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::header::PREFACE;
use micronet_wire::hello::{Credential, Secret};
use micronet_wire::limits::{CALLS_IN_FLIGHT_MAX, MESSAGE_BYTES_MAX, SERVER_STRANGERS_MAX};
use micronet_wire::service::{Answer, CallContext, CallOptions};

use super::client::SyncClient;
use super::server::{StopHandle, SyncServer};
use crate::clock;
use crate::identity::Identity;

const ECHO: u32 = 1;
const REFUSE: u32 = 2;
const PANIC: u32 = 3;
const COUNT: u32 = 4;
const PRINCIPAL: u32 = 5;

fn service() -> impl Fn(&CallContext, u32, Bytes) -> Answer + Send {
    let count = Cell::new(0_u8);
    move |context: &CallContext, method, request| match method {
        ECHO => Ok(request),
        PANIC => panic!("a test"),
        PRINCIPAL => Ok(Bytes::from(context.principal.key())),
        COUNT => {
            count.set(count.get() + 1);
            Ok(Bytes::copy_from_slice(&[count.get()]))
        }
        _ => Err(RpcError::new(Code::UnknownMethod, "no such method")),
    }
}

fn identity(node: &str) -> Identity {
    Identity {
        cluster: "test".into(),
        node: node.into(),
        instance: format!("{node}-1"),
        cluster_secret: Some(Secret::new("s")),
        operator_token: None,
        credential: Some(Credential::Cluster),
        ..Identity::default()
    }
}

fn start() -> (SocketAddr, StopHandle, JoinHandle<io::Result<()>>) {
    let server = SyncServer::bind("127.0.0.1:0".parse().unwrap(), service(), &identity("server")).unwrap();
    let (address, stop) = (server.address(), server.stop_handle());
    (address, stop, std::thread::spawn(|| server.run()))
}

fn connect(address: SocketAddr) -> SyncClient {
    SyncClient::connect(address, &identity("caller")).unwrap()
}

fn call(client: &mut SyncClient, method: u32, request: &[u8]) -> Result<Bytes, Code> {
    let end = client.call(method, &Bytes::copy_from_slice(request), &CallOptions::default());
    end.map(|reply| reply.body).map_err(|error| error.code)
}

#[test]
fn calls_one_after_another() {
    let (address, stop, serving) = start();
    let mut client = connect(address);
    assert_eq!(client.peer().instance, "server-1");
    for spins in [false, true, false] {
        client.spin(spins);
        assert_eq!(call(&mut client, ECHO, b"x"), Ok(Bytes::from_static(b"x")));
        assert_eq!(call(&mut client, REFUSE, b"x"), Err(Code::UnknownMethod));
        // What a handler fails by is its own call.
        assert_eq!(call(&mut client, PANIC, b"x"), Err(Code::Internal));
        assert_eq!(call(&mut client, PRINCIPAL, b""), Ok(Bytes::from_static(b"service/caller")));
        let (round_trip, pong) = client.ping(Duration::from_secs(10)).unwrap();
        assert!(round_trip > Duration::ZERO && pong.bytes_received > 0, "{round_trip:?} {pong:?}");
    }
    client.send(COUNT, &Bytes::new(), &CallOptions::default()).unwrap();
    assert_eq!(call(&mut client, COUNT, b""), Ok(Bytes::from_static(&[2])), "the one-way call came first");
    assert_eq!(client.drain(), Ok(()));
    assert_eq!(call(&mut client, ECHO, b"x"), Err(Code::Unavailable));
    stop.drain().unwrap();
    serving.join().unwrap().unwrap();
}

#[test]
fn many_calls_at_once() {
    let (address, _stop, _serving) = start();
    let mut client = connect(address);
    let text = |n: u32| format!("text {n}");
    let streams: Vec<u32> = (0..CALLS_IN_FLIGHT_MAX)
        .map(|n| client.start(ECHO, &text(n).into(), &CallOptions::default()).unwrap())
        .collect();
    let refused = client.start(ECHO, &"one more".into(), &CallOptions::default()).unwrap_err();
    assert_eq!((refused.code, client.can_call()), (Code::Overloaded, false));
    // Any end by its stream, and the others in their order.
    assert_eq!(client.wait(streams[7]).unwrap().body, text(7));
    client.cancel(streams[4000]);
    let mut ends = Vec::new();
    while let Some((stream, end)) = client.next_end(Duration::from_secs(10)) {
        let at = streams.iter().position(|known| *known == stream).unwrap();
        assert_eq!(end.unwrap().body, text(u32::try_from(at).unwrap()));
        ends.push(at);
    }
    assert!(ends.is_sorted() && !ends.contains(&7), "{ends:?}");
    assert!(ends.len() + 2 >= streams.len() && client.calls_in_flight() <= 1, "{}", ends.len());
    assert_eq!(client.wait(streams[7]).unwrap_err().code, Code::Internal, "it was taken before");
}

#[test]
fn large_messages_both_ways_at_once() {
    let (address, _stop, _serving) = start();
    let mut client = connect(address);
    let large = vec![7; MESSAGE_BYTES_MAX / 8];
    let mut ended = 0;
    let mut refused = 0;
    for _ in 0..16 {
        match client.start(ECHO, &large.clone().into(), &CallOptions::default()) {
            Ok(_) => {}
            // More than the output may hold; what is on its way ends first.
            Err(error) => {
                assert_eq!(error.code, Code::Overloaded);
                refused += 1;
                assert_eq!(client.next_end(Duration::from_secs(10)).unwrap().1.unwrap().body, large);
                ended += 1;
            }
        }
    }
    while let Some((_, end)) = client.next_end(Duration::from_secs(10)) {
        assert_eq!(end.unwrap().body, large);
        ended += 1;
    }
    assert_eq!(ended + refused, 16);
    assert!(ended > 4, "{ended}");
}

#[test]
fn a_client_that_rests_stays_alive() {
    let (address, _stop, _serving) = start();
    let mut identity = identity("caller");
    identity.node = "rests".into();
    let mut client = SyncClient::connect(address, &identity).unwrap();
    let before = client.ping(Duration::from_secs(10)).unwrap().1.bytes_received;
    client.rest(Duration::from_millis(4_500));
    assert_eq!(call(&mut client, ECHO, b"x"), Ok(Bytes::from_static(b"x")));
    let after = client.ping(Duration::from_secs(10)).unwrap().1.bytes_received;
    assert!(after - before > 3 * 32, "there were heartbeats: {before} to {after}");
}

#[test]
fn a_deadline_that_has_passed_and_a_client_that_is_late() {
    let (address, _stop, _serving) = start();
    let mut client = connect(address);
    let over = CallOptions { deadline_ns: clock::now(), ..CallOptions::default() };
    assert_eq!(client.call(ECHO, &Bytes::new(), &over).unwrap_err().code, Code::DeadlineExceeded);
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = SyncClient::connect(gone, &Identity::default()).map(|_| ()).unwrap_err();
    assert_eq!(refused.code, Code::Unavailable);
    let stranger = Identity { cluster: "another".into(), ..identity("caller") };
    let refused = SyncClient::connect(address, &stranger).map(|_| ()).unwrap_err();
    assert_eq!(refused.code, Code::WrongCluster);
}

#[test]
fn draining_ends_the_server_and_tells_its_clients() {
    let (address, stop, serving) = start();
    let mut clients: Vec<SyncClient> = (0..3).map(|_| connect(address)).collect();
    assert_eq!(call(&mut clients[0], ECHO, b"x"), Ok(Bytes::from_static(b"x")));
    stop.drain().unwrap();
    for client in &mut clients {
        client.rest(Duration::from_secs(10));
        assert!(client.is_closed());
        assert_eq!(client.drain(), Ok(()), "a plain end");
    }
    serving.join().unwrap().unwrap();
    assert!(SyncClient::connect(address, &identity("caller")).is_err());
}

#[test]
fn strangers_make_room_and_the_cluster_stays() {
    let (address, _stop, _serving) = start();
    let mut member = connect(address);
    let mut strangers: Vec<TcpStream> = Vec::new();
    for _ in 0..=SERVER_STRANGERS_MAX {
        strangers.push(TcpStream::connect(address).unwrap());
    }
    // The oldest is sent away; it has said nothing, and hears nothing. The next one stays.
    let mut last_words = Vec::new();
    strangers[0].read_to_end(&mut last_words).unwrap();
    assert_eq!(last_words, b"");
    strangers[1].write_all(&PREFACE[..1]).unwrap();
    strangers[1].read_exact(&mut [0; PREFACE.len()]).unwrap();
    assert_eq!(call(&mut member, ECHO, b"x"), Ok(Bytes::from_static(b"x")));
}
