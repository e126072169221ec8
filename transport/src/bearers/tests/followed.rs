//! Following an authority over real connections.

use std::net::SocketAddr;

use micronet_wire::authority::{AuditEntries, Authority, AuthorityServer, Bearer, RevocationsAfter, Ticket};
use micronet_wire::builtin::WithBuiltin;
use micronet_wire::hello::{Credential, Secret};
use micronet_wire::service::{CallContext, Outgoing};

use tokio::task::JoinHandle;

use super::*;
use crate::clock::unix_us;
use crate::drain::{DrainTrigger, channel};
use crate::identity::Identity;
use crate::server::serve;
use crate::socket;
use crate::tests::run;

/// An authority that remembers what it revokes, and whatever is added to it.
#[derive(Clone, Default)]
struct Office {
    keys: Rc<RefCell<Vec<Key>>>,
    asked: Rc<Cell<u32>>,
    log: Rc<RefCell<Vec<Revocation>>>,
    grown: Rc<Notify>,
}

impl Office {
    fn revoke(&self, of: Revoked) {
        let until = Timestamp(unix_us() + 900_000_000);
        self.log.borrow_mut().push(Revocation { of, until });
        self.grown.notify_waiters();
    }
}

impl Authority for Office {
    async fn keys(&self, _: &CallContext) -> Result<Keys, RpcError> {
        self.asked.set(self.asked.get() + 1);
        Ok(Keys { keys: self.keys.borrow().clone() })
    }
    async fn revocations(
        &self,
        _: &CallContext,
        request: RevocationsAfter,
        mut replies: Outgoing<RevocationNews>,
    ) -> Result<(), RpcError> {
        let mut told = request.after.unwrap_or(0);
        loop {
            let grown = self.grown.notified();
            let at = usize::try_from(told).unwrap();
            let news = self.log.borrow()[at..].to_vec();
            for revocation in news {
                told += 1;
                replies.send(&RevocationNews { through: told, revocation: Some(revocation) }).await?;
            }
            replies.send(&RevocationNews { through: told, revocation: None }).await?;
            grown.await;
        }
    }
    async fn redeem(&self, _: &CallContext, _: Ticket) -> Result<Bearer, RpcError> {
        Err(RpcError::new(Code::InvalidCredentials, "no ticket was given"))
    }
    async fn record(&self, _: &CallContext, _: AuditEntries) -> Result<(), RpcError> {
        Ok(())
    }
}

fn identity(node: &str) -> Rc<Identity> {
    Rc::new(Identity {
        cluster: "test".into(),
        node: node.into(),
        instance: format!("{node}-1"),
        cluster_secret: Some(Secret::new("secret")),
        credential: Some(Credential::Cluster),
        ..Identity::default()
    })
}

fn open(office: &Office, address: SocketAddr) -> (SocketAddr, DrainTrigger, JoinHandle<()>) {
    let listener = socket::listen(address).unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, drain) = channel();
    let service = AuthorityServer::new(office.clone()).unwrap();
    let service = Rc::new(WithBuiltin::new(service, "auth-1", "0", Timestamp(0)).unwrap());
    let serving = tokio::task::spawn_local(serve(listener, service, identity("auth"), drain));
    (address, trigger, serving)
}

/// Waits until a token is judged so.
async fn until(bearers: &Bearers, token: &str, expected: Option<Code>) {
    while bearers.verify(token, unix_us()).await.err().map(|error| error.code) != expected {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The claims of a token of this session.
fn of_session(sid: &str, issued_s: i64) -> Claims {
    Claims { sid: sid.into(), ..claims(sid, issued_s) }
}

#[test]
fn a_revocation_reaches_every_follower_within_a_second() {
    run(async {
        let (office, issuer) = (Office::default(), Issuer::new("k1"));
        office.keys.borrow_mut().push(issuer.public());
        let (address, _trigger, _serving) = open(&office, "127.0.0.1:0".parse().unwrap());
        let gateways = [identity("gateway"), identity("gateway")];
        let _following = gateways.each_ref().map(|gateway| follow_at(gateway, &[address]).unwrap());
        let now_s = unix_us() / 1_000_000;
        let [kept, lost] = ["s1", "s2"].map(|sid| issuer.token(&of_session(sid, now_s)));
        for gateway in &gateways {
            until(&gateway.bearers, &kept, None).await;
            until(&gateway.bearers, &lost, None).await;
        }
        office.revoke(Revoked::Session { sid: "s2".into() });
        let everywhere = async {
            for gateway in &gateways {
                until(&gateway.bearers, &lost, Some(Code::InvalidCredentials)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(1), everywhere).await.expect("within a second");
        for gateway in &gateways {
            assert!(gateway.bearers.verify(&kept, unix_us()).await.is_ok());
        }
    });
}

#[test]
fn what_was_revoked_while_the_authority_was_away_is_told_when_it_is_back() {
    run(async {
        let (office, issuer) = (Office::default(), Issuer::new("k1"));
        office.keys.borrow_mut().push(issuer.public());
        let (address, trigger, serving) = open(&office, "127.0.0.1:0".parse().unwrap());
        let gateway = identity("gateway");
        let _following = follow_at(&gateway, &[address]).unwrap();
        let now_s = unix_us() / 1_000_000;
        let [kept, lost] = ["s1", "s2"].map(|sid| issuer.token(&of_session(sid, now_s)));
        until(&gateway.bearers, &kept, None).await;
        until(&gateway.bearers, &lost, None).await;
        trigger.drain();
        serving.await.unwrap();
        // While it is away, what is known decides.
        office.revoke(Revoked::Session { sid: "s2".into() });
        assert!(gateway.bearers.verify(&kept, unix_us()).await.is_ok());
        let (_, _trigger, _serving) = open(&office, address);
        until(&gateway.bearers, &lost, Some(Code::InvalidCredentials)).await;
        assert!(gateway.bearers.verify(&kept, unix_us()).await.is_ok());
    });
}

#[test]
fn an_unknown_key_is_asked_for_at_once_but_not_again_and_again() {
    run(async {
        let (office, old, new) = (Office::default(), Issuer::new("k1"), Issuer::new("k2"));
        office.keys.borrow_mut().push(old.public());
        let (address, _trigger, _serving) = open(&office, "127.0.0.1:0".parse().unwrap());
        let gateway = identity("gateway");
        let _following = follow_at(&gateway, &[address]).unwrap();
        let now_s = unix_us() / 1_000_000;
        let [first, second] = [&old, &new].map(|issuer| issuer.token(&claims(&issuer.kid, now_s)));
        until(&gateway.bearers, &first, None).await;
        let before = office.asked.get();
        office.keys.borrow_mut().insert(0, new.public());
        // Its bearer waits for the answer, and notices nothing.
        assert!(gateway.bearers.verify(&second, unix_us()).await.is_ok());
        assert_eq!(office.asked.get(), before + 1);
        let unknown = Issuer::new("k3").token(&claims("t", now_s));
        for _ in 0..100 {
            let refused = gateway.bearers.verify(&unknown, unix_us()).await.unwrap_err();
            assert_eq!(refused.code, Code::InvalidCredentials);
        }
        assert_eq!(office.asked.get(), before + 1);
    });
}
