//! `micronet shop`: customers of the toy store, over HTTP, with the load engine underneath.

pub(crate) mod answer;
pub(crate) mod catalog;
mod customer;
pub(crate) mod front;
pub(crate) mod request;

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::rc::Rc;

use self::customer::Customer;
use crate::cli::ShopMode;
use crate::config::ShopConfig;
use crate::error::CommandError;
use crate::load::Goal;
use crate::load::engine::{self, Plan};
use crate::load::http::HttpChannel;
use crate::load::report::Report;
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
    let shop = front::find(config.to.as_ref(), &config.data)?;
    let lines = lines(config);
    let shows_progress = lines == Lines::Nowhere && io::stderr().is_terminal();
    let plan = Plan::closed(String::new(), shows_progress.then(|| goal(config)));
    let outcome = server_process::runtime()?.block_on(async {
        let mut signals = StopSignals::listen()
            .map_err(|error| CommandError::new(format!("could not listen for signals: {error}")))?;
        let not_reached = |error| front::not_reached(&shop, "--to", &error);
        let toys: Rc<[String]> = match config.mode {
            ShopMode::Random { .. } => {
                catalog::names(&mut HttpChannel::new(shop.clone())).await.map_err(not_reached)?.into()
            }
            ShopMode::Query { .. } | ShopMode::Buy { .. } => Rc::default(),
        };
        let clients = (0..config.clients)
            .map(|_| {
                let customer = Customer::new(config.mode.clone(), lines, Rc::clone(&toys))?;
                Ok((HttpChannel::new(shop.clone()), customer))
            })
            .collect::<Result<Vec<_>, getrandom::Error>>()
            .map_err(|error| {
                CommandError::new(format!("the operating system gave no randomness: {error}"))
            })?;
        engine::run(clients, plan, signals.next()).await.map_err(not_reached)
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

fn lines(config: &ShopConfig) -> Lines {
    let few = requests_min(config) <= LINES_MAX;
    match (config.json, config.verbose, few) {
        (true, true, _) => Lines::Stderr,
        (true, false, _) | (false, false, false) => Lines::Nowhere,
        (false, true, _) | (false, false, true) => Lines::Stdout,
    }
}

/// How many requests there will be, where that doesn't depend on chance.
fn goal(config: &ShopConfig) -> Goal {
    match config.mode {
        ShopMode::Random { .. } => Goal::Unknown,
        ShopMode::Query { .. } | ShopMode::Buy { .. } => Goal::Requests(requests_min(config)),
    }
}

fn requests_min(config: &ShopConfig) -> u64 {
    let (ShopMode::Query { count, .. } | ShopMode::Buy { count, .. } | ShopMode::Random { count, .. }) =
        config.mode;
    count.saturating_mul(u64::from(config.clients))
}
