//! What an upstream tells its callers, and whom it picks.

use std::future::poll_fn;

use micronet_wire::builtin::builtin_schema;
use micronet_wire::conn::{Announcement, Connection, Event, Role};
use micronet_wire::frame::Health;

use super::*;
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

/// An instance on a pipe in memory, which says this of itself when its peer has said hello.
fn instance(name: &str, says: Announcement) -> Instance {
    let (near, far) = tokio::io::duplex(4096);
    tokio::task::spawn_local(async move {
        let config = Identity::default().config(Role::Acceptor, None, None);
        let mut connection = Connection::new(config, clock::now());
        let mut wire = Wire::new(far);
        while !connection.is_closed() {
            while let Some(event) = connection.poll_event() {
                if matches!(event, Event::Ready(_)) {
                    assert!(connection.announce(says));
                }
            }
            poll_fn(|cx| {
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
