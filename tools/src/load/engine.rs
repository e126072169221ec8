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
/// A request that begins so much later than it was due, in milliseconds, is counted as late: no client was free for it.
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
mod tests {
    use super::super::arrivals::Spread;
    use super::*;
    use crate::server_process;

    /// Answers a number with itself; 0 is not answered, and nothing is reached when it is closed.
    #[derive(Clone, Copy)]
    struct Echo {
        closed: bool,
        takes: Duration,
    }

    const ECHO: Echo = Echo { closed: false, takes: Duration::ZERO };

    impl Channel for Echo {
        type Request = u64;
        type Answer = u64;

        async fn open(&mut self) -> Result<(), ExchangeError> {
            let error = ExchangeError { kind: "closed", detail: String::new() };
            if self.closed { Err(error) } else { Ok(()) }
        }

        async fn exchange(&mut self, request: &u64) -> Result<u64, ExchangeError> {
            match self.takes {
                Duration::ZERO => tokio::task::yield_now().await,
                takes => tokio::time::sleep(takes).await,
            }
            match request {
                0 => Err(ExchangeError { kind: "zero", detail: "0".into() }),
                number => Ok(*number),
            }
        }
    }

    impl Traced for u64 {
        fn instance(&self) -> Option<&str> {
            Some("echo")
        }

        fn bytes(&self) -> u64 {
            1
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

        fn kind<'t>(&'t self, ticket: &'t u64) -> &'t str {
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
        run_planned(clients, Plan::closed(String::new(), None), stop)
    }

    fn run_planned(
        clients: Vec<(Echo, CountDown)>,
        plan: Plan,
        stop: impl Future,
    ) -> Result<Outcome, ExchangeError> {
        server_process::runtime().unwrap().block_on(run(clients, plan, stop))
    }

    fn open(rate_per_s: f64, limits: Limits, patience: Duration) -> Plan {
        let pace = Pace::Open { rate_per_s, spread: Spread::Fixed };
        Plan { pace, limits, patience, gives_up: false, ..Plan::closed(String::new(), None) }
    }

    #[test]
    fn every_client_asks_all_that_it_has_to_ask() {
        let clients = (0..3).map(|_| (ECHO, CountDown(21))).collect();
        let outcome = run_for_test(clients, std::future::pending::<()>()).unwrap();
        assert_eq!(outcome.ending, Ending::Done);
        assert_eq!(outcome.clients, 3);
        let (even, odd) = (&outcome.tallies["even"], &outcome.tallies["odd"]);
        assert_eq!((odd.requests(), odd.good), (30, 30));
        assert_eq!((even.requests(), even.good, even.refused["ten"], even.failed["zero"]), (33, 24, 6, 3));
        assert_eq!(even.latency_ns.len(), 30, "what was not answered has no latency");
        assert_eq!((even.instances["echo"], even.bytes), (30, 30));
        let (windows, _) = outcome.timeline.unwrap().end();
        assert_eq!(windows.iter().map(|window| window.answers).sum::<u64>(), 60);
        assert_eq!(windows.iter().map(|window| window.errors).sum::<u64>(), 3);
    }

    #[test]
    fn a_stop_ends_clients_that_would_go_on() {
        let clients = vec![(ECHO, CountDown(u64::MAX))];
        let outcome =
            run_for_test(clients, async { tokio::time::sleep(Duration::from_millis(20)).await }).unwrap();
        assert_eq!(outcome.ending, Ending::Stopped);
        assert!(outcome.tallies["even"].requests() > 0);
    }

    #[test]
    fn a_server_that_is_not_there_is_told_before_anything_runs() {
        let error =
            run_for_test(vec![(Echo { closed: true, ..ECHO }, CountDown(5))], std::future::pending::<()>());
        assert_eq!(error.unwrap_err().kind, "closed");
    }

    #[test]
    fn the_limit_of_a_closed_loop_is_for_all_clients_together() {
        let clients = (0..7).map(|_| (ECHO, CountDown(u64::MAX))).collect();
        let limits = Limits { requests: Some(1_000), duration: None };
        let plan = Plan { limits, ..Plan::closed(String::new(), None) };
        let outcome = run_planned(clients, plan, std::future::pending::<()>()).unwrap();
        assert_eq!(outcome.ending, Ending::Done);
        assert_eq!(outcome.tallies.values().map(Tally::requests).sum::<u64>(), 1_000);
    }

    #[test]
    fn an_open_loop_asks_by_its_schedule_and_a_stall_is_in_its_latencies() {
        // One client, each answer 20 ms after the question, and a question every millisecond: the last of fifty is answered
        // about 950 ms after it was due, and a closed loop would have seen 20 ms.
        let plan = || {
            let limits = Limits { requests: None, duration: Some(Duration::from_millis(50)) };
            open(1_000.0, limits, Duration::MAX)
        };
        let slow = Echo { takes: Duration::from_millis(20), ..ECHO };
        let outcome =
            run_planned(vec![(slow, CountDown(1_000))], plan(), std::future::pending::<()>()).unwrap();
        let tallies: Vec<&Tally> = outcome.tallies.values().collect();
        assert_eq!(tallies.iter().map(|tally| tally.requests()).sum::<u64>(), 50);
        let longest = tallies.iter().map(|tally| tally.latency_ns.max()).max().unwrap();
        assert!(Duration::from_nanos(longest) >= Duration::from_millis(900), "{longest} ns");
        assert!(tallies.iter().map(|tally| tally.late).sum::<u64>() >= 48);
    }

    #[test]
    fn what_can_not_be_sent_in_time_is_counted() {
        let limits = Limits { requests: Some(100), duration: None };
        let slow = Echo { takes: Duration::from_millis(20), ..ECHO };
        let plan = open(1_000.0, limits, Duration::from_millis(40));
        let outcome =
            run_planned(vec![(slow, CountDown(1_000))], plan, std::future::pending::<()>()).unwrap();
        let never_sent: u64 = outcome.tallies.values().map(Tally::never_sent).sum();
        assert_eq!(outcome.tallies.values().map(Tally::requests).sum::<u64>(), 100);
        // 140 ms are enough for seven of them, and none waits longer.
        assert!((92..100).contains(&never_sent), "{never_sent}");
    }

    #[test]
    fn a_stopped_run_owns_up_to_what_it_left() {
        let slow = Echo { takes: Duration::from_secs(3_600), ..ECHO };
        let plan = open(1_000.0, Limits::default(), Duration::MAX);
        let clients = vec![(slow, CountDown(1_000)), (slow, CountDown(1_000))];
        let outcome =
            run_planned(clients, plan, async { tokio::time::sleep(Duration::from_millis(50)).await })
                .unwrap();
        assert_eq!((outcome.ending, outcome.unfinished), (Ending::Stopped, 2));
        assert!(outcome.not_begun >= 48, "{}", outcome.not_begun);
    }
}
