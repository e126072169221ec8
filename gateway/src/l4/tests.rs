//! Virtual ports over real loopback sockets.

mod backends;
mod ends;
mod streams;

use std::net::SocketAddr;
use std::rc::Rc;

use micronet_transport::drain::{DrainTrigger, channel};
use micronet_transport::network::Network;
use micronet_transport::socket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{BackendReport, Config, Target, VirtualPort};

/// A virtual port that serves.
struct Rig {
    port: Rc<VirtualPort>,
    network: Rc<Network>,
    trigger: DrainTrigger,
    serving: JoinHandle<()>,
}

impl Rig {
    /// In front of these addresses.
    fn before(addresses: &[SocketAddr]) -> Self {
        Self::with(addresses, |_| {})
    }

    fn with(addresses: &[SocketAddr], change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(any(), Target::Addresses(addresses.to_vec()));
        change(&mut config);
        let network = Rc::default();
        let (port, listener) = VirtualPort::open(&config, &network).unwrap();
        let (trigger, drain) = channel();
        let serving = tokio::task::spawn_local(Rc::clone(&port).serve(listener, drain));
        Self { port, network, trigger, serving }
    }

    async fn client(&self) -> TcpStream {
        TcpStream::connect(self.port.address()).await.unwrap()
    }

    /// Both ends of a new connection to the only server behind it.
    async fn pair(&self, server: &TcpListener) -> (TcpStream, TcpStream) {
        let mut client = self.client().await;
        client.write_all(b"?").await.unwrap();
        // Checks come here too; they say nothing.
        loop {
            let (mut accepted, _) = server.accept().await.unwrap();
            if let Ok(b'?') = accepted.read_u8().await {
                return (client, accepted);
            }
        }
    }

    fn backend(&self, at: usize) -> BackendReport {
        self.port.report().backends.swap_remove(at)
    }
}

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A server, and where it listens.
fn server() -> (TcpListener, SocketAddr) {
    let listener = socket::listen(any()).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Runs a test on a runtime as the gateway has one.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default());
    runtime.unwrap().block_on(test);
}

/// The same with a clock that moves on when all wait.
fn run_paused(test: impl Future<Output = ()>) {
    run(async {
        tokio::time::pause();
        test.await;
    });
}

/// Everything that is said until the end.
async fn rest(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.map(|_| text)
}

/// Waits until something holds; the clock may be paused.
async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it never came to {what}");
}
