//! Runs clients: each asks, waits for the answer, judges it, and asks again, until its workload has no more to ask.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::pace::Pace;
use super::progress::Progress;
use super::tally::{Tally, Verdict};

/// How long a client waits after it got no answer, so that it doesn't spin on a dead server. In milliseconds.
const PAUSE_AFTER_FAILURE_MS: u64 = 100;
/// How long all clients may be without any answer before the run is given up: the server is gone then, rather than
/// restarting. In milliseconds.
const SILENCE_MS_MAX: u64 = 5_000;
/// How often the run is looked at, to show its progress and to see whether the server is gone, in milliseconds.
const LOOK_INTERVAL_MS: u64 = 100;

/// A protocol: one client's way to its server. It connects again by itself when the connection was lost.
pub(crate) trait Channel {
    /// What is asked.
    type Request;
    /// What comes back, good or not.
    type Answer;

    /// Makes the connection, so that making it is not measured.
    async fn open(&mut self) -> Result<(), ExchangeError>;

    /// Sends a request and waits for its answer.
    async fn exchange(&mut self, request: &Self::Request) -> Result<Self::Answer, ExchangeError>;
}

/// What one client asks, and what it thinks of the answers.
pub(crate) trait Workload {
    /// What is asked.
    type Request;
    /// What comes back.
    type Answer;
    /// What a workload keeps of a request until its answer is there.
    type Ticket;

    /// The next request; None when this client has no more to ask.
    fn next(&mut self) -> Option<(Self::Ticket, Self::Request)>;

    /// The kind of a request: kinds are reported apart.
    fn kind(&self, ticket: &Self::Ticket) -> &'static str;

    /// Judges the answer to a request, or its absence.
    fn judge(
        &mut self,
        ticket: &Self::Ticket,
        answer: &Result<Self::Answer, ExchangeError>,
        took: Duration,
    ) -> Verdict;
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExchangeError {
    /// A few words that are the same for each failure of this kind.
    pub(crate) kind: &'static str,
    /// What happened this time.
    pub(crate) detail: String,
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() {
            f.write_str(self.kind)
        } else {
            write!(f, "{}: {}", self.kind, self.detail)
        }
    }
}

impl std::error::Error for ExchangeError {}

/// How a load is run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What is run, in a few words beside the progress bar; may be empty.
    pub(crate) label: String,
    /// When requests are due.
    pub(crate) pace: Pace,
    /// How many requests are expected, where that is known: for the progress bar.
    pub(crate) requests_expected: Option<u64>,
    /// Whether progress is shown while it runs.
    pub(crate) show_progress: bool,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The counts, by kind of request.
    pub(crate) tallies: BTreeMap<&'static str, Tally>,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// How many clients there were.
    pub(crate) clients: usize,
    /// How it ended.
    pub(crate) ending: Ending,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All was asked.
    Done,
    /// It was stopped before that.
    Stopped,
    /// Nobody answered any more; this is the last that was heard.
    GaveUp(ExchangeError),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("all was asked"),
            Self::Stopped => f.write_str("stopped before all was asked"),
            Self::GaveUp(error) => {
                let seconds = SILENCE_MS_MAX / 1000;
                write!(f, "given up: nobody has answered for {seconds} s ({error})")
            }
        }
    }
}

/// What the clients share. They run on one thread, so that no lock is needed.
#[derive(Debug, Default)]
struct Shared {
    tallies: RefCell<BTreeMap<&'static str, Tally>>,
    done: Cell<u64>,
    answered: Cell<u64>,
    /// Since when no client has got an answer, and why not the last time.
    silence: RefCell<Option<(Instant, ExchangeError)>>,
}

/// Runs all clients until each is done, or until `stop` completes. Fails if a client can't connect at the beginning.
pub(crate) async fn run<C, W>(
    mut clients: Vec<(C, W)>,
    plan: Plan,
    stop: impl Future,
) -> Result<Outcome, ExchangeError>
where
    C: Channel + 'static,
    W: Workload<Request = C::Request, Answer = C::Answer> + 'static,
{
    for (channel, _) in &mut clients {
        channel.open().await?;
    }
    let shared = Rc::new(Shared::default());
    let (stop_all, stopped) = watch::channel(());
    let begin = Instant::now();
    let count = clients.len();
    let mut running = JoinSet::new();
    for (channel, workload) in clients {
        running.spawn_local(run_client(channel, workload, plan.pace, Rc::clone(&shared), stopped.clone()));
    }
    drop(stopped);
    let mut progress = plan.show_progress.then(|| Progress::new(plan.label, plan.requests_expected));
    let mut interval = tokio::time::interval(Duration::from_millis(LOOK_INTERVAL_MS));
    let (mut stop, mut ending) = (pin!(stop), Ending::Done);
    loop {
        tokio::select! {
            ended = running.join_next() => match ended {
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::error!(%error, "a client of the load engine ended early"),
                None => break,
            },
            _ = &mut stop, if ending == Ending::Done => {
                ending = Ending::Stopped;
                let _ = stop_all.send(());
            }
            _ = interval.tick() => {
                if let Some(progress) = &mut progress {
                    progress.show(shared.done.get(), shared.answered.get());
                }
                if ending == Ending::Done && let Some(error) = shared.gone() {
                    ending = Ending::GaveUp(error);
                    let _ = stop_all.send(());
                }
            }
        }
    }
    drop(progress);
    Ok(Outcome { tallies: shared.tallies.take(), elapsed: begin.elapsed(), clients: count, ending })
}

async fn run_client<C, W>(
    mut channel: C,
    mut workload: W,
    mut pace: Pace,
    shared: Rc<Shared>,
    mut stopped: watch::Receiver<()>,
) where
    C: Channel,
    W: Workload<Request = C::Request, Answer = C::Answer>,
{
    while let Some((ticket, request)) = workload.next() {
        let due = tokio::select! {
            biased;
            _ = stopped.changed() => return,
            due = pace.turn() => due,
        };
        // A request that is under way when all is stopped was not answered and is not counted.
        let answer = tokio::select! {
            biased;
            answer = channel.exchange(&request) => answer,
            _ = stopped.changed() => return,
        };
        let took = due.elapsed();
        let verdict = workload.judge(&ticket, &answer, took);
        shared.count(workload.kind(&ticket), verdict, answer.is_ok().then_some(took));
        let no_answer = answer.is_err();
        shared.hear(answer.err());
        if no_answer {
            tokio::time::sleep(Duration::from_millis(PAUSE_AFTER_FAILURE_MS)).await;
        }
    }
}

impl Shared {
    /// Notes that a client got an answer, or why it got none.
    fn hear(&self, no_answer: Option<ExchangeError>) {
        let mut silence = self.silence.borrow_mut();
        match no_answer {
            None => {
                self.answered.set(self.answered.get() + 1);
                *silence = None;
            }
            Some(error) => {
                let since = silence.as_ref().map_or_else(Instant::now, |(since, _)| *since);
                *silence = Some((since, error));
            }
        }
    }

    /// Why the server is taken to be gone, if it is.
    fn gone(&self) -> Option<ExchangeError> {
        let silence = self.silence.borrow();
        let (since, error) = silence.as_ref()?;
        (since.elapsed() > Duration::from_millis(SILENCE_MS_MAX)).then(|| error.clone())
    }

    fn count(&self, kind: &'static str, verdict: Verdict, took: Option<Duration>) {
        self.done.set(self.done.get() + 1);
        let mut tallies = self.tallies.borrow_mut();
        if !tallies.contains_key(kind) {
            match Tally::new() {
                Ok(tally) => tallies.insert(kind, tally),
                // The histogram's bounds are constants that it accepts.
                Err(error) => return tracing::error!(%error, "no histogram"),
            };
        }
        if let Some(tally) = tallies.get_mut(kind) {
            tally.count(verdict, took);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_process;

    /// Answers a number with itself; 0 is not answered, and nothing is reached when it is closed.
    struct Echo {
        closed: bool,
    }

    impl Channel for Echo {
        type Request = u64;
        type Answer = u64;

        async fn open(&mut self) -> Result<(), ExchangeError> {
            let error = ExchangeError { kind: "closed", detail: String::new() };
            if self.closed { Err(error) } else { Ok(()) }
        }

        async fn exchange(&mut self, request: &u64) -> Result<u64, ExchangeError> {
            tokio::task::yield_now().await;
            match request {
                0 => Err(ExchangeError { kind: "zero", detail: "0".into() }),
                number => Ok(*number),
            }
        }
    }

    /// Counts down; a multiple of ten is refused.
    struct CountDown(u64);

    impl Workload for CountDown {
        type Request = u64;
        type Answer = u64;
        type Ticket = u64;

        fn next(&mut self) -> Option<(u64, u64)> {
            self.0 = self.0.checked_sub(1)?;
            Some((self.0, self.0))
        }

        fn kind(&self, ticket: &u64) -> &'static str {
            if ticket.is_multiple_of(2) { "even" } else { "odd" }
        }

        fn judge(&mut self, ticket: &u64, answer: &Result<u64, ExchangeError>, _: Duration) -> Verdict {
            match answer {
                Err(error) => Verdict::Failed(error.kind.into()),
                Ok(number) if number != ticket => Verdict::Failed("another answer".into()),
                Ok(number) if number.is_multiple_of(10) => Verdict::Refused("ten".into()),
                Ok(_) => Verdict::Good,
            }
        }
    }

    fn run_for_test(clients: Vec<(Echo, CountDown)>, stop: impl Future) -> Result<Outcome, ExchangeError> {
        let plan =
            Plan { label: String::new(), pace: Pace::Closed, requests_expected: None, show_progress: false };
        server_process::runtime().unwrap().block_on(run(clients, plan, stop))
    }

    #[test]
    fn every_client_asks_all_that_it_has_to_ask() {
        let clients = (0..3).map(|_| (Echo { closed: false }, CountDown(21))).collect();
        let outcome = run_for_test(clients, std::future::pending::<()>()).unwrap();
        assert_eq!(outcome.ending, Ending::Done);
        assert_eq!(outcome.clients, 3);
        let (even, odd) = (&outcome.tallies["even"], &outcome.tallies["odd"]);
        assert_eq!((odd.requests(), odd.good), (30, 30));
        assert_eq!((even.requests(), even.good, even.refused["ten"], even.failed["zero"]), (33, 24, 6, 3));
        assert_eq!(even.latency_ns.len(), 30, "what was not answered has no latency");
    }

    #[test]
    fn a_stop_ends_clients_that_would_go_on() {
        let clients = vec![(Echo { closed: false }, CountDown(u64::MAX))];
        let outcome =
            run_for_test(clients, async { tokio::time::sleep(Duration::from_millis(20)).await }).unwrap();
        assert_eq!(outcome.ending, Ending::Stopped);
        assert!(outcome.tallies["even"].requests() > 0);
    }

    #[test]
    fn a_server_that_is_not_there_is_told_before_anything_runs() {
        let error = run_for_test(vec![(Echo { closed: true }, CountDown(5))], std::future::pending::<()>());
        assert_eq!(error.unwrap_err().kind, "closed");
    }
}
