//! Entries on their way from an action to the authority.

use std::cell::RefCell;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::BytesMut;
use micronet_transport::drain::{DrainTrigger, channel};
use micronet_transport::server::serve;
use micronet_transport::socket;
use micronet_wire::authority::{
    AuditEntries, Authority, AuthorityServer, Bearer, Keys, RevocationNews, RevocationsAfter, Ticket,
    authority_schema,
};
use micronet_wire::builtin::WithBuiltin;
use micronet_wire::hello::{Credential, Secret};
use micronet_wire::http1::{RequestHead, ServerConnection, Status};
use micronet_wire::principal::Principal;
use micronet_wire::rest::Routes;
use micronet_wire::schema::{EncodedSchema, Idempotency, Message, Timestamp};
use micronet_wire::service::{CallContext, Outgoing, service};

use super::*;

/// An authority that takes entries, but not at once.
#[derive(Clone, Default)]
struct Office {
    taken: Rc<RefCell<Vec<AuditEntry>>>,
    refusals: Rc<Cell<u32>>,
}

impl Authority for Office {
    async fn keys(&self, _: &CallContext) -> Result<Keys, RpcError> {
        Ok(Keys::default())
    }
    async fn revocations(
        &self,
        _: &CallContext,
        _: RevocationsAfter,
        _: Outgoing<RevocationNews>,
    ) -> Result<(), RpcError> {
        Ok(())
    }
    async fn redeem(&self, _: &CallContext, _: Ticket) -> Result<Bearer, RpcError> {
        Err(RpcError::new(Code::InvalidCredentials, "no ticket was given"))
    }
    async fn record(&self, _: &CallContext, request: AuditEntries) -> Result<(), RpcError> {
        if self.refusals.get() > 0 {
            self.refusals.set(self.refusals.get() - 1);
            return Err(RpcError::new(Code::Database, "not now"));
        }
        if request.entries.iter().any(|entry| entry.action == "impossible") {
            return Err(RpcError::new(Code::InvalidInput, "an entry can't be"));
        }
        self.taken.borrow_mut().extend(request.entries);
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

/// Serves an authority there, until what is returned is gone.
fn open(office: &Office, address: SocketAddr) -> (SocketAddr, DrainTrigger) {
    let listener = socket::listen(address).unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, drain) = channel();
    let service = AuthorityServer::new(office.clone()).unwrap();
    let service = Rc::new(WithBuiltin::new(service, "auth-1", "0", Timestamp(0)).unwrap());
    tokio::task::spawn_local(serve(listener, service, identity("auth"), drain));
    (address, trigger)
}

/// A folder of journals that is gone when the test ends.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn scratch(name: &str) -> Scratch {
    let path = std::env::temp_dir().join(format!("micronet-audit-{}-{name}", std::process::id()));
    fs::create_dir_all(&path).unwrap();
    Scratch(path)
}

fn run(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default()).unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), test).await.unwrap() });
}

fn entry(action: &str) -> AuditEntry {
    AuditEntry { action: action.into(), ..AuditEntry::default() }
}

fn upstream(identity: &Rc<Identity>, address: SocketAddr) -> Upstream {
    Upstream::connect_typed(authority_schema(), &[address], identity).unwrap()
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[test]
fn each_entry_is_told_once_and_in_order() {
    run(async {
        let (folder, office, gateway) = (scratch("order"), Office::default(), identity("gateway"));
        office.refusals.set(3);
        let (address, _open) = open(&office, "127.0.0.1:0".parse().unwrap());
        let audit = Audit::begin(&folder.0, &gateway, &upstream(&gateway, address)).unwrap();
        // Many at once are made durable together.
        let all = (0..500).map(|number| audit.keep(entry(&format!("a{number}"))));
        assert!(futures_util::future::join_all(all).await.into_iter().all(|kept| kept));
        assert!(audit.keep(entry("impossible")).await);
        assert!(audit.keep(entry("last")).await);
        until(|| office.taken.borrow().last().is_some_and(|entry| entry.action == "last")).await;
        let taken = office.taken.take();
        let actions: Vec<_> = taken.iter().map(|entry| entry.action.clone()).collect();
        let wanted: Vec<_> = (0..500).map(|number| format!("a{number}")).chain(["last".into()]).collect();
        assert_eq!(actions, wanted);
        let mut ids: Vec<_> = taken.iter().map(|entry| &entry.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 501);
        let kept = audit.kept.as_ref().unwrap();
        until(|| kept.journal.held() == 0).await;
    });
}

#[test]
fn what_a_former_life_has_left_is_told_by_the_next_one() {
    run(async {
        let (folder, office, gateway) = (scratch("left"), Office::default(), identity("gateway"));
        // Nobody is there yet.
        let reserved = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = reserved.local_addr().unwrap();
        drop(reserved);
        let first = Audit::begin(&folder.0, &gateway, &upstream(&gateway, address)).unwrap();
        for number in 0..3 {
            assert!(first.keep(entry(&format!("a{number}"))).await);
        }
        let journal = first.kept.as_ref().unwrap().journal.folder().to_owned();
        // A crash tears what was being written.
        drop(first);
        let lock = journal.join(journal::LOCK);
        until(|| fs::File::open(&lock).unwrap().try_lock().is_ok()).await;
        let segment = journal::path(&journal, 1);
        let mut bytes = fs::read(&segment).unwrap();
        bytes.extend_from_slice(&record::encode(&entry("torn")).unwrap()[..20]);
        fs::write(&segment, bytes).unwrap();
        let life = identity("gateway");
        let second = Audit::begin(&folder.0, &life, &upstream(&life, address)).unwrap();
        assert!(second.keep(entry("b")).await);
        let _open = open(&office, address);
        until(|| office.taken.borrow().len() == 4).await;
        let mut actions: Vec<_> = office.taken.borrow().iter().map(|entry| entry.action.clone()).collect();
        actions.sort();
        assert_eq!(actions, ["a0", "a1", "a2", "b"]);
        until(|| !journal.exists()).await;
        assert!(second.kept.as_ref().unwrap().journal.folder().exists());
    });
}

#[test]
fn nothing_is_begun_that_could_not_be_written_down() {
    run(async {
        let (folder, gateway) = (scratch("full"), identity("gateway"));
        let life = folder.0.join("life");
        fs::create_dir_all(&life).unwrap();
        std::os::unix::fs::symlink("/dev/full", journal::path(&life, 1)).unwrap();
        let journal = Rc::new(Journal::begin(life).unwrap());
        let kept = Kept { journal, prefix: "p".into(), next: Cell::new(1), _telling: JoinSet::new() };
        let audit = Audit { kept: Some(kept) };
        let done = Rc::new(Cell::new(0));
        let act = || async {
            done.set(done.get() + 1);
            Answer::json(Status::OK, "{}")
        };
        let action = || Action::of_entry(entry("a")).expect("an action");
        // The first finds out, and doesn't claim that all is well; after that nothing is begun.
        let answers = [audit.watch(action(), act()).await, audit.watch(action(), act()).await];
        assert_eq!(answers.map(|answer| (answer.status.code(), answer.retry_after_s)), [(503, Some(1)); 2]);
        assert_eq!(done.get(), 1);
        // Where no log is kept, all goes on.
        assert_eq!(Audit::default().watch(action(), act()).await.status.code(), 200);
        drop(gateway);
    });
}

#[derive(Message, Debug, Clone, PartialEq)]
struct Place {
    shelf: u64,
    book: String,
}

#[service(name = "library")]
#[expect(dead_code, reason = "only its schema matters")]
trait Library {
    #[rpc(http("PUT /api/v1/shelves/{shelf}/books/{book}"), permission = "books:write", idempotent)]
    async fn put(&self, context: &CallContext, request: Place) -> Result<(), RpcError>;

    #[rpc(http("GET /api/v1/shelves/{shelf}/books/{book}"), permission = "books:read", idempotent)]
    async fn look(&self, context: &CallContext, request: Place) -> Result<(), RpcError>;

    #[rpc(http("GET /burn/{shelf}/{book}"), permission = "books:write", idempotent)]
    async fn burn(&self, context: &CallContext, request: Place) -> Result<(), RpcError>;

    #[rpc(http("POST /api/v1/lend"), public)]
    async fn lend(&self, context: &CallContext, request: Place) -> Result<(), RpcError>;

    #[rpc(http("POST /api/v1/find"), permission = "books:read", safe)]
    async fn find(&self, context: &CallContext, request: Place) -> Result<(), RpcError>;
}

fn head(request: &str) -> RequestHead {
    let text = format!("{request} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer secret-1\r\n\r\n");
    ServerConnection::new().poll_head(&mut BytesMut::from(text.as_str())).unwrap().unwrap()
}

#[test]
fn an_action_is_whatever_somebody_who_has_signed_in_changes() {
    let schema = Rc::new(EncodedSchema::new(library_schema()).unwrap());
    let routes = Routes::from_schemas("test", [(0, schema)]);
    let user = Principal::User {
        subject: "7".into(),
        organization: "2".into(),
        session: "secret-2".into(),
        permissions: vec!["books:read".into()],
    };
    let of = |request: &str, asker: &Principal| {
        let head = head(request);
        let from = "192.0.2.1".parse().unwrap();
        Action::of((&routes, &routes.lead(&head)), &head, asker, from, "req-1")
    };
    let refused = Answer::rpc_error(&RpcError::new(Code::InsufficientPermissions, "no"));
    let (path, expected) = ("/api/v1/shelves/3/books/a%20b", "shelves/3/books/a b");
    let entry = of(&format!("PUT {path}?token=secret-3"), &user).unwrap().entry(&refused);
    let wanted = AuditEntry {
        id: String::new(),
        at: Timestamp(0),
        subject: "7".into(),
        organization: "2".into(),
        action: "library.put".into(),
        method: "PUT".into(),
        path: path.into(),
        object: expected.into(),
        address: "192.0.2.1".into(),
        request_id: "req-1".into(),
        status: 403,
        outcome: "INSUFFICIENT_PERMISSIONS".into(),
    };
    assert_eq!(entry, wanted);
    let done = of("POST /api/v1/lend", &Principal::Operator).unwrap().entry(&Answer::text(Status::OK, ""));
    assert_eq!((&*done.subject, &*done.organization, &*done.object), ("operator", "", ""));
    assert_eq!((&*done.action, done.status, &*done.outcome), ("library.lend", 200, "ok"));
    // A GET that needs more than the permission to read.
    let burnt = of("GET /burn/3/a", &user).unwrap().entry(&refused);
    assert_eq!((&*burnt.action, &*burnt.object), ("library.burn", "burn/3/a"));
    let asked = of("POST /api/v1/outcomes/library.lend/secret-4", &user).unwrap().entry(&refused);
    assert_eq!((&*asked.action, &*asked.object), ("micronet.outcome", "library.lend"));
    assert_eq!(asked.path, "/api/v1/outcomes/library.lend/{token}");
    for entry in [entry, done, burnt, asked] {
        assert!(!format!("{entry:?}").contains("secret"), "{entry:?}");
    }
    for none in [
        "GET /api/v1/shelves/3/books/a",
        "HEAD /api/v1/shelves/3/books/a",
        "POST /api/v1/find",
        "POST /nowhere",
        "OPTIONS /api/v1/lend",
        "PUT /api/v1/lend",
    ] {
        assert_eq!(of(none, &user), None, "{none}");
    }
    for nobody in [Principal::Anonymous, Principal::Service { name: "order".into() }] {
        assert_eq!(of("POST /api/v1/lend", &nobody), None, "{nobody:?}");
    }
}

#[test]
fn what_only_some_instances_call_safe_is_written_down() {
    let says_less = || {
        let mut schema = library_schema();
        let find = schema.methods.iter_mut().find(|method| method.name == "find").unwrap();
        find.idempotency = Idempotency::Idempotent;
        schema
    };
    for (schemas, is_written) in [
        (vec![library_schema(); 2], false),
        (vec![library_schema(), says_less()], true),
        (vec![says_less()], true),
    ] {
        let schemas = schemas.into_iter().map(|schema| (0, Rc::new(EncodedSchema::new(schema).unwrap())));
        let routes = Routes::from_schemas("test", schemas);
        let (head, from) = (head("POST /api/v1/find"), "192.0.2.1".parse().unwrap());
        let found = Action::of((&routes, &routes.lead(&head)), &head, &Principal::Operator, from, "req-1");
        assert_eq!(found.is_some(), is_written);
    }
}
