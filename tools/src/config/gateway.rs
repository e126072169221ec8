//! The configuration of `gateway`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{
    DiscoveryConfig, Environment, L4Config, L4Target, OF_PLAIN_TCP, OF_THE_GATEWAY, Peers, SettingsFile,
    TlsConfig, check_exposure, cluster, elsewhere, front, listen, name, redis::redis, tls,
};
use micronet_gateway::rates::RedisAt;
use micronet_gateway::settings::Source;
use micronet_gateway::stats::Regions;

use crate::address::{self, HostPort};
use crate::cli::gateway::GatewayFlags;
use crate::error::CommandError;
use crate::registry::{BASE_PORT, rpc_port_of_gateway};

/// What the gateway's process needs to know.
#[derive(Debug)]
pub(crate) struct GatewayConfig {
    /// The instance's name.
    pub(crate) instance: String,
    /// The cluster's name.
    pub(crate) cluster: String,
    /// Where it listens for HTTP; port 0 is a free one.
    pub(crate) listen: SocketAddr,
    /// Where it listens for RPC; port 0 is a free one.
    pub(crate) rpc: SocketAddr,
    /// Its own address as clients use it, where it was told.
    pub(crate) front: Option<HostPort>,
    /// The services behind it.
    pub(crate) peers: Peers,
    /// How else it finds them.
    pub(crate) discovery: DiscoveryConfig,
    /// Where clients are, by their addresses.
    pub(crate) regions: Regions,
    /// Whether it answers the paths that serve its examination.
    pub(crate) debug_routes: bool,
    /// Where Redis is, if it shares its rate limits.
    pub(crate) redis: Option<RedisAt>,
    /// What is configured of its edge.
    pub(crate) settings: SettingsFile,
    /// What it passes through.
    pub(crate) l4: L4Config,
    /// The data folder.
    pub(crate) data: PathBuf,
    /// How it speaks TLS to services, if it does.
    pub(crate) tls: Option<TlsConfig>,
    /// Whether `up` started it: then it ends when its stdin closes.
    pub(crate) supervised: bool,
    /// Whether its parent hands it listening sockets.
    pub(crate) inherits: bool,
}

pub(super) fn gateway(
    flags: GatewayFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<GatewayConfig, CommandError> {
    let tls = tls::tls(flags.tls, &data, environment)?;
    let listen = listen(flags.listen.as_deref(), BASE_PORT)?;
    let instance = name("instance", flags.instance)?;
    let certificate = flags.config.https.then(|| tls::of_gateway(tls.as_ref(), &data, &instance));
    let settings = SettingsFile::read(Source { file: flags.config.config, certificate }, "--config")?;
    if !settings.is_https() {
        check_exposure(listen.ip(), &flags.exposure, tls.is_some().then_some(OF_THE_GATEWAY))?;
    }
    let rpc_port = rpc_port_of_gateway(listen.port());
    let rpc = match &flags.rpc {
        Some(text) => address::parse_listen(text, rpc_port)?,
        None => SocketAddr::new(listen.ip(), rpc_port),
    };
    if tls.is_none() {
        check_exposure(rpc.ip(), &flags.exposure, None)?;
    }
    let discovery = DiscoveryConfig::new(flags.discovery)?;
    let peers = Peers::of_gateway(&flags.peers, &discovery, elsewhere(flags.supervised, environment))?;
    let l4 = L4Config::new(&flags.l4, listen.ip(), &peers)?;
    for port in &l4.ports {
        // A service that speaks TLS protects what passes through, too.
        if tls.is_none() || matches!(port.target, L4Target::Addresses(_)) {
            check_exposure(port.listen.ip(), &flags.exposure, tls.is_some().then_some(OF_PLAIN_TCP))?;
        }
    }
    Ok(GatewayConfig {
        l4,
        discovery,
        instance,
        tls,
        listen,
        rpc,
        cluster: cluster(flags.exposure)?,
        front: front(environment)?,
        settings,
        redis: redis(flags.redis, environment)?,
        regions: regions(flags.regions.as_deref())?,
        debug_routes: flags.debug_routes,
        peers,
        data,
        supervised: flags.supervised,
        inherits: flags.inherit,
    })
}

/// Reads a table of regions.
fn regions(path: Option<&Path>) -> Result<Regions, CommandError> {
    let Some(path) = path else { return Ok(Regions::default()) };
    let refuse = |why: String| {
        CommandError::usage(format!("--regions {}: {why}", path.display()))
            .next("write a line for each network, as `10.1.0.0/16 eu-west`")
    };
    let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    text.parse().map_err(|error: micronet_gateway::stats::BadRegions| refuse(error.to_string()))
}
