//! What an upstream tells its callers, and whom it picks.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use micronet_wire::builtin::builtin_schema;
use micronet_wire::conn::{Announcement, Connection, Event, Role};
use micronet_wire::frame::Health;
use micronet_wire::network::InstanceState;

use bytes::Bytes;
use micronet_wire::service::{CallOptions, Caller};

use super::*;
use crate::breaker::Verdict;
use crate::client::Client;
use crate::driver::Wire;

impl Upstream {
    /// An instance that is connected, and that nobody keeps so.
    fn join(&self, port: u16, instance: Instance) {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let member =
            Rc::new(Member::new(address, u64::from(port), WEIGHT_NORM, Source::Static, clock::now()));
        self.0.took(&member, 0, instance);
        self.0.members.borrow_mut().push(member);
    }
}

thread_local! {
    /// Whether the instances of this test say nothing any more, and keep their connections open.
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// An instance on a pipe in memory, which says this of itself when its peer has said hello.
fn instance(name: &str, says: Announcement) -> Instance {
    let (near, far) = tokio::io::duplex(4096);
    tokio::task::spawn_local(async move {
        let config = Identity::default().config(Role::Acceptor, None, None);
        let mut connection = Connection::new(config, clock::now());
        let mut wire = Wire::new(far, crate::tap::Point::nowhere());
        while !connection.is_closed() {
            while let Some(event) = connection.poll_event() {
                if matches!(event, Event::Ready(_)) && says != Announcement::default() {
                    assert!(connection.announce(says));
                }
            }
            poll_fn(|cx| {
                if SILENT.get() {
                    return Poll::Pending;
                }
                wire.poll_transmit(cx, &mut connection);
                wire.poll_receive(cx, &mut connection)
            })
            .await;
        }
    });
    let schema = EncodedSchema::new(builtin_schema().clone()).unwrap();
    Instance {
        name: name.into(),
        client: Client::over(near, &Identity::default()),
        schema: Rc::new(schema),
        adapter: None,
    }
}

/// Polls a future once; whether it waits.
async fn begin<T>(mut future: Pin<&mut impl Future<Output = T>>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

#[test]
fn who_drains_is_called_when_nobody_else_is_left() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default());
    runtime.unwrap().block_on(async {
        let health = |health| Announcement { health: Some(health), ..Announcement::default() };
        let upstream = Upstream::connect("toys", &[], &Rc::default());
        for (name, port, health) in
            [("toys-1", 1, health(Health::Draining)), ("toys-2", 2, health(Health::Serving))]
        {
            let instance = instance(name, health);
            instance.client.ready().await.unwrap();
            while instance.client.peer_health() != health.health.unwrap() {
                tokio::task::yield_now().await;
            }
            upstream.join(port, instance);
        }
        let picked = |tried: &[Rc<str>]| upstream.pick(tried).map(|instance| instance.name.to_string());
        for _ in 0..3 {
            assert_eq!(picked(&[]).as_deref(), Some("toys-2"));
        }
        assert_eq!(picked(&["toys-2".into()]).as_deref(), Some("toys-1"));
        assert_eq!(picked(&["toys-2".into(), "toys-1".into()]), None);
    });
}

#[test]
fn who_answers_no_heartbeat_is_spared_unless_this_process_is_late_itself() {
    crate::tests::run_paused(async {
        let upstream = Upstream::connect("toys", &[], &Rc::default());
        let silent = instance("toys-1", Announcement::default());
        let client = silent.client.clone();
        client.ready().await.unwrap();
        upstream.join(1, silent);
        let member = Rc::clone(&upstream.0.members.borrow()[0]);
        let state_after = |ms, lagging| {
            let member = Rc::clone(&member);
            async move {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                member.look(clock::now(), lagging);
                member.ledger.borrow().state()
            }
        };
        assert_eq!(state_after(0, false).await, InstanceState::Up);
        SILENT.set(true);
        assert_eq!(state_after(1_400, false).await, InstanceState::Up, "the heartbeat has time yet");
        assert_eq!(state_after(200, true).await, InstanceState::Up, "it may be read yet");
        assert_eq!(state_after(0, false).await, InstanceState::Suspect);
        assert!(upstream.pick(&[]).is_some(), "it is better than none");
        // Another one comes: what waits for the silent one goes there.
        let options = CallOptions { idempotent: true, ..CallOptions::default() };
        let mut waiting = std::pin::pin!(client.call(1, Bytes::new(), options));
        assert!(begin(waiting.as_mut()).await);
        let mut write = std::pin::pin!(client.call(1, Bytes::new(), CallOptions::default()));
        assert!(begin(write.as_mut()).await);
        upstream.join(2, instance("toys-2", Announcement::default()));
        upstream.0.members.borrow()[1].look(clock::now(), false);
        upstream.0.look(clock::now());
        assert_eq!(waiting.await.unwrap_err().code, Code::Silent);
        assert!(begin(write.as_mut()).await, "it may have been executed");
        client.leaving().await;
        assert!(client.ended().unwrap().contains("nothing was heard for"), "{:?}", client.ended());
        assert!(upstream.pick(&[]).is_none());
    });
}

#[test]
fn a_broken_link_is_told_as_a_service_that_is_away() {
    let check = |code, harmless, expected, words: &str| {
        let told = told_to_caller("toys", harmless, RpcError::new(code, "inner words"));
        assert_eq!(told.code, expected, "{code} {harmless}");
        assert!(told.message.contains(words), "{code} {harmless}: {}", told.message);
    };
    let away = "Sorry, toys service is unavailable right now";
    check(Code::Draining, false, Code::Unavailable, away);
    check(Code::ConnectionLost, true, Code::Unavailable, away);
    check(Code::Silent, true, Code::Unavailable, away);
    check(Code::ConnectionLost, false, Code::ConnectionLost, "whether it had done this already is not known");
    check(Code::Silent, false, Code::Silent, away);
    check(Code::Internal, true, Code::Internal, "inner words");
    let refused = RpcError::new(Code::ConnectionLost, "no such secret").retry(Retry::NeverStarted, 0);
    assert_eq!(told_to_caller("toys", false, refused).code, Code::Unavailable);
}

#[test]
fn an_instance_is_blamed_for_its_own_failures_only() {
    let check = |code, took_ns, expected| {
        assert_eq!(member::verdict(&RpcError::new(code, ""), took_ns, 10), expected, "{code} {took_ns}");
    };
    check(Code::Internal, 1, Some(Verdict::Failed));
    check(Code::ConnectionLost, 1, Some(Verdict::Failed));
    // What is behind it is away: another's fault, and told as such by whoever calls that.
    check(Code::Unavailable, 1, None);
    check(Code::Overloaded, 1, None);
    check(Code::DeadlineExceeded, 10, None);
    check(Code::DeadlineExceeded, 11, Some(Verdict::Slow));
    check(Code::Application, 1, Some(Verdict::Good));
}
