//! `micronet load`: traffic of any kind, on the load engine. `instance` measures one instance beside what is aimed at.

mod bounds;
mod defaults;
pub(crate) mod instance;
mod mix;
mod prepare;
mod results;
mod usage;
mod way;

use std::fs;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use self::mix::{Draw, Mix};
use self::prepare::Surroundings;
use self::results::Results;
use self::way::Way;
use crate::config::TrafficConfig;
use crate::config::target::Target;
use crate::error::CommandError;
use crate::load::engine::{self, ExchangeError, Outcome, Plan};
use crate::load::{Goal, Limits};
use crate::network_file::NetworkFile;
use crate::server_process;
use crate::shop::front;
use crate::stop_signal::{EXIT_INTERRUPTED, StopSignals};
use crate::terminal::{self, Style};

/// Makes the traffic, prints what came of it, and draws it. Fails if there was no answer, or a bound was broken.
pub(crate) fn run(config: &TrafficConfig) -> Result<ExitCode, CommandError> {
    let results = server_process::runtime()?.block_on(measure(config))?;
    if config.json {
        terminal::say(&results.json().to_string());
    } else {
        terminal::say(&results.text(Style::for_stdout()));
    }
    if let Some(path) = &config.svg {
        fs::write(path, results.over_time().svg()).map_err(|error| {
            CommandError::new(format!("could not write the drawing to {}: {error}", path.display()))
                .next("name another file with --svg")
        })?;
        terminal::note(&format!("drawn to {}", path.display()));
    }
    Ok(if results.interrupted() {
        ExitCode::from(EXIT_INTERRUPTED)
    } else if results.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn measure(config: &TrafficConfig) -> Result<Results, CommandError> {
    let mut signals = StopSignals::listen()
        .map_err(|error| CommandError::new(format!("could not listen for signals: {error}")))?;
    let gateway = front::find(config.to.as_ref(), &config.data)?;
    let targets = if config.targets.is_empty() {
        let network = match config.to {
            Some(_) => None,
            None => NetworkFile::of_running_network(&config.data)?,
        };
        let mix = defaults::mix(&gateway, network.as_ref()).await;
        mix.map_err(|error| front::not_reached(&gateway, "--to", &error))?
    } else {
        config.targets.clone()
    };
    if targets.is_empty() {
        return Err(CommandError::usage("the running network has nothing that is asked by default")
            .next("name a target, as /path; see micronet load --help"));
    }
    let surroundings = Surroundings {
        gateway: &gateway,
        headers: &config.headers,
        connections: config.connections,
        timeout: config.timeout,
        tls: config.tls.as_ref(),
        anonymous: config.anonymous,
        data: &config.data,
    };
    let plan = Rc::new(prepare::plan(&targets, &surroundings).await?);
    let engine_plan = Plan {
        pace: config.pace,
        limits: config.limits,
        patience: config.timeout,
        gives_up: false,
        ..Plan::closed(String::new(), io::stderr().is_terminal().then(|| goal(config.limits)))
    };
    let clients = Clients { plan, targets: &targets, count: config.concurrent.into(), seed: config.seed };
    let outcome = clients.run(engine_plan, config.timeout, signals.next()).await?;
    Ok(Results::new(outcome, config, &targets))
}

/// Who asks what.
struct Clients<'a> {
    plan: Rc<way::Plan>,
    targets: &'a [Target],
    count: usize,
    seed: u64,
}

impl Clients<'_> {
    async fn run(&self, plan: Plan, patience: Duration, stop: impl Future) -> Result<Outcome, CommandError> {
        let ways = (0..self.count).map(|place| Way::new(&self.plan, place, patience));
        let mixes = Mix::of_clients(Draw::new(self.targets, self.seed), self.count);
        let clients = ways.zip(mixes).map(|(way, mix)| Ok((way?, mix)));
        let clients = clients.collect::<Result<Vec<_>, getrandom::Error>>().map_err(|error| {
            CommandError::new(format!("the operating system gave no randomness: {error}"))
        })?;
        engine::run(clients, plan, stop).await.map_err(|error| not_reached(&error))
    }
}

fn not_reached(error: &ExchangeError) -> CommandError {
    CommandError::new(format!("a server can't be reached: {error}")).next(
        "start the network with `micronet up`, or say where it is: --to HOST:PORT, or --data DIR for the network of \
         that data folder",
    )
}

/// What progress is shown towards: the limit that is known to end the run.
fn goal(limits: Limits) -> Goal {
    match limits {
        Limits { requests: Some(requests), duration: None } => Goal::Requests(requests),
        Limits { duration: Some(duration), .. } => Goal::Time(duration),
        Limits { requests: None, duration: None } => Goal::Unknown,
    }
}
