//! The configuration of `call` and `outcome`.

use std::path::PathBuf;
use std::time::Duration;

use micronet_wire::metadata::Metadata;

use super::{Environment, TlsConfig, logins, tls};
use crate::address::HostPort;
use crate::cli::{CallFlags, CalleeFlags, OutcomeFlags};
use crate::error::CommandError;
use crate::registry::{BASE_PORT, rpc_port_default};

/// The variable that may hold an access token.
const TOKEN_ENVIRONMENT: &str = "MICRONET_TOKEN";

/// The instance that is called, and as whom.
#[derive(Debug)]
pub(crate) struct Callee {
    /// The service's name.
    pub(crate) service: String,
    /// The instance, where it was named; else one of the network on the data folder, or the service's default port.
    pub(crate) to: Option<HostPort>,
    /// How long to wait.
    pub(crate) deadline: Duration,
    /// How TLS is spoken, where it was asked for; else as the running network speaks.
    pub(crate) tls: Option<TlsConfig>,
    /// Whether the operator's token stays unused.
    pub(crate) anonymous: bool,
    /// The data folder.
    pub(crate) data: PathBuf,
}

/// What is called, where and how.
#[derive(Debug)]
pub(crate) struct CallConfig {
    /// Who is called.
    pub(crate) callee: Callee,
    /// The method's name within the service; without one the methods are listed.
    pub(crate) method: Option<String>,
    /// Whether the method is described instead of called.
    pub(crate) describe: bool,
    /// The request, as it was typed.
    pub(crate) request: Request,
    /// The file with the requests, a line each.
    pub(crate) file: Option<PathBuf>,
    /// Replies after which to stop.
    pub(crate) count: Option<u64>,
    /// The idempotency token, where one was given.
    pub(crate) token: Option<String>,
    /// What else is sent along.
    pub(crate) metadata: Metadata,
    /// Whether a failure is printed as JSON.
    pub(crate) json: bool,
    /// Whether frames and ledger are shown.
    pub(crate) verbose: bool,
    /// Whether it is made more than once.
    pub(crate) repeat: Option<Repeat>,
    /// As whom.
    pub(crate) caller: Caller,
    /// The gateway of calls with a bearer's token, where it was named.
    pub(crate) at: Option<HostPort>,
    /// The folder of those who have signed in, where the user has one.
    pub(crate) logins: Option<PathBuf>,
}

/// As whom a call is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// As the operator, or as a stranger, straight to an instance.
    Direct,
    /// The same, or, where there is no data folder, as who has signed in, if somebody has.
    DirectOrLogin,
    /// As whose access token this is.
    Bearer(String),
    /// As who has signed in.
    Login,
}

/// How often a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Repeat {
    /// So many times.
    pub(crate) times: u32,
    /// With such a pause between them.
    pub(crate) interval: Duration,
}

/// Where a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// The text that was typed; it may be empty.
    Json(String),
    /// `FIELD=VALUE` and `FIELD:=JSON`.
    Fields(Vec<String>),
    /// `-`
    Stdin,
    /// `@FILE`
    File(PathBuf),
}

impl Request {
    fn new(typed: Vec<String>) -> Result<Self, CommandError> {
        let begins = |text: &str, with: &[char]| text.trim_start().starts_with(with);
        Ok(match typed.as_slice() {
            [] => Self::Json(String::new()),
            [one] if one == "-" => Self::Stdin,
            [one] if one.starts_with('@') => Self::File(one[1..].into()),
            [one] if one.is_empty() || begins(one, &['{', '[', '"']) || !one.contains('=') => {
                Self::Json(one.clone())
            }
            several if several.iter().any(|one| begins(one, &['{', '@'])) => {
                return Err(CommandError::usage(
                    "a request is JSON, or fields, or a file, and not several of them",
                )
                .next("put JSON in quotes: '{\"name\":\"Tux\"}'"));
            }
            _ => Self::Fields(typed),
        })
    }
}

/// Which write's outcome is asked for.
#[derive(Debug)]
pub(crate) struct OutcomeConfig {
    /// Who is asked.
    pub(crate) callee: Callee,
    /// The name of the method that was called.
    pub(crate) method: String,
    /// The idempotency token of the call.
    pub(crate) token: String,
    /// Whose call it was, where that is somebody else.
    pub(crate) principal: Option<String>,
}

pub(super) fn call(
    flags: CallFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<CallConfig, CommandError> {
    let named = flags.callee.to.is_some() || flags.callee.anonymous;
    let (callee, method) = callee(&flags.method, flags.callee, data, environment)?;
    let of_environment = || environment(TOKEN_ENVIRONMENT).filter(|token| !token.is_empty() && !named);
    let caller = match flags.bearer.or_else(of_environment) {
        Some(token) => Caller::Bearer(token),
        None if flags.login => Caller::Login,
        None if named => Caller::Direct,
        None => Caller::DirectOrLogin,
    };
    let times = flags.repeat.map(|times| Repeat { times, interval: Duration::from_millis(flags.interval) });
    Ok(CallConfig {
        repeat: times,
        caller,
        logins: logins::folder(environment),
        at: flags.at.map(|text| HostPort::parse_url(&text, BASE_PORT)).transpose()?,
        callee,
        method,
        describe: flags.describe,
        request: Request::new(flags.request)?,
        file: flags.file,
        count: flags.count,
        token: flags.token,
        metadata: metadata(&flags.metadata)?,
        json: flags.json,
        verbose: flags.verbose,
    })
}

pub(super) fn outcome(
    flags: OutcomeFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<OutcomeConfig, CommandError> {
    let (callee, method) = callee(&flags.method, flags.callee, data, environment)?;
    let method = method.ok_or_else(|| {
        CommandError::usage(format!("{:?} names no method", flags.method))
            .next("write SERVICE.METHOD, as order.buy")
    })?;
    Ok(OutcomeConfig { callee, method, token: flags.token, principal: flags.principal })
}

/// Who is called, and the method's name, where one is given.
pub(super) fn callee(
    name: &str,
    flags: CalleeFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<(Callee, Option<String>), CommandError> {
    let (service, method) = match name.split_once('.') {
        Some((service, method)) => (service, Some(method)),
        None => (name, None),
    };
    if service.is_empty() || method.is_some_and(str::is_empty) {
        return Err(CommandError::usage(format!("{name:?} names no method"))
            .next("write SERVICE.METHOD, as product.query; SERVICE alone lists what there is"));
    }
    let port = rpc_port_default(service).unwrap_or(BASE_PORT);
    let callee = Callee {
        service: service.to_owned(),
        to: flags.to.map(|text| HostPort::parse(&text, Some(port))).transpose()?,
        deadline: Duration::from_millis(flags.deadline),
        tls: tls::tls(flags.tls, &data, environment)?,
        anonymous: flags.anonymous,
        data,
    };
    Ok((callee, method.map(str::to_owned)))
}

fn metadata(pairs: &[String]) -> Result<Metadata, CommandError> {
    let mut metadata = Metadata::default();
    for pair in pairs {
        let refuse = |why: &str| CommandError::usage(format!("--metadata {pair:?}: {why}"));
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| refuse("it has no '='").next("write KEY=VALUE, as tenant=one"))?;
        metadata.set(key, value).map_err(|error| refuse(&error.message))?;
    }
    Ok(metadata)
}
