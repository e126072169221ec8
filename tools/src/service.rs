//! `micronet service NAME`: one service in the foreground.

use std::rc::Rc;

use micronet_services::once::Keeping;
use micronet_services::run::{self, Environment, StartError};

use crate::config::ServiceConfig;
use crate::data_folder::DataFolder;
use crate::databases;
use crate::discovery;
use crate::error::CommandError;
use crate::identity;
use crate::otlp;
use crate::registration;
use crate::server_process::{self, ReadyLine};
use crate::stop_signal::{Ends, StopSignal};

/// Runs the service until it is told to stop and has drained.
pub(crate) fn run(config: ServiceConfig) -> Result<(), CommandError> {
    let data = DataFolder::open(&config.data)?;
    let _instance = data.lock_instance(&config.instance)?;
    let _databases = data.use_databases()?;
    // `up` warns once, for all that it starts.
    if !config.supervised && config.tls.is_none() {
        server_process::warn_of_exposure(config.listen.ip(), "what passes");
    }
    server_process::run(
        Ends { with_parent: config.supervised, with_terminal: true },
        async move |ready, stop| {
            // `up` has prepared every database before it started this process.
            if !config.supervised {
                let databases = databases::place(&data, config.database.as_ref());
                let demo = databases::settle_demo(&data, &databases, config.demo)?;
                databases::prepare_databases(&databases, [config.service], demo).await?;
            }
            serve(&config, &data, ready, stop).await
        },
    )
}

/// Serves `config.service` on `config.listen` until `stop` completes, then drains.
async fn serve(
    config: &ServiceConfig,
    data: &DataFolder,
    ready: ReadyLine,
    stop: StopSignal,
) -> Result<(), CommandError> {
    let name = config.service.name;
    tracing::info!(service = name, instance = config.instance, cluster = config.cluster, "starting");
    let databases = databases::place(data, config.database.as_ref());
    let identity = identity::of_member(data, config.tls.as_ref(), &config.cluster, name, &config.instance)?;
    let spans = otlp::begin(&identity)?;
    discovery::begin(&config.discovery, &config.peers, &identity.network).await?;
    let environment = Environment {
        demo: databases::settle_demo(data, &databases, config.demo)?,
        database: databases,
        private: Some(data.private(name)),
        redis: config.redis.clone(),
        keeping: Keeping::for_hours(config.tokens_kept_hours),
        identity: Rc::clone(&identity),
        peers: identity::resolve(&config.peers).await?,
    };
    let drain = server_process::drain_at(stop);
    let until = drain.clone();
    let listening = |address| {
        ready.announce(address);
        registration::begin(&config.registration, &identity, address, &until);
    };
    let serving = run::run(name, config.listen, environment, listening, drain);
    let served = serving.await;
    spans.finish().await;
    served.map_err(|error| match error {
        StartError::Listen(address, error) => server_process::not_bound(address, &config.instance, &error),
        other => CommandError::new(format!("{} can't start: {other}", config.instance)),
    })
}
