//! The configuration of `bench`.

mod results;
mod serve;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use micronet_wire::limits::CALLS_IN_FLIGHT_MAX;

pub(crate) use self::results::{BenchCompareConfig, BenchOutputs, BenchShowConfig, Plot};
pub(crate) use self::serve::BenchServeConfig;
use super::load::header;
use super::target::{Ask, Target, url};
use super::{Environment, TlsConfig, front, tls};
use crate::address::{self, HostPort};
use crate::bench::ws::Said;
use crate::cli::bench::measure::{
    BenchArrivals, BenchEchoFlags, BenchHttpFlags, BenchL4Flags, BenchRpcFlags, BenchWsFlags, DriverFlag,
    FieldFlags, MeasureFlags, ProcessRole,
};
use crate::cli::bench::{BenchFlags, BenchWhat};
use crate::error::CommandError;
use crate::load::Pace;
use crate::load::arrivals::Spread;

/// How long a target is loaded before each repetition, where that wasn't said.
const WARM_UP: Duration = Duration::from_secs(1);
/// The largest message or body that is sent, in bytes.
const PAYLOAD_BYTES_MAX: u64 = 8 << 20;

/// The most messages under way on one connection of bytes or of a WebSocket.
const DEPTH_MAX: u32 = 100_000;

/// What `bench` does.
#[derive(Debug)]
pub(crate) enum BenchCommand {
    /// Measure.
    Measure(Box<BenchConfig>),
    /// Be an echo.
    Echo {
        /// Where it listens.
        listen: SocketAddr,
        /// Whether it ends with its parent.
        supervised: bool,
    },
    /// Be the server that is measured.
    Serve(BenchServeConfig),
    /// Show saved results.
    Show(BenchShowConfig),
    /// Compare saved results.
    Compare(BenchCompareConfig),
}

/// What is measured, and how.
#[derive(Debug)]
pub(crate) struct BenchConfig {
    /// One target, or two that take turns.
    pub(crate) targets: Vec<BenchTarget>,
    /// How.
    pub(crate) course: CourseConfig,
    /// The gateway, where the environment names it.
    pub(crate) front: Option<HostPort>,
    /// The data folder.
    pub(crate) data: PathBuf,
    /// Where the results go.
    pub(crate) outputs: BenchOutputs,
}

/// How it is measured.
#[derive(Clone, Debug)]
pub(crate) struct CourseConfig {
    /// When requests are due.
    pub(crate) pace: Pace,
    /// Connections to a target.
    pub(crate) connections: u32,
    /// Requests under way, over all of them; at least as many as connections.
    pub(crate) in_flight: u32,
    /// Load that isn't counted.
    pub(crate) warm_up: Duration,
    /// Load that is.
    pub(crate) duration: Duration,
    /// How often.
    pub(crate) repeat: u32,
    /// How long an answer may take.
    pub(crate) timeout: Duration,
    /// Processes that take part and aren't found otherwise.
    pub(crate) pids: Vec<(ProcessRole, u32)>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct BenchTarget {
    /// As it was typed, or what it is best called.
    pub(crate) name: String,
    /// How it is asked.
    pub(crate) ask: BenchAsk,
}

/// How a target is asked.
#[derive(Clone, Debug)]
pub(crate) enum BenchAsk {
    /// By calls.
    Rpc(RpcAsk),
    /// By requests over HTTP.
    Http {
        /// The server; the gateway where none is named.
        server: Option<HostPort>,
        /// The method.
        method: &'static str,
        /// Path and query.
        path: String,
        /// Header fields.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// By messages on WebSockets.
    Ws {
        /// The server; the gateway where none is named.
        server: Option<HostPort>,
        /// Path and query.
        path: String,
        /// Header fields of the handshake.
        headers: Vec<(String, String)>,
        /// What is sent.
        said: Said,
    },
    /// By connections through a proxy.
    L4 {
        /// The proxy.
        proxy: HostPort,
        /// Bytes that are sent on each, and come back.
        bytes: u64,
    },
    /// By bytes.
    Echo {
        /// The echo; one that is started where none is named.
        server: Option<HostPort>,
        /// How many.
        payload: usize,
    },
}

/// How calls are made.
#[derive(Clone, Debug)]
pub(crate) struct RpcAsk {
    /// Whom.
    pub(crate) callee: RpcCallee,
    /// What a call bears and brings back, in bytes.
    pub(crate) payload: usize,
    /// Replies to a call, where they are a stream.
    pub(crate) stream: Option<u32>,
    /// By which driver.
    pub(crate) driver: DriverFlag,
    /// Whether the socket is asked again and again.
    pub(crate) spin: bool,
    /// Whether a server that is started serves by the synchronous driver.
    pub(crate) sync_server: bool,
    /// Whether the operator's token stays unused.
    pub(crate) anonymous: bool,
    /// How TLS is spoken, where that was asked for.
    pub(crate) tls: Option<TlsConfig>,
}

/// Who is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RpcCallee {
    /// A server that is started.
    Own,
    /// An instance of the same service.
    Server(HostPort),
    /// Any call.
    Call {
        /// The instance; those of the running network where none is named.
        instance: Option<HostPort>,
        /// The service.
        service: String,
        /// The method's name within it.
        method: String,
        /// The request.
        json: String,
    },
}

/// How many connections there are, and requests under way, where that wasn't said.
struct Usual {
    connections: u32,
    in_flight: u32,
    /// The most requests under way of an open loop.
    in_flight_open: u32,
    /// Whether a connection has one request under way.
    is_single: bool,
    /// The most that one connection has under way.
    depth_max: u32,
}

pub(super) fn bench(
    flags: BenchFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<BenchCommand, CommandError> {
    let (targets, mut measure, usual) = match flags.what {
        BenchWhat::Rpc(flags) => rpc(flags, &data, environment)?,
        BenchWhat::Http(flags) => http(flags)?,
        BenchWhat::Ws(flags) => ws(flags)?,
        BenchWhat::L4(flags) => l4(flags)?,
        BenchWhat::Echo(BenchEchoFlags { listen: Some(listen), supervised, .. }) => {
            return Ok(BenchCommand::Echo { listen: address::parse_listen(&listen, 0)?, supervised });
        }
        BenchWhat::Echo(flags) => echo(flags)?,
        BenchWhat::Serve(flags) => return serve::serve(flags, data, environment).map(BenchCommand::Serve),
        BenchWhat::Show(flags) => return results::show(flags).map(BenchCommand::Show),
        BenchWhat::Compare(flags) => return Ok(BenchCommand::Compare(results::compare(flags))),
    };
    let outputs = results::outputs(std::mem::take(&mut measure.outputs))?;
    let (course, front) = (course(measure, &usual)?, front(environment)?);
    Ok(BenchCommand::Measure(Box::new(BenchConfig { targets, course, front, data, outputs })))
}

type Kind = (Vec<BenchTarget>, MeasureFlags, Usual);

fn rpc(
    flags: BenchRpcFlags,
    data: &std::path::Path,
    environment: Environment<'_>,
) -> Result<Kind, CommandError> {
    if flags.spin && flags.driver != DriverFlag::Mio {
        return Err(CommandError::usage("--spin is the synchronous driver's").next("add --driver mio"));
    }
    let tls = tls::tls(flags.tls, data, environment)?;
    if flags.driver == DriverFlag::Mio && tls.is_some() {
        return Err(CommandError::usage("the synchronous driver speaks no TLS")
            .next("leave --mtls out, or --driver mio"));
    }
    let payload = payload(flags.payload)?;
    let ask = |callee| {
        if flags.stream.is_some() && matches!(callee, RpcCallee::Call { .. }) {
            return Err(CommandError::usage("--stream is for a server that `micronet bench serve` runs")
                .next("name its address, or leave the target out"));
        }
        Ok(BenchAsk::Rpc(RpcAsk {
            callee,
            payload,
            stream: flags.stream,
            driver: flags.driver,
            spin: flags.spin,
            sync_server: flags.sync_server,
            anonymous: flags.anonymous,
            tls: tls.clone(),
        }))
    };
    let targets = targets(flags.target.as_ref(), &flags.measure, |text| {
        let (name, callee) = callee(text)?;
        Ok(BenchTarget { name, ask: ask(callee)? })
    })?;
    let targets = match targets {
        targets if targets.is_empty() => {
            vec![BenchTarget { name: "a server of its own".into(), ask: ask(RpcCallee::Own)? }]
        }
        targets => targets,
    };
    let is_blocking = flags.driver == DriverFlag::Mio && flags.stream.is_some();
    let usual = if is_blocking {
        Usual { connections: 1, in_flight: 1, in_flight_open: 16, is_single: true, depth_max: 1 }
    } else {
        let (in_flight_open, depth_max) = (1_000, CALLS_IN_FLIGHT_MAX);
        Usual { connections: 1, in_flight: 64, in_flight_open, is_single: false, depth_max }
    };
    Ok((targets, flags.measure, usual))
}

fn callee(text: &str) -> Result<(String, RpcCallee), CommandError> {
    if !text.starts_with("rpc:") {
        let server = HostPort::parse(text, None)?;
        return Ok((server.to_string(), RpcCallee::Server(server)));
    }
    let Target { name, ask, .. } = Target::parse(text)?;
    match ask {
        Ask::Rpc { instance, service, method, json } => {
            Ok((name, RpcCallee::Call { instance, service, method, json }))
        }
        Ask::Http { .. } => Err(CommandError::usage(format!("{text:?} is no call"))),
    }
}

fn http(flags: BenchHttpFlags) -> Result<Kind, CommandError> {
    let headers = fields(&flags.fields)?;
    let body = flags.body.as_deref().map(text_or_file).transpose()?;
    let method = flags.method.as_deref().map(super::target::method).transpose()?;
    let targets = targets(flags.target.as_ref(), &flags.measure, |text| {
        let Target { name, ask, .. } = Target::parse(&with_scheme(text))?;
        let Ask::Http { server, method: typed, path, body: own } = ask else {
            return Err(CommandError::usage(format!("{text:?} is no request over HTTP"))
                .next("write a URL as http://localhost:8000/, or a path"));
        };
        let own = if own.is_empty() { None } else { Some(text_or_file(&own)?) };
        let body = own.or_else(|| body.clone()).unwrap_or_default();
        let method = match method {
            Some(method) => method,
            None if typed == "GET" && !body.is_empty() && !text.starts_with("GET ") => "POST",
            None => typed,
        };
        let is_typed = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Content-Type"));
        let mut headers = headers.clone();
        if !body.is_empty() && !is_typed {
            headers.push(("Content-Type".into(), "application/json".into()));
        }
        let name = match name.split_once(' ') {
            Some((_, place)) if method != "GET" => format!("{method} {place}"),
            Some((_, place)) => place.to_owned(),
            None => name,
        };
        Ok(BenchTarget { name, ask: BenchAsk::Http { server, method, path, headers, body } })
    })?;
    let usual = Usual { connections: 64, in_flight: 64, in_flight_open: 256, is_single: true, depth_max: 1 };
    Ok((targets, flags.measure, usual))
}

fn ws(flags: BenchWsFlags) -> Result<Kind, CommandError> {
    let headers = fields(&flags.fields)?;
    let said = match flags.text {
        _ if flags.pushed => Said::Nothing,
        Some(text) => Said::Text(text),
        None => Said::Bytes(message(payload(flags.payload)?)),
    };
    let targets = targets(flags.target.as_ref(), &flags.measure, |text| {
        let refuse = |why: &str| {
            CommandError::usage(format!("{text:?} is no WebSocket: {why}"))
                .next("write ws://HOST:PORT/PATH, or /PATH at the gateway of the running network")
        };
        let (server, path) = url(text, "ws").map_err(refuse)??;
        let ask =
            BenchAsk::Ws { server, path: path.to_owned(), headers: headers.clone(), said: said.clone() };
        Ok(BenchTarget { name: text.to_owned(), ask })
    })?;
    let (in_flight_open, depth_max) = (256, DEPTH_MAX);
    let usual = Usual { connections: 16, in_flight: 16, in_flight_open, is_single: false, depth_max };
    Ok((targets, flags.measure, usual))
}

fn l4(flags: BenchL4Flags) -> Result<Kind, CommandError> {
    let targets = targets(flags.target.as_ref(), &flags.measure, |text| {
        let proxy = HostPort::parse(text, None)?;
        Ok(BenchTarget { name: proxy.to_string(), ask: BenchAsk::L4 { proxy, bytes: flags.bytes } })
    })?;
    let usual = Usual { connections: 8, in_flight: 8, in_flight_open: 256, is_single: true, depth_max: 1 };
    Ok((targets, flags.measure, usual))
}

fn echo(flags: BenchEchoFlags) -> Result<Kind, CommandError> {
    let payload = payload(flags.payload)?;
    let mut targets = targets(flags.target.as_ref(), &flags.measure, |text| {
        let server = HostPort::parse(text, None)?;
        Ok(BenchTarget { name: server.to_string(), ask: BenchAsk::Echo { server: Some(server), payload } })
    })?;
    if targets.is_empty() {
        let ask = BenchAsk::Echo { server: None, payload };
        targets.push(BenchTarget { name: "an echo of its own".into(), ask });
    }
    let (in_flight_open, depth_max) = (1_000, DEPTH_MAX);
    let usual = Usual { connections: 1, in_flight: 64, in_flight_open, is_single: false, depth_max };
    Ok((targets, flags.measure, usual))
}

/// The targets that were named, one or two or none.
fn targets(
    one: Option<&String>,
    measure: &MeasureFlags,
    read: impl Fn(&str) -> Result<BenchTarget, CommandError>,
) -> Result<Vec<BenchTarget>, CommandError> {
    let texts = one.into_iter().chain(&measure.compare);
    texts.map(|text| read(text)).collect()
}

fn course(flags: MeasureFlags, usual: &Usual) -> Result<CourseConfig, CommandError> {
    let pace = match flags.rate {
        None => Pace::Closed,
        Some(rate_per_s) => Pace::Open { rate_per_s, spread: spread(&flags)? },
    };
    let in_flight = if pace == Pace::Closed { usual.in_flight } else { usual.in_flight_open };
    let (connections, in_flight) = match (flags.connections, flags.in_flight) {
        (None, None) if usual.is_single => (in_flight, in_flight),
        (None, None) => (usual.connections, in_flight),
        (Some(connections), None) if usual.is_single => (connections, connections),
        (Some(connections), None) => (connections, in_flight.max(connections)),
        (None, Some(in_flight)) if usual.is_single => (in_flight, in_flight),
        (None, Some(in_flight)) => (usual.connections.min(in_flight), in_flight),
        (Some(connections), Some(in_flight)) => (connections, in_flight),
    };
    if in_flight < connections {
        return Err(CommandError::usage(format!(
            "{in_flight} requests under way keep no {connections} connections busy"
        ))
        .next("raise --in-flight, or lower --connections"));
    }
    if usual.is_single && in_flight != connections {
        return Err(CommandError::usage("each connection has one request under way here")
            .next("give --connections alone"));
    }
    if in_flight.div_ceil(connections) > usual.depth_max {
        return Err(CommandError::usage(format!(
            "a connection has at most {} calls under way",
            usual.depth_max
        ))
        .next("raise --connections, or lower --in-flight"));
    }
    Ok(CourseConfig {
        pace,
        connections,
        in_flight,
        warm_up: flags.warm_up.unwrap_or(WARM_UP),
        duration: flags.duration,
        repeat: flags.repeat,
        timeout: flags.timeout,
        pids: flags.pids,
    })
}

fn spread(flags: &MeasureFlags) -> Result<Spread, CommandError> {
    if flags.arrivals != Some(BenchArrivals::Poisson) {
        return Ok(Spread::Fixed);
    }
    let seed = match flags.seed {
        Some(seed) => seed,
        None => getrandom::u64().map_err(|error| {
            CommandError::new(format!("the operating system gave no randomness: {error}"))
        })?,
    };
    Ok(Spread::Poisson { seed })
}

fn payload(bytes: u64) -> Result<usize, CommandError> {
    let payload = usize::try_from(bytes).ok().filter(|_| bytes <= PAYLOAD_BYTES_MAX);
    payload.ok_or_else(|| {
        CommandError::usage(format!("a payload of {bytes} bytes is too large"))
            .next(format!("--payload is at most {} MiB", PAYLOAD_BYTES_MAX >> 20))
    })
}

/// What is sent where nothing else was said.
fn message(bytes: usize) -> Bytes {
    vec![7; bytes].into()
}

fn fields(flags: &FieldFlags) -> Result<Vec<(String, String)>, CommandError> {
    let mut fields: Vec<_> = flags.headers.iter().map(|text| header(text)).collect::<Result<_, _>>()?;
    if let Some(bearer) = &flags.bearer {
        let token = String::from_utf8(text_or_file(bearer)?).unwrap_or_default();
        fields.push(header(&format!("Authorization: Bearer {}", token.trim()))?);
    }
    Ok(fields)
}

/// A text as it is, or of a file where it is `@FILE`.
fn text_or_file(text: &str) -> Result<Vec<u8>, CommandError> {
    let Some(path) = text.strip_prefix('@') else { return Ok(text.as_bytes().to_vec()) };
    fs::read(path).map_err(|error| {
        CommandError::usage(format!("{path} can't be read: {error}")).next("name a file behind the @")
    })
}

/// A URL may stand without its scheme.
fn with_scheme(text: &str) -> String {
    let is_path = |word: &str| word.starts_with('/') || word.contains("://");
    let (method, place) = match text.split_once(' ') {
        Some((first, rest)) if super::target::method(first).is_ok() => (Some(first), rest),
        _ => (None, text),
    };
    let scheme = if is_path(place.trim_start()) { "" } else { "http://" };
    match method {
        Some(method) => format!("{method} {scheme}{}", place.trim_start()),
        None => format!("{scheme}{place}"),
    }
}
