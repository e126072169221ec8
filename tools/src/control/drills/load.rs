//! A drill's load: an open loop on a thread of its own, so that it neither disturbs the supervisors of processes nor is disturbed by them.

use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::figures::{Ended, Figures};
use super::requests::Request;
use crate::address::HostPort;
use crate::load::arrivals::Spread;
use crate::load::engine::{self, ExchangeError, Plan, Workload};
use crate::load::http::{HttpAnswer, HttpChannel, HttpRequest};
use crate::load::random::Random;
use crate::load::tally::NEVER_SENT;
use crate::load::{Limits, Pace, Verdict};
use crate::server_process;
use crate::shop::request::Keys;

/// How long an answer may take, and how late a request may begin, in milliseconds.
const ANSWER_MS_MAX: u64 = 10_000;
/// Requests in flight: as many as are due in two seconds, within these bounds.
const CLIENTS_MIN: u32 = 16;
const CLIENTS_MAX: u32 = 512;

/// A load that runs until this is dropped.
#[derive(Debug)]
pub(super) struct Load {
    began: Instant,
    figures: Arc<Mutex<Figures>>,
    /// Dropped when it is to end.
    _stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<Result<(), String>>,
}

impl Load {
    /// Begins to ask so often.
    pub(super) fn begin(
        gateway: HostPort,
        requests: Vec<Request>,
        per_s: u32,
        figures: Figures,
    ) -> std::io::Result<Self> {
        let (began, figures) = (Instant::now(), Arc::new(Mutex::new(figures)));
        let (_stop, stopped) = oneshot::channel();
        let (ends, ended) = oneshot::channel();
        let asking = Asking { gateway, requests, per_s, began, figures: Arc::clone(&figures) };
        thread::Builder::new().name("drill".into()).spawn(move || {
            let _ = ends.send(asking.run(stopped));
        })?;
        Ok(Self { began, figures, _stop, ended })
    }

    /// How long it has gone on, in microseconds.
    pub(super) fn elapsed_us(&self) -> u64 {
        since(self.began)
    }

    /// What was measured so far.
    pub(super) fn figures(&self) -> MutexGuard<'_, Figures> {
        locked(&self.figures)
    }

    /// Waits for its end, which comes only where it can't go on, and says why.
    pub(super) async fn ended(&mut self) -> String {
        match (&mut self.ended).await {
            Ok(Err(why)) => why,
            Ok(Ok(())) | Err(_) => "the load has ended too early".into(),
        }
    }
}

/// What the thread needs.
struct Asking {
    gateway: HostPort,
    requests: Vec<Request>,
    per_s: u32,
    began: Instant,
    figures: Arc<Mutex<Figures>>,
}

impl Asking {
    fn run(self, stopped: oneshot::Receiver<()>) -> Result<(), String> {
        let runtime = server_process::runtime().map_err(|error| error.to_string())?;
        runtime.block_on(async {
            let shared = Rc::new(self);
            let patience = Duration::from_millis(ANSWER_MS_MAX);
            let count = (2 * shared.per_s).clamp(CLIENTS_MIN, CLIENTS_MAX);
            let clients = (0..count).map(|place| {
                let channel = HttpChannel::unforgiving(shared.gateway.clone(), patience);
                let random = Random::from_seed(place.into());
                let keys = Keys::from_system().map_err(|error| error.to_string())?;
                Ok((channel, Visitor { shared: Rc::clone(&shared), random, keys }))
            });
            let clients = clients.collect::<Result<Vec<_>, String>>()?;
            let pace = Pace::Open { rate_per_s: shared.per_s.into(), spread: Spread::Fixed };
            let plan = Plan {
                pace,
                limits: Limits::default(),
                patience,
                gives_up: false,
                ..Plan::closed(String::new(), None)
            };
            let run = engine::run(clients, plan, stopped).await;
            run.map(|_| ())
                .map_err(|error| format!("the gateway can't be reached at {}: {error}", shared.gateway))
        })
    }
}

/// What one client asks.
struct Visitor {
    shared: Rc<Asking>,
    random: Random,
    keys: Keys,
}

impl Visitor {
    fn note(&self, route: usize, due: Duration, is_answered: bool, lost: Option<String>) {
        let at_us = since(self.shared.began);
        let due_us = at_us.saturating_sub(u64::try_from(due.as_micros()).unwrap_or(u64::MAX));
        locked(&self.shared.figures).note(Ended { at_us, due_us, route, is_answered, lost });
    }
}

impl Workload for Visitor {
    type Request = HttpRequest;
    type Answer = HttpAnswer;
    /// The place of the request.
    type Ticket = usize;

    fn next(&mut self) -> Option<(usize, HttpRequest)> {
        let requests = &self.shared.requests;
        let all = requests.iter().map(|request| u64::from(request.weight)).sum();
        let mut drawn = self.random.below(all);
        let place = requests.iter().position(|request| {
            let weight = u64::from(request.weight);
            let is_it = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            is_it
        })?;
        let mut http = requests[place].http.clone();
        if http.method != "GET" {
            http.headers.push(("Idempotency-Key".into(), self.keys.next()));
        }
        Some((place, http))
    }

    fn kind<'t>(&'t self, place: &'t usize) -> &'t str {
        self.shared.requests.get(*place).map_or("", |request| &request.route)
    }

    fn judge(
        &mut self,
        place: &usize,
        answer: &Result<HttpAnswer, ExchangeError>,
        took: Duration,
    ) -> Verdict {
        let lost = match answer {
            Ok(answer) if answer.status >= 500 || answer.status == 429 => answer.error(),
            Ok(_) => None,
            Err(error) => Some(error.kind.to_owned()),
        };
        self.note(*place, took, answer.is_ok(), lost.clone());
        lost.map_or(Verdict::Good, |lost| Verdict::Failed(lost.into()))
    }

    fn never_sent(&mut self, place: &usize, due: Duration) {
        self.note(*place, due, false, Some(NEVER_SENT.to_owned()));
    }
}

fn since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// The figures are whole whatever happened to who wrote them.
fn locked(figures: &Mutex<Figures>) -> MutexGuard<'_, Figures> {
    figures.lock().unwrap_or_else(PoisonError::into_inner)
}
