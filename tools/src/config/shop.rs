//! What a customer of the shop does, and where.

use std::path::PathBuf;

use super::{Environment, front};
use crate::address::HostPort;
use crate::cli::{ShopFlags, ShopMode};
use crate::error::CommandError;
use crate::registry::BASE_PORT;

/// What a customer of the shop does, and where.
#[derive(Debug)]
pub(crate) struct ShopConfig {
    /// What the customer does.
    pub(crate) mode: ShopMode,
    /// How many customers there are at once.
    pub(crate) clients: u16,
    /// The gateway, where it was named; else it is that of the network on the data folder, or the default.
    pub(crate) to: Option<HostPort>,
    /// The data folder.
    pub(crate) data: PathBuf,
    /// Whether the summary is JSON.
    pub(crate) json: bool,
    /// Whether every answer is printed.
    pub(crate) verbose: bool,
}

pub(super) fn shop(
    flags: ShopFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<ShopConfig, CommandError> {
    let to = match &flags.to {
        Some(text) => Some(HostPort::parse_url(text, BASE_PORT)?),
        None => front(environment)?,
    };
    let ShopFlags { mode, clients, json, verbose, .. } = flags;
    Ok(ShopConfig { mode, clients, to, data, json, verbose })
}
