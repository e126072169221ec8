use super::*;
use crate::load::arrivals::Spread;
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
    let outcome = run_planned(vec![(slow, CountDown(1_000))], plan(), std::future::pending::<()>()).unwrap();
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
    let outcome = run_planned(vec![(slow, CountDown(1_000))], plan, std::future::pending::<()>()).unwrap();
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
        run_planned(clients, plan, async { tokio::time::sleep(Duration::from_millis(50)).await }).unwrap();
    assert_eq!((outcome.ending, outcome.unfinished), (Ending::Stopped, 2));
    assert!(outcome.not_begun >= 48, "{}", outcome.not_begun);
}
