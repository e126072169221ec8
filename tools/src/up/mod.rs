//! `micronet up`: starts the network's processes, says what runs where, waits, and stops them again.
//!
//! Start: services in the order of the registry, so that each finds those that it calls, then the gateway. Stop: the
//! other way round, so that nothing is taken away from a request that still runs.

mod children;
mod log_tail;
mod port_check;
mod welcome;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use micronet_services::demo::Demo;

use self::children::{Child, LastWords, Launch};
use self::log_tail::LogTail;
use crate::address::{self, reachable};
use crate::certs::{CertsFolder, Renewal};
use crate::config::{InstancePlan, L4Plan, UpConfig};
use crate::data_folder::DataFolder;
use crate::databases;
use crate::error::CommandError;
use crate::network_file::{Entry, NetworkFile, Protocol};
use crate::process_limits;
use crate::registry::{SERVICES, Service};
use crate::server_process;
use crate::stop_signal::{EXIT_INTERRUPTED, StopSignals};
use crate::terminal::{self, Style};

/// How long an instance may take to be ready, in milliseconds.
const READY_MS_MAX: u64 = 10_000;
/// How long an instance may take to drain before it is killed: the longest drain and a margin. In milliseconds.
const STOP_MS_MAX: u64 = micronet_wire::limits::DRAIN_MS_MAX + 5_000;
/// How often the children's logs are looked at for warnings, in milliseconds.
const LOG_INTERVAL_MS: u64 = 250;

/// Starts the network and runs it until it is told to stop.
pub(crate) fn run(config: &UpConfig) -> Result<ExitCode, CommandError> {
    process_limits::prepare();
    let data = DataFolder::open(&config.data)?;
    let lock = data.lock_network()?;
    let exposed = if config.tls.is_some() { "the gateway's HTTP" } else { "what passes" };
    server_process::warn_of_exposure(config.listen, exposed);
    NetworkFile::remove(&data.network_file())?;
    port_check::all_free(config.listen, &config.instances)?;
    port_check::virtual_free(config.listen, &config.l4)?;
    let instances = port_check::settle_wanted(config.listen, &config.instances)?;
    let l4 = port_check::settle_virtual(config.listen, &config.l4, &instances)?;
    if config.fresh {
        let databases = data.databases();
        terminal::note(&format!("--fresh: deleting the databases in {}", databases.display()));
        data.delete_databases(&lock)?;
    }
    let databases = databases::place(&data, config.database.as_ref());
    let demo = databases::settle_demo(&data, &databases, config.demo)?;
    // Made before any child runs, so that no two of them make them at once.
    let (_, _) = (data.cluster_secret()?, data.operator_token()?);
    let renewal = certificates(config, &instances)?;
    let code =
        server_process::runtime()?.block_on(start_and_wait(config, (instances, l4), &data, demo, renewal));
    drop(lock);
    code
}

async fn start_and_wait(
    config: &UpConfig,
    (instances, l4): (Vec<InstancePlan>, Vec<L4Plan>),
    data: &DataFolder,
    demo: Demo,
    renewal: Option<Renewal>,
) -> Result<ExitCode, CommandError> {
    let services = config.profile.services().into_iter().map(|(service, _)| service);
    let databases = databases::place(data, config.database.as_ref());
    databases::prepare_databases(&databases, services, demo).await?;
    let mut signals = StopSignals::listen_supervised(config.supervised)
        .map_err(|error| CommandError::new(format!("could not listen for signals: {error}")))?;
    let program = own_program()?;
    let mut network = Network { config, instances, l4, data, demo, program, renewal, children: Vec::new() };
    let started = tokio::select! {
        started = network.start() => started,
        name = signals.next() => {
            terminal::note(&format!("{name}: stopping before the network was ready"));
            return Ok(network.stop(&mut signals).await);
        }
    };
    if let Err(error) = started.and_then(|()| network.write_file()) {
        terminal::warn(&error.to_string());
        network.stop(&mut signals).await;
        return Err(CommandError::new("the network did not start"));
    }
    terminal::say(&welcome::text(
        &network.children,
        &network.virtual_ports().collect::<Vec<_>>(),
        config,
        data,
        &databases,
        demo,
        Style::for_stdout(),
    ));
    let alive = network.watch(&mut signals).await;
    // Whoever reads the file from now on finds no network, rather than one that goes away.
    let removed = NetworkFile::remove(&data.network_file());
    let code = network.stop(&mut signals).await;
    removed.map(|()| if alive { code } else { ExitCode::FAILURE })
}

/// The processes of a network, from start to stop.
struct Network<'c> {
    config: &'c UpConfig,
    /// What is started, in this order.
    instances: Vec<InstancePlan>,
    /// The gateway's virtual ports.
    l4: Vec<L4Plan>,
    data: &'c DataFolder,
    demo: Demo,
    program: PathBuf,
    /// The certificates of the instances, where they have any.
    renewal: Option<Renewal>,
    children: Vec<Child>,
}

/// Issues the certificates of all instances, where they speak TLS to each other.
fn certificates(config: &UpConfig, instances: &[InstancePlan]) -> Result<Option<Renewal>, CommandError> {
    let Some(tls) = &config.tls else { return Ok(None) };
    if tls.key_log {
        terminal::warn(
            "--tls-key-log: whoever reads the file that SSLKEYLOGFILE names can read what was said",
        );
    }
    let holders = instances.iter().map(|plan| (plan.service_name(), plan.instance.as_str()));
    let folder = CertsFolder::new(&tls.certs);
    Renewal::begin(folder, &config.cluster, holders, config.certificate_lifetime_s).map(Some)
}

impl Network<'_> {
    /// Starts every instance and waits until it is ready, service by service.
    async fn start(&mut self) -> Result<(), CommandError> {
        let instances = self.instances.clone();
        let mut rest = instances.as_slice();
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|plan| plan.service == first.service).count();
            let (now, later) = rest.split_at(same);
            let from = self.children.len();
            for plan in now {
                let launch = self.launch(plan);
                self.children.push(Child::start(plan, launch)?);
            }
            for child in self.children.iter_mut().skip(from) {
                child.wait_until_ready(READY_MS_MAX).await?;
            }
            rest = later;
        }
        Ok(())
    }

    /// How an instance is started: by the same command that a person would type.
    fn launch(&self, plan: &InstancePlan) -> Launch {
        let config = self.config;
        let mut arguments: Vec<String> = match plan.service {
            Some(service) => {
                vec!["service".into(), service.name.into(), "--demo".into(), self.demo.to_string()]
            }
            None => vec!["gateway".into()],
        };
        let listen = SocketAddr::new(config.listen, plan.port).to_string();
        let named = [("--instance", &plan.instance), ("--listen", &listen), ("--cluster", &config.cluster)];
        arguments.extend(named.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value.clone()]));
        if let Some(port) = plan.rpc_port {
            arguments.extend(["--rpc".into(), SocketAddr::new(config.listen, port).to_string()]);
        }
        for service in SERVICES.iter().filter(|service| calls(plan.service, service)) {
            let addresses = self.addresses_of(service);
            if addresses.is_empty() {
                continue;
            }
            arguments.extend(["--peer".into(), format!("{}={}", service.name, address::list(&addresses))]);
        }
        for virtual_port in self.l4.iter().filter(|_| plan.service.is_none()) {
            arguments.extend(["--l4".into(), format!("{}={}", virtual_port.port, virtual_port.service.name)]);
        }
        arguments.push("--supervised".into());
        if config.insecure {
            arguments.push("--insecure".into());
        }
        if let Some(hours) = config.tokens_kept_hours.filter(|_| plan.service.is_some()) {
            arguments.extend(["--tokens-kept".into(), hours.to_string()]);
        }
        if let Some(tls) = &config.tls {
            arguments.extend(["--certs".into(), tls.certs.display().to_string()]);
            if tls.key_log {
                arguments.push("--tls-key-log".into());
            }
        }
        if let Some(filter) = config.log.as_ref().filter(|filter| !filter.is_empty()) {
            arguments.extend(["--log".into(), filter.clone()]);
        }
        Launch {
            program: self.program.clone(),
            arguments,
            data: self.data.path().to_owned(),
            database: config.database.clone().filter(|_| plan.service.is_some()),
            log: self.data.log(&plan.instance),
        }
    }

    /// Where a service is, or will be: one that others only want may start after them.
    fn addresses_of(&self, service: &Service) -> Vec<SocketAddr> {
        let children = self.children.iter().filter(|child| child.plan().service == Some(service));
        let started: Vec<SocketAddr> = children.filter_map(Child::reachable).collect();
        if !started.is_empty() {
            return started;
        }
        let plans = self.instances.iter().filter(|plan| plan.service == Some(service) && plan.port != 0);
        plans.map(|plan| reachable(SocketAddr::new(self.config.listen, plan.port))).collect()
    }

    /// The services whose TCP is passed through, and where a program on this machine reaches them so.
    fn virtual_ports(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        let address = |port| reachable(SocketAddr::new(self.config.listen, port));
        self.l4.iter().map(move |plan| (plan.service.name, address(plan.port)))
    }

    /// Tells other commands who runs where.
    fn write_file(&self) -> Result<(), CommandError> {
        let entries = self.children.iter().flat_map(|child| {
            let plan = child.plan();
            let pid = child.id();
            listeners(child).into_iter().filter_map(move |(protocol, address)| {
                Some(Entry {
                    service: plan.service_name().to_owned(),
                    instance: plan.instance.clone(),
                    address: reachable(address),
                    protocol,
                    pid: pid?,
                })
            })
        });
        let file = NetworkFile {
            cluster: self.config.cluster.clone(),
            pid: std::process::id(),
            certs: self
                .config
                .tls
                .as_ref()
                .map(|tls| std::path::absolute(&tls.certs))
                .transpose()
                .unwrap_or_default(),
            entries: entries.collect(),
            virtual_ports: self
                .virtual_ports()
                .map(|(service, address)| (service.to_owned(), address))
                .collect(),
        };
        file.write(&self.data.network_file())
    }

    /// Waits for the signal to stop, and meanwhile shows the children's warnings and deaths. False if none of them is left.
    async fn watch(&mut self, signals: &mut StopSignals) -> bool {
        let mut tails: Vec<LogTail> = self.children.iter().map(Child::log_tail).collect();
        let mut interval = tokio::time::interval(Duration::from_millis(LOG_INTERVAL_MS));
        loop {
            tokio::select! {
                name = signals.next() => {
                    terminal::note(&format!("{name}: stopping; once more stops everything at once"));
                    return true;
                }
                dead = children::next_exit(&mut self.children) => {
                    let others = self.children.iter().filter(|child| child.is_running()).count();
                    terminal::warn(&LastWords::of(&self.children[dead]).to_string());
                    if others == 0 {
                        terminal::warn("none is left: `micronet up` starts all again");
                        return false;
                    }
                    let go_on = if others == 1 { "the other one goes on; Ctrl-C stops it".into() } else {
                        format!("the other {others} go on; Ctrl-C stops them")
                    };
                    terminal::note(&format!("  {go_on}, `micronet up` starts all again"));
                }
                _ = interval.tick() => {
                    tails.iter_mut().for_each(LogTail::show_warnings);
                    if let Some(renewal) = &mut self.renewal {
                        renewal.renew_if_due();
                    }
                }
            }
        }
    }

    /// Stops the children, service by service, in the opposite order of their start.
    async fn stop(&mut self, signals: &mut StopSignals) -> ExitCode {
        let mut end = self.children.len();
        while let Some(last) = end.checked_sub(1) {
            let service = self.children[last].plan().service;
            let start = self.children[..end].iter().rposition(|child| child.plan().service != service);
            let from = start.map_or(0, |before| before + 1);
            let stopped = tokio::select! {
                () = stop_together(&mut self.children[from..end]) => true,
                _ = signals.next() => false,
            };
            if !stopped {
                terminal::warn("killing what still runs");
                for child in &mut self.children {
                    child.kill();
                }
                while self.children.iter().any(Child::is_running) {
                    children::next_exit(&mut self.children).await;
                }
                return ExitCode::from(EXIT_INTERRUPTED);
            }
            end = from;
        }
        terminal::note("all stopped");
        ExitCode::SUCCESS
    }
}

/// Lets the instances of one service drain, and kills those that take too long.
async fn stop_together(children: &mut [Child]) {
    let begin = Instant::now();
    for child in children.iter_mut().filter(|child| child.is_running()) {
        terminal::note(&format!("  {} is draining", child.plan().instance));
        child.terminate();
    }
    let deadline = tokio::time::sleep(Duration::from_millis(STOP_MS_MAX));
    tokio::pin!(deadline);
    while children.iter().any(Child::is_running) {
        tokio::select! {
            stopped = children::next_exit(children) => {
                let seconds = begin.elapsed().as_secs_f64();
                terminal::note(&format!("  {} has stopped after {seconds:.1} s", children[stopped].plan().instance));
            }
            () = &mut deadline => break,
        }
    }
    for child in children.iter_mut().filter(|child| child.is_running()) {
        let (instance, seconds) = (&child.plan().instance, STOP_MS_MAX / 1000);
        terminal::warn(&format!("{instance} did not drain within {seconds} s and is killed"));
        child.kill();
    }
    while children.iter().any(Child::is_running) {
        children::next_exit(children).await;
    }
}

/// Whether an instance is told where a service is: the gateway knows all, a service those that it calls.
fn calls(caller: Option<&Service>, called: &Service) -> bool {
    caller.is_none_or(|caller| caller.calls().any(|name| name == called.name))
}

/// What an instance that is ready speaks, and where. The gateway speaks HTTP, and RPC on a port of its own.
fn listeners(child: &Child) -> Vec<(Protocol, SocketAddr)> {
    let (Some(address), plan) = (child.address(), child.plan()) else { return Vec::new() };
    match plan.rpc_port {
        None => vec![(Protocol::Rpc, address)],
        Some(port) => {
            vec![(Protocol::Http, address), (Protocol::Rpc, SocketAddr::new(address.ip(), port))]
        }
    }
}

/// This program's file, for processes that run it too.
pub(crate) fn own_program() -> Result<PathBuf, CommandError> {
    std::env::current_exe()
        .map_err(|error| CommandError::new(format!("could not find this program's own file: {error}")))
}
