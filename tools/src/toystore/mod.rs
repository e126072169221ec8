//! `micronet load toystore`: the toy store's own measurement, as the original was measured, on the load engine.

mod results;
mod stock;
mod visitor;

use std::fs;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::rc::Rc;

use self::results::{Phase, Results, Step};
use self::stock::Restocker;
use self::visitor::{Errand, Visitor};
use crate::address::HostPort;
use crate::config::ToystoreConfig;
use crate::data_folder::{self, OperatorToken};
use crate::error::CommandError;
use crate::load::Goal;
use crate::load::engine::{self, Ending, Plan};
use crate::load::http::HttpChannel;
use crate::load::tally::Tally;
use crate::server_process;
use crate::shop::{catalog, front};
use crate::stop_signal::{EXIT_INTERRUPTED, StopSignals};
use crate::terminal::{self, Style};

/// Measures, prints and draws. Fails if anything failed; "out of stock" is no failure.
pub(crate) fn run(config: &ToystoreConfig) -> Result<ExitCode, CommandError> {
    let front = front::find(config.to.as_ref(), &config.data)?;
    let token = data_folder::read_operator_token(&config.data)?;
    let results = server_process::runtime()?.block_on(measure(config, &front, token.as_ref()))?;
    if config.json {
        terminal::say(&results.json().to_string());
    } else {
        terminal::say(&results.text(Style::for_stdout()));
    }
    if let Some(path) = &config.plot {
        fs::write(path, results.chart().svg()).map_err(|error| {
            CommandError::new(format!("could not write the plot to {}: {error}", path.display()))
                .next("name another file with --plot")
        })?;
        terminal::note(&format!("drawn to {}", path.display()));
    }
    Ok(match (results.ending(), results.failures()) {
        (Ending::Stopped, _) => ExitCode::from(EXIT_INTERRUPTED),
        (Ending::Done, 0) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

async fn measure(
    config: &ToystoreConfig,
    front: &HostPort,
    token: Option<&OperatorToken>,
) -> Result<Results, CommandError> {
    let mut signals = StopSignals::listen()
        .map_err(|error| CommandError::new(format!("could not listen for signals: {error}")))?;
    let not_reached = |error| front::not_reached(front, "--to", &error);
    let names = catalog::names(&mut HttpChannel::new(front.clone())).await.map_err(not_reached)?;
    let products: Rc<[String]> = names.into();
    let mut restocker = Restocker::new(front, token).map_err(|error| no_randomness(&error))?;
    let mut results = Results::new(front, config, products.len());
    for &clients in &config.clients {
        let mut step = Step::new(clients);
        for (errand, count) in [(Errand::Get, config.gets), (Errand::Order, config.posts)] {
            if count == 0 || results.ending() != Ending::Done {
                continue;
            }
            if errand == Errand::Order {
                // Chance may send all clients for the same product.
                restocker.fill(&products, u64::from(clients) * count).await;
            }
            let visitors = (0..clients)
                .map(|_| {
                    let visitor = Visitor::new(errand, count, Rc::clone(&products))?;
                    Ok((HttpChannel::new(front.clone()), visitor))
                })
                .collect::<Result<Vec<_>, getrandom::Error>>()
                .map_err(|error| no_randomness(&error))?;
            let goal = Goal::Requests(u64::from(clients).saturating_mul(count));
            let label = format!("{clients:>3} at once, {:<4}", errand.name());
            let plan = Plan::closed(label, io::stderr().is_terminal().then_some(goal));
            let mut outcome = engine::run(visitors, plan, signals.next()).await.map_err(not_reached)?;
            let tally = match outcome.tallies.remove(errand.name()) {
                Some(tally) => tally,
                None => Tally::new().map_err(|error| CommandError::new(format!("no histogram: {error}")))?,
            };
            results.ended(outcome.ending);
            step.add(errand, Phase { tally, elapsed: outcome.elapsed });
        }
        results.add(step);
        if results.ending() != Ending::Done {
            break;
        }
    }
    results.restocked(restocker.outcome());
    Ok(results)
}

fn no_randomness(error: &getrandom::Error) -> CommandError {
    CommandError::new(format!("the operating system gave no randomness: {error}"))
}
