//! From a target as it was named to what is ready to be asked: servers are found or started, schemas fetched, requests encoded once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use micronet_transport::identity::Identity;
use micronet_wire::schema::EncodedSchema;

use super::called;
use super::child::Server;
use super::echo::Echo;
use super::http::{Http, HttpRequest};
use super::l4::Connector;
use super::lane::{Lane, Protocol};
use super::parts::Parts;
use super::remembered::{Remembered, Sampled};
use super::report::model::{Kind, LedgerMeans, Load, Settings};
use super::rpc::{Called, RpcCaller};
use super::rpc_sync::SyncCaller;
use super::tally;
use super::work::Worker;
use super::ws::{Said, Talk, Ws};
use crate::address::HostPort;
use crate::config::{BenchAsk, BenchConfig, BenchTarget, CourseConfig};
use crate::error::CommandError;
use crate::identity;
use crate::load::Pace;
use crate::load::rpc::Line;
use crate::network_file::NetworkFile;
use crate::shop::front;

/// The port of a URL that names none (RFC 9110 section 4.2.1).
const HTTP_PORT: u16 = 80;

/// A target that is ready to be measured.
pub(super) struct Prepared {
    /// What it is called in results.
    pub(super) name: String,
    /// By which protocol it is asked.
    pub(super) kind: Kind,
    /// What a request bears, in bytes.
    payload: Option<u64>,
    /// What else matters of how it is asked, in words.
    pub(super) other: BTreeMap<String, String>,
    how: How,
    parts: Parts,
    /// Who tells where the time went, if the replies don't.
    remembered: Option<Remembered>,
    /// What was started for it.
    _server: Option<Server>,
}

/// How it is asked.
pub(super) enum How {
    Http(SocketAddr, HttpRequest, Rc<Sampled>),
    Ws(SocketAddr, Talk),
    L4(SocketAddr, u64),
    Echo(SocketAddr, Bytes),
    Rpc(Rpc),
    Sync(SyncCaller),
}

/// A service, and what is called of it.
pub(super) struct Rpc {
    pub(super) service: String,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) identity: Rc<Identity>,
    pub(super) schema: Rc<EncodedSchema>,
    pub(super) called: Called,
}

/// A target before its processes are looked for.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) how: How,
    pub(super) other: BTreeMap<String, String>,
    pub(super) server: Option<Server>,
}

impl Prepared {
    /// Makes a target ready.
    pub(super) async fn new(target: &BenchTarget, config: &BenchConfig) -> Result<Self, CommandError> {
        let network = NetworkFile::of_running_network(&config.data)?;
        let found = find(target, config).await?;
        let Found { name, how, other, server } = found;
        let (kind, payload) = match &how {
            How::Http(_, request, _) => {
                (Kind::Http, Some(request.body.len() as u64).filter(|bytes| *bytes > 0))
            }
            How::Ws(_, talk) => (Kind::Ws, talk.said.bytes()),
            How::L4(_, bytes) => (Kind::L4, Some(*bytes)),
            How::Echo(_, message) => (Kind::Echo, Some(message.len() as u64)),
            How::Rpc(Rpc { called, .. }) | How::Sync(SyncCaller { called, .. }) => {
                (Kind::Rpc, Some(called.payload_bytes as u64))
            }
        };
        let parts = Parts::find(kind, &how.addresses(), network.as_ref(), &config.course.pids);
        if let Some(pid) = parts.unseen().next() {
            return Err(CommandError::usage(format!(
                "there is no process {pid} here, or it isn't to be seen"
            ))
            .next("name processes of this machine with --pid"));
        }
        let remembered = match (&how, &network) {
            (How::Http(address, _, sampled), Some(network)) => {
                let identity = identity::of_tool(None, Some(network), &config.data, false)?;
                Remembered::new(network, *address, Rc::clone(sampled), identity)
            }
            _ => None,
        };
        Ok(Self { name, kind, payload, other, how, parts, remembered, _server: server })
    }

    /// Where the time of the last requests went, if there is somebody who remembers that.
    pub(super) async fn ledger(&self) -> Option<LedgerMeans> {
        match &self.remembered {
            Some(remembered) => remembered.means().await,
            None => None,
        }
    }

    /// The processes that take part.
    pub(super) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// How it is measured.
    pub(super) fn settings(&self, course: &CourseConfig) -> Settings {
        Settings {
            load: match course.pace {
                Pace::Closed => Load::Closed { in_flight: course.in_flight },
                Pace::Open { rate_per_s, .. } => Load::Open { rate_per_s },
            },
            connections: course.connections,
            payload_bytes: self.payload,
            warm_up_s: course.warm_up.as_secs_f64(),
            seconds: course.duration.as_secs_f64(),
            other: self.other.clone(),
        }
    }

    /// Connects all who ask, so that connecting is not measured.
    pub(super) async fn connect(&self, course: &CourseConfig) -> Result<Vec<Box<dyn Worker>>, CommandError> {
        let mut workers: Vec<Box<dyn Worker>> = Vec::new();
        for place in 0..course.connections {
            let depth = depth(course, place);
            let connected = match &self.how {
                How::Http(address, request, sampled) => {
                    lane(*address, Http::new(request.clone(), Rc::clone(sampled)), 1).await
                }
                How::Ws(address, talk) => lane(*address, Ws::new(talk.clone()), depth).await,
                How::Echo(address, message) => lane(*address, Echo::new(message.clone()), depth).await,
                How::L4(address, bytes) => Connector::open(*address, *bytes)
                    .await
                    .map(|worker| vec![Box::new(worker) as Box<dyn Worker>]),
                How::Rpc(rpc) => rpc.connect(place, depth, course).await,
                How::Sync(caller) => {
                    let caller = SyncCaller { depth, place, threads: course.connections, ..caller.clone() };
                    // The first tells whether there is somebody; each thread connects by itself.
                    let checked = if place == 0 { caller.connect().map(drop) } else { Ok(()) };
                    checked.map(|()| vec![Box::new(caller) as Box<dyn Worker>])
                }
            };
            workers.extend(connected.map_err(|kind| self.not_reached(&kind))?);
        }
        Ok(workers)
    }

    fn not_reached(&self, kind: &tally::Kind) -> CommandError {
        CommandError::new(format!("{} can't be reached: {kind}", self.name))
            .next("is it running, and is this its address?")
    }
}

/// How many requests are under way on the connection in this place.
fn depth(course: &CourseConfig, place: u32) -> usize {
    let (each, more) = (course.in_flight / course.connections, course.in_flight % course.connections);
    (each + u32::from(place < more)) as usize
}

async fn lane<P: Protocol + 'static>(
    address: SocketAddr,
    protocol: P,
    depth: usize,
) -> Result<Vec<Box<dyn Worker>>, tally::Kind> {
    let lane = Lane::open(address, protocol, depth).await?;
    Ok(vec![Box::new(lane)])
}

impl Rpc {
    async fn connect(
        &self,
        place: u32,
        depth: usize,
        course: &CourseConfig,
    ) -> Result<Vec<Box<dyn Worker>>, tally::Kind> {
        let address = self.addresses[place as usize % self.addresses.len()];
        let line =
            Rc::new(Line::new(&self.service, address, Rc::clone(&self.identity), Rc::clone(&self.schema)));
        line.connect(course.timeout).await.map_err(|error| tally::Kind::from(error.to_string()))?;
        let caller = || {
            let caller = RpcCaller::new(Rc::clone(&line), self.called.clone());
            let caller = caller.map_err(|error| tally::Kind::from(error.to_string()))?;
            Ok(Box::new(caller) as Box<dyn Worker>)
        };
        (0..depth).map(|_| caller()).collect()
    }
}

impl How {
    /// Where it is.
    fn addresses(&self) -> Vec<SocketAddr> {
        match self {
            Self::Http(address, ..)
            | Self::Ws(address, _)
            | Self::L4(address, _)
            | Self::Echo(address, _) => {
                vec![*address]
            }
            Self::Rpc(rpc) => rpc.addresses.clone(),
            Self::Sync(caller) => vec![caller.address],
        }
    }
}

async fn find(target: &BenchTarget, config: &BenchConfig) -> Result<Found, CommandError> {
    let found = |how| Found { name: target.name.clone(), how, other: BTreeMap::new(), server: None };
    let at_gateway = |server: &Option<HostPort>| match server {
        Some(server) => Ok(server.clone()),
        None => front::find(config.front.as_ref(), &config.data),
    };
    Ok(match &target.ask {
        BenchAsk::Rpc(ask) => called::find(&target.name, ask, config).await?,
        BenchAsk::Http { server, method, path, headers, body } => {
            let server = at_gateway(server)?;
            let request = HttpRequest {
                method: (*method).to_owned(),
                target: path.clone(),
                host: host(&server),
                headers: headers.clone(),
                body: body.clone(),
            };
            found(How::Http(server.resolve().await?, request, Rc::default()))
        }
        BenchAsk::Ws { server, path, headers, said } => {
            let server = at_gateway(server)?;
            let talk = Talk {
                host: host(&server),
                path: path.clone(),
                headers: headers.clone(),
                said: said.clone(),
            };
            let mut found = found(How::Ws(server.resolve().await?, talk));
            if *said == Said::Nothing {
                found.other.insert("messages".into(), "pushed".into());
            }
            found
        }
        BenchAsk::L4 { proxy, bytes } => found(How::L4(proxy.resolve().await?, *bytes)),
        BenchAsk::Echo { server: Some(server), payload } => {
            found(How::Echo(server.resolve().await?, vec![7; *payload].into()))
        }
        BenchAsk::Echo { server: None, payload } => {
            let server =
                Server::start(&["echo", "--listen", "127.0.0.1:0", "--supervised"], &config.data, None)
                    .await?;
            let how = How::Echo(server.address(), vec![7; *payload].into());
            Found { server: Some(server), ..found(how) }
        }
    })
}

/// A server as a request names it (RFC 9110 section 7.2).
fn host(server: &HostPort) -> String {
    let text = server.to_string();
    let default = format!(":{HTTP_PORT}");
    text.strip_suffix(&default).map_or_else(|| text.clone(), str::to_owned)
}
