//! What is done in the load-balancing lab.

use std::path::PathBuf;
use std::time::Duration;

use micronet_services::node::api::{Delay, LoadChange};
use micronet_transport::balance::Algorithm;
use micronet_wire::schema::Decimal;

use crate::cli::lab::{CompareFlags, LabAction, LabFlags, LabLoadFlags};
use crate::error::CommandError;
use crate::lab::compare::scenario::Scenario;

/// What is done in the lab.
#[derive(Debug)]
pub(crate) enum LabConfig {
    /// Balancing algorithms are compared.
    Compare(CompareConfig),
    /// Loads are shown or set.
    Load(LabLoadConfig),
}

/// How algorithms are compared.
#[derive(Debug)]
pub(crate) struct CompareConfig {
    /// The data folder of the network.
    pub(crate) data: PathBuf,
    /// How the nodes do.
    pub(crate) scenario: Scenario,
    /// The algorithms, in the order in which they take turns.
    pub(crate) algorithms: Vec<Algorithm>,
    /// Requests a second.
    pub(crate) rate_per_s: f64,
    /// For how long each algorithm is measured in a round.
    pub(crate) duration: Duration,
    /// For how long it runs before that, where that was said.
    pub(crate) warm_up: Option<Duration>,
    /// How often all have their turn.
    pub(crate) rounds: u32,
    /// Clients, each with an address of its own.
    pub(crate) clients: u16,
    /// What arrivals and waits come from.
    pub(crate) seed: u64,
    /// Whether a lab of its own is started also where a network runs.
    pub(crate) own: bool,
    /// Where the latencies are drawn to.
    pub(crate) svg: Option<PathBuf>,
    /// Whether the results are JSON.
    pub(crate) json: bool,
}

/// Which loads are shown or set.
#[derive(Debug)]
pub(crate) struct LabLoadConfig {
    /// The data folder of the network.
    pub(crate) data: PathBuf,
    /// The nodes that are meant; all, where none is named.
    pub(crate) instances: Vec<String>,
    /// Whether they get the load back that they started with.
    pub(crate) reset: bool,
    /// What changes then; None shows only.
    pub(crate) change: Option<LoadChange>,
    /// Whether the nodes are printed as JSON.
    pub(crate) json: bool,
}

pub(super) fn lab(flags: LabFlags, data: PathBuf) -> Result<LabConfig, CommandError> {
    match flags.action {
        LabAction::Compare(flags) => Ok(LabConfig::Compare(compare(flags, data))),
        LabAction::Load(flags) => load(flags, data).map(LabConfig::Load),
    }
}

fn compare(flags: CompareFlags, data: PathBuf) -> CompareConfig {
    let algorithms = if flags.algorithms.is_empty() { Algorithm::ALL.to_vec() } else { flags.algorithms };
    CompareConfig {
        data,
        scenario: flags.scenario,
        algorithms,
        rate_per_s: flags.rate.into(),
        duration: flags.duration,
        warm_up: flags.warm_up,
        rounds: flags.rounds,
        clients: flags.clients,
        seed: flags.seed,
        own: flags.own,
        svg: flags.svg,
        json: flags.json,
    }
}

fn load(flags: LabLoadFlags, data: PathBuf) -> Result<LabLoadConfig, CommandError> {
    let LabLoadFlags { instances, work, delay, errors, slower, slow, flap, payload, seed, reset, json } =
        flags;
    let change = LoadChange {
        work_us: work,
        delay: delay.as_deref().map(read_delay).transpose()?,
        errors_per_mille: errors,
        slow_per_mille: slow,
        slower,
        flap_ms: flap,
        payload_bytes: payload,
        seed,
    };
    let change = (reset || change != LoadChange::default()).then_some(change);
    if change.is_some() && instances.is_empty() {
        return Err(CommandError::usage("which node gets this load?")
            .next("name it, as micronet lab load node-2 --slower 10"));
    }
    Ok(LabLoadConfig { data, instances, reset, change, json })
}

/// Reads a distribution, as `lognormal:4ms,0.5`.
fn read_delay(text: &str) -> Result<Delay, CommandError> {
    delay(text).ok_or_else(|| {
        CommandError::usage(format!("--delay {text:?} is no distribution"))
            .next("write one as fixed:3ms or lognormal:4ms,0.5; `micronet lab load --help` lists them")
    })
}

fn delay(text: &str) -> Option<Delay> {
    let Some((kind, parameters)) = text.split_once(':') else {
        return (text == "none").then_some(Delay::None);
    };
    let with_shape = || {
        let (time, shape) = parameters.split_once(',')?;
        Some((microseconds(time)?, thousandths(shape)?))
    };
    match kind {
        "fixed" => Some(Delay::Fixed { us: microseconds(parameters)? }),
        "uniform" => {
            let (from, to) = parameters.split_once("..")?;
            Some(Delay::Uniform { from_us: microseconds(from)?, to_us: microseconds(to)? })
        }
        "exponential" => Some(Delay::Exponential { mean_us: microseconds(parameters)? }),
        "lognormal" => with_shape().map(|(median_us, sigma)| Delay::Lognormal { median_us, sigma }),
        "pareto" => with_shape().map(|(least_us, shape)| Delay::Pareto { least_us, shape }),
        _ => None,
    }
}

/// Reads `500us`, `3ms` or `1s`.
fn microseconds(text: &str) -> Option<u32> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        _ => return None,
    };
    digits.parse::<u32>().ok()?.checked_mul(unit)
}

/// Reads a number with up to three places behind the point.
fn thousandths(text: &str) -> Option<Decimal<3>> {
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(places) || places.len() > 3 {
        return None;
    }
    format!("{whole}{places:0<3}").parse().ok().map(Decimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_read() {
        let check = |text: &str, wanted: Option<Delay>| assert_eq!(delay(text), wanted, "{text:?}");
        check("none", Some(Delay::None));
        check("fixed:3ms", Some(Delay::Fixed { us: 3_000 }));
        check("uniform:500us..1s", Some(Delay::Uniform { from_us: 500, to_us: 1_000_000 }));
        check("exponential:2ms", Some(Delay::Exponential { mean_us: 2_000 }));
        let lognormal = |sigma| Some(Delay::Lognormal { median_us: 4_000, sigma: Decimal(sigma) });
        check("lognormal:4ms,0.5", lognormal(500));
        check("lognormal:4ms,1", lognormal(1_000));
        check("lognormal:4ms,1.125", lognormal(1_125));
        check("pareto:4ms,2.5", Some(Delay::Pareto { least_us: 4_000, shape: Decimal(2_500) }));
        for text in [
            "",
            "fixed",
            "fixed:3",
            "fixed:ms",
            "fixed:3 ms",
            "uniform:1ms",
            "pareto:4ms",
            "pareto:4ms,",
            "pareto:4ms,-1",
            "pareto:4ms,1.2345",
            "pareto:4ms,1e3",
            "weibull:4ms,2",
            "fixed:9999s",
        ] {
            check(text, None);
        }
    }
}
