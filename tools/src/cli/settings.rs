//! The flags that say what is configured of a gateway's edge.

use std::path::PathBuf;

use clap::Args;

/// The flags of `gateway`.
#[derive(Debug, Default, Args)]
pub(crate) struct ConfigFlags {
    /// A file of TOML with the settings of its edge, a table for each part; gateway/README.md describes it. It is read again at SIGHUP, and
    /// by `micronet reload gateway`
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Speak HTTPS, with this instance's certificate in the folder of certificates where the file's table `tls` names none
    #[arg(long)]
    pub(crate) https: bool,
}

/// The flags of `up`.
#[derive(Debug, Default, Args)]
pub(crate) struct GatewayConfigFlags {
    /// A file of TOML with the settings of the gateway's edge, a table for each part; gateway/README.md describes it
    #[arg(long, value_name = "FILE")]
    pub(crate) gateway_config: Option<PathBuf>,
    /// Have the gateway speak HTTPS, with a certificate of the cluster's own CA where the file's table `tls` names none
    #[arg(long)]
    pub(crate) https: bool,
}
