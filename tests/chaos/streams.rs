//! Streams that pass through the gateway survive what happens to the servers behind it: those of a server that drains go on to their
//! end, and those of one that goes down are broken off for all to see, and arrive from another.
//!
//! `MICRONET_STREAM_MIB` says how long each stream is.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use micronet_tests::folder::Folder;
use micronet_tests::ports;
use micronet_tests::random::Random;
use micronet_tests::rpc;
use micronet_tests::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::number;

/// Streams at once.
const STREAMS: usize = 64;
/// Servers that they come from.
const SERVERS: usize = 4;
/// The server that drains, and the one that goes down.
const DRAINING: u8 = 0;
const DYING: u8 = 1;
/// How long a stream is without an environment variable, in MiB.
const MIB_DEFAULT: u64 = 8;
/// Far more than it takes.
const PATIENCE: Duration = Duration::from_secs(600);

/// What all streams are cut from. Its length divides no power of two, so that a piece in the wrong place is a wrong piece.
struct Material(Vec<u8>);

impl Material {
    fn new() -> Self {
        let mut random = Random::new(9_001);
        Self(std::iter::repeat_with(|| random.bits().to_le_bytes()).flatten().take(1_048_573).collect())
    }

    /// As much of a stream as lies in one piece, from this place on.
    fn piece(&self, stream: usize, at: u64, most: usize) -> &[u8] {
        let from =
            usize::try_from((at + stream as u64 * 16_411) % self.0.len() as u64).expect("a place in it");
        &self.0[from..self.0.len().min(from + most)]
    }
}

/// A server that sends streams to who asks for them, until it closes or dies.
struct Source {
    address: SocketAddr,
    closing: watch::Sender<bool>,
    dying: watch::Sender<bool>,
}

impl Source {
    async fn start(name: u8, material: &Rc<Material>, bytes: u64, happened: watch::Receiver<bool>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (closing, mut closed) = watch::channel(false);
        let (dying, dead) = watch::channel(false);
        let material = Rc::clone(material);
        tokio::task::spawn_local(async move {
            loop {
                let (mut stream, _) = tokio::select! {
                    biased;
                    _ = closed.changed() => return,
                    accepted = listener.accept() => accepted.expect("a connection"),
                };
                let (material, mut dead, mut happened) =
                    (Rc::clone(&material), dead.clone(), happened.clone());
                tokio::task::spawn_local(async move {
                    let died = tokio::select! {
                        biased;
                        _ = dead.changed() => true,
                        _ = send(&mut stream, name, &material, bytes, &mut happened) => false,
                    };
                    if died {
                        stream.set_zero_linger().expect("an option");
                    }
                });
            }
        });
        Self { address, closing, dying }
    }
}

/// Sends the stream that is asked for, behind the sender's name; the second half when it has happened.
async fn send(
    stream: &mut TcpStream,
    name: u8,
    material: &Material,
    bytes: u64,
    happened: &mut watch::Receiver<bool>,
) -> std::io::Result<()> {
    let which = usize::from(stream.read_u8().await?);
    stream.write_u8(name).await?;
    let mut sent = 0;
    while sent < bytes {
        if sent >= bytes / 2 {
            // However much the kernels hold on the way, the stream is not over yet when it happens.
            let _ = happened.wait_for(|happened| *happened).await;
        }
        let most = usize::try_from(bytes - sent).unwrap_or(usize::MAX).min(200_000);
        let piece = material.piece(which, sent, most);
        stream.write_all(piece).await?;
        sent += piece.len() as u64;
    }
    stream.shutdown().await
}

/// What has become of all streams so far.
struct Books {
    /// How many have come to a quarter, and wait for what happens then.
    waiting: watch::Sender<usize>,
    /// From whom each has come, broken ones included.
    sources: RefCell<BTreeMap<usize, Vec<u8>>>,
}

/// Receives a stream, from the start again if it is broken off.
async fn receive(
    which: usize,
    gateway: SocketAddr,
    material: &Material,
    bytes: u64,
    books: &Books,
    happened: &mut watch::Receiver<bool>,
) {
    while let Err(error) = attempt(which, gateway, material, bytes, books, happened).await {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "stream {which}: {error}");
    }
}

async fn attempt(
    which: usize,
    gateway: SocketAddr,
    material: &Material,
    bytes: u64,
    books: &Books,
    happened: &mut watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(gateway).await?;
    stream.write_u8(u8::try_from(which).expect("few streams")).await?;
    let source = stream.read_u8().await?;
    books.sources.borrow_mut().entry(which).or_default().push(source);
    let mut buffer = vec![0; 128 << 10];
    let mut received = 0;
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            // An end is the end: what is broken off is never told so.
            assert_eq!(received, bytes, "stream {which} from {source} ended early");
            return Ok(());
        }
        let mut rest = &buffer[..read];
        while !rest.is_empty() {
            let wanted = material.piece(which, received, rest.len());
            assert!(
                rest[..wanted.len()] == *wanted,
                "stream {which} from {source} is garbled near {received}"
            );
            received += wanted.len() as u64;
            rest = &rest[wanted.len()..];
        }
        if received >= bytes / 4 && !*happened.borrow() {
            books.waiting.send_modify(|waiting| *waiting += 1);
            let _ = happened.wait_for(|happened| *happened).await;
        }
    }
}

#[test]
fn streams_survive_their_servers() {
    let mib = number("MICRONET_STREAM_MIB").unwrap_or(MIB_DEFAULT);
    let folder = Folder::new();
    rpc::run(async move {
        let bytes = mib << 20;
        let material = Rc::new(Material::new());
        let mut sources = Vec::new();
        let (happen, happened) = watch::channel(false);
        for name in 0..u8::try_from(SERVERS).expect("few") {
            sources.push(Source::start(name, &material, bytes, happened.clone()).await);
        }
        let addresses: Vec<String> = sources.iter().map(|source| source.address.to_string()).collect();
        let port = ports::free();
        let l4 = format!("{port}={}", addresses.join(","));
        let gateway = ["gateway", "--peer", "nobody=127.0.0.1:1", "--l4", &l4];
        let _gateway = Server::start(folder.path(), "gateway-1", &gateway);
        let front = SocketAddr::from(([127, 0, 0, 1], port));

        let books = Rc::new(Books { waiting: watch::Sender::new(0), sources: RefCell::default() });
        let mut streams = JoinSet::new();
        for which in 0..STREAMS {
            let (material, books, mut happened) = (Rc::clone(&material), Rc::clone(&books), happened.clone());
            streams.spawn_local(async move {
                receive(which, front, &material, bytes, &books, &mut happened).await;
            });
        }
        let survived = async {
            let mut waiting = books.waiting.subscribe();
            let _ = waiting.wait_for(|waiting| *waiting == STREAMS).await.expect("the books are kept");
            // Both take no more connections; what one of them has open it finishes, and what the other one has is lost.
            for name in [DRAINING, DYING] {
                sources[usize::from(name)].closing.send_replace(true);
            }
            sources[usize::from(DYING)].dying.send_replace(true);
            happen.send_replace(true);
            while let Some(stream) = streams.join_next().await {
                stream.expect("it arrived");
            }
        };
        tokio::time::timeout(PATIENCE, survived).await.expect("all streams in time");

        let of = |name: u8| books.sources.borrow().values().filter(|all| all[0] == name).count();
        for name in 0..u8::try_from(SERVERS).expect("few") {
            assert_eq!(
                of(name),
                STREAMS / SERVERS,
                "streams that server {name} began: {:?}",
                books.sources.borrow()
            );
        }
        for (which, all) in &*books.sources.borrow() {
            let (first, again) = all.split_first().expect("it came from somewhere");
            let wanted = usize::from(*first == DYING);
            assert_eq!(again.len(), wanted, "stream {which} came from {all:?}");
            assert!(again.iter().all(|name| *name > DYING), "stream {which} came from {all:?}");
        }
        eprintln!("{STREAMS} streams of {mib} MiB arrived, {} of them at the second attempt", of(DYING));
    });
}
