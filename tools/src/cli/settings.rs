//! The flags that name the file of the gateway's settings.

use std::path::PathBuf;

use clap::Args;

/// The flag of `gateway`.
#[derive(Debug, Default, Args)]
pub(crate) struct ConfigFlag {
    /// A file of TOML with the settings of its edge, a table for each part; README describes it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// The flag of `up`.
#[derive(Debug, Default, Args)]
pub(crate) struct GatewayConfigFlag {
    /// A file of TOML with the settings of the gateway's edge, a table for each part; README describes it
    #[arg(long, value_name = "FILE")]
    pub(crate) gateway_config: Option<PathBuf>,
}
