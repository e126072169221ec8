//! TCP sockets with the options that a network program wants and the standard library doesn't set.

use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use micronet_wire::limits::{BACKLOG, CONNECT_MS_MAX, UNSENT_BYTES_MAX, USER_TIMEOUT_MS};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};

/// A listening socket that is ours alone: binding a port that is in use fails.
///
/// # Errors
/// Those of the operating system, as when the port is in use.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::from_std(bind(address)?)
}

/// The same, without a runtime. It doesn't block.
///
/// # Errors
/// Those of the operating system, as when the port is in use.
pub fn bind(address: SocketAddr) -> io::Result<net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Without it a restart would have to wait for old connections in TIME_WAIT; it does not share a port in use.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Connects within [`CONNECT_MS_MAX`].
///
/// # Errors
/// Those of the operating system, and `TimedOut`.
pub async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let connecting = tokio::time::timeout(Duration::from_millis(CONNECT_MS_MAX), TcpStream::connect(address));
    let stream = connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    prepare(&stream)?;
    Ok(stream)
}

/// Sets the options of a connected socket: no delay, death noticed by the kernel too, and little that waits in it.
///
/// # Errors
/// Those of the operating system.
pub fn prepare(stream: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10));
    socket.set_tcp_keepalive(&keepalive)?;
    // A link that died with bytes on their way is given up after this, not after the kernel's quarter of an hour.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(Duration::from_millis(u64::from(USER_TIMEOUT_MS))))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
    Ok(())
}

/// For how long the peer may leave bytes unacknowledged, or its window closed: a reader that pauses closes it, though all is well
/// with the link. Zero is as long as the kernel likes. Without this it is what [`prepare`] sets.
///
/// # Errors
/// Those of the operating system.
pub fn set_patience(stream: &impl AsFd, patience: Duration) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    SockRef::from(stream).set_tcp_user_timeout(Some(patience))?;
    Ok(())
}

/// Says that nothing more will come from here; what the peer says is still heard.
///
/// # Errors
/// Those of the operating system, as when the connection is gone.
pub fn finish(stream: &impl AsFd) -> io::Result<()> {
    SockRef::from(stream).shutdown(net::Shutdown::Write)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drain::channel;
    use crate::listener;

    /// What the kernel says of a socket's options.
    fn options(stream: &TcpStream) -> (bool, bool, u32, Option<Duration>) {
        let socket = SockRef::from(stream);
        let (unsent, patience) = (socket.tcp_notsent_lowat(), socket.tcp_user_timeout());
        (socket.tcp_nodelay().unwrap(), socket.keepalive().unwrap(), unsent.unwrap(), patience.unwrap())
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn both_ends_of_a_connection_have_the_options() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default());
        runtime.unwrap().block_on(async {
            let wanted =
                (true, true, UNSENT_BYTES_MAX, Some(Duration::from_millis(u64::from(USER_TIMEOUT_MS))));
            let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
            let address = listener.local_addr().unwrap();
            let (_trigger, drain) = channel();
            let (seen, mut accepted) = tokio::sync::mpsc::channel(1);
            tokio::task::spawn_local(listener::accept(
                "connection",
                listener,
                1,
                drain,
                || {},
                move |stream, _| {
                    let seen = seen.clone();
                    async move { seen.send(options(&stream)).await.unwrap() }
                },
            ));
            let stream = connect(address).await.unwrap();
            assert_eq!(options(&stream), wanted);
            assert_eq!(accepted.recv().await, Some(wanted));
            for patience in [Duration::from_secs(600), Duration::ZERO] {
                set_patience(&stream, patience).unwrap();
                let told = options(&stream).3.unwrap_or_default();
                assert_eq!(told, patience);
            }
        });
    }
}
