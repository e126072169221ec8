//! A byte stream over a link: its bytes come and go as the link's conditions are at the time.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::{Conditions, Link, Passage, Shaper};
use crate::clock;
use crate::driver::ByteStream;
use crate::identity::random_bytes;

/// What is read from the socket at once, in bytes.
const READ_BYTES: usize = 4 << 10;

/// A byte stream that is shaped where its link's rules say so. One task reads and writes it.
///
/// Without rules for its link it costs a comparison.
pub struct Shaped<S: ByteStream> {
    /// Shared with those who hold it when this is dropped.
    stream: Rc<RefCell<S>>,
    link: Rc<Link>,
    /// The rules that were looked at last.
    stamp: (u64, bool),
    shaping: Option<Box<Shaping>>,
}

/// What there is to a stream while its link is shaped.
struct Shaping {
    conditions: Conditions,
    /// When the rules may end by themselves.
    until_ns: Option<u64>,
    outgoing: Shaper,
    incoming: Shaper,
    /// What comes after the last byte that was read: the end, or an error.
    ended: Option<io::Result<()>>,
    timer: Pin<Box<Sleep>>,
    /// Completes when the rules have changed.
    changed: Pin<Box<dyn Future<Output = ()>>>,
}

impl<S: ByteStream> Shaped<S> {
    /// A stream over a link.
    pub fn new(stream: S, link: Rc<Link>) -> Self {
        Self { stream: Rc::new(RefCell::new(stream)), link, stamp: (0, false), shaping: None }
    }

    /// Whether bytes pass as they come. Otherwise the conditions are those of now.
    fn passes(&mut self) -> io::Result<bool> {
        let stamp = self.link.stamp();
        let has_ended = |shaping: &Shaping| shaping.until_ns.is_some_and(|until_ns| until_ns <= clock::now());
        if self.stamp != stamp || self.shaping.as_deref().is_some_and(has_ended) {
            self.look()?; // A link that is denied is looked at again and again, and stays so.
            self.stamp = stamp;
        }
        if self.shaping.as_deref().is_some_and(Shaping::is_over) {
            self.shaping = None;
        }
        Ok(self.shaping.is_none())
    }

    /// Looks at the rules.
    #[cold]
    fn look(&mut self) -> io::Result<()> {
        let (passage, until_ns) = self.link.passage(clock::now());
        let conditions = match passage {
            Passage::Free => Conditions::default(),
            Passage::Under(conditions) => conditions,
            Passage::Denied(words) => return Err(io::Error::new(io::ErrorKind::PermissionDenied, words)),
        };
        let shaping = self.shaping.get_or_insert_with(|| Box::new(Shaping::new()));
        (shaping.conditions, shaping.until_ns) = (conditions, until_ns);
        let mut changes = self.link.network.changes();
        shaping.changed = Box::pin(async move {
            let _ = changes.changed().await; // With the network everything is over.
        });
        Ok(())
    }

    /// Moves what can be moved, and has the task woken when there is more; false when the rules have changed.
    fn moves(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let Some(shaping) = self.shaping.as_deref_mut() else { return Ok(false) };
        let mut stream = self.stream.borrow_mut();
        loop {
            let now = clock::now();
            let blocked = shaping.send(now, cx, &mut *stream)?;
            shaping.receive(now, cx, &mut *stream);
            let outgoing_due = shaping.outgoing.next_due_ns(&shaping.conditions).filter(|_| !blocked);
            // What has come already is somebody else's to take.
            let incoming_due = shaping.incoming.next_due_ns(&shaping.conditions).filter(|due| *due > now);
            if shaping.changed.as_mut().poll(cx).is_ready() {
                return Ok(false);
            }
            let Some(due) = [outgoing_due, incoming_due, shaping.until_ns].into_iter().flatten().min() else {
                return Ok(true);
            };
            shaping.timer.as_mut().reset(clock::instant(due));
            if shaping.timer.as_mut().poll(cx).is_pending() {
                return Ok(true);
            }
            if shaping.until_ns.is_some_and(|until_ns| until_ns <= clock::now()) {
                return Ok(false);
            }
        }
    }

    /// The same until the rules are those of now; false when nothing is shaped any more.
    fn shapes(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        while !self.passes()? {
            if self.moves(cx)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Shaping {
    fn new() -> Self {
        let seed = || u64::from_ne_bytes(random_bytes());
        Self {
            conditions: Conditions::default(),
            until_ns: None,
            outgoing: Shaper::new(seed()),
            incoming: Shaper::new(seed()),
            ended: None,
            timer: Box::pin(tokio::time::sleep_until(clock::instant(0))),
            changed: Box::pin(std::future::pending()),
        }
    }

    /// Whether nothing is shaped any more, and nothing is left of when it was.
    fn is_over(&self) -> bool {
        self.conditions == Conditions::default()
            && self.until_ns.is_none()
            && self.outgoing.is_empty()
            && self.incoming.is_empty()
            && self.ended.is_none()
    }

    /// Passes on what is due; whether the stream takes no more at the moment.
    fn send<S: ByteStream>(&mut self, now: u64, cx: &mut Context<'_>, stream: &mut S) -> io::Result<bool> {
        while let Some(ready) = self.outgoing.ready(now, &self.conditions) {
            match Pin::new(&mut *stream).poll_write(cx, ready) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => self.outgoing.passed(written),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Takes what has come. While the link is cut the end isn't heard either.
    fn receive<S: ByteStream>(&mut self, now: u64, cx: &mut Context<'_>, stream: &mut S) {
        let mut space = [0; READ_BYTES];
        while self.ended.is_none() && !self.conditions.cut {
            let room = self.incoming.room(&self.conditions).min(READ_BYTES);
            if room == 0 {
                return;
            }
            let mut read = ReadBuf::new(&mut space[..room]);
            match Pin::new(&mut *stream).poll_read(cx, &mut read) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) if read.filled().is_empty() => self.ended = Some(Ok(())),
                Poll::Ready(Ok(())) => {
                    self.incoming.accept(now, read.filled(), &self.conditions);
                }
                Poll::Ready(Err(error)) => self.ended = Some(Err(error)),
            }
        }
    }

    /// Hands over what is due; false when nothing is.
    fn deliver(&mut self, now: u64, into: &mut ReadBuf<'_>) -> bool {
        let before = into.filled().len();
        while into.remaining() > 0
            && let Some(ready) = self.incoming.ready(now, &self.conditions)
        {
            let length = ready.len().min(into.remaining());
            into.put_slice(&ready[..length]);
            self.incoming.passed(length);
        }
        into.filled().len() > before
    }
}

impl<S: ByteStream> AsyncRead for Shaped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.passes()? || !self.shapes(cx)? {
            return Pin::new(&mut *self.stream.borrow_mut()).poll_read(cx, into);
        }
        let Self { stream, shaping: Some(shaping), .. } = &mut *self else { return Poll::Pending };
        let now = clock::now();
        if shaping.deliver(now, into) {
            // There may be room for more now.
            shaping.receive(now, cx, &mut *stream.borrow_mut());
            return Poll::Ready(Ok(()));
        }
        match shaping.ended.take_if(|_| shaping.incoming.is_empty() && !shaping.conditions.cut) {
            Some(ended) => Poll::Ready(ended),
            None => Poll::Pending,
        }
    }
}

impl<S: ByteStream> AsyncWrite for Shaped<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.passes()?
            && self.shapes(cx)?
            && let Some(shaping) = self.shaping.as_deref_mut()
        {
            let taken = shaping.outgoing.accept(clock::now(), bytes, &shaping.conditions);
            if taken == 0 && !bytes.is_empty() {
                return Poll::Pending;
            }
            self.shapes(cx)?;
            return Poll::Ready(Ok(taken));
        }
        Pin::new(&mut *self.stream.borrow_mut()).poll_write(cx, bytes)
    }

    /// What is on its way counts as flushed, as it does in a kernel.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.passes()? {
            self.shapes(cx)?;
        }
        Pin::new(&mut *self.stream.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.passes()?
            && self.shapes(cx)?
            && self
                .shaping
                .as_deref()
                .is_some_and(|shaping| shaping.conditions.cut || !shaping.outgoing.is_empty())
        {
            return Poll::Pending;
        }
        ready!(Pin::new(&mut *self.stream.borrow_mut()).poll_flush(cx))?;
        Pin::new(&mut *self.stream.borrow_mut()).poll_shutdown(cx)
    }
}

impl<S: ByteStream> Drop for Shaped<S> {
    /// Who is behind a link that is cut doesn't hear that the connection has ended.
    fn drop(&mut self) {
        if self.shaping.as_deref().is_some_and(|shaping| shaping.conditions.cut) {
            self.link.network.links.hold(Rc::<RefCell<S>>::clone(&self.stream));
        }
    }
}
