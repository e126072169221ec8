//! Requests by schedule (an open loop): each is due at its time, whatever became of those before.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use micronet_tests::http_client::HttpClient;

/// Clients at once: more than can be left hanging before a node that has stopped is found out.
const CLIENTS: usize = 256;
/// What is asked: it does no harm twice.
const TARGET: &str = "/api/data";

/// Requests that are under way.
pub(super) struct Traffic {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

struct Shared {
    gateway: SocketAddr,
    began: Instant,
    interval: Duration,
    next: AtomicU32,
    stopped: AtomicBool,
    ended: Mutex<Vec<Ended>>,
}

/// What became of a request.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    /// When it was due, from the beginning.
    due: Duration,
    /// How long it took from then.
    took: Duration,
    /// Who answered it; or what went wrong.
    outcome: Result<String, String>,
}

/// What became of all of them.
#[derive(Debug)]
pub(super) struct Record {
    /// How many there were.
    requests: usize,
    /// The first few that failed, and how.
    pub(super) failures: Vec<String>,
    p50: Duration,
    p99: Duration,
    longest: Duration,
}

impl Traffic {
    /// Begins.
    pub(super) fn start(gateway: SocketAddr, rate_per_s: u32) -> Self {
        let shared = Arc::new(Shared {
            gateway,
            began: Instant::now(),
            interval: Duration::from_secs(1) / rate_per_s,
            next: AtomicU32::new(0),
            stopped: AtomicBool::new(false),
            ended: Mutex::default(),
        });
        let client = |_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.ask())
        };
        Self { clients: (0..CLIENTS).map(client).collect(), shared }
    }

    /// How many requests an instance has answered well so far.
    pub(super) fn answers_of(&self, instance: &str) -> usize {
        let is_from = |ended: &&Ended| ended.outcome.as_deref() == Ok(instance);
        self.shared.ended().iter().filter(is_from).count()
    }

    /// What became of the requests so far.
    pub(super) fn so_far(&self) -> Record {
        Record::of(&self.shared.ended())
    }

    /// Ends it when all requests that are under way have ended.
    pub(super) fn stop(self) -> Record {
        self.shared.stopped.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("a client ends");
        }
        Record::of(&self.shared.ended())
    }
}

impl Shared {
    fn ask(&self) {
        let mut connection = None;
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let due = self.interval * number;
            thread::sleep(due.saturating_sub(self.began.elapsed()));
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            let client = connection.get_or_insert_with(|| HttpClient::connect(self.gateway));
            let outcome = client.try_request("GET", TARGET, &[], b"").and_then(|answer| {
                let instance = answer.header("X-Micronet-Instance").unwrap_or_default().to_owned();
                if answer.status() == 200 { Ok(instance) } else { Err(answer.shown()) }
            });
            if !connection.as_ref().is_some_and(HttpClient::is_open) || outcome.is_err() {
                connection = None;
            }
            let took = self.began.elapsed().saturating_sub(due);
            self.ended().push(Ended { due, took, outcome });
        }
    }

    fn ended(&self) -> std::sync::MutexGuard<'_, Vec<Ended>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn of(ended: &[Ended]) -> Self {
        let mut took: Vec<Duration> = ended.iter().map(|ended| ended.took).collect();
        took.sort_unstable();
        let at = |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or_default();
        let failures = ended.iter().filter_map(|ended| {
            let failure = ended.outcome.as_ref().err()?;
            Some(format!("due at {:.2?}, after {:.2?}: {failure}", ended.due, ended.took))
        });
        Self {
            requests: ended.len(),
            failures: failures.collect(),
            p50: at(50),
            p99: at(99),
            longest: took.last().copied().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, failures, p50, p99, longest } = self;
        let failed = failures.len();
        write!(f, "{requests} requests, {failed} failed, P50 {p50:.1?}, P99 {p99:.1?}, longest {longest:.1?}")
    }
}
