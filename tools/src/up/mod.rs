//! `micronet up`: starts the network's processes, says what runs where, keeps them running, and stops them again.
//!
//! Start: services in the order of the registry, so that each finds those that it calls, then the gateway. Stop: the
//! other way round, so that nothing is taken away from a request that still runs. Meanwhile each process has a supervisor
//! (`supervisor.rs` decides, `instance.rs` does), and the control service (`crate::control`) tells them what the operator wants.

mod children;
mod fleet;
mod free_ports;
mod instance;
mod launch;
mod log_tail;
mod port_check;
mod supervisor;
mod welcome;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use micronet_services::demo::Demo;
use micronet_transport::{drain, socket};

pub(crate) use self::fleet::{ENDED_WELL, Fleet};
use self::free_ports::FreePorts;
pub(crate) use self::instance::Instance;
use self::launch::Launcher;
pub(crate) use self::launch::calls;
pub(crate) use self::supervisor::{State, Supervisor};
use crate::certs::{CertsFolder, Renewal};
use crate::config::{InstancePlan, L4Plan, UpConfig};
use crate::control;
use crate::data_folder::DataFolder;
use crate::databases;
use crate::error::CommandError;
use crate::identity;
use crate::network_file::NetworkFile;
use crate::process_limits;
use crate::registry::{CONTROL, CONTROL_INSTANCE, GATEWAY, GATEWAY_INSTANCE};
use crate::server_process;
use crate::start_pages;
use crate::stop_signal::StopSignals;
use crate::terminal::{self, Style};

/// How often the children's logs are looked at for warnings, in milliseconds.
const LOG_INTERVAL_MS: u64 = 250;

/// Starts the network and runs it until it is told to stop.
pub(crate) fn run(config: UpConfig) -> Result<ExitCode, CommandError> {
    process_limits::prepare();
    let data = DataFolder::open(&config.data)?;
    let lock = data.lock_network()?;
    match (&config.tls, config.gateway.https) {
        (None, _) => server_process::warn_of_exposure(config.listen, "what passes"),
        (Some(_), false) => server_process::warn_of_exposure(config.listen, "the gateway's HTTP"),
        (Some(_), true) => {}
    }
    NetworkFile::remove(&data.network_file())?;
    port_check::all_free(config.listen, &config.instances)?;
    port_check::is_free(config.listen, CONTROL_INSTANCE, (config.control_port, CONTROL))?;
    port_check::virtual_free(config.listen, &config.l4)?;
    let free_ports = FreePorts::new(config.listen, named_ports(&config));
    let instances = free_ports.for_instances(&config.instances)?;
    let l4 = free_ports.for_virtual(&config.l4)?;
    if config.fresh {
        let databases = data.databases();
        terminal::note(&format!("--fresh: deleting the databases in {}", databases.display()));
        data.delete_databases(&lock)?;
    }
    let databases = databases::place(&data, config.database.as_ref());
    let demo = databases::settle_demo(&data, &databases, config.demo)?;
    // Made before any child runs, so that no two of them make them at once.
    let (_, _) = (data.cluster_secret()?, data.operator_token()?);
    let renewal = certificates(&config, &instances)?;
    // The gateway reads them too, but here whoever typed the command sees what is wrong.
    config.gateway.read()?;
    let network = start_and_wait(Rc::new(config), (instances, l4, free_ports), &data, demo, renewal);
    let code = server_process::runtime()?.block_on(network);
    drop(lock);
    code
}

/// The ports that were asked for by number.
fn named_ports(config: &UpConfig) -> Vec<u16> {
    let of_instances = config.instances.iter().flat_map(InstancePlan::ports).map(|(port, _)| port);
    of_instances.chain(config.l4.iter().map(|plan| plan.port)).chain([config.control_port]).collect()
}

async fn start_and_wait(
    config: Rc<UpConfig>,
    (instances, l4, free_ports): (Vec<InstancePlan>, Vec<L4Plan>, FreePorts),
    data: &DataFolder,
    demo: Demo,
    renewal: Option<Renewal>,
) -> Result<ExitCode, CommandError> {
    let services = config.profile.services().into_iter().map(|(service, _)| service);
    let databases = databases::place(data, config.database.as_ref());
    databases::prepare_databases(&databases, services, demo).await?;
    let mut signals = StopSignals::listen_supervised(config.supervised)
        .map_err(|error| CommandError::new(format!("could not listen for signals: {error}")))?;
    let listen = SocketAddr::new(config.listen, config.control_port);
    let not_bound = |error| server_process::not_bound(listen, CONTROL_INSTANCE, &error);
    let listener = socket::listen(listen).map_err(not_bound)?;
    let launcher = Launcher {
        program: own_program()?,
        config: Rc::clone(&config),
        data: data.clone(),
        demo,
        control: listener.local_addr().map_err(not_bound)?,
        l4,
    };
    let identity =
        identity::of_member(data, config.tls.as_ref(), &config.cluster, CONTROL, CONTROL_INSTANCE)?;
    let fleet = Fleet::new(launcher, instances, free_ports, renewal);
    let (trigger, drain) = drain::channel();
    let said = (config.plan.clone(), data.operator_token()?);
    let chat = control::serve(listener, &fleet, Rc::clone(&identity), said, drain)?;
    let started = tokio::select! {
        started = fleet.start() => started,
        name = signals.next() => {
            terminal::note(&format!("{name}: stopping before the network was ready"));
            return Ok(fleet.stop(&mut signals).await);
        }
    };
    let mut file = fleet.network_file();
    if let Err(error) = started.and_then(|()| file.write(&data.network_file())) {
        terminal::warn(&error.to_string());
        fleet.stop(&mut signals).await;
        return Err(CommandError::new("the network did not start"));
    }
    let _following = control::follow_authority(&fleet, &identity)?;
    control::begin_audit(&chat, &fleet, &identity, &data.audit())?;
    terminal::say(&welcome::text(&file, &config, data, &databases, demo, Style::for_stdout()));
    start_pages::give_back_after_start();
    watch(&fleet, &mut file, data, &mut signals).await;
    // Whoever reads the file from now on finds no network, rather than one that goes away.
    let removed = NetworkFile::remove(&data.network_file());
    trigger.drain();
    let code = fleet.stop(&mut signals).await;
    removed.map(|()| code)
}

/// Issues the certificates of all instances, where they speak TLS to each other.
fn certificates(config: &UpConfig, instances: &[InstancePlan]) -> Result<Option<Renewal>, CommandError> {
    let Some(tls) = &config.tls else { return certificate_of_gateway(config) };
    if tls.key_log {
        terminal::warn(
            "--tls-key-log: whoever reads the file that SSLKEYLOGFILE names can read what was said",
        );
    }
    let holders = instances.iter().map(|plan| (plan.service_name(), plan.instance.as_str()));
    let holders = holders.chain([(CONTROL, CONTROL_INSTANCE)]);
    let folder = CertsFolder::new(&tls.certs);
    Renewal::begin(folder, &config.cluster, holders, config.certificate_lifetime_s).map(Some)
}

/// Issues the gateway's certificate alone, where it speaks HTTPS with one of the cluster's.
fn certificate_of_gateway(config: &UpConfig) -> Result<Option<Renewal>, CommandError> {
    let Some(folder) = config.gateway.certificate.as_ref().and_then(|file| file.parent()) else {
        return Ok(None);
    };
    let holders = [(GATEWAY, GATEWAY_INSTANCE)].into_iter();
    let folder = CertsFolder::new(folder);
    Renewal::begin(folder, &config.cluster, holders, config.certificate_lifetime_s).map(Some)
}

/// Waits for the signal to stop, and meanwhile shows the warnings of all processes, and tells other commands who runs where.
async fn watch(fleet: &Fleet, file: &mut NetworkFile, data: &DataFolder, signals: &mut StopSignals) {
    let mut interval = tokio::time::interval(Duration::from_millis(LOG_INTERVAL_MS));
    let mut changes = fleet.changes();
    loop {
        tokio::select! {
            name = signals.next() => {
                terminal::note(&format!("{name}: stopping; once more stops everything at once"));
                return;
            }
            _ = changes.changed() => {
                let now = fleet.network_file();
                if now != *file {
                    if let Err(error) = now.write(&data.network_file()) {
                        terminal::warn(&error.to_string());
                    }
                    *file = now;
                }
            }
            _ = interval.tick() => fleet.look_after(),
        }
    }
}

/// This program's file, for processes that run it too.
pub(crate) fn own_program() -> Result<PathBuf, CommandError> {
    std::env::current_exe()
        .map_err(|error| CommandError::new(format!("could not find this program's own file: {error}")))
}
