//! Server, client and upstream over real loopback sockets and pipes in memory.

mod batches;
mod beacon;
mod deadlines;
mod instances;
mod one_way;
mod resume;
mod runtime;
mod streams;
mod vitals;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use micronet_wire::builtin::WithBuiltin;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::hello::{Credential, Secret};
use micronet_wire::limits::{LINGER_MS_MAX, SERVER_STRANGERS_MAX, TEXT_FIRST_MS_MAX};
use micronet_wire::principal::Principal;
use micronet_wire::schema::{Message, Timestamp};
use micronet_wire::service::{CallContext, CallOptions, Caller, service};
use tokio::sync::Notify;

pub(crate) use self::runtime::{run, run_paused};
use crate::client::Client;
use crate::drain::{DrainTrigger, channel};
use crate::identity::Identity;
use crate::server::{serve, serve_connection};
use crate::socket;
use crate::upstream::Upstream;

#[derive(Message, Debug, Clone, PartialEq)]
struct Text {
    text: String,
}

/// What the tests call.
#[service(name = "probe")]
trait Probe {
    /// The same again.
    #[rpc(public, idempotent)]
    async fn echo(&self, context: &CallContext, request: Text) -> Result<Text, RpcError>;
    /// Waits for the gate.
    #[rpc(public)]
    async fn wait(&self, context: &CallContext, request: Text) -> Result<Text, RpcError>;
    /// Who calls.
    #[rpc(service)]
    async fn whoami(&self, context: &CallContext) -> Result<Text, RpcError>;
    /// Waits for the gate, then keeps the text.
    #[rpc(one_way, service)]
    async fn note(&self, context: &CallContext, request: Text);
    /// Holds up the whole process for 50 ms.
    #[rpc(public)]
    async fn block(&self, context: &CallContext) -> Result<(), RpcError>;
}

#[derive(Default, Clone)]
struct Probing {
    gate: Rc<Notify>,
    /// Notified when a waiting handler is dropped, finished or not.
    dropped: Rc<Notify>,
    /// What `note` was told.
    notes: Rc<RefCell<Vec<String>>>,
}

struct NotifyOnDrop(Rc<Notify>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Probe for Probing {
    async fn echo(&self, _: &CallContext, request: Text) -> Result<Text, RpcError> {
        Ok(request)
    }
    async fn wait(&self, _: &CallContext, request: Text) -> Result<Text, RpcError> {
        let _guard = NotifyOnDrop(Rc::clone(&self.dropped));
        self.gate.notified().await;
        Ok(request)
    }
    async fn whoami(&self, context: &CallContext) -> Result<Text, RpcError> {
        Ok(Text { text: context.principal.key() })
    }
    async fn block(&self, _: &CallContext) -> Result<(), RpcError> {
        std::thread::sleep(Duration::from_millis(50));
        Ok(())
    }
    async fn note(&self, _: &CallContext, request: Text) {
        let _guard = NotifyOnDrop(Rc::clone(&self.dropped));
        self.gate.notified().await;
        self.notes.borrow_mut().push(request.text);
    }
}

fn identity(node: &str, secret: &str) -> Rc<Identity> {
    Rc::new(Identity {
        cluster: "test".into(),
        node: node.into(),
        instance: format!("{node}-1"),
        cluster_secret: Some(Secret::new(secret)),
        operator_token: None,
        credential: Some(Credential::Cluster),
        ..Identity::default()
    })
}

fn server_of(probing: Probing) -> Rc<WithBuiltin<ProbeServer<Probing>>> {
    Rc::new(WithBuiltin::new(ProbeServer::new(probing).unwrap(), "probe-1", "0", Timestamp(0)).unwrap())
}

/// Starts a server on a free port.
fn start(probing: Probing) -> (SocketAddr, DrainTrigger, tokio::task::JoinHandle<()>) {
    let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, drain) = channel();
    let serving =
        tokio::task::spawn_local(serve(listener, server_of(probing), identity("probe", "s"), drain));
    (address, trigger, serving)
}

fn text(text: &str) -> Text {
    Text { text: text.into() }
}

/// Polls a future once; whether it waits.
async fn begin<T>(mut future: Pin<&mut impl Future<Output = T>>) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

#[test]
fn calls_over_tcp() {
    run(async {
        let (address, _trigger, _serving) = start(Probing::default());
        let client = ProbeClient::new(Client::connect(address, &identity("caller", "s")).await.unwrap());
        let calls = (0..100).map(|n| client_echo(&client, n));
        let answers = futures_util::future::join_all(calls).await;
        assert_eq!(answers, (0..100).map(|n| text(&format!("text {n}"))).collect::<Vec<_>>());
        assert_eq!(client.whoami(CallOptions::default()).await, Ok(text("service/caller")));
        let behalf = CallOptions { principal: Some(Principal::Operator), ..Default::default() };
        assert_eq!(client.whoami(behalf).await, Ok(text("operator")));
    });
}

async fn client_echo<C: Caller>(client: &ProbeClient<C>, n: usize) -> Text {
    client.echo(&text(&format!("text {n}")), CallOptions::default()).await.unwrap()
}

#[test]
fn a_wrong_secret_is_refused_in_words() {
    run(async {
        let (address, _trigger, _serving) = start(Probing::default());
        let client = Client::connect(address, &identity("caller", "another secret")).await.unwrap();
        assert_eq!(client.closed().await.unwrap_err().code, Code::BadProof);
        let anonymous = Identity { credential: None, ..(*identity("", "")).clone() };
        let anonymous = Identity { node: String::new(), instance: String::new(), ..anonymous };
        let client = ProbeClient::new(Client::connect(address, &anonymous).await.unwrap());
        assert_eq!(client.whoami(CallOptions::default()).await.unwrap_err().code, Code::Unauthenticated);
    });
}

#[test]
fn a_dropped_call_stops_its_handler() {
    run(async {
        let probing = Probing::default();
        let dropped = Rc::clone(&probing.dropped);
        let (address, _trigger, _serving) = start(probing);
        let client = Client::connect(address, &identity("caller", "s")).await.unwrap();
        let probe = ProbeClient::new(client.clone());
        let request = text("never answered");
        tokio::select! {
            biased;
            _ = probe.wait(&request, CallOptions::default()) => panic!("the gate is closed"),
            answer = client_echo(&probe, 1) => assert_eq!(answer, text("text 1")),
        }
        dropped.notified().await;
        client_echo(&probe, 2).await;
        assert_eq!(client.calls_in_flight(), 0);
    });
}

#[test]
fn a_deadline_ends_the_call_on_both_sides() {
    run(async {
        let probing = Probing::default();
        let dropped = Rc::clone(&probing.dropped);
        let (address, _trigger, _serving) = start(probing);
        let probe = ProbeClient::new(Client::connect(address, &identity("caller", "s")).await.unwrap());
        let soon = CallOptions { deadline_ns: crate::clock::now() + 20_000_000, ..Default::default() };
        assert_eq!(probe.wait(&text("late"), soon).await.unwrap_err().code, Code::DeadlineExceeded);
        dropped.notified().await;
    });
}

#[test]
fn draining_finishes_what_was_started() {
    run(async {
        let probing = Probing::default();
        let gate = Rc::clone(&probing.gate);
        let (address, trigger, serving) = start(probing);
        let client = Client::connect(address, &identity("caller", "s")).await.unwrap();
        let probe = ProbeClient::new(client.clone());
        let request = text("patience");
        let options = CallOptions::default();
        let (answer, ()) = tokio::join!(probe.wait(&request, options), async {
            client_echo(&probe, 1).await; // The waiting call is in its handler by now.
            trigger.drain();
            client.leaving().await;
            let refused = probe.echo(&text("too late"), CallOptions::default()).await.unwrap_err();
            assert_eq!(refused.code, Code::Draining);
            gate.notify_one();
        });
        assert_eq!(answer, Ok(text("patience")));
        assert_eq!(client.closed().await, Ok(()));
        serving.await.unwrap();
    });
}

#[test]
fn an_upstream_passes_over_instances_that_are_gone() {
    run(async {
        let (first, first_trigger, first_serving) = start(Probing::default());
        let (second, _second_trigger, _second_serving) = start(Probing::default());
        let upstream = Upstream::connect("probe", &[first, second], &identity("caller", "s"));
        upstream.tried().await;
        let probe = ProbeClient::new(upstream.clone());
        assert!(upstream.pick(&[]).is_some());
        first_trigger.drain();
        first_serving.await.unwrap();
        for n in 0..10 {
            client_echo(&probe, n).await;
        }
    });
}

#[test]
fn the_end_of_a_connection_stops_its_handlers_at_once() {
    run(async {
        let probing = Probing::default();
        let dropped = Rc::clone(&probing.dropped);
        let (address, _trigger, _serving) = start(probing);
        let client = Client::connect(address, &identity("caller", "s")).await.unwrap();
        let probe = ProbeClient::new(client.clone());
        let request = text("never answered");
        let mut waiting = std::pin::pin!(probe.wait(&request, CallOptions::default()));
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("the gate is closed"),
            _ = client_echo(&probe, 1) => {}
        }
        // A frame that is none: the server ends the connection, and we keep our side open.
        client.close(Code::Protocol, "a test");
        let before = tokio::time::Instant::now();
        dropped.notified().await;
        assert!(before.elapsed() < Duration::from_millis(LINGER_MS_MAX / 2), "{:?}", before.elapsed());
    });
}

#[test]
fn strangers_make_room_for_each_other_and_never_for_the_cluster() {
    run(async {
        let (address, _trigger, _serving) = start(Probing::default());
        let member = ProbeClient::new(Client::connect(address, &identity("caller", "s")).await.unwrap());
        client_echo(&member, 0).await;
        let nobody = Identity::default();
        let mut strangers = Vec::new();
        for _ in 0..SERVER_STRANGERS_MAX {
            strangers.push(Client::connect(address, &nobody).await.unwrap());
        }
        assert!(strangers.iter().all(Client::is_serving));
        let latest = ProbeClient::new(Client::connect(address, &nobody).await.unwrap());
        assert_eq!(strangers[0].closed().await.unwrap_err().code, Code::Overloaded);
        client_echo(&latest, 1).await;
        client_echo(&member, 2).await;
        assert!(strangers[1..].iter().all(Client::is_serving));
    });
}

#[test]
fn dropping_an_upstream_closes_its_connections() {
    run(async {
        let (address, trigger, serving) = start(Probing::default());
        let upstream = Upstream::connect("probe", &[address], &identity("caller", "s"));
        upstream.tried().await;
        let leaving = upstream.pick(&[]).unwrap().client.leaving();
        drop(upstream);
        leaving.await;
        trigger.drain();
        serving.await.unwrap();
    });
}

#[test]
fn a_service_that_is_gone_fails_before_any_timer() {
    run_paused(async {
        // Bound but never accepted from: connecting succeeds at the kernel, and no HELLO comes.
        let silent = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let upstream = Upstream::connect("probe", &[silent.local_addr().unwrap()], &identity("caller", "s"));
        let before = tokio::time::Instant::now();
        let error =
            ProbeClient::new(upstream).echo(&text("anyone?"), CallOptions::default()).await.unwrap_err();
        assert_eq!(error.code, Code::Unavailable);
        assert_eq!(error.message, "Sorry, probe service is unavailable right now");
        assert_eq!(before.elapsed(), Duration::ZERO, "a timer fired first");
    });
}

#[test]
fn a_silent_peer_is_given_up_by_the_fake_clock() {
    run_paused(async {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (_trigger, drain) = channel();
        let serving = tokio::task::spawn_local(serve_connection(
            theirs,
            server_of(Probing::default()),
            identity("probe", "s"),
            drain,
        ));
        // Nothing is ever written from our end: the time passes that somebody has to type something.
        let before = tokio::time::Instant::now();
        serving.await.unwrap();
        assert_eq!(before.elapsed(), Duration::from_millis(TEXT_FIRST_MS_MAX));
        drop(ours);
    });
}
