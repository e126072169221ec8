//! `micronet lab compare`: all balancing algorithms on the same load, one after the other.
//!
//! Algorithms take turns, round by round, so that what else the machine does hits all of them; in a round each gets the same
//! arrivals and the same waits of the nodes. What was set before is set again at the end.

mod balancer;
mod own;
mod results;
pub(crate) mod scenario;

use std::fs;
use std::io::{self, IsTerminal};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use micronet_services::node::api::LoadChange;
use micronet_transport::balance::Algorithm;
use micronet_wire::limits::ADAPTIVE_WINDOW_MS;

use self::balancer::Balancer;
use self::own::OwnLab;
use self::results::Results;
use super::nodes::{self, Node, whole};
use crate::address::HostPort;
use crate::config::CompareConfig;
use crate::data_folder;
use crate::error::CommandError;
use crate::load::arrivals::Spread;
use crate::load::engine::{self, Ending, ExchangeError, Outcome, Plan, Workload};
use crate::load::http::{HttpAnswer, HttpChannel, HttpRequest};
use crate::load::{Goal, Limits, Pace, Verdict};
use crate::network_file::NetworkFile;
use crate::shop::front;
use crate::stop_signal::{EXIT_INTERRUPTED, StopSignals};
use crate::terminal::{self, Style};

/// How much later than it was due a request may begin, in milliseconds; it counts as failed beyond that.
const PATIENCE_MS: u64 = 5_000;
/// For how long an algorithm runs before it is measured; one that measures first itself has so much more.
const WARM_UP: Duration = Duration::from_secs(2);
/// Nodes without which there is nothing to balance.
const NODES_MIN: usize = 2;

/// Compares, prints and draws.
pub(super) async fn run(config: &CompareConfig) -> Result<ExitCode, CommandError> {
    let mut signals = StopSignals::listen()
        .map_err(|error| CommandError::new(format!("could not listen for signals: {error}")))?;
    let runs_already = NetworkFile::of_running_network(&config.data)?.is_some();
    if !config.own && runs_already {
        return show(config, &compare(config, &config.data, &mut signals).await?);
    }
    terminal::note("starting a lab of its own");
    let mut own = OwnLab::launch()?;
    let compared = tokio::select! {
        ready = own.ready() => match ready {
            Ok(()) => compare(config, &own.data(), &mut signals).await.map(Some),
            Err(error) => Err(error),
        },
        _ = signals.next() => Ok(None),
    };
    own.stop().await;
    match compared? {
        Some(results) => show(config, &results),
        None => Ok(ExitCode::from(EXIT_INTERRUPTED)),
    }
}

async fn compare(
    config: &CompareConfig,
    data: &Path,
    signals: &mut StopSignals,
) -> Result<Results, CommandError> {
    Lab::find(data).await?.compare(config, signals).await
}

fn show(config: &CompareConfig, results: &Results) -> Result<ExitCode, CommandError> {
    if config.json {
        terminal::say(&results.json().to_string());
    } else {
        terminal::say(&results.text(Style::for_stdout()));
    }
    if let Some(path) = &config.svg {
        fs::write(path, results.chart(&results::DRAWN).svg()).map_err(|error| {
            CommandError::new(format!("could not write the plot to {}: {error}", path.display()))
                .next("name another file with --svg")
        })?;
        terminal::note(&format!("drawn to {}", path.display()));
    }
    Ok(match results.ending() {
        Ending::Done => ExitCode::SUCCESS,
        Ending::Stopped => ExitCode::from(EXIT_INTERRUPTED),
        Ending::GaveUp(_) => ExitCode::FAILURE,
    })
}

/// A running lab: a gateway and its nodes.
struct Lab {
    front: HostPort,
    balancer: Balancer,
    nodes: Vec<Node>,
}

impl Lab {
    async fn find(data: &Path) -> Result<Self, CommandError> {
        let nodes = nodes::of_network(data, &[]).await?;
        if nodes.len() < NODES_MIN {
            return Err(CommandError::usage("the running network has one node: there is nothing to balance")
                .next("compare in a lab of its own: --own"));
        }
        let front = front::find(None, data)?;
        let token = data_folder::read_operator_token(data)?;
        Ok(Self { balancer: Balancer::of_gateway(&front, token.as_ref()), front, nodes })
    }

    /// Measures, and then puts everything back as it was.
    async fn compare(
        &mut self,
        config: &CompareConfig,
        signals: &mut StopSignals,
    ) -> Result<Results, CommandError> {
        let algorithm = self.balancer.algorithm().await?;
        let mut loads = Vec::new();
        for node in &self.nodes {
            loads.push(whole(&node.state().await?.load));
        }
        let measured = self.measure(config, signals).await;
        let balanced = self.balancer.set(&algorithm).await;
        let loaded = self.set_loads(|place| loads[place]).await;
        let results = measured?;
        balanced.and(loaded)?;
        Ok(results)
    }

    async fn measure(
        &mut self,
        config: &CompareConfig,
        signals: &mut StopSignals,
    ) -> Result<Results, CommandError> {
        let names = self.nodes.iter().map(|node| node.instance.clone()).collect();
        let mut results = Results::new(config, names)?;
        for round in 0..config.rounds {
            let seed = config.seed.wrapping_add(u64::from(round));
            for (place, algorithm) in config.algorithms.iter().enumerate() {
                self.balancer.set(algorithm.name()).await?;
                // First it gets to know the nodes, and then it counts, on the same waits from their beginning.
                for (duration, counts) in [(warm_up(config, *algorithm), false), (config.duration, true)] {
                    self.set_loads(|place| config.scenario.load(place, seed)).await?;
                    let label = format!("round {} of {}, {algorithm:<19}", round + 1, config.rounds);
                    let plan = plan(config, if counts { label } else { String::new() }, duration, seed);
                    let outcome = self.load(config, plan, signals).await?;
                    let ending = outcome.ending.clone();
                    if counts {
                        results.add(place, outcome)?;
                    }
                    if ending != Ending::Done {
                        results.ended(ending);
                        return Ok(results);
                    }
                }
            }
        }
        Ok(results)
    }

    async fn set_loads(&self, load: impl Fn(usize) -> LoadChange) -> Result<(), CommandError> {
        for (place, node) in self.nodes.iter().enumerate() {
            node.change(false, &load(place)).await?;
        }
        Ok(())
    }

    async fn load(
        &self,
        config: &CompareConfig,
        plan: Plan,
        signals: &mut StopSignals,
    ) -> Result<Outcome, CommandError> {
        let clients = (0..config.clients)
            .map(|number| (HttpChannel::new(self.front.clone()).from(address(number)), Visitor))
            .collect();
        engine::run(clients, plan, signals.next())
            .await
            .map_err(|error| front::not_reached(&self.front, "--data", &error))
    }
}

/// How long an algorithm gets to know the nodes.
fn warm_up(config: &CompareConfig, algorithm: Algorithm) -> Duration {
    let first_choice_ms = if algorithm == Algorithm::Adaptive { 2 * ADAPTIVE_WINDOW_MS } else { 0 };
    config.warm_up.unwrap_or(WARM_UP + Duration::from_millis(first_choice_ms))
}

/// The address of a client of this number: each has its own of the loopback network, as clients elsewhere would have.
fn address(number: u16) -> Ipv4Addr {
    let [high, low] = (number + 2).to_be_bytes();
    Ipv4Addr::new(127, 0, high, low)
}

fn plan(config: &CompareConfig, label: String, duration: Duration, seed: u64) -> Plan {
    let is_shown = !label.is_empty() && io::stderr().is_terminal();
    Plan {
        label,
        pace: Pace::Open { rate_per_s: config.rate_per_s, spread: Spread::Poisson { seed } },
        limits: Limits { requests: None, duration: Some(duration) },
        patience: Duration::from_millis(PATIENCE_MS),
        gives_up: true,
        progress: is_shown.then_some(Goal::Time(duration)),
    }
}

/// Asks a node for its data, again and again.
struct Visitor;

impl Workload for Visitor {
    type Request = HttpRequest;
    type Answer = HttpAnswer;
    type Ticket = ();

    fn next(&mut self) -> Option<((), HttpRequest)> {
        let request =
            HttpRequest { method: "GET", target: "/api/data".into(), headers: Vec::new(), body: Vec::new() };
        Some(((), request))
    }

    fn kind<'t>(&'t self, (): &'t ()) -> &'t str {
        results::KIND
    }

    fn judge(&mut self, (): &(), answer: &Result<HttpAnswer, ExchangeError>, _: Duration) -> Verdict {
        match answer {
            Ok(answer) if answer.status == 200 => Verdict::Good,
            Ok(answer) => Verdict::Failed(format!("status {}", answer.status).into()),
            Err(error) => Verdict::Failed(error.kind.into()),
        }
    }
}
