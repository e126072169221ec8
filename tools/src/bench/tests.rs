//! What is measured is what was there: servers whose delays are known, and what arithmetic says of them.
//!
//! The servers are threads of this process. What is measured may be shorter than arithmetic says by the tolerance of the servers' own clocks,
//! 0.06 s, and longer by 0.2 s, since the machine does other things besides.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::echo::Echo;
use super::lane::Lane;
use super::report::latencies::Latencies;
use super::report::model::Repetition;
use super::work::{NEVER_SENT, TIMEOUT, Work, Worker};
use crate::load::Pace;
use crate::load::arrivals::Spread;
use crate::server_process;

/// A message.
const MESSAGE: &[u8] = b"0123456789abcdef";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
const SHORTER_S_MAX: f64 = 0.06;
const LONGER_S_MAX: f64 = 0.2;

/// Starts an echo that asks before each answer how it is to wait; its threads end with their connections.
fn echo(wait: impl Fn() + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let wait = Arc::new(wait);
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let wait = Arc::clone(&wait);
            thread::spawn(move || give_back(stream, &*wait));
        }
    });
    address
}

fn give_back(mut stream: TcpStream, wait: &dyn Fn()) {
    stream.set_nodelay(true).unwrap();
    let mut message = [0; MESSAGE.len()];
    while stream.read_exact(&mut message).is_ok() {
        wait();
        if stream.write_all(&message).is_err() {
            return;
        }
    }
}

/// An echo that stands still for so long, once, so long after its first message.
fn stalling(after: Duration, lasts: Duration) -> SocketAddr {
    let first = Mutex::new(None);
    echo(move || {
        let first = *first.lock().unwrap().get_or_insert_with(Instant::now);
        let (begins, ends) = (first + after, first + after + lasts);
        let now = Instant::now();
        if now >= begins {
            thread::sleep(ends.saturating_duration_since(now));
        }
    })
}

/// Measures on so many connections, each with one message under way.
fn measure(
    address: SocketAddr,
    connections: usize,
    pace: Pace,
    seconds: f64,
    patience: Duration,
) -> Repetition {
    server_process::runtime().unwrap().block_on(async {
        let mut workers = Vec::new();
        for _ in 0..connections {
            workers.push(Box::new(Lane::open(address, Echo::new(MESSAGE.into()), 1).await.unwrap()));
        }
        let duration = Duration::from_secs_f64(seconds);
        let work = Rc::new(Work::begin(pace, Duration::ZERO, duration, patience));
        let mut running = JoinSet::new();
        for worker in workers {
            running.spawn_local(worker.run(Rc::clone(&work)));
        }
        while let Some(ended) = running.join_next().await {
            ended.unwrap();
        }
        work.take_tally().finish(Instant::now())
    })
}

fn open(rate_per_s: f64) -> Pace {
    Pace::Open { rate_per_s, spread: Spread::Fixed }
}

#[track_caller]
fn check(latencies: &Latencies, quantile: f64, wanted_s: f64) {
    let seen_s = latencies.at(quantile).unwrap() as f64 / 1e9;
    let what = format!("P{} is {seen_s} s and not {wanted_s} s: {latencies:?}", 100.0 * quantile);
    assert!((-SHORTER_S_MAX..=LONGER_S_MAX).contains(&(seen_s - wanted_s)), "{what}");
}

#[test]
fn a_stall_is_seen_by_all_who_would_have_asked_meanwhile() {
    // 200 a second for 3 s, and a stall of 1 s: a third of all, 200 of them, wait for from 0 to 1 s, evenly spread.
    let stalled = stalling(Duration::from_secs(1), Duration::from_secs(1));
    let repetition = measure(stalled, 16, open(200.0), 3.0, PATIENCE);
    assert_eq!((repetition.requests, repetition.failed(), repetition.corrected), (600, 0, true));
    let latencies = &repetition.latencies;
    for (quantile, wanted_s) in [(0.5, 0.0), (0.65, 0.0), (0.8, 0.4), (0.9, 0.7), (0.99, 0.97), (1.0, 1.0)] {
        check(latencies, quantile, wanted_s);
    }
    assert!((2.9..3.5).contains(&repetition.seconds), "{}", repetition.seconds);
    // From when they were really sent, only those are slow that were under way: one on each connection.
    check(repetition.uncorrected.as_ref().unwrap(), 0.97, 0.0);
    // Nobody was answered in the second second, and those who waited for that are in the third.
    let answered: Vec<u64> = repetition.intervals.iter().map(|interval| interval.requests).collect();
    assert!(answered.len() >= 3 && answered.iter().sum::<u64>() == 600, "{answered:?}");
    assert!(answered[1] < 40 && answered[2] > 300, "{answered:?}");
    assert_eq!(repetition.intervals.iter().map(|interval| interval.latencies.len()).sum::<u64>(), 600);
}

#[test]
fn a_closed_loop_sees_one_slow_request_in_the_same_stall() {
    let stalled = stalling(Duration::from_secs(1), Duration::from_secs(1));
    let repetition = measure(stalled, 1, Pace::Closed, 3.0, PATIENCE);
    let latencies = &repetition.latencies;
    check(latencies, 1.0, 1.0);
    let slow = latencies.histogram().count_between(500_000_000, u64::MAX);
    assert_eq!((slow, repetition.corrected, repetition.uncorrected), (1, false, None));
    assert!(repetition.requests > 100, "{}", repetition.requests);
    check(latencies, 0.99, 0.0);
}

#[test]
fn delays_that_are_known_are_what_is_measured() {
    // Evenly from 0 to 495 ms in steps of 5 ms, in an order that has no pattern; 60 connections are far more than are ever busy.
    let count = AtomicU64::new(0);
    let delayed = echo(move || {
        let place = count.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(place * 37 % 100 * 5));
    });
    let repetition = measure(delayed, 60, open(100.0), 3.0, PATIENCE);
    assert_eq!((repetition.requests, repetition.failed()), (300, 0));
    for (quantile, wanted_s) in
        [(0.1, 0.05), (0.25, 0.125), (0.5, 0.25), (0.75, 0.375), (0.9, 0.45), (1.0, 0.495)]
    {
        check(&repetition.latencies, quantile, wanted_s);
    }
    let mean_s = repetition.latencies.mean().unwrap() / 1e9;
    assert!((0.24..0.3).contains(&mean_s), "{mean_s}");
}

#[test]
fn a_server_that_is_too_slow_falls_behind_as_fast_as_arithmetic_says() {
    // It gives an answer each 10 ms, and is asked each 5 ms for 2 s: the n-th of 400 waits for 10 ms + n × 5 ms, and the last comes after 4 s.
    let next = Mutex::new((None, 0_u32));
    let slow = echo(move || {
        let due = {
            let mut next = next.lock().unwrap();
            let first = *next.0.get_or_insert_with(Instant::now);
            next.1 += 1;
            first + next.1 * Duration::from_millis(10)
        };
        thread::sleep(due.saturating_duration_since(Instant::now()));
    });
    let repetition = measure(slow, 4, open(200.0), 2.0, PATIENCE);
    assert_eq!((repetition.requests, repetition.failed()), (400, 0));
    for (quantile, wanted_s) in [(0.1, 0.21), (0.5, 1.01), (0.9, 1.81), (1.0, 2.005)] {
        check(&repetition.latencies, quantile, wanted_s);
    }
    assert!((3.9..4.5).contains(&repetition.seconds), "{}", repetition.seconds);
}

#[test]
fn what_was_never_answered_or_never_sent_counts_with_what_it_waited() {
    // Nothing is answered for a long time: the first ones run into their timeout, and those behind them are given up with it.
    let dead = echo(|| thread::sleep(Duration::from_secs(60)));
    let patience = Duration::from_millis(300);
    let repetition = measure(dead, 2, open(100.0), 1.0, patience);
    let kind = |name: &str| repetition.errors.get(name).copied().unwrap_or(0);
    assert_eq!(
        (repetition.requests, kind(TIMEOUT) + kind(NEVER_SENT)),
        (100, 100),
        "{:?}",
        repetition.errors
    );
    assert!(kind(TIMEOUT) >= 4 && kind(NEVER_SENT) > 50, "{:?}", repetition.errors);
    assert_eq!(repetition.latencies.len(), 100);
    assert!(repetition.latencies.histogram().min() >= 299_000_000, "{:?}", repetition.latencies);
}

#[test]
fn a_server_that_is_gone_is_an_error_each_time_and_no_latency() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        drop(listener);
        give_back_times(&mut stream, 5);
    });
    let repetition = measure(address, 1, open(50.0), 1.0, PATIENCE);
    let lost: u64 =
        repetition.errors.iter().filter(|(kind, _)| !kind.starts_with("no connection")).map(|(_, n)| n).sum();
    assert_eq!((repetition.requests, repetition.latencies.len()), (50, 5), "{:?}", repetition.errors);
    assert!(lost <= 1 && repetition.failed() == 45, "{:?}", repetition.errors);
}

fn give_back_times(stream: &mut TcpStream, times: usize) {
    let mut message = [0; MESSAGE.len()];
    for _ in 0..times {
        stream.read_exact(&mut message).unwrap();
        stream.write_all(&message).unwrap();
    }
}
