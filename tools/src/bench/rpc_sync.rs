//! Calls over RPC by the synchronous driver: a thread for each connection.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use micronet_transport::clock;
use micronet_transport::mio::client::{End as CallEnd, SyncClient};
use micronet_wire::error::RpcError;
use micronet_wire::service::{Arity, CallOptions};
use tokio::sync::oneshot;

use super::rpc::{Called, failed, nanos};
use super::tally::{Begun, End, Kind, Tally};
use super::work::{NEVER_SENT, Schedule, Work, Worker};
use crate::identity;
use crate::load::Pace;
use crate::load::arrivals::{Arrivals, Spread};
use crate::shop::request::Keys;

/// How long a thread of a closed loop waits after it could not connect, in milliseconds.
const PAUSE_MS: u64 = 100;

/// A connection of its own, on a thread of its own.
#[derive(Clone, Debug)]
pub(super) struct SyncCaller {
    /// The instance.
    pub(super) address: SocketAddr,
    /// Where the operator's token is.
    pub(super) data: PathBuf,
    /// Whether it stays unused.
    pub(super) anonymous: bool,
    /// What is called.
    pub(super) called: Called,
    /// The most calls under way.
    pub(super) depth: usize,
    /// Whether the socket is asked again and again.
    pub(super) spins: bool,
    /// Which of all threads it is.
    pub(super) place: u32,
    /// How many there are.
    pub(super) threads: u32,
}

impl SyncCaller {
    /// Connects.
    pub(super) fn connect(&self) -> Result<SyncClient, Kind> {
        let identity = identity::of_tool(None, None, &self.data, self.anonymous);
        let identity = identity.map_err(|error| Kind::from(format!("no connection: {error}")))?;
        let client = SyncClient::connect(self.address, &identity);
        let mut client =
            client.map_err(|error| Kind::from(format!("no connection: {}", error.code.name())))?;
        client.spin(self.spins);
        Ok(client)
    }

    fn work(self, schedule: Schedule, timeout: Duration) -> Tally {
        let keys = Keys::from_system();
        let turns = Turns::new(&schedule, self.place, self.threads);
        let tally = Tally::new(schedule.span);
        let mut thread =
            Thread { caller: self, schedule, timeout, turns, tally, under_way: VecDeque::new(), keys };
        while !thread.turns.is_over() {
            match thread.caller.connect() {
                Ok(mut client) => thread.call_on(&mut client),
                Err(kind) => thread.miss(kind),
            }
        }
        thread.tally
    }
}

impl Worker for SyncCaller {
    fn run(self: Box<Self>, work: Rc<Work>) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move {
            let (schedule, timeout) = (work.schedule.clone(), work.timeout);
            let (done, ended) = oneshot::channel();
            thread::spawn(move || {
                // Nobody waits any more where the whole run was given up.
                let _ = done.send(self.work(schedule, timeout));
            });
            if let Ok(tally) = ended.await {
                work.tally().add(tally);
            }
        })
    }
}

/// One thread while it works.
struct Thread {
    caller: SyncCaller,
    schedule: Schedule,
    timeout: Duration,
    turns: Turns,
    tally: Tally,
    /// By their streams, mostly in the order in which they end.
    under_way: VecDeque<(u32, Begun)>,
    keys: Result<Keys, getrandom::Error>,
}

impl Thread {
    /// Calls until there are no more turns, or the connection is over.
    fn call_on(&mut self, client: &mut SyncClient) {
        loop {
            while self.under_way.len() < self.caller.depth
                && let Some(due) = self.turns.next_due(Instant::now())
            {
                self.begin(client, due);
            }
            if client.is_closed() {
                return self.lose();
            }
            if self.under_way.is_empty() && self.turns.is_over() {
                return;
            }
            let limit = self.patience();
            if self.under_way.is_empty() {
                client.rest(limit);
            } else if let Some((stream, end)) = client.next_end(limit) {
                self.end(stream, end);
            }
        }
    }

    /// How long it may be waited for an answer: until the next call is due, to the millisecond by which a poll waits, and by asking again
    /// and again from there on.
    fn patience(&self) -> Duration {
        if self.under_way.len() >= self.caller.depth {
            return self.timeout;
        }
        let due_in = self.turns.due_in().unwrap_or(self.timeout).min(self.timeout);
        Duration::from_millis(u64::try_from(due_in.as_millis()).unwrap_or(0).saturating_sub(1))
    }

    fn begin(&mut self, client: &mut SyncClient, due: Instant) {
        let sent = Instant::now();
        let begun = Begun { due, sent };
        if sent.saturating_duration_since(due) > self.timeout {
            return self.count(begun, sent, End::GivenUp(NEVER_SENT.into()));
        }
        let Called { method, body, streams, has_token, .. } = &self.caller.called;
        let options = CallOptions {
            deadline_ns: clock::now().saturating_add(nanos(self.timeout)),
            token: self.keys.as_mut().ok().filter(|_| *has_token).map(Keys::next),
            ..CallOptions::default()
        };
        if *streams {
            let (method, body) = (*method, body.clone());
            let ended = self.stream(client, method, &body, &options);
            let end =
                ended.map_or_else(|error| failed(&error, || error.code.name().to_owned()), |()| End::Good);
            return self.count(begun, Instant::now(), end);
        }
        match client.start(*method, body, &options) {
            Ok(stream) => self.under_way.push_back((stream, begun)),
            Err(error) => self.count(begun, sent, failed(&error, || error.code.name().to_owned())),
        }
    }

    /// A call with a stream of replies, to its end.
    fn stream(
        &mut self,
        client: &mut SyncClient,
        method: u32,
        body: &bytes::Bytes,
        options: &CallOptions,
    ) -> Result<(), RpcError> {
        let stream = client.open(method, Some(body), Arity::Many, options)?;
        let mut bytes = 0;
        while let Some(message) = client.next_message(stream, self.timeout)? {
            bytes += message.len();
        }
        self.tally.moved(Instant::now(), body.len(), bytes);
        Ok(())
    }

    fn end(&mut self, stream: u32, end: CallEnd) {
        let Some(at) = self.under_way.iter().position(|(each, _)| *each == stream) else { return };
        let Some((_, begun)) = self.under_way.remove(at) else { return };
        let now = Instant::now();
        let end = match end {
            Ok(reply) => {
                self.tally.account(begun.due, &reply.ledger);
                self.tally.moved(now, self.caller.called.body.len(), reply.body.len());
                End::Good
            }
            Err(error) => failed(&error, || error.code.name().to_owned()),
        };
        self.count(begun, now, end);
    }

    /// The connection is over, and with it all that was under way.
    fn lose(&mut self) {
        let now = Instant::now();
        for (_, begun) in std::mem::take(&mut self.under_way) {
            self.count(begun, now, End::Failed("connection lost".into()));
        }
    }

    /// There is no connection: a call that is due has failed.
    fn miss(&mut self, kind: Kind) {
        let now = Instant::now();
        match self.turns.next_due(now) {
            Some(due) => self.count(Begun { due, sent: now }, now, End::Failed(kind)),
            None => thread::sleep(self.turns.due_in().unwrap_or_default()),
        }
        if !self.schedule.span.is_open {
            thread::sleep(Duration::from_millis(PAUSE_MS));
        }
    }

    fn count(&mut self, begun: Begun, now: Instant, end: End) {
        self.tally.ended(begun, now, end);
        self.schedule.done.fetch_add(1, Ordering::Relaxed);
    }
}

/// The turns of one thread: its share of all.
struct Turns {
    began: Instant,
    schedule: Schedule,
    arrivals: Option<Arrivals>,
    ends: Instant,
}

impl Turns {
    fn new(schedule: &Schedule, place: u32, threads: u32) -> Self {
        let lasts = schedule.limits.duration.unwrap_or_default();
        let began = schedule.span.from.checked_sub(lasts.saturating_sub(schedule.span.duration));
        let began = began.unwrap_or(schedule.span.from);
        let mut shifted = began;
        let arrivals = match schedule.pace {
            Pace::Closed => None,
            Pace::Open { rate_per_s, spread } => {
                let spread = match spread {
                    Spread::Fixed => Spread::Fixed,
                    Spread::Poisson { seed } => Spread::Poisson { seed: seed.wrapping_add(place.into()) },
                };
                if spread == Spread::Fixed {
                    shifted += Duration::from_secs_f64(f64::from(place) / rate_per_s);
                }
                Some(Arrivals::new(rate_per_s / f64::from(threads.max(1)), spread))
            }
        };
        Self { began: shifted, schedule: schedule.clone(), arrivals, ends: began + lasts }
    }

    /// When the next one is due; `None` in a closed loop, and when there are no more.
    fn due(&self) -> Option<Instant> {
        let due = self.began.checked_add(self.arrivals.as_ref()?.due())?;
        (due < self.ends).then_some(due)
    }

    fn due_in(&self) -> Option<Duration> {
        self.due().map(|due| due.saturating_duration_since(Instant::now()))
    }

    fn next_due(&mut self, now: Instant) -> Option<Instant> {
        if self.schedule.stopped.load(Ordering::Relaxed) {
            return None;
        }
        if self.arrivals.is_none() {
            return (now < self.ends).then_some(now);
        }
        let due = self.due().filter(|due| *due <= now)?;
        if let Some(arrivals) = &mut self.arrivals {
            arrivals.advance();
        }
        Some(due)
    }

    fn is_over(&self) -> bool {
        let over = if self.arrivals.is_some() { self.due().is_none() } else { Instant::now() >= self.ends };
        over || self.schedule.stopped.load(Ordering::Relaxed)
    }
}
