//! A way to a server on which everything can be held back, while all connections stay open and are read.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

/// The relay. It ends with the test program.
#[derive(Debug)]
pub(super) struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    server: OnceLock<SocketAddr>,
    holds: AtomicBool,
}

impl Relay {
    /// A relay that leads nowhere yet.
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                ours.relay(caller);
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads there from now on.
    pub(super) fn lead_to(&self, server: SocketAddr) {
        self.shared.server.set(server).expect("it leads nowhere yet");
    }

    /// Whether what comes from now on is thrown away, from both sides.
    pub(super) fn hold(&self, holds: bool) {
        self.shared.holds.store(holds, Ordering::Relaxed);
    }
}

impl Shared {
    fn relay(self: &Arc<Self>, caller: TcpStream) {
        let Some(Ok(server)) = self.server.get().map(TcpStream::connect) else { return };
        for (from, to) in [(&caller, &server), (&server, &caller)] {
            let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
            let shared = Arc::clone(self);
            thread::spawn(move || shared.copy(from, to));
        }
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 16 << 10];
        let mut lost = false;
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            // A connection that has lost something is never right again.
            lost |= self.holds.load(Ordering::Relaxed);
            if !lost && to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }
}
