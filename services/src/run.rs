//! Running a service: what it needs, how it starts, and how it ends.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;

use micronet_transport::bearers::follow_at;
use micronet_transport::clock;
use micronet_transport::drain::Drain;
use micronet_transport::identity::Identity;
use micronet_transport::server::serve;
use micronet_transport::socket;
use micronet_transport::upstream::Upstream;
use micronet_wire::authority::AUTHORITY;
use micronet_wire::builtin::WithBuiltin;
use micronet_wire::outcomes::Outcomes;
use micronet_wire::schema::{SchemaError, ServiceSchema, Timestamp};
use micronet_wire::service::Service;

use crate::database::{Databases, Location};
use crate::demo::Demo;
use crate::once::Keeping;
use crate::redis_url::RedisUrl;

/// What a service is started with.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Where the databases are.
    pub database: Databases,
    /// What a fresh database is filled with; with the toy store's data its order log is open to everybody.
    pub demo: Demo,
    /// For how long idempotency tokens are remembered, and how many.
    pub keeping: Keeping,
    /// Who this instance is.
    pub identity: Rc<Identity>,
    /// The folder for what nobody else may read, as private keys; without one it is kept in memory, and gone with the process.
    pub private: Option<PathBuf>,
    /// The Redis that others look into too, if there is one.
    pub redis: Option<RedisUrl>,
    /// Where the other services are, by name.
    pub peers: BTreeMap<String, Vec<SocketAddr>>,
}

impl Environment {
    /// The instances of another service, whose schema this one was built with.
    ///
    /// # Errors
    /// When nobody said where they are, or the schema breaks a rule.
    pub fn upstream(&self, built_with: ServiceSchema) -> Result<Upstream, StartError> {
        let name = built_with.name.clone();
        self.upstream_if_known(built_with)?.ok_or(StartError::UnknownPeer(name))
    }

    /// The instances of a service that this one can do without; `None` when nobody said where they are.
    ///
    /// # Errors
    /// When the schema breaks a rule.
    pub fn upstream_if_known(&self, built_with: ServiceSchema) -> Result<Option<Upstream>, StartError> {
        // A service without addresses is found otherwise, or will be.
        let Some(addresses) = self.peers.get(&built_with.name) else { return Ok(None) };
        let upstream = Upstream::connect_typed(built_with, addresses, &self.identity);
        upstream.map(Some).map_err(StartError::Schema)
    }

    /// Where the database of a service is.
    #[must_use]
    pub fn database(&self, service: &str) -> Location {
        self.database.of(service)
    }
}

/// Why a service can't start.
#[derive(Debug)]
pub enum StartError {
    /// No service has this name.
    UnknownService(String),
    /// It calls another service, and nobody said where that is.
    UnknownPeer(String),
    /// Its database can't be opened.
    Store(String),
    /// Its schema breaks a rule.
    Schema(SchemaError),
    /// It can't listen.
    Listen(SocketAddr, std::io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownService(name) => {
                let known: Vec<_> = crate::ALL.iter().map(|definition| definition.name).collect();
                write!(f, "there is no service named {name:?}; there are {}", known.join(", "))
            }
            Self::UnknownPeer(name) => {
                write!(f, "where is {name}? Say it with --peer {name}=HOST:PORT[,HOST:PORT]")
            }
            Self::Store(error) => error.fmt(f),
            Self::Schema(error) => error.fmt(f),
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<SchemaError> for StartError {
    fn from(error: SchemaError) -> Self {
        Self::Schema(error)
    }
}

/// A future that stays on its thread.
pub type Local<T> = Pin<Box<dyn Future<Output = T>>>;

/// One of the services of this crate.
#[derive(Debug)]
pub struct Definition {
    /// Its name, on the command line and in the network.
    pub name: &'static str,
    /// The port of each instance that a whole network starts, counted from its gateway's; below it where negative.
    pub port_offsets: &'static [i32],
    /// The services that it can't do without.
    pub requires: &'static [&'static str],
    /// The services that it makes use of where they are.
    pub wants: &'static [&'static str],
    /// The environment variable that may hold its addresses for those who call it.
    pub environment: &'static str,
    /// Creates, migrates and fills its database, where it has one.
    pub prepare: fn(Environment) -> Local<Result<(), StartError>>,
    /// Starts it.
    pub start: fn(Environment) -> Local<Result<Running, StartError>>,
}

impl Definition {
    /// A service that calls no other and has no database; the rest is its own to say.
    pub const ALONE: Self = Self {
        name: "",
        port_offsets: &[],
        requires: &[],
        wants: &[],
        environment: "",
        prepare: |_| Box::pin(async { Ok(()) }),
        start: |_| Box::pin(async { Err(StartError::UnknownService(String::new())) }),
    };

    /// All services that it may call. Each makes use of the authority, where there is one, to know who shows it an access token.
    pub fn calls(&self) -> impl Iterator<Item = &'static str> {
        let authority = (self.name != AUTHORITY).then_some(AUTHORITY);
        self.requires.iter().chain(self.wants).copied().chain(authority)
    }
}

/// Services are told apart by their names.
impl PartialEq for Definition {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Definition {}

/// A service that has started.
pub struct Running {
    /// What answers its calls.
    pub service: Box<dyn Service>,
    /// Who knows what became of its writes: `NoOutcomes` where there are none under tokens.
    pub outcomes: Box<dyn Outcomes>,
    /// What is left to do when no call is in flight any more.
    pub finish: Local<()>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Running")
    }
}

/// The definition of a service.
///
/// # Errors
/// When no service has this name.
pub fn definition(name: &str) -> Result<&'static Definition, StartError> {
    crate::ALL
        .iter()
        .find(|definition| definition.name == name)
        .ok_or_else(|| StartError::UnknownService(name.into()))
}

/// Where this process reaches itself, that listens there.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// Runs one instance of a service until `drain` begins. `ready` hears the address once calls are taken.
///
/// # Errors
/// Why it can't start.
pub async fn run(
    name: &str,
    listen: SocketAddr,
    environment: Environment,
    ready: impl FnOnce(SocketAddr),
    drain: Drain,
) -> Result<(), StartError> {
    let definition = definition(name)?;
    let identity = Rc::clone(&environment.identity);
    // The port comes first: what can't listen should not touch the database.
    let listener = socket::listen(listen).map_err(|error| StartError::Listen(listen, error))?;
    let address = listener.local_addr().map_err(|error| StartError::Listen(listen, error))?;
    // The authority itself is no exception: it hears of its own revocations as others do.
    let authority = match definition.name {
        AUTHORITY => Some(vec![reachable(address)]),
        _ => environment.peers.get(AUTHORITY).cloned(),
    };
    let Running { service, outcomes, finish } = (definition.start)(environment).await?;
    let started = Timestamp(clock::unix_us());
    let (instance, version) = (&identity.instance, env!("CARGO_PKG_VERSION"));
    let service = WithBuiltin::with_outcomes(service, instance, version, started, outcomes)?;
    ready(address);
    let _following = authority.map(|addresses| follow_at(&identity, &addresses)).transpose()?;
    serve(listener, Rc::new(service), identity, drain).await;
    finish.await;
    Ok(())
}
