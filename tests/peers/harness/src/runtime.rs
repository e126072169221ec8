//! The runtime of all programs on tokio: one thread, which is the cheapest for each of them.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

use crate::command_line::listening;

/// Runs this on a single-threaded runtime, where tasks may be local or not.
///
/// # Panics
/// When the runtime can't be started.
pub fn run(work: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build_local(Default::default()).expect("a runtime").block_on(work);
}

/// Listens there and says so.
///
/// # Panics
/// When it can't.
pub async fn listen(address: SocketAddr) -> TcpListener {
    let listener = TcpListener::bind(address).await.expect("a free port");
    listening(listener.local_addr().expect("its address"));
    listener
}

/// The next connection, without Nagle's delay.
///
/// # Panics
/// When none can be accepted.
pub async fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().await.expect("a connection");
    stream.set_nodelay(true).expect("a socket option");
    stream
}

/// A connection without Nagle's delay.
///
/// # Panics
/// When nobody listens there.
pub async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("the server listens");
    stream.set_nodelay(true).expect("a socket option");
    stream
}
