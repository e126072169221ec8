//! A whole connection in a simulated world: two state machines, the network between them, a clock that jumps from one thing
//! to the next, scripts for both sides, and faults; all of it from one seed.
//!
//! Nothing here waits, and the same seed always gives the same history, so a failure is replayed by its seed.

mod rules;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use bytes::{Bytes, BytesMut};
use micronet_wire::conn::{Announcement, Config, Connection, Event, Role};
use micronet_wire::error::Code;
use micronet_wire::hello::{Hello, Secret};
use micronet_wire::limits::HEADER_BYTES;

use crate::application::{Caller, Command, End, Handlers};
use crate::link::{Arrival, Link};
use crate::plan::{ACCEPTOR, DIALLER, Fault, MS, PATIENCE_NS_MAX, Plan, SCRIPT_NS};
use crate::random::Random;

/// When everything must be over: the last command, its deadline, the longest pause, and the slowest way to carry the bytes.
const END_NS: u64 = SCRIPT_NS + PATIENCE_NS_MAX + 40_000 * MS;

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
    report: Report,
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
        let side = |role, hello: &Hello| Side {
            connection: Connection::new(
                Config {
                    role,
                    hello: hello.clone(),
                    credential: plan.credential,
                    cluster_secret: secret(),
                    operator_token: secret(),
                    certified: None,
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
            report: Report { trace: 0xCBF2_9CE4_8422_2325, ..Report::default() },
            history: VecDeque::new(),
            plan: Box::new(plan),
        }
    }

    fn live(&mut self) -> Result<(), String> {
        self.transmit();
        while let Some(next) = self.next_time() {
            self.now = next;
            self.fail_as_planned();
            for side in [DIALLER, ACCEPTOR] {
                self.arrive(side)?;
            }
            for side in [DIALLER, ACCEPTOR] {
                self.time_passes(side)?;
            }
            self.obey()?;
            let answered = self.handlers.answer(self.now, &mut self.sides[ACCEPTOR].connection);
            self.count("answered", answered);
            self.attend(ACCEPTOR)?;
            if self.sides[ACCEPTOR].closed {
                self.outlived_ns = self.handlers.keep_deadlines(self.now);
            }
            self.transmit();
            self.check()?;
        }
        self.check_end()
    }

    /// When something happens next; nothing does after the end.
    fn next_time(&self) -> Option<u64> {
        let fault = match self.plan.fault {
            Fault::Silence(at_ns, _) | Fault::Pause(at_ns, ..) if at_ns > self.now => Some(at_ns),
            _ => None,
        };
        let outlived = self.outlived_ns;
        let deadlines = self.sides.iter().filter_map(|side| side.connection.next_deadline()).chain(outlived);
        let arrivals = self.links.iter().filter_map(Link::next_arrival);
        let command = self.plan.script.front().map(|(at_ns, ..)| *at_ns);
        let all = deadlines.chain(arrivals).chain(command).chain(fault).chain(self.handlers.next_due());
        all.min().map(|next| next.max(self.now)).filter(|next| *next <= END_NS)
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
        self.attend(side)
    }

    fn obey(&mut self) -> Result<(), String> {
        while self.plan.script.front().is_some_and(|(at_ns, ..)| *at_ns <= self.now) {
            let Some((_, side, command)) = self.plan.script.pop_front() else { break };
            let connection = &mut self.sides[side].connection;
            match command {
                Command::Call { patience_ns, bytes, for_user, one_way } => {
                    let call = (patience_ns, bytes, for_user, one_way);
                    let name = if one_way { "send" } else { "call" };
                    match self.report.caller.call(self.now, connection, call)? {
                        Ok(stream) => self.note(name, format!("stream {stream}")),
                        Err(code) => self.note(&format!("{name} refused {code}"), ""),
                    }
                }
                Command::Cancel => {
                    if let Some(stream) = self.report.caller.cancel(connection, &mut self.random) {
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

    /// Takes the events of a side.
    fn attend(&mut self, side: usize) -> Result<(), String> {
        while let Some(event) = self.sides[side].connection.poll_event() {
            if self.sides[side].closed {
                return Err(format!("side {side}: {event:?} after Closed"));
            }
            self.take_event(side, event)?;
        }
        Ok(())
    }

    fn take_event(&mut self, side: usize, event: Event) -> Result<(), String> {
        let now = self.now;
        match event {
            Event::Ready(_) => {
                self.sides[side].ready = true;
                self.note("ready", format!("side {side}"));
            }
            Event::Request { stream, context, request, .. } => {
                let standing = self.sides[ACCEPTOR].connection.standing();
                self.check_shape(stream, &request, context.one_way)?;
                self.handlers.start(now, stream, &context, &request, standing, &mut self.random)?;
                let kind = if context.one_way { "notice" } else { "request" };
                self.note(kind, format!("stream {stream}"));
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
                self.report.caller.ended(now, stream, End::Reply(Bytes::clone(&reply)))?;
                self.note("reply", format!("stream {stream}, {} bytes", reply.len()));
            }
            Event::Failed { stream, error, .. } => {
                self.report.caller.ended(now, stream, End::Failed(error.code))?;
                self.note(&format!("failed {}", error.code), format!("stream {stream}"));
            }
            Event::Message { .. } | Event::MessagesEnded { .. } | Event::Room { .. } => {}
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
            if self.sides[side].shut {
                continue;
            }
            let sender = &mut self.sides[side];
            let (link, sent) = (&mut self.links[side], &mut self.report.sent);
            let keep = |bytes: &[u8]| sent.push((side, bytes.to_vec()));
            let output = sender.connection.output();
            let cut = link.send(self.now, output, &self.plan.weather, &mut self.random, keep);
            let over = sender.closed && output.is_empty();
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
