//! What a gateway is started with, and what all of its connections share.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;

use micronet_transport::bearers::{self, Following};
use micronet_transport::identity::{Identity, random_bytes};
use micronet_transport::metrics::RouteMeters;
use micronet_transport::server::OwnSite;
use micronet_transport::tasks;
use micronet_transport::tls::edge::EdgeTls;
use micronet_transport::upstream::Upstream;
use micronet_wire::authority::{AUTHORITY, authority_schema};
use micronet_wire::rest::{RequestIds, Routes};
use micronet_wire::schema::{EncodedSchema, SchemaError};
use micronet_wire::service::Service;

use crate::access_log::AccessLog;
use crate::audit::Audit;
use crate::cache::Cache;
use crate::control::Control;
use crate::l4::VirtualPort;
use crate::rates::{Rates, RedisAt};
use crate::settings::{Held, Settings, Source};
use crate::stats::{Counted, Regions, Stats};
use crate::targets;

/// What a gateway is started with.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Who this gateway is towards the services. The operator's token, if it is known, is what a bearer may present.
    pub identity: Rc<Identity>,
    /// Where the services are, by name.
    pub peers: BTreeMap<String, Vec<SocketAddr>>,
    /// Where it serves HTTP, as others reach it, where that is known.
    pub http: Option<SocketAddr>,
    /// Where clients are, by their addresses.
    pub regions: Regions,
    /// Whether it answers paths that serve its own examination, as `/echo`.
    pub debug_routes: bool,
    /// Where the journals of its audit log are; without it, actions are not written down.
    pub audit: Option<PathBuf>,
    /// Where Redis is, if rate limits are shared with other gateways.
    pub redis: Option<RedisAt>,
    /// What is configured of its edge to begin with.
    pub settings: Settings,
    /// Where they come from.
    pub source: Source,
}

/// Why a gateway can't start.
#[derive(Debug)]
pub enum StartError {
    /// The schema of its own service breaks a rule, which a test keeps from happening.
    Schema(SchemaError),
    /// Its settings can't be used.
    Settings(Vec<String>),
    /// The journal of its audit log can't be written.
    Audit(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(error) => write!(f, "the gateway's own schema breaks a rule: {error}"),
            Self::Settings(faults) => {
                write!(f, "the gateway's settings can't be used: {}", faults.join("; "))
            }
            Self::Audit(error) => write!(f, "the audit log can't be written: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<SchemaError> for StartError {
    fn from(error: SchemaError) -> Self {
        Self::Schema(error)
    }
}

/// The index of the gateway's own service among those that its routes lead to; the others have that of their upstream.
pub(crate) const OWN: usize = usize::MAX;

/// The routes that are known, and what counts the requests that take them.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) routes: Routes,
    pub(crate) meters: RouteMeters,
}

/// The virtual ports beside a gateway.
pub(crate) type VirtualPorts = Rc<RefCell<Vec<Rc<VirtualPort>>>>;

/// A running gateway, shared by its connections.
pub struct Gateway {
    pub(crate) identity: Rc<Identity>,
    pub(crate) upstreams: Rc<[Upstream]>,
    /// The gateway's own service, as HTTP sees it.
    pub(crate) own: OwnSite,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) stats: Rc<Stats>,
    settings: Rc<Held>,
    service: Rc<dyn Service>,
    own_schema: Rc<EncodedSchema>,
    pub(crate) rates: Rc<Rates>,
    pub(crate) cache: Rc<Cache>,
    pub(crate) request_ids: RequestIds,
    pub(crate) debug_routes: bool,
    known: RefCell<Rc<Known>>,
    virtual_ports: VirtualPorts,
    pub(crate) audit: Audit,
    access_log: AccessLog,
    /// Whom it believes by access tokens, where there is an authority.
    _following: Option<Following>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("upstreams", &self.upstreams).finish_non_exhaustive()
    }
}

impl Gateway {
    /// Starts to connect to the services. Must be called on a `LocalRuntime` or within a `LocalSet`.
    ///
    /// # Errors
    /// When its settings can't be used, or the journal of its audit log can't be written.
    pub fn start(config: &Config) -> Result<Rc<Self>, StartError> {
        let identity = &config.identity;
        let connect = |(service, addresses): (&String, &Vec<SocketAddr>)| match &**service {
            // Called for the gateway's own sake, too.
            AUTHORITY => Upstream::connect_typed(authority_schema(), addresses, identity),
            service => Ok(Upstream::connect(service, addresses, identity)),
        };
        let upstreams: Rc<[Upstream]> =
            config.peers.iter().map(connect).collect::<Result<_, _>>().map_err(StartError::Schema)?;
        let authority = upstreams.iter().find(|upstream| upstream.service() == AUTHORITY);
        let stats = Rc::new(Stats::new(config.regions.clone(), upstreams.len()));
        let virtual_ports = VirtualPorts::default();
        let (cache, rates) = (Cache::new(&upstreams), Rates::new(config.redis.clone()));
        rates.show(identity.network.metrics());
        cache.show(identity.network.metrics());
        let settings =
            Held::new(config.settings.clone(), config.source.clone()).map_err(StartError::Settings)?;
        let settings = Rc::new(settings);
        let service = Control::service(identity, &upstreams, (&stats, &cache), &virtual_ports, &settings)
            .map_err(StartError::Schema)?;
        let access_log = AccessLog::begin(&settings, identity.network.records(), identity.network.metrics());
        let gateway = Rc::new(Self {
            access_log,
            identity: Rc::clone(identity),
            own: OwnSite::new(Rc::clone(&service), Rc::clone(identity)),
            http: config.http,
            stats,
            settings,
            own_schema: Rc::new(service.schema().clone()),
            service,
            rates,
            cache,
            request_ids: RequestIds::new(u32::from_ne_bytes(random_bytes())),
            debug_routes: config.debug_routes,
            known: RefCell::default(),
            virtual_ports,
            audit: match (&config.audit, authority) {
                (Some(folder), Some(authority)) => {
                    Audit::begin(folder, identity, authority).map_err(StartError::Audit)?
                }
                _ => Audit::default(),
            },
            _following: authority.map(|authority| bearers::follow(identity, authority)),
            upstreams,
        });
        gateway.learn_routes();
        for upstream in gateway.upstreams.iter() {
            tasks::spawn(
                "schemas of an upstream",
                follow_schemas(Rc::downgrade(&gateway), upstream.changes()),
            );
        }
        Ok(gateway)
    }

    /// The gateway's own service, to be served on its RPC port.
    #[must_use]
    pub fn service(&self) -> Rc<dyn Service> {
        Rc::new(Counted { service: Rc::clone(&self.service), stats: Rc::clone(&self.stats) })
    }

    /// What is configured of the edge now. What depends on a setting asks whenever it needs it.
    #[must_use]
    pub fn settings(&self) -> Rc<Settings> {
        self.settings.settings()
    }

    /// TLS of the HTTP port.
    pub(crate) fn tls(&self) -> Option<EdgeTls> {
        self.settings.tls()
    }

    /// From now on these settings hold. Those whose files can't be used don't, which the log tells.
    pub fn apply(&self, settings: Settings) {
        match self.settings.apply(settings) {
            Ok(applied) => tracing::info!(revision = applied.revision, "settings hold"),
            Err(faults) => tracing::warn!(?faults, "the settings can't be used; those from before hold"),
        }
    }

    /// Reads the settings again from where they come from, and applies them; what is wrong with them is in the log.
    pub fn reload(&self) {
        let _ = self.settings.reload();
    }

    /// Writes what is left to be written, when nobody is served any more.
    pub async fn finish(&self) {
        self.access_log.finish().await;
    }

    /// Whether there is something that can be read again.
    #[must_use]
    pub fn can_reload(&self) -> bool {
        self.settings.source().is_some()
    }

    /// Completes when each instance has been tried once, and the routes of those that were reached are known.
    pub async fn tried(&self) {
        for upstream in self.upstreams.iter() {
            upstream.tried().await;
        }
        self.learn_routes();
    }

    /// The routes as they are now.
    pub(crate) fn known(&self) -> Rc<Known> {
        Rc::clone(&self.known.borrow())
    }

    /// A virtual port was opened beside this gateway's own: it is shown with it from now on.
    pub fn opened(&self, port: Rc<VirtualPort>) {
        self.virtual_ports.borrow_mut().push(port);
    }

    fn learn_routes(&self) {
        // What the gateway itself is asked goes first.
        let own = [(OWN, Rc::clone(&self.own_schema))];
        let behind = self
            .upstreams
            .iter()
            .enumerate()
            .flat_map(|(at, upstream)| upstream.schemas().into_iter().map(move |schema| (at, schema)));
        let routes = Routes::from_schemas("micronet", own.into_iter().chain(behind)).beside(targets::PAGES);
        self.known.replace(Rc::new(Known { meters: RouteMeters::of(&routes), routes }));
    }
}

/// Learns the routes anew whenever an instance comes, since it may serve a schema that was not known before.
async fn follow_schemas(gateway: std::rc::Weak<Gateway>, mut changes: tokio::sync::watch::Receiver<u64>) {
    while changes.changed().await.is_ok() {
        let Some(gateway) = gateway.upgrade() else { return };
        gateway.learn_routes();
    }
}
