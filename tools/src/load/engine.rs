//! Runs clients: each asks, waits for the answer, judges it, and asks again, until its workload has no more to ask.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::pace::{Limits, Pace, Turns};
use super::progress::{Goal, Progress};
use super::record::{Ended, Record};
use super::tally::{Tally, Verdict};
use super::timeline::Timeline;

/// How long a client of a closed loop waits after it got no answer, so that it doesn't spin on a dead server. In milliseconds.
const PAUSE_AFTER_FAILURE_MS: u64 = 100;
/// How long all clients may be without any answer before the run is given up: the server is gone then, rather than
/// restarting. In milliseconds.
const SILENCE_MS_MAX: u64 = 5_000;
/// How often the run is looked at, to show its progress and to see whether the server is gone, in milliseconds.
const LOOK_INTERVAL_MS: u64 = 100;
/// A request that begins so much later than it was due, in milliseconds, is counted as late.
const LATE_MS_MIN: u64 = 5;

/// A protocol: one client's way to its server. It connects again by itself when the connection was lost.
pub(crate) trait Channel {
    /// What is asked.
    type Request;
    /// What comes back, good or not.
    type Answer: Traced;

    /// Makes the connection, so that making it is not measured.
    async fn open(&mut self) -> Result<(), ExchangeError>;

    /// Sends a request and waits for its answer.
    async fn exchange(&mut self, request: &Self::Request) -> Result<Self::Answer, ExchangeError>;
}

/// What is counted of an answer, whatever it says.
pub(crate) trait Traced {
    /// Which instance gave it, where that is known.
    fn instance(&self) -> Option<&str>;

    /// The size of its body, in bytes.
    fn bytes(&self) -> u64;
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
    fn kind<'t>(&'t self, ticket: &'t Self::Ticket) -> &'t str;

    /// Judges the answer to a request, or its absence.
    fn judge(
        &mut self,
        ticket: &Self::Ticket,
        answer: &Result<Self::Answer, ExchangeError>,
        took: Duration,
    ) -> Verdict;

    /// Hears of a request that was due so long ago, and isn't sent since no client was free in time.
    fn never_sent(&mut self, _ticket: &Self::Ticket, _due: Duration) {}
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
    /// When the run is over, beside when all clients have no more to ask.
    pub(crate) limits: Limits,
    /// How much later than it was due a request of an open loop may begin; beyond that it is not sent.
    pub(crate) patience: Duration,
    /// Whether the run is given up when nobody answers any more.
    pub(crate) gives_up: bool,
    /// What progress is shown towards; None shows none.
    pub(crate) progress: Option<Goal>,
}

impl Plan {
    /// A closed loop that lasts until the clients have no more to ask, or the server is gone.
    pub(crate) fn closed(label: String, progress: Option<Goal>) -> Self {
        Self {
            label,
            pace: Pace::Closed,
            limits: Limits::default(),
            patience: Duration::MAX,
            gives_up: true,
            progress,
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The counts, by kind of request.
    pub(crate) tallies: BTreeMap<String, Tally>,
    /// How it went over time; None only if memory for it could not be had.
    pub(crate) timeline: Option<Timeline>,
    /// Requests under way when the run was stopped: nobody waited for their answers.
    pub(crate) unfinished: u64,
    /// Requests that were due when the run was stopped, and had not been begun.
    pub(crate) not_begun: u64,
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
    let turns = Rc::new(Turns::begin(plan.pace, plan.limits));
    let record = Rc::new(Record::new(turns.began()));
    let (stop_all, stopped) = watch::channel(());
    let count = clients.len();
    let mut running = JoinSet::new();
    for (channel, workload) in clients {
        let run = Run {
            turns: Rc::clone(&turns),
            record: Rc::clone(&record),
            patience: plan.patience,
            pause: (plan.pace == Pace::Closed).then_some(Duration::from_millis(PAUSE_AFTER_FAILURE_MS)),
        };
        running.spawn_local(run_client(channel, workload, run, stopped.clone()));
    }
    drop(stopped);
    let mut progress = plan.progress.map(|goal| Progress::new(plan.label, goal));
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
                    progress.show(record.standing());
                }
                let silence = Duration::from_millis(SILENCE_MS_MAX);
                if plan.gives_up && ending == Ending::Done && let Some(error) = record.silent_for(silence) {
                    ending = Ending::GaveUp(error);
                    let _ = stop_all.send(());
                }
            }
        }
    }
    drop(progress);
    let elapsed = turns.began().elapsed();
    let not_begun = if ending == Ending::Done { 0 } else { turns.overdue() };
    let (tallies, timeline, unfinished) = record.take();
    Ok(Outcome { tallies, timeline, unfinished, not_begun, elapsed, clients: count, ending })
}

/// What a client needs of the run that it is part of.
struct Run {
    turns: Rc<Turns>,
    record: Rc<Record>,
    patience: Duration,
    /// How long to wait after a request that got no answer.
    pause: Option<Duration>,
}

async fn run_client<C, W>(mut channel: C, mut workload: W, run: Run, mut stopped: watch::Receiver<()>)
where
    C: Channel,
    W: Workload<Request = C::Request, Answer = C::Answer>,
{
    let Run { turns, record, patience, pause } = run;
    loop {
        let due = tokio::select! {
            biased;
            _ = stopped.changed() => return,
            due = turns.next() => due,
        };
        let Some((due, (ticket, request))) = due.zip(workload.next()) else { return };
        let waited = due.elapsed();
        if waited > patience {
            workload.never_sent(&ticket, waited);
            record.count_never_sent(workload.kind(&ticket));
            continue;
        }
        let answer = tokio::select! {
            biased;
            answer = channel.exchange(&request) => answer,
            _ = stopped.changed() => return record.leave_unfinished(),
        };
        let took = due.elapsed();
        let verdict = workload.judge(&ticket, &answer, took);
        let late = waited >= Duration::from_millis(LATE_MS_MIN);
        record.count(Ended { kind: workload.kind(&ticket), verdict, answer: &answer, took, late });
        if let Some(pause) = pause.filter(|_| answer.is_err()) {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stopped.changed() => return,
            }
        }
    }
}

#[cfg(test)]
mod tests;
