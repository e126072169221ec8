//! A connection that is kept busy: requests are written as they are due, answers are read as they come, many with one system call.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};

use super::tally::{Begun, End, Kind};
use super::work::{TIMEOUT, Work, Worker};

/// How long a connection may take to be made, in milliseconds.
const CONNECT_MS_MAX: u64 = 5_000;
/// How long a client of a closed loop waits after it could not connect, so that it doesn't spin on a dead server. In milliseconds.
const PAUSE_MS: u64 = 100;
/// Free space that is kept for the next read, in bytes.
const READ_BYTES: usize = 64 << 10;

/// What is said on a connection, as bytes.
pub(super) trait Protocol {
    /// Begins on a fresh connection: a handshake, if there is one.
    async fn open(&mut self, stream: &mut TcpStream) -> Result<(), Kind>;

    /// Appends the next request.
    fn ask(&mut self, output: &mut BytesMut) -> Result<(), Kind>;

    /// Takes the next answer, if it is there whole. Answers come in the order of their requests. What is not to be understood ends the
    /// connection.
    fn answer(&mut self, input: &mut BytesMut) -> Result<Option<End>, Kind>;

    /// What the protocol wants to say by itself, as the answer to a ping.
    fn speak(&mut self, _output: &mut BytesMut) {}

    /// The peer has closed its side.
    fn closed(&mut self) -> Result<(), Kind> {
        Err("connection lost".into())
    }

    /// Whether a further request may be sent on this connection.
    fn is_open(&self) -> bool {
        true
    }
}

/// A connection and what is under way on it.
pub(super) struct Lane<P> {
    address: SocketAddr,
    protocol: P,
    /// The most requests that are under way.
    depth: usize,
    stream: Option<TcpStream>,
    input: BytesMut,
    output: BytesMut,
    /// The oldest first.
    under_way: VecDeque<Begun>,
}

/// How it went with a connection.
enum Course {
    /// There are no more turns.
    Over,
    /// The connection has come to its end, with nothing under way.
    Closed,
}

impl<P: Protocol> Lane<P> {
    /// Connects.
    pub(super) async fn open(address: SocketAddr, protocol: P, depth: usize) -> Result<Self, Kind> {
        let mut lane = Self {
            address,
            protocol,
            depth: depth.max(1),
            stream: None,
            input: BytesMut::with_capacity(READ_BYTES),
            output: BytesMut::new(),
            under_way: VecDeque::with_capacity(depth),
        };
        lane.connect().await?;
        Ok(lane)
    }

    async fn connect(&mut self) -> Result<(), Kind> {
        self.input.clear();
        self.output.clear();
        let opening = async {
            let mut stream = TcpStream::connect(self.address).await.map_err(|error| unconnected(&error))?;
            stream.set_nodelay(true).map_err(|error| unconnected(&error))?;
            self.protocol.open(&mut stream).await?;
            Ok::<_, Kind>(stream)
        };
        let opened = timeout(Duration::from_millis(CONNECT_MS_MAX), opening).await;
        self.stream = Some(opened.unwrap_or_else(|_| Err("no connection: no answer".into()))?);
        Ok(())
    }

    async fn work(&mut self, work: &Work) {
        loop {
            if self.stream.is_none() && !self.reconnect(work).await {
                return;
            }
            let Some(stream) = self.stream.take() else { continue };
            match self.converse(stream, work).await {
                Ok(Course::Over) => return,
                Ok(Course::Closed) => {}
                Err(kind) => {
                    let now = Instant::now();
                    let end = if kind == TIMEOUT { End::GivenUp(kind) } else { End::Failed(kind) };
                    for begun in self.under_way.drain(..) {
                        work.tally().ended(begun, now, end.clone());
                    }
                }
            }
        }
    }

    /// Connects anew, at the cost of a request each time that it fails; false when there are no more turns.
    async fn reconnect(&mut self, work: &Work) -> bool {
        while let Err(kind) = self.connect().await {
            let Some(due) = work.turns.next().await else { return false };
            let now = Instant::now();
            if !work.gives_up(due, now) {
                work.tally().ended(Begun { due, sent: now }, now, End::Failed(kind));
            }
            if !work.schedule.span.is_open {
                sleep(Duration::from_millis(PAUSE_MS)).await;
            }
        }
        true
    }

    async fn converse(&mut self, mut stream: TcpStream, work: &Work) -> Result<Course, Kind> {
        let mut alarm = pin!(sleep(work.timeout));
        let (mut over, mut fresh) = (false, true);
        let mut now = Instant::now();
        loop {
            let open = self.protocol.is_open();
            while open && self.under_way.len() < self.depth {
                let Some(due) = work.turns.next_due(now) else {
                    over |= !work.schedule.span.is_open;
                    break;
                };
                self.begin(due, now, work)?;
            }
            if fresh && self.take_answers(now, work)? > 0 {
                continue;
            }
            fresh = false;
            self.protocol.speak(&mut self.output);
            if !self.output.is_empty() {
                let moved = stream.try_write(&self.output);
                self.written(moved, now, work)?;
            }
            if self.under_way.is_empty() && (over || !open) {
                return Ok(if over { Course::Over } else { Course::Closed });
            }
            let has_room = open && !over && self.under_way.len() < self.depth;
            self.input.reserve(READ_BYTES);
            let (mut reader, mut writer) = stream.split();
            tokio::select! {
                biased;
                read = reader.read_buf(&mut self.input) => {
                    now = Instant::now();
                    let count = read.map_err(|error| lost(&error))?;
                    work.tally().moved(now, 0, count);
                    if count == 0 {
                        return self.end(now, work);
                    }
                    fresh = true;
                }
                written = writer.write(&self.output), if !self.output.is_empty() => {
                    self.written(written, now, work)?;
                    now = Instant::now();
                }
                turn = work.turns.next(), if has_room => {
                    now = Instant::now();
                    match turn {
                        Some(due) => self.begin(due, now, work)?,
                        None => over = true,
                    }
                }
                () = &mut alarm, if !self.under_way.is_empty() => {
                    now = Instant::now();
                    self.check_time(alarm.as_mut(), now, work)?;
                }
            }
        }
    }

    fn begin(&mut self, due: Instant, now: Instant, work: &Work) -> Result<(), Kind> {
        if !work.gives_up(due, now) {
            self.protocol.ask(&mut self.output)?;
            self.under_way.push_back(Begun { due, sent: now });
        }
        Ok(())
    }

    /// Takes the answers that have come, and says how many.
    fn take_answers(&mut self, now: Instant, work: &Work) -> Result<usize, Kind> {
        let (mut tally, mut count) = (work.tally(), 0);
        while !self.under_way.is_empty() {
            let Some(end) = self.protocol.answer(&mut self.input)? else { break };
            if let Some(begun) = self.under_way.pop_front() {
                tally.ended(begun, now, end);
                count += 1;
            }
        }
        Ok(count)
    }

    /// The peer has closed the connection, which may be the end of an answer.
    fn end(&mut self, now: Instant, work: &Work) -> Result<Course, Kind> {
        if !self.under_way.is_empty() {
            self.protocol.closed()?;
            self.take_answers(now, work)?;
        }
        if self.under_way.is_empty() { Ok(Course::Closed) } else { Err("connection lost".into()) }
    }

    fn written(&mut self, written: io::Result<usize>, now: Instant, work: &Work) -> Result<(), Kind> {
        match written {
            Ok(count) => {
                // What was written as a whole leaves its memory to what comes next.
                if count == self.output.len() {
                    self.output.clear();
                } else {
                    let _ = self.output.split_to(count);
                }
                work.tally().moved(now, count, 0);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(lost(&error)),
        }
    }

    /// The alarm has gone off, for the oldest request or for one that has long been answered: it is set anew only then.
    fn check_time(&self, alarm: Pin<&mut Sleep>, now: Instant, work: &Work) -> Result<(), Kind> {
        let Some(oldest) = self.under_way.front() else { return Ok(()) };
        let ends = oldest.sent + work.timeout;
        if ends <= now {
            return Err(TIMEOUT.into());
        }
        alarm.reset(ends.into());
        Ok(())
    }
}

impl<P: Protocol + 'static> Worker for Lane<P> {
    fn run(mut self: Box<Self>, work: Rc<Work>) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move { self.work(&work).await })
    }
}

/// Why there is no connection.
pub(super) fn unconnected(error: &io::Error) -> Kind {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "no connection: refused".into(),
        _ => format!("no connection: {error}").into(),
    }
}

/// A connection that ended under a request: reset by the peer's kernel, or otherwise.
pub(super) fn lost(error: &io::Error) -> Kind {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "connection reset".into(),
        _ => "connection lost".into(),
    }
}
