//! What the gateway has measured of what passes through it: requests by service, by the server that answered, by protocol and by
//! where the client is.

mod regions;
mod report;
mod second;
mod seconds;
mod series;

use std::cell::RefCell;
use std::rc::Rc;

use micronet_transport::clock;
use micronet_wire::schema::EncodedSchema;
use micronet_wire::service::{Bytes, CallContext, Handling, Service};

pub use self::regions::{BadRegions, Network, Regions};
pub(crate) use self::report::percent;
pub(crate) use self::seconds::SECOND_NS;
use self::seconds::Seconds;
use self::series::Series;

/// Servers that are remembered, also when they are gone; one more, and that is forgotten which was silent for longest.
const SERVERS_MAX: usize = 256;

/// The gateway's own service, whose calls over RPC are counted.
pub(crate) struct Counted {
    pub(crate) service: Rc<dyn Service>,
    pub(crate) stats: Rc<Stats>,
}

impl Service for Counted {
    fn schema(&self) -> &EncodedSchema {
        self.service.schema()
    }

    fn handle(&self, context: Box<CallContext>, method: u32, request: Bytes) -> Handling {
        let (handling, stats) = (self.service.handle(context, method, request), Rc::clone(&self.stats));
        Box::pin(async move {
            let since = clock::now();
            let answer = handling.await;
            let failed = answer.as_ref().is_err_and(|error| error.code.http_status() >= 500);
            let now = clock::now();
            stats.answered(now, Protocol::Rpc, None, None, now - since, failed);
            answer
        })
    }
}

/// What was asked, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP.
    Http,
    /// HTTP in TLS.
    Https,
    /// The binary RPC, on the gateway's own port for it.
    Rpc,
}

impl Protocol {
    const ALL: [Self; 3] = [Self::Http, Self::Https, Self::Rpc];

    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Rpc => "rpc",
        }
    }
}

/// What the gateway has measured.
#[derive(Debug)]
pub(crate) struct Stats {
    started_ns: u64,
    regions: Regions,
    measured: RefCell<Measured>,
}

#[derive(Debug, Default)]
struct Measured {
    /// By protocol; together they are all requests.
    protocols: [Series; 3],
    /// By region, in the order of their names.
    regions: Vec<Series>,
    /// By service: the index of its upstream.
    services: Vec<Series>,
    servers: Vec<Server>,
    /// The last seconds by service; after them those of requests that were for none.
    seconds: Vec<Seconds>,
}

/// What was measured of one instance of a service.
#[derive(Debug)]
struct Server {
    service: usize,
    instance: Rc<str>,
    used_ns: u64,
    series: Series,
    seconds: Seconds,
}

impl Stats {
    /// Nothing yet, of so many services.
    pub(crate) fn new(regions: Regions, services: usize) -> Self {
        let many = |count: usize| (0..count).map(|_| Series::default()).collect();
        let measured = Measured {
            regions: many(regions.names().len()),
            services: many(services),
            seconds: (0..=services).map(|_| Seconds::default()).collect(),
            ..Measured::default()
        };
        Self { started_ns: clock::now(), regions, measured: RefCell::new(measured) }
    }

    /// Where clients are.
    pub(crate) fn regions(&self) -> &Regions {
        &self.regions
    }

    /// A client's request was answered at `now`, after so many nanoseconds: for a service, if it was for one.
    pub(crate) fn answered(
        &self,
        now: u64,
        protocol: Protocol,
        region: Option<usize>,
        service: Option<usize>,
        took_ns: u64,
        failed: bool,
    ) {
        let mut measured = self.measured.borrow_mut();
        let Measured { protocols, regions, services, seconds, .. } = &mut *measured;
        let second = seconds.get_mut(service.unwrap_or(services.len()));
        second.into_iter().for_each(|second| second.record(now, took_ns, failed));
        let of_region = region.and_then(|region| regions.get_mut(region));
        let of_service = service.and_then(|service| services.get_mut(service));
        let every = [protocols.get_mut(protocol as usize), of_region, of_service];
        for series in every.into_iter().flatten() {
            series.record(now, took_ns, failed);
        }
    }

    /// An instance of a service has answered at `now`, or failed to.
    pub(crate) fn served(&self, now: u64, service: usize, instance: &Rc<str>, took_ns: u64, failed: bool) {
        let servers = &mut self.measured.borrow_mut().servers;
        let is_it = |server: &Server| server.service == service && server.instance == *instance;
        let at = servers.iter().position(is_it).unwrap_or_else(|| {
            if servers.len() >= SERVERS_MAX {
                let silent = servers.iter().enumerate().min_by_key(|(_, server)| server.used_ns);
                let silent = silent.map_or(0, |(at, _)| at);
                servers.swap_remove(silent);
            }
            let (instance, series, seconds) = (Rc::clone(instance), Series::default(), Seconds::default());
            servers.push(Server { service, instance, used_ns: now, series, seconds });
            servers.len() - 1
        });
        servers[at].used_ns = now;
        servers[at].series.record(now, took_ns, failed);
        servers[at].seconds.record(now, took_ns, failed);
    }
}
