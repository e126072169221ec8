//! A client of several instances of a service: connections that break, instances that crash, come back, drain or are full. It
//! picks, tries again and dials by the transport's own rules, and what those promise must hold: a call is tried at most so often,
//! never twice on the same instance, and one that must not be repeated is executed at most once.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use micronet_tests::plan::MS;
use micronet_tests::random::Random;
use micronet_transport::backoff::Backoff;
use micronet_transport::balance::{Algorithm, Ask, Balancer, Candidate};
use micronet_transport::retry::may_retry;
use micronet_wire::conn::{Config, Connection, Event, Role, Timing};
use micronet_wire::error::{Code, Retry, RpcError};
use micronet_wire::hello::Hello;
use micronet_wire::limits::{ATTEMPTS_MAX, REDIAL_MS_MAX};
use micronet_wire::service::CallOptions;

const METHOD: u32 = 7;
const CLIENT: usize = 0;
const SERVER: usize = 1;
/// Nothing goes wrong any more from then on.
const FAULTS_NS: u64 = 3_000 * MS;
/// The longest that an instance is away.
const AWAY_NS: u64 = 1_500 * MS;
/// By then the last instance that was away has been dialled again, however unlucky the pauses: every call succeeds.
const SETTLED_NS: u64 = FAULTS_NS + AWAY_NS + 2 * REDIAL_MS_MAX * MS;
const STEP_NS: u64 = 2 * MS;

/// A connection to an instance.
struct Link {
    sides: [Connection; 2],
    inputs: [BytesMut; 2],
    /// What is on the way to each side, and when it arrives.
    under_way: [VecDeque<(u64, BytesMut)>; 2],
    /// The client's calls here, by stream.
    calls: BTreeMap<u32, usize>,
    /// The handlers at work: when they are done.
    at_work: BTreeMap<u32, u64>,
}

/// An instance, as the client sees it.
#[derive(Default)]
struct Instance {
    link: Option<Link>,
    down_until_ns: u64,
    backoff: Backoff,
    dials_ns: u64,
}

/// A call, whatever it takes.
struct Call {
    repeatable: bool,
    deadline_ns: u64,
    tried: Vec<usize>,
    /// On which instances a handler began to work for it.
    executed: Vec<usize>,
    end: Option<Result<(), Code>>,
}

struct World {
    random: Random,
    now: u64,
    instances: Vec<Instance>,
    balancer: Balancer,
    calls: Vec<Call>,
    retried: usize,
}

fn link(now: u64, calls_in_flight_max: u32) -> Link {
    let side = |role| {
        let hello = Hello { calls_in_flight_max, ..Hello::default() };
        let config = Config::new(role, hello);
        Connection::new(config, now)
    };
    Link {
        sides: [side(Role::Dialler), side(Role::Acceptor)],
        inputs: Default::default(),
        under_way: Default::default(),
        calls: BTreeMap::new(),
        at_work: BTreeMap::new(),
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let count = random.between(1, 5);
        Self {
            now: 0,
            instances: (0..count).map(|_| Instance::default()).collect(),
            balancer: Balancer::new(0, *random.pick(&Algorithm::ALL)),
            calls: Vec::new(),
            retried: 0,
            random,
        }
    }

    fn live(&mut self) {
        while self.now < SETTLED_NS + FAULTS_NS {
            self.now += STEP_NS;
            if self.now < FAULTS_NS {
                self.fail();
            }
            for at in 0..self.instances.len() {
                self.dial(at);
                self.carry(at);
            }
            let settled = self.now > SETTLED_NS;
            if (self.now < FAULTS_NS || settled) && self.random.percent(30) {
                self.call(settled);
            }
        }
        // What was made last is given its time.
        let end_ns = self.now + 2_000 * MS;
        while self.now < end_ns {
            self.now += STEP_NS;
            (0..self.instances.len()).for_each(|at| self.carry(at));
        }
        assert!(self.calls.iter().all(|call| call.end.is_some()), "a call has no end");
    }

    /// Something goes wrong.
    fn fail(&mut self) {
        let (chance, pause_ns) = (self.random.below(400), self.random.below(AWAY_NS));
        let at = usize::try_from(self.random.below(self.instances.len() as u64)).unwrap();
        let now = self.now;
        match chance {
            // It crashes, and is away for a while.
            0 => {
                self.instances[at].down_until_ns = now + pause_ns;
                self.lose(at, "a crash");
            }
            // Only the connection breaks.
            1 => self.lose(at, "a cut"),
            2 => {
                if let Some(link) = &mut self.instances[at].link {
                    link.sides[SERVER].drain();
                }
            }
            _ => {}
        }
    }

    fn lose(&mut self, at: usize, why: &str) {
        if let Some(link) = &mut self.instances[at].link {
            link.sides[CLIENT].peer_gone(why);
            self.attend(at);
        }
    }

    /// Connections that are over are made anew, after a pause.
    fn dial(&mut self, at: usize) {
        let bits = self.random.bits();
        let calls_in_flight_max = *self.random.pick(&[2, 4096]);
        let instance = &mut self.instances[at];
        if instance.link.is_some() || instance.dials_ns > self.now {
            return;
        }
        if instance.down_until_ns > self.now {
            instance.dials_ns = self.now + instance.backoff.next_ms(bits) * MS;
        } else {
            instance.backoff.reset();
            instance.link = Some(link(self.now, calls_in_flight_max));
        }
    }

    /// Moves the bytes of a connection, and lets its handlers answer.
    fn carry(&mut self, at: usize) {
        let (now, delay_ns) = (self.now, self.random.below(8) * MS);
        let Some(link) = &mut self.instances[at].link else { return };
        let done: Vec<u32> =
            link.at_work.iter().filter(|(_, due)| **due <= now).map(|(stream, _)| *stream).collect();
        for stream in done {
            let started_ns = link.at_work.remove(&stream).unwrap();
            let timing = Timing { started_ns, finished_ns: now };
            link.sides[SERVER].reply(now, stream, &Bytes::from(vec![1; 20_000]), timing);
        }
        for side in [CLIENT, SERVER] {
            let connection = &mut link.sides[side];
            if connection.next_deadline().is_some_and(|due| due <= now) {
                connection.handle_timeout(now);
            }
            let way = &mut link.under_way[1 - side];
            let due = way.back().map_or(0, |(due, _)| *due).max(now + delay_ns);
            while !connection.output().is_empty() {
                way.push_back((due, connection.output().split()));
            }
        }
        for side in [CLIENT, SERVER] {
            while link.under_way[side].front().is_some_and(|(due, _)| *due <= now) {
                let (_, bytes) = link.under_way[side].pop_front().unwrap();
                link.inputs[side].extend_from_slice(&bytes);
                link.sides[side].receive(now, &mut link.inputs[side], bytes.len());
            }
        }
        self.attend(at);
    }

    fn attend(&mut self, at: usize) {
        let mut failed = Vec::new();
        let Some(link) = &mut self.instances[at].link else { return };
        while let Some(event) = link.sides[SERVER].poll_event() {
            match event {
                Event::Request { stream, request, .. } => {
                    let id = std::str::from_utf8(&request).unwrap().parse::<usize>().unwrap();
                    self.calls[id].executed.push(at);
                    link.at_work.insert(stream, self.now + self.random.below(40) * MS);
                }
                Event::Abandoned { stream } => drop(link.at_work.remove(&stream)),
                _ => {}
            }
        }
        let mut closed = false;
        while let Some(event) = link.sides[CLIENT].poll_event() {
            match event {
                Event::Reply { stream, .. } => {
                    let id = link.calls.remove(&stream).expect("a reply of no call");
                    assert_eq!(self.calls[id].end.replace(Ok(())), None, "call {id} ends twice");
                }
                Event::Failed { stream, error, .. } => {
                    failed.push((link.calls.remove(&stream).expect("an end of no call"), error));
                }
                Event::Closed { .. } => closed = true,
                _ => {}
            }
        }
        if closed {
            let instance = &mut self.instances[at];
            instance.link = None;
            instance.dials_ns = self.now + instance.backoff.next_ms(self.random.bits()) * MS;
        }
        for (id, error) in failed {
            self.judge(id, at, &error);
        }
    }

    fn call(&mut self, must_succeed: bool) {
        let id = self.calls.len();
        self.calls.push(Call {
            repeatable: self.random.percent(50),
            deadline_ns: self.now + 1_000 * MS,
            tried: Vec::new(),
            executed: Vec::new(),
            end: None,
        });
        self.attempt(id, None);
        let refused = matches!(self.calls[id].end, Some(Err(code)) if code != Code::Overloaded);
        assert!(!must_succeed || !refused, "all is well, and {id} ends with {:?}", self.calls[id].end);
    }

    /// Tries a call on the next instance in turn, as long as that is of use.
    fn attempt(&mut self, id: usize, last: Option<Code>) {
        let call = &self.calls[id];
        let usable = |at: &usize| {
            let connected = self.instances[*at].link.as_ref();
            connected.is_some_and(|link| link.sides[CLIENT].can_call()) && !call.tried.contains(at)
        };
        let candidates: Vec<Candidate> =
            (0..self.instances.len()).filter(usable).map(|at| Candidate::new(at as u64)).collect();
        let ask = Ask { now: self.now, client: None, random: self.random.bits() };
        let picked = match call.tried.len() < ATTEMPTS_MAX as usize {
            true => self.balancer.pick(&candidates, &ask),
            false => None,
        };
        let picked = picked.map(|at| usize::try_from(candidates[at].key).unwrap());
        let Some(at) = picked else {
            // All have too much in flight, or none can be reached.
            let serves = |instance: &Instance| {
                instance.link.as_ref().is_some_and(|link| link.sides[CLIENT].is_serving())
            };
            let full = self.instances.iter().any(serves);
            return self.end(id, last.unwrap_or(if full { Code::Overloaded } else { Code::Unavailable }));
        };
        let options = CallOptions { deadline_ns: self.calls[id].deadline_ns, ..CallOptions::default() };
        self.calls[id].tried.push(at);
        let link = self.instances[at].link.as_mut().unwrap();
        match link.sides[CLIENT].call(self.now, METHOD, &Bytes::from(id.to_string()), &options) {
            Ok(stream) => assert_eq!(link.calls.insert(stream, id), None, "a stream is given twice"),
            Err(error) => self.judge(id, at, &error),
        }
    }

    /// An attempt has failed.
    fn judge(&mut self, id: usize, at: usize, error: &RpcError) {
        let call = &self.calls[id];
        let executed_here = call.executed.contains(&at);
        assert!(error.retry != Retry::NeverStarted || !executed_here, "call {id} was started: {error}");
        if may_retry(error, call.repeatable) {
            self.retried += 1;
            self.attempt(id, Some(error.code));
        } else {
            self.end(id, error.code);
        }
    }

    fn end(&mut self, id: usize, code: Code) {
        assert_eq!(self.calls[id].end.replace(Err(code)), None, "call {id} ends twice");
    }
}

#[test]
fn a_pool_tries_elsewhere_and_executes_once() {
    let (mut retried, mut failed, mut made) = (0, 0, 0);
    for seed in crate::seeds().step_by(10) {
        let mut world = World::new(seed);
        world.live();
        for (id, call) in world.calls.iter().enumerate() {
            let within = format!("seed {seed}, call {id}");
            let (tried, executed) = (&call.tried, &call.executed);
            assert!(tried.len() <= ATTEMPTS_MAX as usize, "{within}: tried {tried:?}");
            for all in [tried, executed] {
                let mut once = all.clone();
                once.sort_unstable();
                once.dedup();
                assert_eq!(once.len(), all.len(), "{within}: {all:?}");
            }
            assert!(executed.iter().all(|at| tried.contains(at)), "{within}: {executed:?} of {tried:?}");
            assert!(call.repeatable || executed.len() <= 1, "{within}: executed by {executed:?}");
            assert!(call.end != Some(Ok(())) || !executed.is_empty(), "{within}: nobody answered it");
            failed += usize::from(call.end != Some(Ok(())));
        }
        (retried, made) = (retried + world.retried, made + world.calls.len());
    }
    println!("{made} calls, {retried} tried again, {failed} failed");
    assert!(
        made < 10_000 || (retried > 100 && failed > 100 && failed < made / 2),
        "{retried} {failed} of {made}"
    );
}
