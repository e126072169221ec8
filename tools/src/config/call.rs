//! The configuration of `call` and `outcome`.

use std::path::PathBuf;
use std::time::Duration;

use micronet_wire::metadata::Metadata;

use super::{Environment, TlsConfig, tls};
use crate::address::HostPort;
use crate::cli::{CallFlags, CalleeFlags, OutcomeFlags};
use crate::error::CommandError;
use crate::registry::{BASE_PORT, rpc_port_default};

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
    /// The request as JSON; `-` for lines of stdin.
    pub(crate) request: String,
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
    /// Whether the ledger is shown.
    pub(crate) verbose: bool,
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
    let (callee, method) = callee(&flags.method, flags.callee, data, environment)?;
    Ok(CallConfig {
        callee,
        method,
        describe: flags.describe,
        request: flags.request,
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
