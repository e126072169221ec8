//! Links between real ends: streams in memory in paused time, and connections over loopback.

use std::time::Duration;

use micronet_wire::builtin::{BuiltinClient, WithBuiltin};
use micronet_wire::hello::{Credential, Secret};
use micronet_wire::limits::{HEARTBEAT_INTERVAL_MS, HEARTBEATS_MISSED_MAX, LINK_BUFFER_BYTES};
use micronet_wire::network::Rules;
use micronet_wire::schema::Timestamp;
use micronet_wire::service::{CallContext, CallOptions, service};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::client::Client;
use crate::drain::channel;
use crate::identity::Identity;
use crate::server::{serve, serve_connection};
use crate::socket;
use crate::tests::{run, run_paused};

/// What is at the other end.
#[service(name = "shelf")]
trait Shelf {
    /// Is it there?
    #[rpc(public, idempotent)]
    async fn look(&self, context: &CallContext) -> Result<String, RpcError>;
}

struct Books;

impl Shelf for Books {
    async fn look(&self, _: &CallContext) -> Result<String, RpcError> {
        Ok("books".into())
    }
}

fn shelf() -> Rc<WithBuiltin<ShelfServer<Books>>> {
    Rc::new(WithBuiltin::new(ShelfServer::new(Books).unwrap(), "shelf-1", "0", Timestamp(0)).unwrap())
}

fn identity(node: &str) -> Rc<Identity> {
    Rc::new(Identity {
        cluster: "test".into(),
        node: node.into(),
        instance: format!("{node}-1"),
        cluster_secret: Some(Secret::new("cluster")),
        credential: Some(Credential::Cluster),
        ..Identity::default()
    })
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn address() -> SocketAddr {
    "10.0.0.1:8002".parse().unwrap()
}

fn rule() -> LinkRule {
    LinkRule { service: "shelf".into(), ..LinkRule::default() }
}

fn govern(network: &Network, links: impl Into<Vec<LinkRule>>) {
    let revision = network.revision() + 1;
    network.govern(Rules { revision, links: links.into(), ..Rules::default() });
}

fn cut() -> LinkRule {
    LinkRule { cut: true, ..rule() }
}

/// Two ends of a stream, of which ours is over a link.
fn pipe(network: &Rc<Network>) -> (Shaped<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(16 << 10);
    (Shaped::new(ours, Link::new(network, Some("shelf"), address())), theirs)
}

/// A client that calls a server over a link, and the serving.
async fn connection(network: &Rc<Network>) -> (Client, JoinHandle<()>) {
    let (ours, theirs) = pipe(network);
    let (trigger, drain) = channel();
    let serving = tokio::task::spawn_local(async move {
        serve_connection(theirs, shelf(), identity("shelf"), drain).await;
        drop(trigger);
    });
    let client = Client::over(ours, &identity("caller"));
    client.ready().await.unwrap();
    (client, serving)
}

/// How long a call takes.
async fn call(client: &Client) -> Duration {
    let asked = Instant::now();
    assert_eq!(ShelfClient::new(client.clone()).look(CallOptions::default()).await.unwrap(), "books");
    asked.elapsed()
}

#[test]
fn a_link_delays_both_ways_and_changes_while_it_is_used() {
    run_paused(async {
        let network = Rc::new(Network::default());
        let (client, _serving) = connection(&network).await;
        assert_eq!(call(&client).await, ms(0));
        for delay_ms in [40, 7, 300] {
            govern(&network, [LinkRule { delay_us: delay_ms * 1_000, ..rule() }]);
            assert_eq!(call(&client).await, ms(2 * delay_ms));
        }
        govern(&network, [LinkRule { delay_us: 10_000, jitter_us: 20_000, ..rule() }]);
        for _ in 0..50 {
            let took = call(&client).await;
            assert!((ms(20)..=ms(61)).contains(&took), "{took:?}");
        }
        govern(&network, [LinkRule { delay_us: 5_000, for_ms: Some(1_000), ..rule() }]);
        assert_eq!(call(&client).await, ms(10));
        tokio::time::sleep(ms(1_000)).await;
        assert_eq!(call(&client).await, ms(0));
        // Rules for others change nothing here.
        govern(&network, [LinkRule { service: "another".into(), cut: true, ..LinkRule::default() }]);
        assert_eq!(call(&client).await, ms(0));
    });
}

#[test]
fn a_link_has_a_bandwidth_each_way() {
    run_paused(async {
        let network = Rc::new(Network::default());
        govern(&network, [LinkRule { delay_us: 50_000, bytes_per_s: 100_000, ..rule() }]);
        let (ours, theirs) = pipe(&network);
        let sent = vec![7; 514_000];
        let (mut ours_in, mut ours_out) = tokio::io::split(ours);
        let (mut theirs_in, mut theirs_out) = tokio::io::split(theirs);
        let started = Instant::now();
        // All but the burst of 14,000 bytes take their time, and the last of them 50 ms more.
        let out = async {
            ours_out.write_all(&sent).await.unwrap();
            ours_out.shutdown().await.unwrap();
        };
        let there = async {
            let mut received = Vec::new();
            theirs_in.read_to_end(&mut received).await.unwrap();
            assert!(received == sent);
            started.elapsed()
        };
        let back = async {
            theirs_out.write_all(&sent).await.unwrap();
            theirs_out.shutdown().await.unwrap();
        };
        let here = async {
            let mut received = Vec::new();
            ours_in.read_to_end(&mut received).await.unwrap();
            assert!(received == sent);
            started.elapsed()
        };
        let ((), there, (), here) = tokio::join!(out, there, back, here);
        assert!((ms(5_050)..=ms(5_060)).contains(&there), "{there:?}");
        assert!((ms(5_050)..=ms(5_300)).contains(&here), "{here:?}");
    });
}

#[test]
fn what_is_lost_comes_later_and_nothing_is_missing() {
    run_paused(async {
        let network = Rc::new(Network::default());
        govern(&network, [LinkRule { delay_us: 1_000, loss_permille: 100, ..rule() }]);
        let (mut ours, mut theirs) = pipe(&network);
        let sent: Vec<u8> = (0..300_000_usize).map(|at| at.to_le_bytes()[at % 3]).collect();
        let started = Instant::now();
        let mut received = vec![0; sent.len()];
        let (written, read) = tokio::join!(
            async {
                ours.write_all(&sent).await?;
                ours.shutdown().await
            },
            theirs.read_exact(&mut received)
        );
        written.unwrap();
        read.unwrap();
        assert!(received == sent);
        // One of ten of 215 segments: it would be a wonder if none were lost.
        assert!(started.elapsed() >= ms(201), "{:?}", started.elapsed());
    });
}

#[test]
fn a_cut_link_is_silent_until_heartbeats_are_missed_and_heals() {
    run_paused(async {
        let network = Rc::new(Network::default());
        let (client, serving) = connection(&network).await;
        // A short cut delays what was on its way, and no more.
        govern(&network, [LinkRule { for_ms: Some(2_500), ..cut() }]);
        assert_eq!(call(&client).await, ms(2_500));
        govern(&network, [cut()]);
        let cut_at = Instant::now();
        let unanswered = ShelfClient::new(client.clone()).look(CallOptions::default()).await.unwrap_err();
        assert_eq!(unanswered.code, Code::ConnectionLost);
        assert_eq!(client.closed().await.unwrap_err().code, Code::Silent);
        let silent = u64::from(HEARTBEAT_INTERVAL_MS * (HEARTBEATS_MISSED_MAX + 1));
        assert!((ms(silent - 1_000)..=ms(silent + 1)).contains(&cut_at.elapsed()), "{:?}", cut_at.elapsed());
        // The other side has found out for itself.
        serving.await.unwrap();
        drop(client);
        govern(&network, []);
        let (client, _serving) = connection(&network).await;
        assert_eq!(call(&client).await, ms(0));
    });
}

#[test]
fn nobody_behind_a_cut_hears_that_a_connection_has_ended() {
    run_paused(async {
        let network = Rc::new(Network::default());
        let (mut ours, mut theirs) = pipe(&network);
        govern(&network, [cut()]);
        // As much is taken as fits, as by a kernel whose peer is away.
        let mut taken = 0;
        while let Ok(written) = tokio::time::timeout(ms(1), ours.write(&[1; 10_000])).await {
            taken += written.unwrap();
        }
        assert_eq!(taken, LINK_BUFFER_BYTES);
        theirs.write_all(b"hello?").await.unwrap();
        assert!(tokio::time::timeout(ms(60_000), ours.read_u8()).await.is_err());
        drop(ours);
        assert!(tokio::time::timeout(ms(60_000), theirs.read_u8()).await.is_err());
        govern(&network, []);
        assert_eq!(theirs.read_u8().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    });
}

#[test]
fn who_dials_over_a_link_waits_or_hears_that_it_may_not() {
    run_paused(async {
        let network = Rc::new(Network::default());
        let link = Link::new(&network, Some("shelf"), address());
        let dial = async |links: Vec<LinkRule>| {
            govern(&network, links);
            let asked = Instant::now();
            let dialled = link.dial().await.map_err(|error| (error.code, error.message));
            (dialled, asked.elapsed())
        };
        assert_eq!(dial(vec![]).await, (Ok(()), ms(0)));
        assert_eq!(dial(vec![LinkRule { delay_us: 30_000, ..rule() }]).await, (Ok(()), ms(60)));
        let timed_out = || Err((Code::Unavailable, "cannot connect to 10.0.0.1:8002: timed out".to_owned()));
        assert_eq!(dial(vec![cut()]).await, (timed_out(), ms(CONNECT_MS_MAX)));
        assert_eq!(
            dial(vec![LinkRule { delay_us: 600_000, ..rule() }]).await,
            (timed_out(), ms(CONNECT_MS_MAX))
        );
        assert_eq!(dial(vec![LinkRule { for_ms: Some(300), ..cut() }]).await, (Ok(()), ms(300)));
        let denied = LinkRule { denied: true, reason: "rule 2: only order calls shelf".into(), ..rule() };
        let words = "the network allows no connection to shelf: rule 2: only order calls shelf".to_owned();
        assert_eq!(dial(vec![denied.clone()]).await, (Err((Code::InsufficientPermissions, words)), ms(0)));
        // A connection that is there ends.
        govern(&network, []);
        let (client, _serving) = connection(&network).await;
        govern(&network, [denied]);
        client.ping();
        let ended = client.closed().await.unwrap_err();
        assert!(ended.message.contains("only order calls shelf"), "{ended}");
    });
}

#[test]
fn the_first_rule_that_fits_the_instance_holds() {
    run_paused(async {
        let network = Rc::new(Network::default());
        let delay = |instance: Option<&str>, delay_us| LinkRule {
            instance: instance.map(str::to_owned),
            delay_us,
            ..rule()
        };
        govern(
            &network,
            [
                delay(Some("shelf-1"), 1),
                delay(Some("10.0.0.1:8002"), 2),
                delay(Some("shelf-2"), 3),
                delay(None, 4),
            ],
        );
        let delay_us = |link: &Link| match link.passage(clock::now()) {
            (Passage::Under(conditions), None) => conditions.delay_ns / 1_000,
            other => panic!("{other:?}"),
        };
        let link = Link::new(&network, Some("shelf"), address());
        assert_eq!(delay_us(&link), 2, "by its address");
        link.leads_to("shelf-1");
        assert_eq!(delay_us(&link), 1, "by its name");
        assert_eq!(delay_us(&Link::new(&network, Some("shelf"), address())), 1, "which is remembered");
        let other = Link::new(&network, Some("shelf"), "10.0.0.2:8002".parse().unwrap());
        assert_eq!(delay_us(&other), 4);
        other.leads_to("shelf-2");
        assert_eq!(delay_us(&other), 3);
        let unknown = Link::new(&network, None, address());
        assert_eq!(unknown.passage(clock::now()), (Passage::Free, None));
    });
}

#[test]
fn connections_over_sockets_are_shaped_and_ended_by_the_rules() {
    run(async {
        let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (_trigger, drain) = channel();
        tokio::task::spawn_local(serve(listener, shelf(), identity("shelf"), drain));
        let caller = identity("caller");
        let client = Client::connect_to("shelf", address, &caller).await.unwrap();
        call(&client).await;
        govern(&caller.network, [LinkRule { instance: Some("shelf-1".into()), delay_us: 20_000, ..rule() }]);
        assert!(call(&client).await >= ms(40));
        let asked = Instant::now();
        let second = Client::connect_to("shelf", address, &caller).await.unwrap();
        assert!(asked.elapsed() >= ms(80), "a round trip for TCP, and one for HELLO");
        let about = BuiltinClient::new(second).instance(CallOptions::default()).await.unwrap();
        assert_eq!(about.instance, "shelf-1");
        govern(&caller.network, [LinkRule { denied: true, ..rule() }]);
        assert_eq!(
            Client::connect_to("shelf", address, &caller).await.unwrap_err().code,
            Code::InsufficientPermissions
        );
        client.ping();
        assert!(client.closed().await.is_err());
    });
}
