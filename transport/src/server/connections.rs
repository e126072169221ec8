//! The connections of a port as people see them: from where, in which language, by whom, since when, and how much.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use micronet_wire::json::{Object, put_list};
use micronet_wire::principal::Principal;
use micronet_wire::transcode::put_timestamp;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock;

/// The connections of one port that are open, by their numbers: a later one has a greater number.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: RefCell<BTreeMap<u64, Rc<Seen>>>,
    last: Cell<u64>,
}

/// What is seen of one connection.
#[derive(Debug)]
pub(super) struct Seen {
    id: u64,
    peer: Option<SocketAddr>,
    since_us: i64,
    language: Cell<&'static str>,
    is_tls: Cell<bool>,
    /// By the connection itself: its certificate or its proof.
    principal: RefCell<Principal>,
    /// What the peer calls itself.
    name: RefCell<String>,
    calls: Cell<u32>,
    bytes_in: Cell<u64>,
    bytes_out: Cell<u64>,
}

/// One of them, for as long as this lives.
#[derive(Debug)]
pub(super) struct Open {
    all: Rc<Connections>,
    seen: Rc<Seen>,
}

impl Connections {
    /// A connection was accepted.
    pub(super) fn open(self: &Rc<Self>, peer: Option<SocketAddr>) -> Open {
        let id = self.last.get() + 1;
        self.last.set(id);
        let seen = Rc::new(Seen {
            id,
            peer,
            since_us: clock::unix_us(),
            language: Cell::new("not known yet"),
            is_tls: Cell::default(),
            principal: RefCell::default(),
            name: RefCell::default(),
            calls: Cell::default(),
            bytes_in: Cell::default(),
            bytes_out: Cell::default(),
        });
        self.open.borrow_mut().insert(id, Rc::clone(&seen));
        Open { all: Rc::clone(self), seen }
    }

    /// Appends what is told to somebody who asks on the connection `own`: that one, and the others to whoever may know of them.
    pub(super) fn put_json(&self, out: &mut BytesMut, own: &Seen, asker: &Principal) {
        let mut object = Object::begin(out);
        object.text("you_are", &asker.key()).value("you", |out| own.put_json(out));
        let open = self.open.borrow();
        if knows_of_others(asker) {
            object.value("connections", |out| put_list(out, open.values(), |out, each| each.put_json(out)));
        } else {
            object.text("others", "shown to the operator and to services of the cluster");
        }
        object.end();
    }
}

/// Whoever operates the network, or is a part of it, may know who is connected.
fn knows_of_others(asker: &Principal) -> bool {
    match asker {
        Principal::Operator | Principal::Service { .. } => true,
        Principal::Anonymous | Principal::User { .. } => false,
    }
}

impl Seen {
    pub(super) fn speaks(&self, language: &'static str) {
        self.language.set(language);
    }

    pub(super) fn is_in_tls(&self) {
        self.is_tls.set(true);
    }

    pub(super) fn is_of(&self, principal: Principal) {
        self.principal.replace(principal);
    }

    pub(super) fn is_called(&self, name: &str) {
        name.clone_into(&mut self.name.borrow_mut());
    }

    pub(super) fn has_calls(&self, calls: u32) {
        self.calls.set(calls);
    }

    /// From where, as records name it; empty where that isn't known.
    pub(super) fn from(&self) -> String {
        self.peer.map(|peer| peer.to_string()).unwrap_or_default()
    }

    fn put_json(&self, out: &mut BytesMut) {
        let mut object = Object::begin(out);
        object.unsigned("id", self.id);
        if let Some(peer) = self.peer {
            object.text("peer", &peer.to_string());
        }
        object.text("language", self.language.get()).boolean("tls", self.is_tls.get());
        object.text("principal", &self.principal.borrow().key()).text_if_any("name", &self.name.borrow());
        object.value("since", |out| put_timestamp(out, self.since_us));
        object.unsigned("calls_in_flight", self.calls.get().into());
        object.unsigned("bytes_in", self.bytes_in.get()).unsigned("bytes_out", self.bytes_out.get());
        object.end();
    }
}

impl Open {
    pub(super) fn seen(&self) -> &Rc<Seen> {
        &self.seen
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.all.open.borrow_mut().remove(&self.seen.id);
    }
}

/// A byte stream whose bytes are counted; in TLS those inside it.
pub(super) struct Counted<S> {
    stream: S,
    seen: Rc<Seen>,
}

impl<S> Counted<S> {
    pub(super) fn new(stream: S, seen: Rc<Seen>) -> Self {
        Self { stream, seen }
    }

    fn wrote(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(written)) = &polled {
            self.seen.bytes_out.set(self.seen.bytes_out.get() + *written as u64);
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let read = buf.filled().len() - before;
        self.seen.bytes_in.set(self.seen.bytes_in.get() + read as u64);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_shown_to_whoever_may_know_of_them() {
        let all = Rc::new(Connections::default());
        let (one, other) = (all.open(None), all.open(Some(([10, 0, 0, 7], 5555).into())));
        other.seen().speaks("rpc");
        let shown = |asker: &Principal| {
            let mut out = BytesMut::new();
            all.put_json(&mut out, one.seen(), asker);
            micronet_wire::json::check(&out).unwrap();
            String::from_utf8_lossy(&out).into_owned()
        };
        let user = Principal::User {
            subject: "7".into(),
            organization: String::new(),
            session: String::new(),
            permissions: vec!["*".into()],
        };
        for asker in [Principal::Anonymous, user] {
            let shown = shown(&asker);
            assert!(shown.contains("\"id\":1,") && !shown.contains("10.0.0.7"), "{shown}");
        }
        for asker in [Principal::Operator, Principal::Service { name: "order".into() }] {
            assert!(shown(&asker).contains("\"peer\":\"10.0.0.7:5555\",\"language\":\"rpc\""));
        }
        drop(other);
        assert!(!shown(&Principal::Operator).contains("10.0.0.7"));
    }
}
