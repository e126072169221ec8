//! The configuration of `load` with targets, and of `load instance`.

use std::path::PathBuf;
use std::time::Duration;

use super::target::{Ask, Target};
use super::{Command, Environment, TlsConfig, front, tls};
use crate::address::HostPort;
use crate::cli::load::{ArrivalsFlag, InstanceFlags, LoadFlags, LoadScenario, TrafficFlags};
use crate::error::CommandError;
use crate::load::arrivals::Spread;
use crate::load::{Limits, Pace};
use crate::registry::BASE_PORT;

/// Requests of a closed loop that nothing else ends.
const REQUESTS_DEFAULT: u64 = 1_000;
/// How long an open loop lasts that nothing else ends.
const DURATION_DEFAULT: Duration = Duration::from_secs(10);
/// Clients of a closed loop.
const CONCURRENT_CLOSED: u16 = 10;
/// The most requests in flight of an open loop.
const CONCURRENT_OPEN: u16 = 100;

/// How long a connection or an answer may take; longer than the gateway waits for a service, so that its 504 arrives.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// What is asked of whom, how fast, and what has to come of it.
#[derive(Debug)]
pub(crate) struct TrafficConfig {
    /// What is asked; the default mix where it is empty.
    pub(crate) targets: Vec<Target>,
    /// Header fields of HTTP requests.
    pub(crate) headers: Vec<(String, String)>,
    /// The gateway, where it was named.
    pub(crate) to: Option<HostPort>,
    /// Connections to a service, over RPC; one to each instance where that is not said.
    pub(crate) connections: Option<u16>,
    /// Clients at once.
    pub(crate) concurrent: u16,
    /// When requests are due.
    pub(crate) pace: Pace,
    /// When it is over.
    pub(crate) limits: Limits,
    /// How long a connection or an answer may take.
    pub(crate) timeout: Duration,
    /// Where choices come from.
    pub(crate) seed: u64,
    /// What has to come of it.
    pub(crate) bounds: Bounds,
    /// Whether the operator's token stays unused.
    pub(crate) anonymous: bool,
    /// How TLS is spoken over RPC, where that was asked for.
    pub(crate) tls: Option<TlsConfig>,
    /// Where the latencies are drawn to.
    pub(crate) svg: Option<PathBuf>,
    /// Whether the results are JSON.
    pub(crate) json: bool,
    /// The data folder.
    pub(crate) data: PathBuf,
}

/// What makes a run a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Bounds {
    /// More errors than this.
    pub(crate) errors_max: Option<u64>,
    /// A longer 95th percentile.
    pub(crate) p95_max: Option<Duration>,
    /// A longer 99th percentile.
    pub(crate) p99_max: Option<Duration>,
    /// Fewer answers a second.
    pub(crate) rate_per_s_min: Option<f64>,
}

/// Which instance is measured, and how.
#[derive(Debug)]
pub(crate) struct InstanceConfig {
    /// Its name; the first node's, or else product's, where none is given.
    pub(crate) instance: Option<String>,
    /// What is called, where that was said.
    pub(crate) target: Option<Target>,
    /// Requests a second.
    pub(crate) rate_per_s: f64,
    /// For how long, at the rate and at full speed each.
    pub(crate) duration: Duration,
    /// How TLS is spoken, where that was asked for.
    pub(crate) tls: Option<TlsConfig>,
    /// Whether the results are JSON.
    pub(crate) json: bool,
    /// The data folder.
    pub(crate) data: PathBuf,
}

pub(super) fn load(
    flags: LoadFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<Command, CommandError> {
    if flags.scenario.is_some() && flags.traffic != TrafficFlags::default() {
        return Err(CommandError::usage(
            "a target, or a flag of targets, stands before the name of a measurement",
        )
        .next("write flags of `load toystore` and `load instance` behind these words"));
    }
    match flags.scenario {
        None => traffic(flags.traffic, data, environment).map(|config| Command::Load(Box::new(config))),
        Some(LoadScenario::Instance(flags)) => instance(flags, data, environment).map(Command::LoadInstance),
        Some(LoadScenario::Toystore(flags)) => {
            super::toystore::toystore(flags, data, environment).map(Command::LoadToystore)
        }
    }
}

fn traffic(
    flags: TrafficFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<TrafficConfig, CommandError> {
    let targets = Target::parse_all(&flags.targets)?;
    let to = match &flags.to {
        Some(text) => Some(HostPort::parse_url(text, BASE_PORT)?),
        None => front(environment)?,
    };
    let endless = flags.requests.is_none() && flags.duration.is_none();
    let limits = Limits {
        requests: flags.requests.or((endless && flags.rate.is_none()).then_some(REQUESTS_DEFAULT)),
        duration: flags.duration.or((endless && flags.rate.is_some()).then_some(DURATION_DEFAULT)),
    };
    let seed = match flags.seed {
        Some(seed) => seed,
        None => getrandom::u64().map_err(|error| {
            CommandError::new(format!("the operating system gave no randomness: {error}"))
        })?,
    };
    let pace = match flags.rate {
        None => Pace::Closed,
        Some(rate_per_s) => Pace::Open {
            rate_per_s,
            spread: match flags.arrivals {
                None | Some(ArrivalsFlag::Fixed) => Spread::Fixed,
                Some(ArrivalsFlag::Poisson) => Spread::Poisson { seed },
            },
        },
    };
    let concurrent = if pace == Pace::Closed { CONCURRENT_CLOSED } else { CONCURRENT_OPEN };
    Ok(TrafficConfig {
        targets,
        headers: flags.headers.iter().map(|text| header(text)).collect::<Result<_, _>>()?,
        to,
        connections: flags.connections,
        concurrent: flags.concurrent.unwrap_or(concurrent),
        pace,
        limits,
        timeout: flags.timeout.unwrap_or(TIMEOUT_DEFAULT),
        seed,
        bounds: Bounds {
            errors_max: flags.max_errors.or(flags.fail_if_errors.then_some(0)),
            p95_max: flags.max_p95,
            p99_max: flags.max_p99,
            rate_per_s_min: flags.min_rate,
        },
        anonymous: flags.anonymous,
        tls: tls::tls(flags.tls, &data, environment)?,
        svg: flags.svg,
        json: flags.json,
        data,
    })
}

fn instance(
    flags: InstanceFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<InstanceConfig, CommandError> {
    let target = match flags.target {
        None => None,
        Some(text) => {
            let text = if text.starts_with("rpc:") { text } else { format!("rpc:{text}") };
            let target = Target::parse(&text)?;
            if !matches!(target.ask, Ask::Rpc { instance: None, .. }) {
                return Err(CommandError::usage(format!("--target {text:?} names an address"))
                    .next("write SERVICE.METHOD JSON; the instance is the one that is measured"));
            }
            Some(target)
        }
    };
    Ok(InstanceConfig {
        instance: flags.instance.map(|name| super::name("instance", name)).transpose()?,
        target,
        rate_per_s: flags.rate,
        duration: flags.duration,
        tls: tls::tls(flags.tls, &data, environment)?,
        json: flags.json,
        data,
    })
}

/// Reads `NAME: VALUE`.
pub(super) fn header(text: &str) -> Result<(String, String), CommandError> {
    let refuse = |why: &str| {
        CommandError::usage(format!("--header {text:?}: {why}"))
            .next("write NAME: VALUE, as 'Authorization: Bearer secret'")
    };
    let (name, value) = text.split_once(':').ok_or_else(|| refuse("it has no colon"))?;
    let (name, value) = (name.trim(), value.trim());
    // RFC 9110 sections 5.1 and 5.5.
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(refuse("the name is none"));
    }
    if value.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(refuse("the value has control characters"));
    }
    if ["host", "content-length", "connection", "transfer-encoding", "user-agent"]
        .contains(&name.to_ascii_lowercase().as_str())
    {
        return Err(refuse("this field is written already"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_fields_are_read() {
        let check = |text: &str, wanted: Option<(&str, &str)>| {
            let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(header(text).ok(), wanted, "{text:?}");
        };
        check("Accept: text/plain", Some(("Accept", "text/plain")));
        check("X:a:b", Some(("X", "a:b")));
        check("X:", Some(("X", "")));
        for text in ["", "X", ": a", "a b: c", "X: a\r\nY: b", "Host: x", "content-length: 3"] {
            check(text, None);
        }
    }
}
