//! `micronet bench serve`: the server that is measured. An instance as every other, whose service does almost nothing.

pub(crate) mod api;
mod polled;
mod service;

use std::io;
use std::rc::Rc;

use micronet_transport::identity::Identity;
use micronet_transport::mio::server::SyncServer;
use micronet_transport::{clock, server, socket};
use micronet_wire::builtin::WithBuiltin;
use micronet_wire::schema::Timestamp;
use tokio::sync::oneshot;

use self::api::BenchServer;
use self::polled::Polled;
use self::service::BenchService;
use crate::config::BenchServeConfig;
use crate::data_folder::DataFolder;
use crate::error::CommandError;
use crate::identity;
use crate::otlp;
use crate::registry::BENCH;
use crate::server_process::{self, ReadyLine};
use crate::stop_signal::{Ends, StopSignal};

/// Serves until it is told to stop and has drained.
pub(crate) fn run(config: BenchServeConfig) -> Result<(), CommandError> {
    let data = DataFolder::open(&config.data)?;
    let _instance = data.lock_instance(&config.instance)?;
    if config.tls.is_none() {
        server_process::warn_of_exposure(config.listen.ip(), "what passes");
    }
    let ends = Ends { with_parent: config.supervised, with_terminal: true };
    server_process::run(ends, async move |ready, stop| {
        tracing::info!(instance = config.instance, cluster = config.cluster, "starting");
        if config.is_sync {
            serve_sync(config, data, ready, stop).await
        } else {
            serve(&config, &data, ready, stop).await
        }
    })
}

fn identity(config: &BenchServeConfig, data: &DataFolder) -> Result<Rc<Identity>, CommandError> {
    identity::of_member(data, config.tls.as_ref(), &config.cluster, BENCH, &config.instance)
}

fn service(config: &BenchServeConfig) -> Result<WithBuiltin<BenchServer<BenchService>>, CommandError> {
    let own = BenchServer::new(BenchService { stalls: config.stalls });
    let (instance, started) = (&config.instance, Timestamp(clock::unix_us()));
    own.and_then(|own| WithBuiltin::new(own, instance, env!("CARGO_PKG_VERSION"), started))
        .map_err(|error| CommandError::new(format!("{instance} can't start: {error}")))
}

fn not_bound(config: &BenchServeConfig, error: &io::Error) -> CommandError {
    server_process::not_bound(config.listen, &config.instance, error)
}

async fn serve(
    config: &BenchServeConfig,
    data: &DataFolder,
    ready: ReadyLine,
    stop: StopSignal,
) -> Result<(), CommandError> {
    let (identity, service) = (identity(config, data)?, service(config)?);
    let listener = socket::listen(config.listen).map_err(|error| not_bound(config, &error))?;
    let spans = otlp::begin(&identity)?;
    ready.announce(listener.local_addr().map_err(|error| not_bound(config, &error))?);
    server::serve(listener, Rc::new(service), identity, server_process::drain_at(stop)).await;
    spans.finish().await;
    Ok(())
}

/// All calls are answered on a thread of their own; the runtime of this one waits for the signal, and does nothing else.
async fn serve_sync(
    config: BenchServeConfig,
    data: DataFolder,
    ready: ReadyLine,
    stop: StopSignal,
) -> Result<(), CommandError> {
    let (started, starting) = oneshot::channel();
    let serving = tokio::task::spawn_blocking(move || {
        let (identity, service) = (identity(&config, &data)?, service(&config)?);
        let server = SyncServer::bind(config.listen, Polled(service), &identity);
        let mut server = server.map_err(|error| not_bound(&config, &error))?;
        server.spin(config.spins);
        // Whoever doesn't hear it has ended.
        let _ = started.send((server.address(), server.stop_handle()));
        server.run().map_err(|error| CommandError::new(format!("{} failed: {error}", config.instance)))
    });
    if let Ok((address, handle)) = starting.await {
        ready.announce(address);
        stop.await;
        handle.drain().map_err(|error| CommandError::new(format!("it can't be told to drain: {error}")))?;
    }
    serving.await.map_err(|error| CommandError::new(error.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::api::{Accepted, Item};
    use super::service::accepted;
    use micronet_wire::schema::Decimal;

    #[test]
    fn an_item_comes_back_with_what_became_of_it() {
        let item = Item { id: 12_345, name: "widget-alpha".into(), amount: Decimal(1_995), active: true };
        let Accepted { id, amount, status, note, .. } = accepted(item);
        assert_eq!((id, amount, status.as_str(), note.len()), (12_345, Decimal(1_995), "accepted", 20));
    }
}
