//! `micronet ping`: how an instance and the way to it are doing, a heartbeat a line.
//!
//! Heartbeats follow each other: a PING is sent, and its answer awaited; what doesn't come in time is looked into by a new
//! connection, while the answer may still come. A connection that has ended is made again with the next heartbeat.

mod report;
mod tally;
pub(crate) mod target;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use micronet_transport::clock;
use micronet_transport::diagnosis::{Diagnosis, Fresh, Observations, diagnose};
use micronet_transport::identity::Identity;
use micronet_transport::probe::{Probe, try_fresh, unconnected};
use micronet_transport::socket;
use micronet_wire::conn::Event;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::frame::Pong;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use self::report::Report;
use self::tally::Tally;
use self::target::Target;
use crate::config::PingConfig;
use crate::error::CommandError;
use crate::identity;
use crate::network_file::NetworkFile;
use crate::server_process;
use crate::stop_signal::StopSignals;

/// Watches until all heartbeats are sent, or Ctrl-C.
pub(crate) fn run(config: &PingConfig) -> Result<ExitCode, CommandError> {
    server_process::runtime()?.block_on(watch(config))
}

async fn watch(config: &PingConfig) -> Result<ExitCode, CommandError> {
    let network = NetworkFile::of_running_network(&config.data)?;
    let Target { name, address, service } =
        target::find(&config.target, &config.data, network.as_ref()).await?;
    let identity = identity::of_tool(config.tls.as_ref(), network.as_ref(), &config.data, config.anonymous)
        .map_err(CommandError::into_usage)?;
    let mut stop = StopSignals::listen()
        .map_err(|error| CommandError::usage(format!("could not listen for signals: {error}")))?;
    let mut watching = Watching {
        address,
        service,
        identity,
        patience: config.timeout,
        probe: None,
        sequence: 0,
        undecided: false,
        waiting: VecDeque::new(),
        round_trip_us: None,
        pong: None,
        tally: Tally::default(),
        report: Report::new(&name, address, config.json),
    };
    tokio::select! {
        watched = watching.beat(config.count, config.interval) => watched?,
        _ = stop.next() => {
            if watching.undecided {
                watching.tally.broken_off();
            }
        }
    }
    watching.report.summary(&watching.tally);
    Ok(if watching.tally.lost() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A PING without answer.
#[derive(Debug)]
struct Waiting {
    sequence: u64,
    opaque: u64,
}

/// What happened to a heartbeat.
pub(crate) struct Heartbeat<'a> {
    sequence: u64,
    seen: &'a Observations,
    diagnosis: &'a Diagnosis,
}

struct Watching {
    address: SocketAddr,
    /// Of which service the instance has to be, where that is known.
    service: Option<String>,
    identity: Identity,
    patience: Duration,
    probe: Option<Probe>,
    sequence: u64,
    /// Nothing is known of this heartbeat yet.
    undecided: bool,
    waiting: VecDeque<Waiting>,
    /// How long the last answer took.
    round_trip_us: Option<u64>,
    pong: Option<Pong>,
    tally: Tally,
    report: Report,
}

/// Why there is no connection.
enum Unconnected {
    /// The machine or the process isn't there, or doesn't answer.
    Away(Fresh, String),
    /// The peer doesn't want us, or speaks another language. Trying again won't help.
    Refused(RpcError),
}

impl Watching {
    async fn beat(&mut self, count: Option<u64>, every: Duration) -> Result<(), CommandError> {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while count.is_none_or(|count| self.sequence < count) {
            self.listen_until_tick(&mut ticks).await;
            self.sequence += 1;
            self.tally.sent();
            self.undecided = true;
            self.heartbeat().await?;
            self.undecided = false;
        }
        // The last ones may be late as well.
        let until = Instant::now() + self.patience;
        while !self.waiting.is_empty() && self.probe.is_some() {
            if timeout_at(until, self.listen()).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Late answers are told when they come, and not with the next heartbeat.
    async fn listen_until_tick(&mut self, ticks: &mut tokio::time::Interval) {
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick() => return,
                _ = self.listen(), if self.probe.is_some() => {}
            }
        }
    }

    async fn heartbeat(&mut self) -> Result<(), CommandError> {
        let until = Instant::now() + self.patience;
        if self.probe.is_none() {
            match self.connect(until).await {
                Ok(()) => {}
                Err(Unconnected::Away(fresh, why)) => {
                    self.missing(Some(fresh), Some(why), false);
                    return Ok(());
                }
                Err(Unconnected::Refused(error)) => return Err(refused(self.address, &error)),
            }
        }
        let before_ns = clock::now();
        if let Some(opaque) = self.probe.as_mut().and_then(Probe::ping) {
            self.waiting.push_back(Waiting { sequence: self.sequence, opaque });
            if self.answered_by(until).await {
                return Ok(());
            }
        } else {
            // Too many are on their way: this one can't be sent.
            tokio::time::sleep_until(until).await;
        }
        let mut ended = None;
        let identity = self.identity.clone();
        let fresh = {
            let fresh = try_fresh(self.address, &identity, self.patience);
            let mut fresh = std::pin::pin!(fresh);
            loop {
                tokio::select! {
                    found = &mut fresh => break found,
                    why = self.listen(), if self.probe.is_some() => {
                        ended = ended.or(why);
                        if !self.is_waiting() {
                            return Ok(());
                        }
                    }
                }
            }
        };
        let heard = self.probe.as_ref().is_some_and(|probe| probe.heard_ns() > before_ns);
        self.missing(Some(fresh), ended, heard);
        Ok(())
    }

    /// Whether this heartbeat's answer came in time.
    async fn answered_by(&mut self, until: Instant) -> bool {
        while self.is_waiting() && self.probe.is_some() {
            if timeout_at(until, self.listen()).await.is_err() {
                return false;
            }
        }
        !self.is_waiting()
    }

    fn is_waiting(&self) -> bool {
        self.waiting.back().is_some_and(|waiting| waiting.sequence == self.sequence)
    }

    /// Takes one thing that happens on the connection. Why it is over, when it is.
    async fn listen(&mut self) -> Option<String> {
        let event = match &mut self.probe {
            Some(probe) => probe.next().await,
            None => None,
        };
        match event {
            Some(Event::Pong { round_trip_ns, pong }) => self.answered(round_trip_ns / 1_000, pong),
            Some(Event::Closed { error, .. }) => {
                self.probe = None;
                self.waiting.retain(|waiting| waiting.sequence == self.sequence);
                return Some(
                    error.map_or_else(|| "the peer closed the connection".into(), |error| error.message),
                );
            }
            Some(_) => {}
            None => self.probe = None,
        }
        None
    }

    fn answered(&mut self, round_trip_us: u64, pong: Pong) {
        let Some(at) = self.waiting.iter().position(|waiting| waiting.opaque == pong.opaque) else { return };
        // PONGs come in the order of the PINGs: those before are lost.
        let Some(waiting) = self.waiting.drain(..=at).next_back() else { return };
        self.pong = Some(pong);
        let mut seen = self.observe();
        seen.round_trip_us = Some(round_trip_us);
        let diagnosis = diagnose(&seen);
        self.tally.answered(round_trip_us, round_trip_us > seen.patience_us, diagnosis.verdict);
        self.report.heartbeat(&Heartbeat { sequence: waiting.sequence, seen: &seen, diagnosis: &diagnosis });
        self.round_trip_us = Some(round_trip_us);
    }

    fn missing(&mut self, fresh: Option<Fresh>, ended: Option<String>, heard_since: bool) {
        let seen = Observations { fresh, ended, heard_since, ..self.observe() };
        let diagnosis = diagnose(&seen);
        self.tally.missing(diagnosis.verdict);
        self.report.heartbeat(&Heartbeat { sequence: self.sequence, seen: &seen, diagnosis: &diagnosis });
        if seen.ended.is_some() {
            self.waiting.clear();
        }
    }

    fn observe(&mut self) -> Observations {
        let patience_us = u64::try_from(self.patience.as_micros()).unwrap_or(u64::MAX);
        let probe = self.probe.as_mut();
        Observations {
            patience_us,
            round_trip_before_us: self.round_trip_us,
            pong: self.pong.filter(|_| probe.is_some()),
            bytes_sent: probe.as_ref().map_or(0, |probe| probe.bytes_sent()),
            unacknowledged: probe.as_ref().and_then(|probe| probe.unacknowledged()),
            backlog_bytes: probe.map_or(0, Probe::backlog_bytes),
            ..Observations::default()
        }
    }

    /// Makes the connection, handshake included.
    async fn connect(&mut self, until: Instant) -> Result<(), Unconnected> {
        let away = |fresh: Fresh, why: &str| Err(Unconnected::Away(fresh, why.to_owned()));
        let stream = match timeout_at(until, socket::connect(self.address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return away(unconnected(&error), &error.to_string()),
            Err(_) => return away(Fresh::Unreachable, "no connection in time"),
        };
        let over = Probe::over(stream, self.service.as_deref(), &self.identity);
        let mut probe = match timeout_at(until, over).await {
            Ok(Ok(probe)) => probe,
            Ok(Err(error)) if error.code == Code::Unavailable => return away(Fresh::Refused, &error.message),
            Ok(Err(error)) if error.code == Code::Silent => return away(Fresh::Silent, &error.message),
            Ok(Err(error)) => return Err(Unconnected::Refused(error)),
            Err(_) => return away(Fresh::Silent, "no answer to the TLS handshake in time"),
        };
        loop {
            match timeout_at(until, probe.next()).await {
                Ok(Some(Event::Ready(peer))) => {
                    self.report.connected(&peer);
                    self.round_trip_us = None;
                    self.probe = Some(probe);
                    return Ok(());
                }
                Ok(Some(Event::Closed { error: Some(error), .. })) if error.code != Code::ConnectionLost => {
                    return Err(Unconnected::Refused(error));
                }
                Ok(Some(_)) => {}
                // Accepted, and closed without a word: by a proxy with nothing behind it, or by a process that ends.
                Ok(None) => return away(Fresh::Refused, "the connection was closed at once"),
                Err(_) => return away(Fresh::Silent, "no HELLO in time"),
            }
        }
    }
}

fn refused(address: SocketAddr, error: &RpcError) -> CommandError {
    let failure = CommandError::usage(format!("{address} refuses the connection: {error}"));
    match error.code {
        Code::BadProof => {
            failure.next("the token of another network? name its data folder with --data, or use --anonymous")
        }
        Code::TlsRequired => failure.next("add --mtls, or --certs DIR where the certificates are elsewhere"),
        _ => failure,
    }
}
