//! `micronet service NAME`: one service in the foreground.

use tokio::net::TcpListener;

use crate::address;
use crate::config::ServiceConfig;
use crate::data_folder::DataFolder;
use crate::databases;
use crate::error::CommandError;
use crate::server_process::{self, ReadyLine};
use crate::stop_signal::StopSignal;

/// Runs the service until it is told to stop and has drained.
pub(crate) fn run(config: ServiceConfig) -> Result<(), CommandError> {
    let data = DataFolder::open(&config.data)?;
    let _databases = data.use_databases()?;
    server_process::run(config.supervised, async move |ready, stop| {
        // `up` has prepared every database before it started this process.
        if !config.supervised {
            let demo = databases::settle_demo(&data, config.demo)?;
            databases::prepare_databases(&data, [config.service], demo).await?;
        }
        serve(&config, &data, ready, stop).await
    })
}

/// Serves `config.service` on `config.listen` until `stop` completes, then drains.
///
/// SEAM: to be filled with the transport's server and the service's dispatch. What stays: bind, announce the address
/// that was bound (the port may have been 0), serve, and return when drained.
async fn serve(
    config: &ServiceConfig,
    data: &DataFolder,
    ready: ReadyLine,
    stop: StopSignal,
) -> Result<(), CommandError> {
    let _secret = data.cluster_secret()?;
    tracing::info!(
        service = config.service.name,
        instance = config.instance,
        cluster = config.cluster,
        "starting"
    );
    for (peer, addresses) in config.peers.iter() {
        tracing::info!(peer, addresses = %address::list(addresses), "calls");
    }
    let bound =
        TcpListener::bind(config.listen).await.and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, _listener) =
        bound.map_err(|error| server_process::not_bound(config.listen, &config.instance, &error))?;
    ready.announce(address);
    stop.await;
    Ok(())
}
