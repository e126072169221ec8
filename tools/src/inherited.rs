//! Listening sockets that whoever started this process has opened for it, and keeps open while it is started anew: `up`, which sends
//! them by the child's stdin (SCM_RIGHTS, unix(7)), or systemd (`LISTEN_FDS`, sd_listen_fds(3)).

use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use listenfd::ListenFd;
use micronet_transport::socket;
use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use tokio::net::TcpListener;

use crate::error::CommandError;

/// The most sockets that are handed over at once: a gateway's own ports, and as many virtual ones as it can have.
const SOCKETS_MAX: usize = 96;

/// The sockets that nobody here has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Inherited(RefCell<Vec<net::TcpListener>>);

impl Inherited {
    /// Waits for the sockets that a parent [sends](send) by stdin. There are none when it sends none, or is gone.
    pub(crate) fn from_parent() -> io::Result<Self> {
        Self::receive(io::stdin())
    }

    /// The sockets that systemd has opened, if it started this process for them.
    pub(crate) fn from_systemd() -> Result<Self, CommandError> {
        let unusable =
            |error: io::Error| CommandError::new(format!("a socket of systemd can't be used: {error}"));
        let (mut listed, mut sockets) = (ListenFd::from_env(), Vec::new());
        for place in 0..listed.len() {
            let socket = listed.take_tcp_listener(place).map_err(unusable)?;
            sockets.extend(socket);
        }
        Ok(Self(RefCell::new(sockets)))
    }

    /// Listens on an address: with the socket that was inherited for it, or a new one.
    pub(crate) fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let mut sockets = self.0.borrow_mut();
        let place = sockets.iter().position(|socket| socket.local_addr().is_ok_and(|own| own == address));
        let Some(place) = place else { return socket::listen(address) };
        let inherited = sockets.swap_remove(place);
        inherited.set_nonblocking(true)?;
        TcpListener::from_std(inherited)
    }

    /// Says which sockets nobody has taken, and closes them: a client that comes there would wait for ever.
    pub(crate) fn refuse_others(self) -> Result<(), CommandError> {
        let others: Vec<String> = self.0.into_inner().iter().filter_map(name).collect();
        if others.is_empty() {
            return Ok(());
        }
        Err(CommandError::usage(format!(
            "a socket was opened for {}, where nothing is served",
            others.join(", ")
        ))
        .next("name these addresses exactly so: --listen, --rpc, --l4, or redirect in the settings"))
    }

    fn receive(from: impl AsFd) -> io::Result<Self> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(SOCKETS_MAX))];
        let (mut control, mut byte) = (RecvAncillaryBuffer::new(&mut space), [0]);
        recvmsg(from, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let rights = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
            _ => None,
        });
        Ok(Self(RefCell::new(rights.flatten().map(net::TcpListener::from).collect())))
    }
}

fn name(socket: &net::TcpListener) -> Option<String> {
    socket.local_addr().ok().map(|address| address.to_string())
}

/// Sends these sockets, which stay open here too. At most [`SOCKETS_MAX`] go; the others have to be opened there.
pub(crate) fn send(to: impl AsFd, sockets: &[net::TcpListener]) -> io::Result<()> {
    let sockets: Vec<BorrowedFd<'_>> = sockets.iter().take(SOCKETS_MAX).map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !sockets.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&sockets));
    }
    sendmsg(to, &[IoSlice::new(b"\n")], &mut control, SendFlags::NOSIGNAL).map(drop).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::server_process;

    #[test]
    fn a_socket_that_was_sent_is_the_same_one() {
        let bound = socket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let other = socket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let (address, other_address) = (bound.local_addr().unwrap(), other.local_addr().unwrap());
        // It is in the queue of the socket before anybody accepts.
        let client = net::TcpStream::connect(address).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        send(&ours, &[bound, other]).unwrap();
        let inherited = Inherited::receive(&theirs).unwrap();
        server_process::runtime().unwrap().block_on(async {
            let listener = inherited.listen(address).unwrap();
            let (_, peer) = listener.accept().await.unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
            // It is gone, and one that was not inherited is opened.
            assert_eq!(inherited.listen(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
            assert!(inherited.listen("127.0.0.1:0".parse().unwrap()).is_ok());
        });
        let error = inherited.refuse_others().unwrap_err().to_string();
        assert!(
            error.contains(&other_address.to_string()) && !error.contains(&address.to_string()),
            "{error}"
        );
    }

    #[test]
    fn nothing_is_inherited_from_a_parent_that_sends_nothing_or_is_gone() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        send(&ours, &[]).unwrap();
        assert!(Inherited::receive(&theirs).unwrap().refuse_others().is_ok());
        drop(ours);
        assert!(Inherited::receive(&theirs).unwrap().refuse_others().is_ok());
    }
}
