//! The command line as it is typed: raw flags and their help. [`crate::config`] turns them into values.

pub(crate) mod bench;
pub(crate) mod call;
pub(crate) mod certs;
pub(crate) mod chat;
pub(crate) mod complete;
pub(crate) mod control;
pub(crate) mod decode;
pub(crate) mod discovery;
pub(crate) mod dissector;
pub(crate) mod drill;
pub(crate) mod fault;
pub(crate) mod flame;
pub(crate) mod gateway;
pub(crate) mod instances;
pub(crate) mod l4;
pub(crate) mod lab;
pub(crate) mod load;
pub(crate) mod logins;
pub(crate) mod nc;
pub(crate) mod net;
pub(crate) mod ping;
pub(crate) mod pipe;
pub(crate) mod redis;
pub(crate) mod schema;
pub(crate) mod settings;
pub(crate) mod tap;
pub(crate) mod tasks;
pub(crate) mod why;

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use micronet_services::demo::Demo;
use micronet_services::once::{KEPT_HOURS_MAX, KEPT_HOURS_MIN};

use self::bench::BenchFlags;
pub(crate) use self::call::{CallFlags, CalleeFlags, OutcomeFlags};
use self::certs::{CertsFlags, LifetimeFlag, TlsFlags};
use self::chat::ChatFlags;
use self::complete::{CompleteFlags, CompletionsFlags};
pub(crate) use self::control::{DrainFlags, NameFlags, PsFlags, RestartFlags, ScaleFlags};
use self::control::{LogsFlags, RELOAD_EXAMPLES};
use self::decode::DecodeFlags;
use self::discovery::{DiscoveryFlags, RegistrationFlags};
use self::dissector::DissectorFlags;
use self::drill::{DrillFlags, DrillsFlags};
use self::fault::FaultFlags;
use self::flame::ProfileFlags;
use self::gateway::GatewayFlags;
use self::instances::InstancesFlags;
use self::lab::LabFlags;
use self::load::LoadFlags;
use self::logins::{LoginFlags, LogoutFlags, WhoamiFlags};
use self::nc::NcFlags;
use self::net::NetFlags;
use self::ping::PingFlags;
use self::pipe::PipeFlags;
use self::redis::RedisFlag;
use self::schema::SchemaFlags;
use self::settings::GatewayConfigFlags;
use self::tap::TapFlags;
use self::tasks::TasksFlags;
use self::why::WhyFlags;
use crate::profile::{self, Chosen, PROFILES};

/// Help is at most this wide, so that it fits the narrowest terminal in use. In columns.
const HELP_COLUMNS: usize = 80;

const EXAMPLES: &str = "\
Examples:
  micronet                                start the network; Ctrl-C stops it
  micronet up --profile toystore          the toy store, on the ports it had
  micronet shop random 100                a customer who sometimes buys
  micronet load toystore --clients 1..5   how fast it answers
  micronet ps; micronet restart product   see and operate what runs
  curl -s localhost:8000/products/Tux     the same over HTTP, by hand";

const UP_EXAMPLES: &str = "\
Examples:
  micronet up                             everything, on the default ports
  micronet up --profile toystore --data ./toys
                                          the toy store, in its own data folder
  micronet up --port product=9102,9112    other ports for product's instances
  micronet up --port product=0,0,0        three of product, on free ports
  micronet up --base-port 9000            gateway 9000, product 9002 and 9012, …
  micronet up --base-port 0               free ports for all
  nc localhost 9002                       TCP to an instance of product, by the
                                          gateway's virtual port
  micronet up --mtls                      TLS with certificates on every link
  micronet up --network sites.toml        links with latency, loss, bandwidth
  micronet up --fresh                     delete this folder's databases first
  DATABASE_URL=postgres://me:secret@db/shop micronet up
                                          all data on a PostgreSQL server

The data folder holds databases, logs/INSTANCE.log, the operator's token, and
network.json, which says who runs where. One network runs on a data folder at a
time. A process that dies is started again, but for a crash loop: five times
within a minute. See it with `micronet ps`; `start`, `stop`, `restart`, `scale`,
`drain`, `logs`, `fault` and `drill` operate it, by the control service on port
7000 (the gateway's port less 1000). Ctrl-C (or SIGTERM) lets running requests
finish, gateway first; a second Ctrl-C stops everything at once.";

const SERVICE_EXAMPLES: &str = "\
Examples, each in its own terminal:
  micronet service product
  micronet service product --instance product-2 --listen 127.0.0.1:8012
  CATALOG=localhost micronet service order
  micronet service order --peer product=localhost:8002,localhost:8012

Processes of one network share a data folder, since it holds the secret by which
they know each other; give the same --data to all of them. When it is ready a
service prints `listening on ADDRESS` on stdout. Ctrl-C or SIGTERM lets running
requests finish; a second one ends it at once.";

const SHOP_EXAMPLES: &str = "\
Examples:
  micronet shop query Tux                   a toy's price and how many there are
  micronet shop query Tux 1000 --clients 5  five clients, a thousand each
  micronet shop buy Whale 2                 buy two
  micronet shop random 100 -p 0.5           look around, and buy half of the time

The gateway is found by --to, else by the environment variable FRONT, else by
the network that runs on the data folder, else on localhost:8000. Few answers
are printed one by one; every run ends with a summary of latencies. The exit
code is 0 when the shop answered, also when it said no (out of stock, unknown
toy), 1 when something failed, and 130 when Ctrl-C stopped it.";

const PEER_HELP: &str = "\
Where a service is that this one calls; may be repeated. An address is HOST or HOST:PORT; without a port the service's \
default port is used. dns:HOST:PORT stands for all addresses that the name has from time to time, srv:NAME for what its SRV \
records say. What is not given here is taken from the environment (AUTH for auth, USERS for user, CATALOG for product, \
ORDER for order), else it is the default port on localhost where this one can't do without";

const DATABASE_HELP: &str = "\
The PostgreSQL database that holds all data, a schema for each service: postgres://USER:PASSWORD@HOST:PORT/DATABASE, \
with ?sslmode=require for TLS. Others on this machine see a process's arguments, but not its environment: a password is \
safer in DATABASE_URL, which is taken where this is not given [default: SQLite files in the data folder]";

/// A microservice network that you can run, watch, break and measure, down to the byte.
///
/// Without a command the network is started, as by `micronet up`.
#[derive(Debug, Parser)]
#[command(name = "micronet", version, after_help = EXAMPLES, max_term_width = HELP_COLUMNS)]
pub(crate) struct Flags {
    /// The folder of databases, secrets and logs; created where it is missing
    #[arg(long, global = true, value_name = "DIR", env = "MICRONET_DATA", default_value = "micronet-data")]
    pub(crate) data: PathBuf,
    /// What is logged to stderr: a level (error, warn, info, debug, trace) or TARGET=LEVEL,…
    #[arg(long, global = true, value_name = "FILTER", env = "RUST_LOG")]
    pub(crate) log: Option<String>,
    /// How it is logged: text for people, or a JSON object a line, with the ids of request and trace
    #[arg(long, global = true, value_name = "FORMAT", env = "MICRONET_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Option<RawCommand>,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// A command and its flags.
#[derive(Debug, Subcommand)]
pub(crate) enum RawCommand {
    /// Start the network: a gateway and its services, each a process of its own
    #[command(after_help = up_help())]
    Up(UpFlags),
    /// Run one service, in the foreground
    #[command(after_help = SERVICE_EXAMPLES)]
    Service(ServiceFlags),
    /// Run the gateway, in the foreground
    Gateway(GatewayFlags),
    /// Call a method of a service by its name, with JSON
    Call(CallFlags),
    /// Talk with an instance in lines of text, as by nc, and in TLS too
    Nc(NcFlags),
    /// Talk with those who operate the network, and operate it by what you say
    Chat(ChatFlags),
    /// Sign in at a gateway, so that calls can be made as that account
    Login(LoginFlags),
    /// Sign out, and forget the tokens
    Logout(LogoutFlags),
    /// Tell who has signed in
    Whoami(WhoamiFlags),
    /// See how an instance and the way to it are doing, a heartbeat a line
    Ping(PingFlags),
    /// Draw where a process's time goes, as a flame graph
    Profile(ProfileFlags),
    /// Show what a process is doing: its tasks, and the requests that are under way in it
    Tasks(TasksFlags),
    /// Show the instances of services, as those see them who call them
    Instances(InstancesFlags),
    /// Show or change what the network is declared to be like: segments, links, who may call whom
    Net(NetFlags),
    /// Install the dissector of Wireshark, so that it shows what the network says by name
    Dissector(DissectorFlags),
    /// Ask what became of a write, by its idempotency token
    Outcome(OutcomeFlags),
    /// Show what services can be called for, compare it, and write it to files
    Schema(SchemaFlags),
    /// Tell what bytes mean: hexadecimal text, or a capture
    Decode(DecodeFlags),
    /// Send a message over TCP alone, or by the protocol, and see the difference
    Pipe(PipeFlags),
    /// Be a customer of the toy store: ask for toys and buy them, over HTTP
    #[command(after_help = SHOP_EXAMPLES)]
    Shop(ShopFlags),
    /// Measure how fast it answers, and draw it
    Load(LoadFlags),
    /// Measure latency, throughput and cost, and compare them: RPC, HTTP, WebSocket, TCP
    Bench(BenchFlags),
    /// Make the lab's nodes answer as well or as badly as you like
    Lab(LabFlags),
    /// Show the processes of the running network, and how they are
    #[command(visible_alias = "status")]
    Ps(PsFlags),
    /// Start what doesn't run, and wait until it is ready
    Start(NameFlags),
    /// Stop an instance or a service, when its running requests have finished
    Stop(NameFlags),
    /// Start an instance or a service anew, one by one, so that no request fails
    Restart(RestartFlags),
    /// Have the gateway read its settings and certificates again, without dropping a connection
    #[command(after_help = RELOAD_EXAMPLES)]
    Reload(NameFlags),
    /// Change how many instances a service has
    Scale(ScaleFlags),
    /// Give an instance no more calls, but let it run
    Drain(DrainFlags),
    /// Give it calls again
    Undrain(DrainFlags),
    /// Show the end of processes' logs, and follow them
    Logs(LogsFlags),
    /// See the calls that pass, or write the frames for Wireshark, while they pass
    Tap(TapFlags),
    /// Tell why a request went as it did: where it was sent, and where its time went
    Why(WhyFlags),
    /// Break something on purpose for a while, and see what it came to
    Fault(FaultFlags),
    /// Rehearse a failure under load, and report what it cost
    Drill(DrillFlags),
    /// Show the drills so far, or one of them
    Drills(DrillsFlags),
    /// Print the script by which a shell completes commands, services, methods and fields
    Completions(CompletionsFlags),
    #[command(hide = true)]
    Complete(CompleteFlags),
    /// Make and show the certificates by which services know each other (mTLS)
    Certs(CertsFlags),
}

/// The flags of `up`.
#[derive(Debug, Default, Args)]
pub(crate) struct UpFlags {
    /// Which part of everything to start, as listed below
    #[arg(long, value_name = "NAME", default_value = "all", value_parser = profile())]
    pub(crate) profile: Chosen,
    /// The IP address that everything listens on
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub(crate) listen: Option<String>,
    /// Which demonstration data new databases get [default: the profile's, else what the folder has, else shop]
    #[arg(long, value_name = "NAME", value_parser = demo())]
    pub(crate) demo: Option<Demo>,
    #[arg(long, value_name = "URL", help = DATABASE_HELP)]
    pub(crate) database: Option<String>,
    #[command(flatten)]
    pub(crate) redis: RedisFlag,
    /// For how many hours idempotency tokens are remembered, 1 to 720: a write that is repeated within them is done once
    /// [default: 24]
    #[arg(long, value_name = "HOURS", env = "MICRONET_TOKENS_KEPT", value_parser = kept_hours())]
    pub(crate) tokens_kept: Option<u32>,
    /// Delete the databases of the data folder first
    #[arg(long)]
    pub(crate) fresh: bool,
    /// The ports of a service's instances, or of the gateway: SERVICE=PORT[,PORT…]; 0 is a free port; may be repeated
    #[arg(long = "port", value_name = "SERVICE=PORTS")]
    pub(crate) ports: Vec<String>,
    /// The gateway's port; every other port of the profile moves as far as this one does. 0 takes free ports
    /// everywhere [default: the profile's]
    #[arg(long, value_name = "PORT")]
    pub(crate) base_port: Option<u16>,
    /// What the links between services are like, and who may call whom: a plan, as `micronet net --help` shows it
    #[arg(long, value_name = "FILE")]
    pub(crate) network: Option<PathBuf>,
    /// Leave a process that dies where it is, until `micronet start` starts it again
    #[arg(long)]
    pub(crate) no_restart: bool,
    /// From when on something is worth an alert, instead of unhealthy_s=1, response_time_ms=200, cpu_percent=85, memory_mib=512,
    /// disk_percent=80, spike_times=3, spike_per_s=50, fairness_percent=80 or inefficiency_times=3; may be repeated
    #[arg(long = "alert", value_name = "NAME=NUMBER")]
    pub(crate) alerts: Vec<String>,
    /// Open no virtual ports; without this the gateway passes the TCP connections of one port for each service through to
    /// its instances: 9001 for user, 9002 for product, and so on, 1000 above the service's own
    #[arg(long)]
    pub(crate) no_l4: bool,
    /// Have the gateway answer /echo and /ws/echo too, which give back what they get: to examine it by
    #[arg(long)]
    pub(crate) debug_routes: bool,
    #[command(flatten)]
    pub(crate) gateway_config: GatewayConfigFlags,
    #[command(flatten)]
    pub(crate) tls: TlsFlags,
    #[command(flatten)]
    pub(crate) lifetime: LifetimeFlag,
    #[command(flatten)]
    pub(crate) exposure: ExposureFlags,
    /// Stop when stdin closes: for a parent process that may die
    #[arg(long, hide = true)]
    pub(crate) supervised: bool,
}

/// The flags of `service`.
#[derive(Debug, Args)]
pub(crate) struct ServiceFlags {
    /// Which service
    #[arg(value_name = "NAME", value_parser = service_names())]
    pub(crate) name: String,
    /// This instance's name, unlike every other's in the network [default: NAME-1]
    #[arg(long, value_name = "INSTANCE")]
    pub(crate) instance: Option<String>,
    /// Where it listens; port 0 is a free port [default: 127.0.0.1 and the service's port]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<String>,
    #[arg(long = "peer", value_name = "NAME=ADDR[,ADDR…]", help = PEER_HELP)]
    pub(crate) peers: Vec<String>,
    #[command(flatten)]
    pub(crate) discovery: DiscoveryFlags,
    #[command(flatten)]
    pub(crate) registration: RegistrationFlags,
    /// Which demonstration data a new database gets [default: what the folder has, else shop]
    #[arg(long, value_name = "NAME", value_parser = demo())]
    pub(crate) demo: Option<Demo>,
    #[arg(long, value_name = "URL", help = DATABASE_HELP)]
    pub(crate) database: Option<String>,
    #[command(flatten)]
    pub(crate) redis: RedisFlag,
    /// For how many hours idempotency tokens are remembered, 1 to 720: a write that is repeated within them is done once
    /// [default: 24]
    #[arg(long, value_name = "HOURS", env = "MICRONET_TOKENS_KEPT", value_parser = kept_hours())]
    pub(crate) tokens_kept: Option<u32>,
    #[command(flatten)]
    pub(crate) tls: TlsFlags,
    #[command(flatten)]
    pub(crate) exposure: ExposureFlags,
    /// End when stdin closes: for a parent process that may die
    #[arg(long, hide = true)]
    pub(crate) supervised: bool,
}

/// What every command that listens has in common.
#[derive(Debug, Default, Args)]
pub(crate) struct ExposureFlags {
    /// Listen on an address that other machines reach, although nothing is encrypted there and peers are not authenticated.
    /// A service with --mtls doesn't need it, nor does a gateway with HTTPS besides
    #[arg(long)]
    pub(crate) insecure: bool,
    /// The cluster's name; processes of another cluster are refused
    #[arg(long, value_name = "NAME", default_value = crate::registry::CLUSTER_DEFAULT)]
    pub(crate) cluster: Option<String>,
}

/// The flags of `shop`.
#[derive(Debug, Args)]
pub(crate) struct ShopFlags {
    #[command(subcommand)]
    pub(crate) mode: ShopMode,
    /// Customers at once; each asks COUNT times, on a connection of its own
    #[arg(long, global = true, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) clients: u16,
    /// The gateway: HOST, HOST:PORT or http://HOST:PORT [default: FRONT, else the running network's, else localhost:8000]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) to: Option<String>,
    /// Print the summary as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print every answer, however many there are (with --json: to stderr)
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

/// What the customer does.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ShopMode {
    /// Ask for a toy's price and quantity
    Query {
        /// The toy: Tux, Whale, Elephant, Bird
        #[arg(value_name = "TOY")]
        toy: String,
        /// How often
        #[arg(value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
        count: u64,
    },
    /// Buy a toy
    Buy {
        /// The toy: Tux, Whale, Elephant, Bird
        #[arg(value_name = "TOY")]
        toy: String,
        /// How many of it in each order
        #[arg(value_name = "QUANTITY", value_parser = clap::value_parser!(u32).range(1..))]
        quantity: u32,
        /// How many orders
        #[arg(value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
        count: u64,
    },
    /// Ask for random toys, and sometimes buy a random quantity of one that is in stock
    Random {
        /// How many toys to ask for
        #[arg(value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
        count: u64,
        /// How likely a toy that is in stock is bought, from 0 to 1
        #[arg(short, long, value_name = "PROBABILITY", default_value_t = 0.5, value_parser = probability)]
        probability: f64,
    },
}

fn probability(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "it is not a number".to_owned())?;
    if (0.0..=1.0).contains(&number) { Ok(number) } else { Err("a probability is from 0 to 1".into()) }
}

fn kept_hours() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(i64::from(KEPT_HOURS_MIN)..=i64::from(KEPT_HOURS_MAX))
}

fn demo() -> impl TypedValueParser<Value = Demo> {
    PossibleValuesParser::new(Demo::ALL.map(Demo::name)).try_map(|name| name.parse::<Demo>())
}

fn profile() -> impl TypedValueParser<Value = Chosen> {
    PossibleValuesParser::new(PROFILES.map(|profile| profile.name)).try_map(|name| name.parse::<Chosen>())
}

fn up_help() -> String {
    format!(
        "Profiles:\n{}\n\n--base-port moves all ports of a profile together.\n\n{UP_EXAMPLES}",
        profile::help()
    )
}

fn service_names() -> PossibleValuesParser {
    crate::registry::SERVICES.iter().map(|service| service.name).collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests;
