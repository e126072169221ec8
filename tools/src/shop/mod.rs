//! `micronet shop`: customers of the toy store, over HTTP, with the load engine underneath.

mod answer;
mod customer;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use self::customer::Customer;
use crate::address::HostPort;
use crate::cli::ShopMode;
use crate::config::ShopConfig;
use crate::error::CommandError;
use crate::load::Pace;
use crate::load::engine::{self, ExchangeError, Plan};
use crate::load::http::HttpChannel;
use crate::load::report::Report;
use crate::network_file::NetworkFile;
use crate::registry::{BASE_PORT, GATEWAY};
use crate::server_process;
use crate::stop_signal::{EXIT_INTERRUPTED, StopSignals};
use crate::terminal::{self, Style};

/// Up to this many answers are printed one by one; more are only summed up.
const LINES_MAX: u64 = 20;

/// Where answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lines {
    Stdout,
    Stderr,
    Nowhere,
}

/// Runs the customers and prints the summary. Fails if something failed; the shop's own "no" is no failure.
pub(crate) fn run(config: &ShopConfig) -> Result<ExitCode, CommandError> {
    let shop = find(config)?;
    let lines = lines(config);
    let clients = (0..config.clients)
        .map(|_| Ok((HttpChannel::new(shop.clone()), Customer::new(config.mode.clone(), lines)?)))
        .collect::<Result<Vec<_>, getrandom::Error>>()
        .map_err(|error| CommandError::new(format!("the operating system gave no randomness: {error}")))?;
    let plan = Plan {
        pace: Pace::Closed,
        requests_expected: expected(config),
        show_progress: lines == Lines::Nowhere && io::stderr().is_terminal(),
    };
    let outcome = server_process::runtime()?.block_on(async {
        let mut signals = StopSignals::listen()
            .map_err(|error| CommandError::new(format!("could not listen for signals: {error}")))?;
        engine::run(clients, plan, signals.next()).await.map_err(|error| not_reached(&shop, &error))
    })?;
    let report = Report::new(outcome);
    terminal::say(&if config.json {
        report.json().to_string()
    } else {
        let gap = if lines == Lines::Nowhere { "" } else { "\n" };
        format!("{gap}{}", report.text(Style::for_stdout()))
    });
    Ok(match (report.interrupted(), report.failures()) {
        (true, _) => ExitCode::from(EXIT_INTERRUPTED),
        (false, 0) => ExitCode::SUCCESS,
        (false, _) => ExitCode::FAILURE,
    })
}

/// The gateway: as named, else that of the running network, else the default.
fn find(config: &ShopConfig) -> Result<HostPort, CommandError> {
    if let Some(named) = &config.to {
        return Ok(named.clone());
    }
    let network = NetworkFile::of_running_network(&config.data)?;
    let gateway = network.as_ref().and_then(|network| network.first(GATEWAY));
    Ok(gateway.map_or_else(|| HostPort::new("localhost", BASE_PORT), |entry| entry.address.into()))
}

fn lines(config: &ShopConfig) -> Lines {
    let few = requests_min(config) <= LINES_MAX;
    match (config.json, config.verbose, few) {
        (true, true, _) => Lines::Stderr,
        (true, false, _) | (false, false, false) => Lines::Nowhere,
        (false, true, _) | (false, false, true) => Lines::Stdout,
    }
}

/// How many requests there will be, where that doesn't depend on chance.
fn expected(config: &ShopConfig) -> Option<u64> {
    (!matches!(config.mode, ShopMode::Random { .. })).then(|| requests_min(config))
}

fn requests_min(config: &ShopConfig) -> u64 {
    let (ShopMode::Query { count, .. } | ShopMode::Buy { count, .. } | ShopMode::Random { count, .. }) =
        config.mode;
    count.saturating_mul(u64::from(config.clients))
}

fn not_reached(shop: &HostPort, error: &ExchangeError) -> CommandError {
    CommandError::new(format!("nobody answers at {shop} ({})", error.detail)).next(
        "start the network with `micronet up`, or say where its gateway is: --to HOST:PORT, or --data DIR for the \
         network of that data folder",
    )
}
