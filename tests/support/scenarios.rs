//! Two connections and nothing between them but what a scenario says: a link of a stated rate, reads of any size in any
//! order, a reader that lags behind.

use bytes::{Bytes, BytesMut};
use micronet_wire::conn::{Arity, Config, Connection, Event, Role, Timing};
use micronet_wire::hello::Hello;
use micronet_wire::limits::{FRAGMENT_BYTES_MAX, HEADER_BYTES, MESSAGE_BYTES_MAX, REASSEMBLY_BYTES_MAX};
use micronet_wire::service::CallOptions;

use crate::application::content::{Mark, message, read};
use crate::plan::{ACCEPTOR, DIALLER, MS};
use crate::random::Random;

const METHOD: u32 = 7;
const LONG_BYTES: usize = 10 << 20;

/// Both sides, with what each has not read yet.
struct Pair {
    sides: [Connection; 2],
    /// By the side that reads.
    inputs: [BytesMut; 2],
    now: u64,
    seen: [Vec<Event>; 2],
}

impl Pair {
    fn new(hello: &Hello) -> Self {
        let side = |role| {
            let hello = hello.clone();
            let config = Config::new(role, hello);
            Connection::new(config, 0)
        };
        let mut pair = Self {
            sides: [side(Role::Dialler), side(Role::Acceptor)],
            inputs: Default::default(),
            now: 0,
            seen: Default::default(),
        };
        pair.settle();
        pair.seen = Default::default();
        pair
    }

    /// Hands at most so many bytes of what a side has to say to the other; how many there were.
    fn carry(&mut self, from: usize, most: usize) -> usize {
        let output = self.sides[from].output();
        let bytes = output.split_to(most.min(output.len()));
        let (to, input) = (&mut self.sides[1 - from], &mut self.inputs[1 - from]);
        input.extend_from_slice(&bytes);
        to.receive(self.now, input, bytes.len());
        for (side, seen) in self.sides.iter_mut().zip(&mut self.seen) {
            seen.extend(std::iter::from_fn(|| side.poll_event()));
        }
        bytes.len()
    }

    fn settle(&mut self) {
        while self.carry(DIALLER, usize::MAX) + self.carry(ACCEPTOR, usize::MAX) > 0 {}
    }

    fn open(&mut self, replies: Arity, request: &Bytes) -> Result<u32, String> {
        let options = CallOptions { deadline_ns: self.now + 100_000 * MS, ..CallOptions::default() };
        let made = self.sides[DIALLER].open(self.now, METHOD, Some(request), replies, &options);
        made.map_err(|error| format!("a call is refused: {error}"))
    }

    fn reply(&mut self, stream: u32, reply: &Bytes) {
        let timing = Timing { started_ns: self.now, finished_ns: self.now };
        self.sides[ACCEPTOR].reply(self.now, stream, reply, timing);
    }
}

/// A long reply, or a long request, is on its way over a link of so many bytes a second; a PING that comes across is answered
/// within the time of two pieces, and so is a call.
///
/// # Errors
/// When something takes longer.
pub fn pings_pass_long_messages(bytes_per_s: u64, busy: usize) -> Result<(), String> {
    let mut pair = Pair::new(&Hello::default());
    let long = Bytes::from(vec![7; LONG_BYTES]);
    let request = if busy == DIALLER { long.clone() } else { Bytes::new() };
    let stream = pair.open(Arity::One, &request)?;
    if busy == ACCEPTOR {
        pair.settle();
        pair.reply(stream, &long);
    }
    let step_ns = MS / 4;
    let step_bytes = usize::try_from(bytes_per_s * step_ns / (1_000 * MS)).unwrap_or(usize::MAX);
    let most_ns = 2 * (FRAGMENT_BYTES_MAX + 2 * HEADER_BYTES) as u64 * 1_000 * MS / bytes_per_s;
    let (mut pongs, mut small) = (0, None);
    loop {
        pair.now += step_ns;
        let at = pair.now / step_ns;
        if at.is_multiple_of(97) {
            pair.sides[1 - busy].ping(pair.now);
        }
        if at.is_multiple_of(501) && busy == ACCEPTOR && small.is_none() {
            small = Some((pair.open(Arity::One, &Bytes::new())?, pair.now));
        }
        // The other direction has nothing to carry but small frames.
        while pair.carry(1 - busy, usize::MAX) > 0 {}
        if pair.carry(busy, step_bytes) == 0 {
            break;
        }
        for event in std::mem::take(&mut pair.seen).into_iter().flatten() {
            match event {
                Event::Pong { round_trip_ns, .. } if round_trip_ns > most_ns => {
                    return Err(format!(
                        "priority: a PING took {round_trip_ns} ns, and two pieces {most_ns}"
                    ));
                }
                Event::Pong { .. } => pongs += 1,
                Event::Request { stream: asked, .. } if asked != stream => pair.reply(asked, &Bytes::new()),
                Event::Reply { stream: answered, .. } if answered != stream => {
                    let took_ns = small.take().map_or(0, |(_, since_ns)| pair.now - since_ns);
                    if took_ns > most_ns {
                        return Err(format!("priority: a small reply took {took_ns} ns of {most_ns}"));
                    }
                }
                Event::Closed { error, .. } => return Err(format!("the connection ends by {error:?}")),
                _ => {}
            }
        }
    }
    if pongs < 10 {
        return Err(format!("{pongs} PINGs were answered"));
    }
    Ok(())
}

/// So many long replies are said at once; whatever is read when, all come, and memory stays within its bound.
///
/// # Errors
/// When that is not so.
pub fn half_sent_replies_never_deadlock(count: u32, seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let connection_credit = *random.pick(&[65_536, 1 << 20, 32 << 20]);
    let mut pair = Pair::new(&Hello { connection_credit, ..Hello::default() });
    let mut wanted = Vec::new();
    for call in 0..u64::from(count) {
        let stream = pair.open(Arity::One, &Bytes::new())?;
        pair.settle();
        let length = if call == 0 { MESSAGE_BYTES_MAX } else { LONG_BYTES };
        let mark = Mark { call, by_caller: false, index: 0 };
        pair.reply(stream, &message(mark, length));
        wanted.push((stream, mark));
    }
    let most = u64::from(connection_credit) + u64::from(REASSEMBLY_BYTES_MAX);
    let mut idle = 0;
    while idle < 64 {
        let side = usize::from(random.percent(80));
        let bytes = usize::try_from(random.between(1, 200_000)).unwrap_or(1);
        idle = if pair.carry(side, bytes) > 0 { 0 } else { idle + 1 };
        let exposure = pair.sides[DIALLER].exposure();
        if exposure.held + exposure.granted > most {
            return Err(format!("memory: {exposure:?}, of {most} bytes"));
        }
        for event in std::mem::take(&mut pair.seen[DIALLER]) {
            match event {
                Event::Reply { stream, reply, .. } => {
                    let found = (stream, read(&reply)?);
                    let at = wanted.iter().position(|wanted| *wanted == found);
                    wanted.swap_remove(at.ok_or(format!("{found:?} comes, and {wanted:?} were said"))?);
                }
                Event::Closed { error, .. } => return Err(format!("the connection ends by {error:?}")),
                _ => {}
            }
        }
    }
    if wanted.is_empty() { Ok(()) } else { Err(format!("deadlock: {wanted:?} never come")) }
}

/// A message that needs all of the connection's credit is said although others keep saying small ones.
///
/// # Errors
/// When it isn't.
pub fn nobody_is_overtaken() -> Result<(), String> {
    let credit = 65_536;
    let mut pair = Pair::new(&Hello { stream_credit: credit, connection_credit: credit, ..Hello::default() });
    let streams: Vec<u32> =
        (0..9).map(|_| pair.open(Arity::Many, &Bytes::new())).collect::<Result<_, _>>()?;
    pair.settle();
    let (long, small) = (streams[0], &streams[1..]);
    let mut unread: Vec<(u32, usize)> = Vec::new();
    for round in 0..200 {
        for stream in small {
            if pair.sides[ACCEPTOR].has_room(*stream) {
                let said = pair.sides[ACCEPTOR].say(0, *stream, Bytes::from_static(&[1; 2_000]), false);
                said.map_err(|error| error.to_string())?;
            }
        }
        if round == 3 {
            let said = pair.sides[ACCEPTOR].say(0, long, vec![2; credit as usize].into(), false);
            said.map_err(|error| error.to_string())?;
        }
        while pair.carry(ACCEPTOR, usize::MAX) > 0 {}
        for event in std::mem::take(&mut pair.seen[DIALLER]) {
            match event {
                Event::Message { stream, .. } if stream == long => return Ok(()),
                Event::Message { stream, message } => unread.push((stream, message.len())),
                _ => {}
            }
        }
        // The readers lag behind: something is always held.
        let later = unread.split_off(unread.len().div_ceil(2));
        for (stream, bytes) in unread.drain(..) {
            pair.sides[DIALLER].consumed(stream, bytes);
        }
        unread = later;
        pair.carry(DIALLER, usize::MAX);
    }
    Err("liveness: a message waits for the connection's credit, and others pass it".into())
}

/// Calls whose long replies were announced are given up, again and again; the next long reply comes all the same, and what may be
/// sent at once stays within its bound.
///
/// # Errors
/// When that is not so.
pub fn cancelled_reservations_are_used_again() -> Result<(), String> {
    let hello = Hello::default();
    let most = u64::from(hello.connection_credit) + u64::from(REASSEMBLY_BYTES_MAX);
    let mut pair = Pair::new(&hello);
    for _ in 0..8 {
        let stream = pair.open(Arity::One, &Bytes::new())?;
        pair.settle();
        pair.reply(stream, &vec![7; LONG_BYTES].into());
        // It is announced; what is granted for it comes too late.
        pair.carry(ACCEPTOR, usize::MAX);
        pair.sides[DIALLER].cancel(stream);
        pair.settle();
        let exposure = pair.sides[DIALLER].exposure();
        if exposure.held + exposure.granted > most || exposure.reserved > 0 {
            return Err(format!("memory: {exposure:?}, of {most} bytes"));
        }
    }
    let stream = pair.open(Arity::One, &Bytes::new())?;
    pair.settle();
    pair.reply(stream, &vec![7; MESSAGE_BYTES_MAX].into());
    pair.settle();
    let came = pair.seen[DIALLER].iter().any(|event| matches!(event, Event::Reply { .. }));
    if came { Ok(()) } else { Err("liveness: a long reply waits for what was reserved for others".into()) }
}
