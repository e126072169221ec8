//! The configuration of `bench serve`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::address;
use crate::cli::bench::serve::BenchServeFlags;
use crate::config::exposure::check_exposure;
use crate::config::{Environment, TlsConfig, cluster, name, tls};
use crate::error::CommandError;

/// The server that is measured.
#[derive(Debug)]
pub(crate) struct BenchServeConfig {
    /// The data folder.
    pub(crate) data: PathBuf,
    /// The instance's name.
    pub(crate) instance: String,
    /// The cluster's name.
    pub(crate) cluster: String,
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// By which driver.
    pub(crate) is_sync: bool,
    /// Whether that asks for bytes again and again instead of sleeping.
    pub(crate) spins: bool,
    /// Whether callers may make it stand still.
    pub(crate) stalls: bool,
    /// How it speaks TLS, if it does.
    pub(crate) tls: Option<TlsConfig>,
    /// Whether it ends with its parent.
    pub(crate) supervised: bool,
}

pub(super) fn serve(
    flags: BenchServeFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<BenchServeConfig, CommandError> {
    let tls = tls::tls(flags.tls, &data, environment)?;
    let listen = match flags.listen {
        Some(text) => address::parse_listen(&text, flags.port)?,
        None => (Ipv4Addr::LOCALHOST, flags.port).into(),
    };
    if tls.is_none() {
        check_exposure(listen.ip(), &flags.exposure, None)?;
    }
    Ok(BenchServeConfig {
        data,
        instance: name("instance", flags.instance)?,
        cluster: cluster(flags.exposure)?,
        listen,
        is_sync: flags.sync,
        spins: flags.spin,
        stalls: flags.stall,
        tls,
        supervised: flags.supervised,
    })
}
