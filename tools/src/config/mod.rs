//! Validated configurations: one for each command, made from the raw flags and the environment, before any port is
//! bound or any file is touched.

mod bench;
mod call;
mod chat;
mod control;
mod database;
mod decode;
mod discovery;
mod dissector;
mod drill;
mod exposure;
mod flame;
mod gateway;
mod instances;
mod l4;
mod lab;
mod load;
mod logins;
mod nc;
mod net;
mod peers;
mod ping;
mod pipe;
mod ports;
mod redis;
mod schema;
mod settings;
mod shop;
mod tap;
pub(crate) mod target;
mod tasks;
mod tls;
mod toystore;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use micronet_wire::limits::NAME_BYTES_MAX;

pub(crate) use self::bench::{
    BenchAsk, BenchCommand, BenchCompareConfig, BenchConfig, BenchOutputs, BenchServeConfig, BenchShowConfig,
    BenchTarget, CourseConfig, Plot, RpcAsk, RpcCallee,
};
pub(crate) use self::call::{CallConfig, Callee, Caller, OutcomeConfig, Repeat, Request};
use self::call::{call, callee, outcome};
pub(crate) use self::chat::{ChatConfig, ChatWay};
pub(crate) use self::control::{FaultCommand, OperateConfig, Operation};
use self::database::database;
pub(crate) use self::decode::{Bytes, DecodeConfig};
pub(crate) use self::discovery::{DiscoveryConfig, RegistrationConfig};
use self::dissector::dissector;
pub(crate) use self::dissector::{DissectorConfig, DissectorWork};
pub(crate) use self::drill::{DrillCommand, DrillOutput};
use self::exposure::{OF_PLAIN_TCP, OF_THE_GATEWAY, check_exposure};
pub(crate) use self::flame::{FlameConfig, FlameTarget};
pub(crate) use self::gateway::GatewayConfig;
pub(crate) use self::instances::InstancesConfig;
pub(crate) use self::l4::{L4Config, L4Plan, L4Port, L4Target};
pub(crate) use self::lab::{CompareConfig, LabConfig, LabLoadConfig};
pub(crate) use self::load::{Bounds, InstanceConfig, TrafficConfig};
pub(crate) use self::logins::{LoginConfig, LoginWork};
pub(crate) use self::nc::NcConfig;
use self::net::NetWork;
pub(crate) use self::net::{NetChange, NetCommand, NetConfig, ShowNet};
pub(crate) use self::peers::Peers;
pub(crate) use self::ping::{PingConfig, PingTarget};
pub(crate) use self::pipe::{PipeConfig, PipeWork};
pub(crate) use self::ports::{INSTANCES_MAX, InstancePlan};
pub(crate) use self::schema::{Asking, SchemaConfig, SchemaForm, SchemaWork, Source};
pub(crate) use self::settings::{GatewayEdge, SettingsFile};
pub(crate) use self::shop::ShopConfig;
pub(crate) use self::tap::{TapConfig, TapOutput, TapTarget};
pub(crate) use self::tasks::{TasksConfig, TasksTarget};
pub(crate) use self::tls::{CertsCommand, CertsConfig, TlsConfig};
pub(crate) use self::toystore::ToystoreConfig;
use crate::address::{self, HostPort};
use crate::certs::LIFETIME_S_MIN_RENEWED;
use crate::cli::complete::Shell;
use crate::cli::why::WhyFlags;
use crate::cli::{ExposureFlags, Flags, LogFormat, RawCommand, ServiceFlags, UpFlags};
use crate::control::alerts::Thresholds;
use crate::error::CommandError;
use crate::network_plan::Plan;
use crate::profile::Profile;
use crate::registry::{
    BASE_PORT, CLUSTER_DEFAULT, GATEWAY_ENVIRONMENT, GATEWAY_INSTANCE, Service, port_default, service_named,
};
use micronet_services::database::ServerUrl;
use micronet_services::demo::Demo;
use micronet_services::once::KEPT_HOURS;
use micronet_services::redis_url::RedisUrl;

/// Looks up an environment variable.
pub(crate) type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// A command that is ready to run.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a process has one")]
pub(crate) enum Command {
    /// Start the network.
    Up(UpConfig),
    /// Run one service.
    Service(ServiceConfig),
    /// Run the gateway.
    Gateway(GatewayConfig),
    /// Call a method.
    Call(CallConfig),
    /// Talk with an instance in text.
    Nc(NcConfig),
    /// Talk with those who operate the network.
    Chat(ChatConfig),
    /// Sign in or out, or tell who has.
    Login(LoginConfig),
    /// See what passes.
    Tap(Box<TapConfig>),
    /// Watch an instance's heartbeat.
    Ping(PingConfig),
    /// Draw where a process's time goes.
    Profile(FlameConfig),
    /// Tell what a process is doing.
    Tasks(TasksConfig),
    /// Show instances.
    Instances(InstancesConfig),
    /// Put Wireshark's dissector where it is found.
    Dissector(DissectorConfig),
    /// Show a plan of a network.
    Net(Box<NetConfig>),
    /// Ask what became of a write.
    Outcome(OutcomeConfig),
    /// Tell what bytes mean.
    Decode(DecodeConfig),
    /// Be an end of the pipe.
    Pipe(PipeConfig),
    /// Print what may stand at a shell's cursor.
    Complete(Vec<String>, PathBuf),
    /// Print a shell's script.
    Completions(Shell),
    /// Do something with schemas.
    Schema(SchemaConfig),
    /// Be a customer of the shop.
    Shop(ShopConfig),
    /// Measure, or be what is measured.
    Bench(BenchCommand),
    /// Make traffic, and measure it.
    Load(Box<TrafficConfig>),
    /// Measure one instance.
    LoadInstance(InstanceConfig),
    /// Measure the toy store.
    LoadToystore(ToystoreConfig),
    /// Do something in the lab.
    Lab(LabConfig),
    /// Operate a running network.
    Operate(OperateConfig),
    /// Make and show certificates.
    Certs(CertsConfig),
}

impl Command {
    /// The level that is logged where no filter is given: processes tell what they do, commands only what went wrong.
    pub(crate) fn default_log_level(&self) -> &'static str {
        match self {
            Self::Service(_) | Self::Gateway(_) | Self::Bench(BenchCommand::Serve(_)) => "info",
            Self::Up(_)
            | Self::Call(_)
            | Self::Nc(_)
            | Self::Chat(_)
            | Self::Login(_)
            | Self::Ping(_)
            | Self::Profile(_)
            | Self::Tasks(_)
            | Self::Tap(_)
            | Self::Instances(_)
            | Self::Dissector(_)
            | Self::Net(_)
            | Self::Outcome(_)
            | Self::Decode(_)
            | Self::Pipe(_)
            | Self::Complete(..)
            | Self::Completions(_)
            | Self::Schema(_)
            | Self::Shop(_)
            | Self::Bench(_)
            | Self::Load(_)
            | Self::LoadInstance(_)
            | Self::LoadToystore(_)
            | Self::Lab(_)
            | Self::Operate(_)
            | Self::Certs(_) => "warn",
        }
    }
}

/// What `up` starts.
#[derive(Debug)]
pub(crate) struct UpConfig {
    /// The data folder.
    pub(crate) data: PathBuf,
    /// The cluster's name.
    pub(crate) cluster: String,
    /// Which part of everything is started.
    pub(crate) profile: &'static Profile,
    /// What everything listens on.
    pub(crate) listen: IpAddr,
    /// Whether a listener that other machines reach is accepted.
    pub(crate) insecure: bool,
    /// The demonstration data that was asked for.
    pub(crate) demo: Option<Demo>,
    /// The server that holds the databases; without one they are in the data folder.
    pub(crate) database: Option<ServerUrl>,
    /// The Redis that is told of sessions, if one is.
    pub(crate) redis: Option<RedisUrl>,
    /// For how long idempotency tokens are remembered, in hours, where it was said.
    pub(crate) tokens_kept_hours: Option<u32>,
    /// Whether the databases are deleted first.
    pub(crate) fresh: bool,
    /// How its processes speak TLS to each other, if they do.
    pub(crate) tls: Option<TlsConfig>,
    /// How long the certificates that it issues are good, in seconds.
    pub(crate) certificate_lifetime_s: u64,
    /// The instances, in the order in which they start; the gateway is the last.
    pub(crate) instances: Vec<InstancePlan>,
    /// The port of the control service; 0 is a free one.
    pub(crate) control_port: u16,
    /// Whether a process that dies is started again.
    pub(crate) restarts: bool,
    /// The limits of alerts.
    pub(crate) alerts: Thresholds,
    /// What the network is declared to be like, if it was.
    pub(crate) plan: Option<Plan>,
    /// The virtual ports of the gateway.
    pub(crate) l4: Vec<L4Plan>,
    /// Whether the gateway answers the paths that serve its examination.
    pub(crate) debug_routes: bool,
    /// What is configured of the gateway's edge.
    pub(crate) gateway: GatewayEdge,
    /// The log filter that the children get.
    pub(crate) log: Option<String>,
    /// How they write their logs.
    pub(crate) log_format: LogFormat,
    /// Whether it stops when its stdin closes.
    pub(crate) supervised: bool,
}

/// What one service's process needs to know.
#[derive(Debug)]
pub(crate) struct ServiceConfig {
    /// Which service it is.
    pub(crate) service: &'static Service,
    /// The instance's name.
    pub(crate) instance: String,
    /// The cluster's name.
    pub(crate) cluster: String,
    /// Where it listens; port 0 is a free one.
    pub(crate) listen: SocketAddr,
    /// The services that it calls.
    pub(crate) peers: Peers,
    /// How else it finds them.
    pub(crate) discovery: DiscoveryConfig,
    /// Where it announces itself.
    pub(crate) registration: RegistrationConfig,
    /// The data folder.
    pub(crate) data: PathBuf,
    /// The demonstration data that was asked for.
    pub(crate) demo: Option<Demo>,
    /// The server that holds the databases; without one they are in the data folder.
    pub(crate) database: Option<ServerUrl>,
    /// The Redis that is told of sessions, if one is.
    pub(crate) redis: Option<RedisUrl>,
    /// For how long idempotency tokens are remembered, in hours.
    pub(crate) tokens_kept_hours: u32,
    /// How it speaks TLS, if it does.
    pub(crate) tls: Option<TlsConfig>,
    /// Whether `up` started it: then its database is prepared already, and it ends when its stdin closes.
    pub(crate) supervised: bool,
}

/// Makes the configuration of the command that was typed; without one it is `up` as it stands.
pub(crate) fn command(flags: Flags, environment: Environment<'_>) -> Result<Command, CommandError> {
    let (data, log) = (flags.data, (flags.log, flags.log_format));
    let operate = |operation| Command::Operate(OperateConfig { data: data.clone(), operation });
    match flags.command.unwrap_or_else(|| RawCommand::Up(UpFlags::default())) {
        RawCommand::Up(flags) => up(flags, data, log, environment).map(Command::Up),
        RawCommand::Service(flags) => service(flags, data, environment).map(Command::Service),
        RawCommand::Gateway(flags) => gateway::gateway(flags, data, environment).map(Command::Gateway),
        RawCommand::Call(flags) => call(flags, data, environment).map(Command::Call),
        RawCommand::Chat(flags) => chat::chat(flags, data, environment).map(Command::Chat),
        RawCommand::Nc(flags) => nc::nc(flags, data, environment).map(Command::Nc),
        RawCommand::Login(flags) => logins::login(flags, data, environment).map(Command::Login),
        RawCommand::Logout(flags) => logins::logout(&flags, data, environment).map(Command::Login),
        RawCommand::Whoami(flags) => logins::whoami(&flags, data, environment).map(Command::Login),
        RawCommand::Ping(flags) => ping::ping(flags, data, environment).map(Command::Ping),
        RawCommand::Profile(flags) => flame::profile(flags, data).map(Command::Profile),
        RawCommand::Tasks(flags) => tasks::tasks(flags, data, environment).map(Command::Tasks),
        RawCommand::Tap(flags) => Ok(Command::Tap(Box::new(tap::tap(flags, data, environment)?))),
        RawCommand::Dissector(flags) => Ok(Command::Dissector(dissector(flags, environment)?)),
        RawCommand::Net(flags) => match net::net(flags)? {
            NetWork::Offline(config) => Ok(Command::Net(Box::new(config))),
            NetWork::Running(command) => Ok(operate(Operation::Net(command))),
        },
        RawCommand::Instances(flags) => {
            instances::instances(flags, data, environment).map(Command::Instances)
        }
        RawCommand::Outcome(flags) => outcome(flags, data, environment).map(Command::Outcome),
        RawCommand::Decode(flags) => decode::decode(flags, data, environment).map(Command::Decode),
        RawCommand::Pipe(flags) => pipe::pipe(flags).map(Command::Pipe),
        RawCommand::Complete(flags) => Ok(Command::Complete(flags.words, data)),
        RawCommand::Completions(flags) => Ok(Command::Completions(flags.shell)),
        RawCommand::Schema(flags) => schema::schema(flags, data, environment).map(Command::Schema),
        RawCommand::Shop(flags) => shop::shop(flags, data, environment).map(Command::Shop),
        RawCommand::Lab(flags) => lab::lab(flags, data).map(Command::Lab),
        RawCommand::Certs(flags) => tls::certs(flags, &data).map(Command::Certs),
        RawCommand::Why(WhyFlags { request_id, json }) => Ok(operate(Operation::Why { request_id, json })),
        RawCommand::Ps(flags) => control::ps(flags).map(operate),
        RawCommand::Start(flags) => control::start(flags).map(operate),
        RawCommand::Stop(flags) => control::stop(flags).map(operate),
        RawCommand::Restart(flags) => control::restart(flags).map(operate),
        RawCommand::Reload(flags) => control::reload(flags).map(operate),
        RawCommand::Scale(flags) => control::scale(flags).map(operate),
        RawCommand::Drain(flags) => control::drain(flags).map(operate),
        RawCommand::Undrain(flags) => control::undrain(flags).map(operate),
        RawCommand::Logs(flags) => control::logs(flags).map(operate),
        RawCommand::Fault(flags) => control::fault(flags).map(operate),
        RawCommand::Drill(flags) => drill::drill(flags).map(Operation::Drill).map(operate),
        RawCommand::Drills(flags) => drill::drills(flags).map(Operation::Drill).map(operate),
        RawCommand::Bench(flags) => bench::bench(flags, data, environment).map(Command::Bench),
        RawCommand::Load(flags) => load::load(flags, data, environment),
    }
}

fn up(
    flags: UpFlags,
    data: PathBuf,
    (log, log_format): (Option<String>, LogFormat),
    environment: Environment<'_>,
) -> Result<UpConfig, CommandError> {
    let database = database(flags.database, environment)?;
    if let Some(server) = database.as_ref().filter(|_| flags.fresh) {
        return Err(CommandError::usage(format!("--fresh deletes files, but the data is on {server}"))
            .next("drop the services' schemas there, if that is what you want, and leave --fresh out"));
    }
    let listen = address::listen_ip(flags.listen.as_deref().unwrap_or("127.0.0.1"))?;
    let tls = tls::tls(flags.tls, &data, environment)?;
    let certificate =
        flags.gateway_config.https.then(|| tls::of_gateway(tls.as_ref(), &data, GATEWAY_INSTANCE));
    let gateway = GatewayEdge::new(flags.gateway_config.gateway_config, certificate)?;
    if tls.is_none() || !gateway.https {
        check_exposure(listen, &flags.exposure, tls.is_some().then_some(OF_THE_GATEWAY))?;
    }
    let certificate_lifetime_s = tls::lifetime_s(&flags.lifetime)?;
    if certificate_lifetime_s < LIFETIME_S_MIN_RENEWED {
        return Err(CommandError::usage(format!(
            "certificates can't be renewed every {certificate_lifetime_s} s"
        ))
        .next(format!("--certificate-lifetime is at least {LIFETIME_S_MIN_RENEWED}s here")));
    }
    if tls.is_none() && gateway.certificate.is_none() && flags.lifetime.lifetime.is_some() {
        return Err(CommandError::usage("--certificate-lifetime is of no use without --mtls or --https"));
    }
    let profile = flags.profile.0;
    let ports::Plan { instances, control_port } = ports::plan(profile, flags.base_port, &flags.ports)?;
    Ok(UpConfig {
        l4: if flags.no_l4 { Vec::new() } else { l4::plan(profile, flags.base_port, &instances)? },
        debug_routes: flags.debug_routes,
        certificate_lifetime_s,
        tls,
        data,
        profile,
        listen,
        insecure: flags.exposure.insecure,
        cluster: cluster(flags.exposure)?,
        demo: flags.demo.or(profile.demo),
        database,
        redis: redis::redis(flags.redis, environment)?,
        tokens_kept_hours: flags.tokens_kept,
        fresh: flags.fresh,
        instances,
        control_port,
        restarts: !flags.no_restart,
        alerts: alerts(&flags.alerts)?,
        gateway,
        plan: flags.network.as_deref().map(net::plan).transpose()?,
        log,
        log_format,
        supervised: flags.supervised,
    })
}

/// The limits of alerts, as they were said.
fn alerts(said: &[String]) -> Result<Thresholds, CommandError> {
    let mut thresholds = Thresholds::default();
    said.iter().try_for_each(|each| thresholds.set(each)).map_err(CommandError::usage)?;
    Ok(thresholds)
}

fn service(
    flags: ServiceFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<ServiceConfig, CommandError> {
    let service = service_named(&flags.name)
        .ok_or_else(|| CommandError::usage(format!("no service is called {:?}", flags.name)))?;
    let tls = tls::tls(flags.tls, &data, environment)?;
    let listen = listen(flags.listen.as_deref(), port_default(service))?;
    if tls.is_none() {
        check_exposure(listen.ip(), &flags.exposure, None)?;
    }
    let discovery = DiscoveryConfig::new(flags.discovery)?;
    let elsewhere = elsewhere(flags.supervised, environment);
    let peers = Peers::of_service(service, &flags.peers, &discovery, elsewhere)?;
    Ok(ServiceConfig {
        tls,
        service,
        instance: name("instance", flags.instance.unwrap_or_else(|| format!("{}-1", service.name)))?,
        cluster: cluster(flags.exposure)?,
        listen,
        peers,
        discovery,
        registration: RegistrationConfig::new(&flags.registration)?,
        data,
        demo: flags.demo,
        database: database(flags.database, environment)?,
        redis: redis::redis(flags.redis, environment)?,
        tokens_kept_hours: flags.tokens_kept.unwrap_or(KEPT_HOURS),
        supervised: flags.supervised,
    })
}

/// Where peers are found that no flag names. `up` names all that there are, and then there are no others.
fn elsewhere(supervised: bool, environment: Environment<'_>) -> Option<Environment<'_>> {
    (!supervised).then_some(environment)
}

/// The gateway's address as clients use it, where the environment says it.
fn front(environment: Environment<'_>) -> Result<Option<HostPort>, CommandError> {
    let Some(text) = environment(GATEWAY_ENVIRONMENT).filter(|text| !text.trim().is_empty()) else {
        return Ok(None);
    };
    let front = HostPort::parse_url(text.trim(), BASE_PORT);
    front.map(Some).map_err(|error| error.next("set FRONT to HOST or HOST:PORT, or unset it"))
}

fn listen(text: Option<&str>, port_default: u16) -> Result<SocketAddr, CommandError> {
    address::parse_listen(text.unwrap_or("127.0.0.1"), port_default)
}

fn cluster(exposure: ExposureFlags) -> Result<String, CommandError> {
    name("cluster", exposure.cluster.unwrap_or_else(|| CLUSTER_DEFAULT.to_owned()))
}

/// Names travel in HELLO and name log files, so that their length and characters are bounded.
fn name(what: &str, text: String) -> Result<String, CommandError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if starts_well && text.len() <= NAME_BYTES_MAX && text.bytes().all(is_plain) {
        return Ok(text);
    }
    Err(CommandError::usage(format!("{text:?} can't be the name of the {what}")).next(format!(
        "use up to {NAME_BYTES_MAX} letters, digits, '-', '_' or '.', with a letter or a digit at the start"
    )))
}

#[cfg(test)]
mod tests;
