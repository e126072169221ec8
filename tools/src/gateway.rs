//! `micronet gateway`: the gateway in the foreground.

use tokio::net::TcpListener;

use crate::address;
use crate::config::GatewayConfig;
use crate::data_folder::DataFolder;
use crate::error::CommandError;
use crate::server_process::{self, ReadyLine};
use crate::stop_signal::StopSignal;

/// Runs the gateway until it is told to stop and has drained.
pub(crate) fn run(config: GatewayConfig) -> Result<(), CommandError> {
    let data = DataFolder::open(&config.data)?;
    server_process::run(config.supervised, async move |ready, stop| serve(&config, &data, ready, stop).await)
}

/// Serves HTTP on `config.listen` until `stop` completes, then drains.
///
/// SEAM: to be filled with the gateway. What stays: bind, announce the address that was bound (the port may have been
/// 0), serve, and return when drained.
async fn serve(
    config: &GatewayConfig,
    data: &DataFolder,
    ready: ReadyLine,
    stop: StopSignal,
) -> Result<(), CommandError> {
    let _secret = data.cluster_secret()?;
    let _operator = data.operator_token()?;
    tracing::info!(instance = config.instance, cluster = config.cluster, "starting");
    for (peer, addresses) in config.peers.iter() {
        tracing::info!(peer, addresses = %address::list(addresses), "calls");
    }
    let bound =
        TcpListener::bind(config.listen).await.and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, _listener) =
        bound.map_err(|error| server_process::not_bound(config.listen, &config.instance, &error))?;
    if let Some(front) = &config.front {
        tracing::info!(%front, "clients use this address");
    }
    ready.announce(address);
    stop.await;
    Ok(())
}
