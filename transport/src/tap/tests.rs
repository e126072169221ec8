//! What taps tell of connections over real sockets, and what they don't.

use std::net::SocketAddr;
use std::rc::Rc;

use bytes::BytesMut;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::frame::Frame;
use micronet_wire::header::Kind;
use micronet_wire::hello::{Credential, Secret};
use micronet_wire::limits::{TAP_MESSAGE_BYTES_MAX, TAP_QUEUE_BYTES_MAX, TAPS_MAX};
use micronet_wire::network::{
    FrameFilter, OperationClient, RecordFilter, TapFilter, Tapped, TappedConnection, TappedItem,
};
use micronet_wire::request::RequestHead;
use micronet_wire::schema::{Blob, EncodedSchema, Message};
use micronet_wire::service::{CallContext, CallError, CallOptions, Incoming, Outgoing, Service, service};

use super::Following;
use crate::client::Client;
use crate::drain::{DrainTrigger, channel};
use crate::identity::Identity;
use crate::server;
use crate::socket;
use crate::tests::run;

#[derive(Message, Debug, Clone, PartialEq)]
struct Word {
    who: String,
    #[field(secret)]
    word: String,
    padding: Blob,
}

#[derive(Message, Debug, Clone, PartialEq)]
enum Trouble {
    #[status(409)]
    Wrong {
        #[field(secret)]
        right: String,
    },
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("wrong")
    }
}

#[derive(Message, Debug, Clone, PartialEq)]
struct Open {
    padding: Blob,
}

/// Keeps secrets.
#[service(name = "keeper")]
trait Keeper {
    /// The same again.
    #[rpc(public, idempotent)]
    async fn echo(&self, context: &CallContext, request: Word) -> Result<Word, RpcError>;
    /// Fails with the word.
    #[rpc(public)]
    async fn fail(&self, context: &CallContext, request: Word) -> Result<Word, CallError<Trouble>>;
    /// The same again, one by one.
    #[rpc(public)]
    async fn each(
        &self,
        context: &CallContext,
        requests: Incoming<Word>,
        replies: Outgoing<Word>,
    ) -> Result<(), RpcError>;
    /// Without secrets.
    #[rpc(public, idempotent)]
    async fn open(&self, context: &CallContext, request: Open) -> Result<Open, RpcError>;
}

struct Keeping;

impl Keeper for Keeping {
    async fn echo(&self, _: &CallContext, request: Word) -> Result<Word, RpcError> {
        Ok(request)
    }
    async fn fail(&self, _: &CallContext, request: Word) -> Result<Word, CallError<Trouble>> {
        Err(CallError::Service(Trouble::Wrong { right: request.word }))
    }
    async fn each(
        &self,
        _: &CallContext,
        mut requests: Incoming<Word>,
        mut replies: Outgoing<Word>,
    ) -> Result<(), RpcError> {
        while let Some(word) = requests.next().await? {
            replies.send(&word).await?;
        }
        Ok(())
    }
    async fn open(&self, _: &CallContext, request: Open) -> Result<Open, RpcError> {
        Ok(request)
    }
}

const SESAME: &str = "open sesame";

fn identity(node: &str) -> Rc<Identity> {
    Rc::new(Identity {
        cluster: "test".into(),
        node: node.into(),
        instance: format!("{node}-1"),
        cluster_secret: Some(Secret::new("s")),
        operator_token: Some(Secret::new("t")),
        credential: Some(if node == "operator" { Credential::Operator } else { Credential::Cluster }),
        ..Identity::default()
    })
}

/// A server in this process, and whoever taps it.
struct World {
    server: Rc<Identity>,
    address: SocketAddr,
    _trigger: DrainTrigger,
}

impl World {
    fn start() -> Self {
        let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (trigger, drain) = channel();
        let (server, service) = (identity("keeper"), Rc::new(KeeperServer::new(Keeping).unwrap()));
        tokio::task::spawn_local(server::serve(listener, service, Rc::clone(&server), drain));
        Self { server, address, _trigger: trigger }
    }

    fn tap(&self, filter: TapFilter) -> Following {
        self.server.network.taps().follow("keeper-1", filter, self.server.network.records()).unwrap()
    }

    async fn client(&self) -> KeeperClient<Client> {
        KeeperClient::new(Client::connect(self.address, &identity("caller")).await.unwrap())
    }
}

fn frames() -> TapFilter {
    TapFilter { frames: Some(FrameFilter::default()), ..TapFilter::default() }
}

fn of(frames: FrameFilter) -> TapFilter {
    TapFilter { frames: Some(frames), ..TapFilter::default() }
}

fn of_method(name: &str) -> TapFilter {
    of(FrameFilter { method: Some(name.into()), ..FrameFilter::default() })
}

fn word(padding: usize) -> Word {
    Word { who: "Ali".into(), word: SESAME.into(), padding: Blob(vec![1; padding]) }
}

/// What was told: connections, and each frame with whether the dialler has sent it.
#[derive(Default)]
struct Heard {
    connections: Vec<TappedConnection>,
    frames: Vec<(bool, Frame)>,
    lost: u64,
}

impl Heard {
    fn take(&mut self, told: Tapped) {
        assert_eq!(told.seen_by, "keeper-1");
        self.lost += told.lost_frames;
        for item in told.items {
            match item {
                TappedItem::Connection { connection } => self.connections.push(connection),
                TappedItem::Frame { frame } => {
                    assert!(!contains(&frame.frame.0, SESAME), "{frame:?}");
                    assert!(self.connections.iter().any(|known| known.id == frame.connection));
                    // The checksums are right, or nothing is taken.
                    let decoded = Frame::take(&mut BytesMut::from(&frame.frame.0[..]), u32::MAX);
                    self.frames.push((frame.by_dialler, decoded.unwrap().unwrap()));
                }
                TappedItem::Call { .. } | TappedItem::Unknown => panic!("not asked for"),
            }
        }
    }

    /// From now on until there are so many frames of this kind.
    async fn until(&mut self, following: &mut Following, kind: Kind, count: usize) {
        self.frames.clear();
        while self.count(kind) < count {
            self.take(following.next().await);
        }
    }

    fn count(&self, kind: Kind) -> usize {
        self.frames.iter().filter(|(_, frame)| frame.header.kind == kind).count()
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_tap_that_begins_late_tells_whole_frames_and_the_schema() {
    run(async {
        let world = World::start();
        let client = world.client().await;
        client.echo(&word(0), CallOptions::default()).await.unwrap();
        let (mut following, mut heard) = (world.tap(frames()), Heard::default());
        let request_id = CallOptions { request_id: "req-7".into(), ..CallOptions::default() };
        client.echo(&word(10), request_id).await.unwrap();
        heard.until(&mut following, Kind::Reply, 1).await;
        let [connection] = &heard.connections[..] else { panic!("{:?}", heard.connections) };
        assert_eq!((connection.acceptor.as_str(), connection.dialled), (&*world.address.to_string(), false));
        assert_eq!((connection.peer.as_str(), connection.tls), ("caller-1", false));
        let schema = EncodedSchema::decode(connection.schema.0.clone().into()).unwrap();
        assert_eq!(schema.fingerprint().0.to_vec(), connection.fingerprint.0);
        assert_eq!(schema.schema().name, "keeper");
        let kinds: Vec<_> = heard.frames.iter().map(|(by, frame)| (*by, frame.header.kind)).collect();
        assert_eq!(kinds, [(true, Kind::Request), (false, Kind::Reply)]);
        // The request is what it was, but for the word.
        let (head, message) = RequestHead::decode(heard.frames[0].1.payload.clone()).unwrap();
        assert_eq!(head.request_id, "req-7");
        let said: Word = micronet_wire::encoding::decode(&message).unwrap();
        assert_eq!(said, Word { word: "\0".repeat(SESAME.len()), ..word(10) });
    });
}

#[test]
fn from_the_start_of_a_connection_its_proof_is_masked() {
    run(async {
        let world = World::start();
        let (mut following, mut heard) = (world.tap(frames()), Heard::default());
        let client = world.client().await;
        client.echo(&word(0), CallOptions::default()).await.unwrap();
        heard.until(&mut following, Kind::Reply, 1).await;
        let kinds: Vec<_> = heard.frames.iter().map(|(by, frame)| (*by, frame.header.kind)).collect();
        for wanted in [(true, Kind::Hello), (false, Kind::Hello), (true, Kind::Proof), (true, Kind::Request)]
        {
            assert!(kinds.contains(&wanted), "{kinds:?}");
        }
        let proof = heard.frames.iter().find(|(_, frame)| frame.header.kind == Kind::Proof).unwrap();
        assert_eq!(proof.1.payload[..], [&[1][..], &[0; 32]].concat());
        // The end is told too.
        drop(client);
        heard.until(&mut following, Kind::Close, 1).await;
    });
}

#[test]
fn secrets_are_masked_in_pieces_streams_and_errors() {
    run(async {
        let world = World::start();
        let (mut following, mut heard) = (world.tap(frames()), Heard::default());
        let client = world.client().await;
        let options = CallOptions::default;
        client.echo(&word(50_000), options()).await.unwrap();
        let error = client.fail(&word(0), options()).await.unwrap_err();
        assert_eq!(error, CallError::Service(Trouble::Wrong { right: SESAME.into() }));
        let (mut requests, mut replies) = client.each(options()).await.unwrap();
        for _ in 0..3 {
            requests.send(&word(0)).await.unwrap();
            assert_eq!(replies.next().await.unwrap(), Some(word(0)));
        }
        requests.finish();
        assert_eq!(replies.next().await.unwrap(), None);
        heard.until(&mut following, Kind::Reply, 2).await;
        assert_eq!(heard.count(Kind::Error), 1);
        // Six messages, and the pieces of two long ones.
        assert!(heard.count(Kind::Data) >= 6 + 2 * 3, "{}", heard.frames.len());
    });
}

#[test]
fn the_dialling_side_knows_a_schema_once_it_was_fetched_and_masks_all_before() {
    run(async {
        let world = World::start();
        let own = identity("caller");
        let mut following = own.network.taps().follow("keeper-1", frames(), own.network.records()).unwrap();
        let mut heard = Heard::default();
        let client = KeeperClient::new(Client::connect(world.address, &own).await.unwrap());
        client.open(&Open { padding: Blob(vec![9; 20]) }, CallOptions::default()).await.unwrap();
        heard.until(&mut following, Kind::Reply, 1).await;
        assert!(
            heard.connections.iter().all(|connection| connection.dialled && connection.schema.0.is_empty())
        );
        let (_, reply) = heard.frames.last().unwrap();
        assert_eq!(reply.payload[16..], [0; 21]);

        let schema = Rc::new(KeeperServer::new(Keeping).unwrap().schema().clone());
        own.network.taps().learn(&schema);
        client.open(&Open { padding: Blob(vec![9; 20]) }, CallOptions::default()).await.unwrap();
        heard.until(&mut following, Kind::Reply, 1).await;
        assert_eq!(heard.connections.last().unwrap().schema.0, schema.encoded().to_vec());
        let (_, reply) = heard.frames.last().unwrap();
        assert_eq!(reply.payload[16..], [&[20][..], &[9; 20]].concat());
    });
}

#[test]
fn whoever_reads_slowly_loses_frames_and_delays_nobody() {
    run(async {
        let world = World::start();
        let (mut following, mut heard) = (world.tap(of_method("open")), Heard::default());
        let client = world.client().await;
        let request = Open { padding: Blob(vec![7; 10_000]) };
        let calls = 2 * TAP_QUEUE_BYTES_MAX / 10_000;
        for _ in 0..calls {
            assert_eq!(client.open(&request, CallOptions::default()).await.as_ref(), Ok(&request));
        }
        while heard.lost == 0 || heard.frames.len() as u64 + heard.lost < 2 * calls as u64 {
            heard.take(following.next().await);
        }
        let told: usize = heard.frames.iter().map(|(_, frame)| frame.payload.len() + 88).sum();
        assert!(told <= TAP_QUEUE_BYTES_MAX && told > TAP_QUEUE_BYTES_MAX / 2, "{told}");
        // What passes afterwards is told again.
        client.open(&request, CallOptions::default()).await.unwrap();
        heard.until(&mut following, Kind::Reply, 1).await;
        assert_eq!(heard.frames.len(), 2);
    });
}

#[test]
fn filters_choose_calls() {
    run(async {
        let world = World::start();
        let client = world.client().await;
        let mut taps = [
            of_method("open"),
            of(FrameFilter { method: Some("open".into()), one_in: 4, ..FrameFilter::default() }),
            of_method("nothing"),
        ]
        .map(|filter| world.tap(filter));
        let elsewhere = of(FrameFilter { service: Some("elsewhere".into()), ..FrameFilter::default() });
        let mut elsewhere = world.tap(elsewhere);
        for _ in 0..64 {
            client.echo(&word(0), CallOptions::default()).await.unwrap();
            client.open(&Open { padding: Blob(vec![1]) }, CallOptions::default()).await.unwrap();
        }
        let mut heard = Heard::default();
        heard.until(&mut taps[0], Kind::Reply, 64).await;
        assert_eq!((heard.frames.len(), heard.count(Kind::Request)), (128, 64));
        let mut heard = Heard::default();
        while !taps[1].tap.queue.borrow().items.is_empty() {
            heard.take(taps[1].next().await);
        }
        // Whole calls, about a quarter of them.
        let calls = heard.count(Kind::Request);
        assert_eq!((heard.frames.len(), heard.count(Kind::Reply)), (2 * calls, calls));
        assert!((4..32).contains(&calls), "{calls}");
        for nothing in [&mut taps[2], &mut elsewhere] {
            assert!(nothing.tap.queue.borrow().items.is_empty());
        }
    });
}

#[test]
fn a_tap_needs_its_permission_is_in_no_tap_and_there_are_few() {
    run(async {
        let world = World::start();
        let connect = |node| async move { Client::connect(world.address, &identity(node)).await.unwrap() };
        let stranger = Identity { credential: None, ..(*identity("")).clone() };
        let stranger =
            Client::connect(world.address, &Identity { instance: String::new(), ..stranger }).await;
        for (client, code) in [
            (stranger.unwrap(), Code::Unauthenticated),
            (connect("caller").await, Code::InsufficientPermissions),
        ] {
            let mut told = OperationClient::new(client).tap(&frames(), CallOptions::default()).await.unwrap();
            let error = told.next().await.unwrap_err();
            assert_eq!(error.code, code, "{error}");
            assert!(error.message.contains("tap:read"), "{error}");
        }
        let operator = OperationClient::new(connect("operator").await);
        let mut told = operator.tap(&frames(), CallOptions::default()).await.unwrap();
        let mut heard = Heard::default();
        let client = world.client().await;
        while heard.count(Kind::Reply) < 3 {
            client.echo(&word(0), CallOptions::default()).await.unwrap();
            heard.take(told.next().await.unwrap().unwrap());
        }
        assert!(heard.frames.iter().all(|(_, frame)| frame.header.kind != Kind::Data));
        drop(told);
        drop(operator);
        while world.server.network.taps().is_open() {
            tokio::task::yield_now().await;
        }
        let all: Vec<_> = (0..TAPS_MAX).map(|_| world.tap(frames())).collect();
        let refused = world
            .server
            .network
            .taps()
            .follow("keeper-1", frames(), world.server.network.records())
            .unwrap_err();
        assert_eq!(refused.code, Code::Overloaded);
        drop(all);
        assert!(!world.server.network.taps().is_open());
    });
}

#[test]
fn calls_are_told_as_they_end_with_their_messages_masked() {
    run(async {
        let world = World::start();
        let wanted = RecordFilter { service: Some("keeper".into()), ..RecordFilter::default() };
        let mut following =
            world.tap(TapFilter { calls: Some(wanted.clone()), messages: true, ..TapFilter::default() });
        let failed = RecordFilter { code: Some("APPLICATION".into()), ..wanted };
        let mut failures = world.tap(TapFilter { calls: Some(failed), ..TapFilter::default() });
        // Nobody wants frames.
        assert!(!world.server.network.taps().is_open());
        let client = world.client().await;
        client.echo(&word(3), CallOptions::default()).await.unwrap();
        client.fail(&word(0), CallOptions::default()).await.unwrap_err();
        client.open(&Open { padding: Blob(vec![0; 100_000]) }, CallOptions::default()).await.unwrap();
        let mut told = Vec::new();
        while told.len() < 3 {
            told.extend(following.next().await.items);
        }
        let shown: Vec<_> = told
            .iter()
            .map(|item| match item {
                TappedItem::Call { record, request, reply } => {
                    (&*record.method, &*record.code, request, reply)
                }
                other => panic!("{other:?}"),
            })
            .collect();
        let masked = r#"{"who":"Ali","word":"***","padding":"AQEB"}"#;
        assert_eq!(shown[0], ("echo", "OK", &masked.to_owned(), &masked.to_owned()));
        assert_eq!((shown[1].0, shown[1].1, shown[1].3.as_str()), ("fail", "APPLICATION", ""));
        assert_eq!(shown[2].0, "open");
        assert!(shown[2].2.len() <= TAP_MESSAGE_BYTES_MAX + 3 && shown[2].2.ends_with('…'), "{:?}", shown[2]);
        let failures = failures.next().await;
        let [TappedItem::Call { record, request, .. }] = &failures.items[..] else { panic!("{failures:?}") };
        assert_eq!((&*record.method, &**request, failures.lost_calls), ("fail", "", 0));
    });
}
