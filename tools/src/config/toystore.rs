//! The toy store's measurement: what is measured, and where.

use std::path::PathBuf;

use super::{Environment, front};
use crate::address::HostPort;
use crate::cli::load::ToystoreFlags;
use crate::error::CommandError;
use crate::registry::BASE_PORT;

/// The most clients at once.
const CLIENTS_MAX: u16 = 1_000;
/// The most numbers of clients in one run.
const STEPS_MAX: usize = 100;

/// The toy store's measurement.
#[derive(Debug)]
pub(crate) struct ToystoreConfig {
    /// How many clients there are, one number after the other; never empty.
    pub(crate) clients: Vec<u16>,
    /// Products that each client asks for.
    pub(crate) gets: u64,
    /// Orders that each client places.
    pub(crate) posts: u64,
    /// The gateway, where it was named.
    pub(crate) to: Option<HostPort>,
    /// The data folder.
    pub(crate) data: PathBuf,
    /// Where the latencies are drawn to.
    pub(crate) plot: Option<PathBuf>,
    /// Whether the results are JSON.
    pub(crate) json: bool,
}

pub(super) fn toystore(
    flags: ToystoreFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<ToystoreConfig, CommandError> {
    let ToystoreFlags { clients, gets, posts, to, plot, json } = flags;
    if gets == 0 && posts == 0 {
        return Err(CommandError::usage("with --gets 0 and --posts 0 there is nothing to do")
            .next("leave one of them out"));
    }
    let to = match &to {
        Some(text) => Some(HostPort::parse_url(text, BASE_PORT)?),
        None => front(environment)?,
    };
    Ok(ToystoreConfig { clients: client_counts(&clients)?, gets, posts, to, data, plot, json })
}

/// Reads `1..5`, both ends included, or `1,2,5`.
fn client_counts(text: &str) -> Result<Vec<u16>, CommandError> {
    let refuse = |why: String| {
        CommandError::usage(format!("--clients {text:?}: {why}"))
            .next("write a range, as 1..5 (both ends are meant), or a list, as 1,2,5")
    };
    let number = |text: &str| {
        let number = text.trim().parse().ok().filter(|number| (1..=CLIENTS_MAX).contains(number));
        number.ok_or_else(|| refuse(format!("{text:?} is not a number from 1 to {CLIENTS_MAX}")))
    };
    let counts = match text.split_once("..") {
        Some((from, to)) => (number(from)?..=number(to.trim_start_matches('='))?).collect(),
        None => text.split(',').map(number).collect::<Result<Vec<u16>, _>>()?,
    };
    if counts.is_empty() {
        return Err(refuse("the range is empty".into()));
    }
    if counts.len() > STEPS_MAX {
        return Err(refuse(format!("these are more than {STEPS_MAX} numbers")));
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_clients_are_a_range_or_a_list() {
        let check = |text: &str, wanted: Option<&[u16]>| {
            assert_eq!(client_counts(text).ok().as_deref(), wanted, "{text:?}");
        };
        check("1..5", Some(&[1, 2, 3, 4, 5]));
        check("1..=2", Some(&[1, 2]));
        check("4", Some(&[4]));
        check("1, 2,5", Some(&[1, 2, 5]));
        for text in ["", "5..1", "0..2", "1..", "1,,2", "1..1000", "1001", "x"] {
            check(text, None);
        }
    }
}
