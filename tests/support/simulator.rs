//! A whole connection in a simulated world: two state machines, the network between them, a clock that jumps from one thing
//! to the next, scripts for both sides, and faults; all of it from one seed.
//!
//! Nothing here waits, and the same seed always gives the same history, so a failure is replayed by its seed.

mod observer;
mod rules;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use bytes::{Bytes, BytesMut};
use micronet_wire::conn::{Announcement, Config, Connection, Event, Role};
use micronet_wire::error::Code;
use micronet_wire::hello::{Hello, Secret};
use micronet_wire::limits::HEADER_BYTES;
use micronet_wire::schema::Fingerprint;

use self::observer::Observer;
use crate::application::caller::Caller;
use crate::application::handlers::Handlers;
use crate::application::{Command, End, Shape};
use crate::link::{Arrival, Link};
use crate::plan::{ACCEPTOR, DIALLER, Fault, MS, PEACEFUL_PATIENCE_NS, Plan, SCRIPT_NS};
use crate::random::Random;

/// When everything must be over: the last command, its deadline, the longest pause, and the slowest way to carry the bytes.
const END_NS: u64 = SCRIPT_NS + PEACEFUL_PATIENCE_NS + 120_000 * MS;
/// So long it goes on when nothing is left to do, besides some heartbeats: accounts must agree then.
const QUIET_NS: u64 = 1_000 * MS;

/// A rule that did not hold.
#[derive(Debug)]
pub struct Failure {
    /// Which, and how.
    pub words: String,
    /// What happened before it.
    pub history: Vec<String>,
    /// The world's plan.
    pub plan: Box<Plan>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.words)?;
        writeln!(f, "plan: {:?}", Plan { script: VecDeque::new(), ..(*self.plan).clone() })?;
        self.history.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// What happened in a world.
#[derive(Debug, Default)]
pub struct Report {
    /// A hash of the whole history.
    pub trace: u64,
    /// How often each kind of thing happened.
    pub counts: BTreeMap<String, u32>,
    /// What each side handed to the network, in order: side and bytes.
    pub sent: Vec<(usize, Vec<u8>)>,
    /// The dialler's calls.
    pub caller: Caller,
}

struct Side {
    connection: Connection,
    input: BytesMut,
    ready: bool,
    closed: bool,
    /// Its direction has been closed, or the socket is gone.
    shut: bool,
    last_heard_ns: u64,
}

/// A world at work.
struct World {
    plan: Box<Plan>,
    random: Random,
    now: u64,
    sides: [Side; 2],
    /// By the side that sends.
    links: [Link; 2],
    handlers: Handlers,
    /// When the first of the calls that have outlived the acceptor's connection runs out of time.
    outlived_ns: Option<u64>,
    /// When it ends.
    end_ns: u64,
    report: Report,
    observer: Observer,
    /// What it saw that must not be.
    seen: Result<(), String>,
    history: VecDeque<String>,
}

/// Lines of history that a failure shows.
const HISTORY_MAX: usize = 60;

/// Runs the world of a seed to its end.
///
/// # Errors
/// When a rule did not hold.
pub fn run(plan: Plan) -> Result<Report, Box<Failure>> {
    let mut world = World::new(plan);
    match world.live() {
        Ok(()) => Ok(world.report),
        Err(words) => Err(Box::new(Failure { words, history: world.history.into(), plan: world.plan })),
    }
}

impl World {
    fn new(plan: Plan) -> Self {
        let secret = || Some(Secret::new("an example"));
        // Short, so that it is through on the slowest links too; what it says is nobody's business here.
        let beacon = Some(Bytes::from_static(&[7; 300]));
        let side = |role, hello: &Hello| Side {
            connection: Connection::new(
                Config {
                    role,
                    hello: Hello { schema: beacon.as_deref().map(Fingerprint::of), ..hello.clone() },
                    credential: plan.credential,
                    cluster_secret: secret(),
                    operator_token: secret(),
                    certified: None,
                    credit_when_known: plan.credit_when_known.filter(|_| role == Role::Acceptor),
                    beacon: beacon.clone(),
                },
                0,
            ),
            input: BytesMut::new(),
            ready: false,
            closed: false,
            shut: false,
            last_heard_ns: 0,
        };
        let sides = [side(Role::Dialler, &plan.hellos[0]), side(Role::Acceptor, &plan.hellos[1])];
        let mut links = [Link::default(), Link::default()];
        match plan.fault {
            Fault::Cut(side, bytes) => links[side].cut_after(bytes),
            Fault::Corrupt(side, byte) => links[side].corrupt_at(byte),
            _ => {}
        }
        Self {
            random: Random::new(plan.seed ^ 0x5EED),
            now: 0,
            sides,
            links,
            handlers: Handlers::default(),
            outlived_ns: None,
            end_ns: END_NS,
            report: Report { trace: 0xCBF2_9CE4_8422_2325, ..Report::default() },
            observer: Observer::new(&plan.hellos),
            seen: Ok(()),
            history: VecDeque::new(),
            plan: Box::new(plan),
        }
    }

    fn live(&mut self) -> Result<(), String> {
        self.transmit();
        while let Some(next) = self.next_time() {
            self.now = next;
            self.fail_as_planned();
            let awake: Vec<usize> =
                [DIALLER, ACCEPTOR].into_iter().filter(|side| !self.is_stalled(*side)).collect();
            for side in &awake {
                self.arrive(*side)?;
            }
            for side in &awake {
                self.time_passes(*side)?;
            }
            self.obey()?;
            loop {
                self.work(&awake)?;
                self.transmit();
                // What has left makes room for more.
                if !(self.attend(DIALLER)? | self.attend(ACCEPTOR)?) {
                    break;
                }
            }
            if self.sides[ACCEPTOR].closed {
                self.outlived_ns = self.handlers.keep_deadlines(self.now);
            }
            self.check()?;
            self.end_when_quiet();
        }
        self.check_end()
    }

    /// Both applications go on.
    fn work(&mut self, awake: &[usize]) -> Result<(), String> {
        if awake.contains(&DIALLER) {
            self.report.caller.work(self.now, &mut self.sides[DIALLER].connection)?;
            self.attend(DIALLER)?;
        }
        if awake.contains(&ACCEPTOR) {
            let answered = self.handlers.work(self.now, &mut self.sides[ACCEPTOR].connection)?;
            self.count("answered", answered);
            self.attend(ACCEPTOR)?;
        }
        Ok(())
    }

    /// Whether a side does nothing now.
    fn is_stalled(&self, side: usize) -> bool {
        matches!(self.plan.fault, Fault::Stall(at_ns, stalled, until_ns)
            if stalled == side && (at_ns..until_ns).contains(&self.now))
    }

    /// When all calls are over a world goes on for a while, so that both sides may come to agree; then it ends.
    fn end_when_quiet(&mut self) {
        let in_flight: usize = self.sides.iter().map(|side| side.connection.calls_in_flight()).sum();
        let over = self.plan.script.is_empty() && self.report.caller.open() == 0 && self.handlers.is_empty();
        if !over || in_flight > 0 {
            self.end_ns = END_NS; // A one-way call may still arrive.
        } else if self.end_ns == END_NS {
            let from_ns = self.now.max(SCRIPT_NS).max(self.plan.fault.passes_ns());
            self.end_ns = from_ns + 6 * self.plan.interval_ns + QUIET_NS;
        }
    }

    /// When something happens next; nothing does after the end.
    fn next_time(&self) -> Option<u64> {
        let fault = match self.plan.fault {
            Fault::Silence(at_ns, _) | Fault::Pause(at_ns, ..) | Fault::Stall(at_ns, ..)
                if at_ns > self.now =>
            {
                Some(at_ns)
            }
            Fault::Stall(.., until_ns) if until_ns > self.now => Some(until_ns),
            _ => None,
        };
        let command = self.plan.script.front().filter(|(_, side, _)| !self.is_stalled(*side));
        let of_side = |side: usize| {
            let connection = &self.sides[side].connection;
            let work = match side {
                DIALLER => self.report.caller.next_due(),
                _ => self.handlers.next_due(),
            };
            [connection.next_deadline(), self.links[1 - side].next_arrival(), work]
        };
        let awake = [DIALLER, ACCEPTOR].into_iter().filter(|side| !self.is_stalled(*side));
        let others = [fault, self.outlived_ns, command.map(|(at_ns, ..)| *at_ns)];
        let next = awake.flat_map(of_side).chain(others).flatten().min()?;
        Some(next.max(self.now)).filter(|next| *next <= self.end_ns)
    }

    fn fail_as_planned(&mut self) {
        match self.plan.fault {
            Fault::Silence(at_ns, sides) if at_ns == self.now => {
                for (link, silent) in self.links.iter_mut().zip(sides) {
                    if silent {
                        link.fall_silent();
                    }
                }
            }
            Fault::Pause(at_ns, side, until_ns) if at_ns == self.now => {
                self.links[side].pause_until(until_ns);
            }
            _ => {}
        }
    }

    fn arrive(&mut self, side: usize) -> Result<(), String> {
        while let Some(arrival) = self.links[1 - side].arrive(self.now, &mut self.random) {
            let receiver = &mut self.sides[side];
            match arrival {
                _ if receiver.shut && receiver.closed => {} // A closed socket takes nothing.
                Arrival::Bytes(bytes) => {
                    receiver.last_heard_ns = self.now;
                    receiver.input.extend_from_slice(&bytes);
                    receiver.connection.receive(self.now, &mut receiver.input, bytes.len());
                    let largest = HEADER_BYTES + self.plan.hellos[side].frame_payload_max as usize;
                    if !receiver.connection.is_closed() && receiver.input.len() > largest {
                        return Err(format!("{} bytes of input are left", receiver.input.len()));
                    }
                }
                Arrival::End => receiver.connection.peer_gone("the end of the stream"),
            }
            self.attend(side)?;
        }
        Ok(())
    }

    fn time_passes(&mut self, side: usize) -> Result<(), String> {
        let connection = &mut self.sides[side].connection;
        if connection.next_deadline().is_some_and(|due| due <= self.now) {
            connection.handle_timeout(self.now);
            if connection.next_deadline().is_some_and(|due| due <= self.now) {
                return Err(format!("side {side} is due again at once"));
            }
        }
        self.attend(side)?;
        Ok(())
    }

    fn obey(&mut self) -> Result<(), String> {
        while let Some((at_ns, side, _)) = self.plan.script.front()
            && *at_ns <= self.now
            && !self.is_stalled(*side)
        {
            let Some((_, side, command)) = self.plan.script.pop_front() else { break };
            let connection = &mut self.sides[side].connection;
            match command {
                Command::Call(planned) => {
                    let shape = planned.shape;
                    let name = if shape == Shape::OneWay { "send" } else { "call" };
                    match self.report.caller.call(self.now, connection, planned)? {
                        Ok(stream) => self.note(name, format!("stream {stream} {shape:?}")),
                        Err(code) => self.note(&format!("{name} refused {code}"), ""),
                    }
                }
                Command::Cancel => {
                    if let Some(stream) = self.report.caller.cancel(self.now, connection, &mut self.random) {
                        self.note("cancel", format!("stream {stream}"));
                    }
                }
                Command::Ping => {
                    connection.ping(self.now);
                }
                Command::Announce { calls_in_flight_max } => {
                    let limit = Some(calls_in_flight_max);
                    let said = Announcement { calls_in_flight_max: limit, ..Announcement::default() };
                    if connection.announce(said) {
                        // Calls in flight beyond a lower limit go on.
                        let most = &mut self.plan.hellos[side].calls_in_flight_max;
                        *most = calls_in_flight_max.max(*most);
                        self.note("announce", format!("{calls_in_flight_max} calls"));
                    }
                }
                Command::Drain => {
                    connection.drain();
                    self.note("drain", format!("side {side}"));
                }
                Command::Close => connection.close(Code::Internal, "simulated"),
            }
            self.attend(side)?;
        }
        Ok(())
    }

    /// Takes the events of a side; whether there were any.
    fn attend(&mut self, side: usize) -> Result<bool, String> {
        let mut some = false;
        while let Some(event) = self.sides[side].connection.poll_event() {
            if self.sides[side].closed {
                return Err(format!("side {side}: {event:?} after Closed"));
            }
            self.take_event(side, event)?;
            some = true;
        }
        Ok(some)
    }

    fn take_event(&mut self, side: usize, event: Event) -> Result<(), String> {
        let now = self.now;
        match event {
            Event::Ready(_) => {
                self.sides[side].ready = true;
                self.note("ready", format!("side {side}"));
            }
            Event::Request { stream, method, context, request } => {
                let standing = self.sides[ACCEPTOR].connection.standing();
                let shape = Shape::of(method).ok_or(format!("stream {stream} calls the method {method}"))?;
                let (habits, random) = (&self.plan.habits, &mut self.random);
                let id = self.handlers.start(now, (stream, shape), &context, standing, habits, random)?;
                self.check_request((stream, shape, id), &request, &context)?;
                let kind = if context.one_way { "notice" } else { "request" };
                self.note(kind, format!("stream {stream} {shape:?}"));
            }
            Event::Dropped { stream, error, .. } => {
                if !self.report.caller.sent.contains_key(&stream) {
                    return Err(format!("stream {stream} is dropped, and its caller waits"));
                }
                self.note(&format!("dropped {}", error.code), format!("stream {stream}"));
            }
            Event::Abandoned { stream } => {
                self.handlers.abandon(stream)?;
                self.note("abandoned", format!("stream {stream}"));
            }
            Event::Reply { stream, reply, .. } => {
                self.check_heard_all(stream)?;
                let latest_ns = self.plan.fault.passes_ns();
                self.report.caller.ended(now, stream, End::Reply(Bytes::clone(&reply)), latest_ns)?;
                self.note("reply", format!("stream {stream}, {} bytes", reply.len()));
            }
            Event::Failed { stream, error, .. } => {
                let latest_ns = self.plan.fault.passes_ns();
                self.check_never_started(stream, &error)?;
                self.report.caller.ended(now, stream, End::Failed(error.code), latest_ns)?;
                self.note(&format!("failed {}", error.code), format!("stream {stream}"));
            }
            Event::Message { stream, message } => {
                self.note("message", format!("stream {stream}, {} bytes to side {side}", message.len()));
                match side {
                    DIALLER => self.report.caller.hear(now, stream, message)?,
                    _ => self.handlers.hear(stream, message)?,
                }
            }
            Event::MessagesEnded { stream } => {
                self.note("end of messages", format!("stream {stream}"));
                self.check_end_of_messages(side, stream)?;
            }
            Event::Room { stream } => {
                self.count("room", 1);
                match side {
                    DIALLER => self.report.caller.has_room(stream),
                    _ => self.handlers.has_room(stream),
                }
            }
            Event::Goaway => self.note("goaway", ""),
            Event::Pong { .. } => self.note("pong", format!("side {side}")),
            Event::Announced(said) => self.note("announced", format!("side {side} {said:?}")),
            Event::Closed { error, by_peer } => {
                self.sides[side].closed = true;
                let code = error.as_ref().map(|error| error.code);
                let name = code.map_or("plainly", Code::name);
                self.note(&format!("closed {name}"), format!("side {side}, by peer {by_peer}: {error:?}"));
                self.check_closed(side, code, by_peer)?;
            }
        }
        Ok(())
    }

    /// Hands what the sides want to send to the network, and closes what is over.
    fn transmit(&mut self) {
        for side in [DIALLER, ACCEPTOR] {
            if self.sides[side].shut || self.is_stalled(side) {
                continue;
            }
            let sender = &mut self.sides[side];
            let (link, sent) = (&mut self.links[side], &mut self.report.sent);
            let (observer, seen) = (&mut self.observer, &mut self.seen);
            let mut keep = |bytes: &[u8]| {
                if seen.is_ok() {
                    *seen = observer.see(side, bytes);
                }
                sent.push((side, bytes.to_vec()));
            };
            let (cut, left) = loop {
                let output = sender.connection.output();
                let before = output.len();
                let cut = link.send(self.now, output, &self.plan.weather, &mut self.random, &mut keep);
                // It is asked until there is nothing, or until no more fits the window.
                if cut || before == 0 || !output.is_empty() {
                    break (cut, output.len());
                }
            };
            let over = sender.closed && left == 0;
            if cut || over {
                sender.shut = true;
                link.end(self.now, &self.plan.weather, &mut self.random);
                self.note("end of stream", format!("by side {side}, cut {cut}"));
            }
            if cut {
                // The other direction is cut as well; each side learns of it by what it then reads.
                self.sides[1 - side].shut = true;
                self.links[1 - side].end(self.now, &self.plan.weather, &mut self.random);
            }
        }
    }

    // ---- the history ----

    fn note(&mut self, kind: &str, more: impl fmt::Display) {
        let line = format!("{:>12.3} ms  {kind} {more}", self.now as f64 / MS as f64);
        for byte in line.bytes() {
            self.report.trace = (self.report.trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        if self.history.len() == HISTORY_MAX {
            self.history.pop_front();
        }
        self.history.push_back(line);
        self.count(kind, 1);
    }

    fn count(&mut self, kind: &str, times: usize) {
        *self.report.counts.entry(kind.to_owned()).or_default() += u32::try_from(times).unwrap_or(u32::MAX);
    }
}
