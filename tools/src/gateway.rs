//! `micronet gateway`: the gateway in the foreground.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use micronet_gateway::accept;
use micronet_gateway::config::{Config, Gateway};
use micronet_gateway::l4::{self, VirtualPort};
use micronet_gateway::redirect;
use micronet_transport::drain::Drain;
use micronet_transport::identity::Identity;
use micronet_transport::server;
use micronet_transport::tasks;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::address::reachable;
use crate::config::{GatewayConfig, L4Config, L4Port, L4Target};
use crate::data_folder::DataFolder;
use crate::discovery;
use crate::error::CommandError;
use crate::identity;
use crate::inherited::Inherited;
use crate::otlp;
use crate::registry::GATEWAY;
use crate::server_process::{self, DRAINING_LINE, ReadyLine};
use crate::stop_signal::{Ends, StopSignal};
use crate::terminal;

/// Runs the gateway until it is told to stop and has drained.
pub(crate) fn run(config: GatewayConfig) -> Result<(), CommandError> {
    let data = DataFolder::open(&config.data)?;
    // `up` warns once, for all that it starts.
    if !config.supervised && !config.settings.is_https() {
        server_process::warn_of_exposure(config.listen.ip(), "what passes");
    }
    // By stdin, before anything else is read from it.
    let inherited = match config.inherits {
        true => Inherited::from_parent().map_err(|error| {
            CommandError::new(format!("the parent's sockets could not be taken over: {error}"))
        })?,
        false => Inherited::from_systemd()?,
    };
    let reloads = config.settings.source.is_some();
    let ends = Ends { with_parent: config.supervised, with_terminal: !reloads };
    server_process::run(ends, async move |ready, stop| serve(&config, &data, inherited, ready, stop).await)
}

/// Serves HTTP on `config.listen` until `stop` completes, then drains.
async fn serve(
    config: &GatewayConfig,
    data: &DataFolder,
    inherited: Inherited,
    ready: ReadyLine,
    stop: StopSignal,
) -> Result<(), CommandError> {
    tracing::info!(instance = config.instance, cluster = config.cluster, "starting");
    let not_bound = |error: io::Error| server_process::not_bound(config.listen, &config.instance, &error);
    let listener = inherited.listen(config.listen).map_err(not_bound)?;
    let address = listener.local_addr().map_err(not_bound)?;
    let rpc_not_bound = |error: io::Error| {
        CommandError::new(format!("{} can't listen for RPC on {}: {error}", config.instance, config.rpc))
            .next("stop what listens there, or choose another address with --rpc")
    };
    let rpc_listener = inherited.listen(config.rpc).map_err(rpc_not_bound)?;
    let rpc_address = rpc_listener.local_addr().map_err(rpc_not_bound)?;
    let redirect = config.settings.settings.tls.redirect;
    let redirect = redirect.map(|address| listen_for_plaintext(address, &inherited)).transpose()?;
    let identity =
        identity::of_member(data, config.tls.as_ref(), &config.cluster, GATEWAY, &config.instance)?;
    let spans = otlp::begin(&identity)?;
    let virtual_ports = open_virtual_ports(&config.l4, &inherited, &identity).await?;
    inherited.refuse_others()?;
    discovery::begin(&config.discovery, &config.peers, &identity.network).await?;
    let gateway = Gateway::start(&Config {
        identity: Rc::clone(&identity),
        peers: identity::resolve(&config.peers).await?,
        http: Some(reachable(address)),
        regions: config.regions.clone(),
        debug_routes: config.debug_routes,
        audit: Some(data.audit()),
        redis: config.redis.clone(),
        settings: config.settings.settings.clone(),
        source: config.settings.source.clone(),
    })
    .map_err(|error| CommandError::new(error.to_string()))?;
    if gateway.can_reload() {
        reload_on_signal(&gateway)?;
    }
    if let Some(front) = &config.front {
        tracing::info!(%front, "clients use this address");
    }
    // Each service gets its first chance before a client is answered that it is away.
    gateway.tried().await;
    ready.announce(address);
    terminal::say(&format!("RPC on {rpc_address}"));
    let drain = server_process::drain_at(stop);
    let rpc = server::serve(rpc_listener, gateway.service(), identity, drain.clone());
    let mut passing = JoinSet::new();
    for (port, listener) in virtual_ports {
        gateway.opened(Rc::clone(&port));
        passing.spawn_local(tasks::named("virtual port", port.serve(listener, drain.clone())));
    }
    if let Some(redirect) = redirect {
        passing.spawn_local(tasks::named(
            "port that redirects",
            redirect::serve(redirect, Rc::clone(&gateway), address, drain.clone()),
        ));
    }
    if config.inherits {
        passing.spawn_local(tasks::named("word to the parent", tell_parent(drain.clone())));
    }
    tokio::join!(accept::serve(listener, Rc::clone(&gateway), drain), rpc, passing.join_all());
    tokio::join!(spans.finish(), gateway.finish());
    Ok(())
}

/// Tells the parent that all that comes to the sockets from now on is the next process's.
async fn tell_parent(mut drain: Drain) {
    drain.begun().await;
    // Whoever accepts has heard the word too, and has its turn before this goes on.
    for _ in 0..2 {
        tokio::task::yield_now().await;
    }
    terminal::say(DRAINING_LINE);
}

/// Listens where plaintext requests are told to come by HTTPS.
fn listen_for_plaintext(address: SocketAddr, inherited: &Inherited) -> Result<TcpListener, CommandError> {
    inherited.listen(address).map_err(|error| {
        CommandError::new(format!("the gateway can't redirect what comes to {address}: {error}"))
            .next("stop what listens there, or choose another address with tls.redirect in the settings")
    })
}

/// Reads the settings again at each SIGHUP.
fn reload_on_signal(gateway: &Rc<Gateway>) -> Result<(), CommandError> {
    let mut hang_up = signal(SignalKind::hangup())
        .map_err(|error| CommandError::new(format!("could not listen for SIGHUP: {error}")))?;
    let gateway = Rc::downgrade(gateway);
    tasks::spawn("SIGHUP", async move {
        while hang_up.recv().await.is_some() {
            let Some(gateway) = gateway.upgrade() else { return };
            tracing::info!("SIGHUP: reading the settings again");
            gateway.reload();
        }
    });
    Ok(())
}

/// Listens on the virtual ports, and says where.
async fn open_virtual_ports(
    config: &L4Config,
    inherited: &Inherited,
    identity: &Identity,
) -> Result<Vec<(Rc<VirtualPort>, TcpListener)>, CommandError> {
    let mut open = Vec::new();
    for L4Port { listen, target, algorithm } in &config.ports {
        let target = match target {
            L4Target::Service(name) => l4::Target::Service(name.clone()),
            L4Target::Addresses(addresses) => {
                let mut found = Vec::new();
                for address in addresses {
                    found.push(address.resolve().await?);
                }
                l4::Target::Addresses(found)
            }
        };
        let mut port = l4::Config::new(*listen, target);
        (port.idle, port.algorithm) = (config.idle, *algorithm);
        let opened = inherited
            .listen(*listen)
            .and_then(|listener| VirtualPort::open_on(listener, &port, &identity.network));
        let opened = opened.map_err(|error| {
            CommandError::new(format!("the gateway can't pass through what comes to {listen}: {error}"))
                .next("stop what listens there, or choose another port with --l4")
        })?;
        tracing::info!(address = %opened.0.address(), target = ?port.target, "passes TCP through");
        open.push(opened);
    }
    Ok(open)
}
