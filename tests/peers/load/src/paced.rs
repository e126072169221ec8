//! An open loop: a request is due at its time, whatever became of those before, and its latency counts from then. So a server that
//! stands still is charged with all requests that would have come meanwhile, and not with those few that waited.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::process;
use std::time::{Duration, Instant};

use clap::Args;
use harness::command_line::Times;
use harness::cpu;
use harness::meter::percentiles;
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde_json::json;

use crate::schedule::{Schedule, Ticks};

const BUFFER: usize = 16 << 10;
const TIMER: Token = Token(usize::MAX);
/// How long the last answers are waited for.
const PATIENCE: Duration = Duration::from_secs(5);
const LATENCY_NS_MAX: u64 = 60_000_000_000;

#[derive(Args)]
pub(crate) struct Paced {
    /// Where the server listens
    #[arg(long)]
    server: SocketAddr,
    /// How many requests a second
    #[arg(long)]
    rate: f64,
    /// How many connections there are; a request that finds none free waits for one
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// What is posted to
    #[arg(long)]
    path: String,
    /// What is posted, in JSON
    #[arg(long)]
    body: String,
    /// A further header
    #[arg(long)]
    header: Option<String>,
    #[command(flatten)]
    times: Times,
}

impl Paced {
    fn request(&self) -> Vec<u8> {
        let further = self.header.as_ref().map(|header| format!("{header}\r\n")).unwrap_or_default();
        let (path, body, server) = (&self.path, &self.body, self.server);
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\n{further}\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

/// A connection with at most one request under way.
struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    read: usize,
    /// When the request under way was due.
    due: Option<Instant>,
}

impl Connection {
    fn open(server: SocketAddr, poll: &Poll, token: usize) -> Self {
        let stream = std::net::TcpStream::connect(server).expect("the server listens");
        stream.set_nodelay(true).expect("a socket option");
        stream.set_nonblocking(true).expect("a socket option");
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(token), Interest::READABLE).expect("epoll takes it");
        Self { stream, input: vec![0; BUFFER], read: 0, due: None }
    }

    fn ask(&mut self, request: &[u8], due: Instant) {
        let written = self.stream.write(request).expect("the server stays");
        assert_eq!(written, request.len(), "a request fits the socket's buffer");
        self.due = Some(due);
    }

    /// When the request was due whose answer is here as a whole, and whether it was 200.
    fn answered(&mut self) -> Option<(Instant, bool)> {
        match self.stream.read(&mut self.input[self.read..]) {
            Ok(0) => panic!("the server has closed a connection"),
            Ok(read) => self.read += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => panic!("the server has cut a connection: {error}"),
        }
        let answer = &self.input[..self.read];
        let whole = answer_length(answer)?;
        assert_eq!(whole, self.read, "one answer to one request");
        let is_good = answer.starts_with(b"HTTP/1.1 200 ");
        self.read = 0;
        self.due.take().map(|due| (due, is_good))
    }
}

/// The length of the answer, once its head is there and its body too.
fn answer_length(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let length = answer[..head].split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(b"content-length:".len())?;
        let value = name.eq_ignore_ascii_case(b"content-length:").then_some(value)?;
        std::str::from_utf8(value).ok()?.trim().parse::<usize>().ok()
    });
    let whole = head + length.expect("an answer says how long it is");
    (answer.len() >= whole).then_some(whole)
}

/// What was counted of requests that were due in the measured time.
struct Counts {
    from: Instant,
    until: Instant,
    latencies: Histogram<u64>,
    /// How late requests were sent: for want of a free connection, or because this program came late.
    lateness: Histogram<u64>,
    errors: u64,
}

impl Counts {
    fn is_measured(&self, due: Instant) -> bool {
        (self.from..self.until).contains(&due)
    }

    fn sent(&mut self, due: Instant, now: Instant) {
        if self.is_measured(due) {
            self.lateness.saturating_record(ns(now - due));
        }
    }

    fn answered(&mut self, due: Instant, is_good: bool, now: Instant) {
        if self.is_measured(due) {
            self.latencies.saturating_record(ns(now - due));
            self.errors += u64::from(!is_good);
        }
    }
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

pub(crate) fn run(paced: &Paced) {
    let request = paced.request();
    let mut poll = Poll::new().expect("epoll");
    let mut connections: Vec<Connection> =
        (0..paced.connections).map(|token| Connection::open(paced.server, &poll, token)).collect();
    let mut free: VecDeque<usize> = (0..connections.len()).collect();
    let ticks = Ticks::start(paced.rate, poll.registry(), TIMER).expect("a timer");
    let schedule = Schedule::begin(paced.rate);
    let from = schedule.at(0) + paced.times.warm_up();
    let until = from + paced.times.measured();
    let histogram = || Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("valid bounds");
    let mut counts = Counts { from, until, latencies: histogram(), lateness: histogram(), errors: 0 };
    let pids: Vec<u32> = std::iter::once(process::id()).chain(paced.times.watch.iter().copied()).collect();
    let sample = || -> Vec<u64> { pids.iter().map(|pid| cpu::ns_of(*pid)).collect() };
    let (mut begun, mut ended) = (None, None);
    let mut next = 0;
    let mut events = Events::with_capacity(1024);
    loop {
        poll.poll(&mut events, None).expect("epoll waits");
        let now = Instant::now();
        for event in &events {
            if event.token() == TIMER {
                ticks.heard();
            } else if let Some((due, is_good)) = connections[event.token().0].answered() {
                counts.answered(due, is_good, now);
                free.push_back(event.token().0);
            }
        }
        while schedule.at(next) <= now && schedule.at(next) < until {
            let Some(connection) = free.pop_front() else { break };
            let due = schedule.at(next);
            connections[connection].ask(&request, due);
            counts.sent(due, now);
            next += 1;
        }
        if now >= from && begun.is_none() {
            begun = Some(sample());
        }
        if now >= until && ended.is_none() {
            ended = Some(sample());
        }
        let is_done = schedule.at(next) >= until && free.len() == connections.len();
        if ended.is_some() && (is_done || now >= until + PATIENCE) {
            break;
        }
    }
    // Who was never answered has waited until now.
    let now = Instant::now();
    for due in connections.iter().filter_map(|connection| connection.due) {
        counts.answered(due, false, now);
    }
    let cpu_ns = begun.iter().flatten().zip(ended.iter().flatten()).map(|(before, after)| after - before);
    let cpu_ns: Vec<u64> = cpu_ns.collect();
    let figures = json!({
        "requests": counts.latencies.len(),
        "seconds": paced.times.seconds,
        "errors": counts.errors,
        "client_cpu_ns": cpu_ns.first(),
        "watched_cpu_ns": cpu_ns.get(1..),
        "latency_us": percentiles(&counts.latencies),
        "lateness_us": percentiles(&counts.lateness),
    });
    println!("{figures}");
}
