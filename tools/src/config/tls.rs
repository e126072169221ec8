//! Certificates: what `micronet certs` does with them, and how other commands use them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::{Environment, name};
use crate::certs::{CertsFolder, LIFETIME_S_DEFAULT, OPERATOR};
use crate::cli::certs::{CertsAction, CertsFlags, LifetimeFlag, TlsFlags};
use crate::data_folder;
use crate::error::CommandError;
use crate::registry::{BENCH, GATEWAY, SERVICES, service_named};

/// The environment variable that names the file of TLS secrets, as browsers and Wireshark know it.
const KEY_LOG_ENVIRONMENT: &str = "SSLKEYLOGFILE";
/// The longest that a certificate may be good, in seconds: ten years.
const LIFETIME_S_MAX: u64 = 10 * 365 * 24 * 3600;

/// How a process speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsConfig {
    /// The folder of its certificates.
    pub(crate) certs: PathBuf,
    /// Whether the secrets of its connections are written to the file that SSLKEYLOGFILE names.
    pub(crate) key_log: bool,
}

/// What is done about certificates, and in which folder.
#[derive(Debug)]
pub(crate) struct CertsConfig {
    /// The folder.
    pub(crate) certs: PathBuf,
    /// What is done.
    pub(crate) command: CertsCommand,
}

/// What is done about certificates.
#[derive(Debug)]
pub(crate) enum CertsCommand {
    /// Make a CA.
    Init {
        /// The cluster's name.
        cluster: String,
        /// Whether one that is there is replaced.
        force: bool,
    },
    /// Issue a certificate.
    Issue {
        /// The service's node name; the operator has none.
        node: Option<String>,
        /// The instance's name.
        instance: String,
        /// Further host names.
        dns: Vec<String>,
        /// The addresses under which it is reached.
        ips: Vec<IpAddr>,
        /// How long it is good, in seconds.
        lifetime_s: u64,
        /// Whether one that is there is replaced.
        force: bool,
    },
    /// Show what there is.
    Show {
        /// Whether it is shown as JSON.
        json: bool,
    },
    /// Issue certificates again.
    Rotate {
        /// Whose; all, where none are named.
        names: Vec<String>,
        /// How long they are good, in seconds.
        lifetime_s: u64,
    },
}

/// How a process speaks TLS, if it does.
pub(super) fn tls(
    flags: TlsFlags,
    data: &Path,
    environment: Environment<'_>,
) -> Result<Option<TlsConfig>, CommandError> {
    let key_log = flags.tls_key_log;
    if !flags.mtls && flags.certs.is_none() {
        if key_log {
            return Err(CommandError::usage(
                "--tls-key-log is of no use without --mtls: nothing is secret then",
            ));
        }
        return Ok(None);
    }
    if key_log && environment(KEY_LOG_ENVIRONMENT).is_none_or(|file| file.is_empty()) {
        return Err(CommandError::usage("--tls-key-log doesn't know where to write")
            .next(format!("name the file in the environment: {KEY_LOG_ENVIRONMENT}=keys.log micronet …")));
    }
    Ok(Some(TlsConfig { certs: flags.certs.unwrap_or_else(|| data_folder::certs(data)), key_log }))
}

/// The file of a gateway's certificate and key.
pub(super) fn of_gateway(tls: Option<&TlsConfig>, data: &Path, instance: &str) -> PathBuf {
    let folder = tls.map_or_else(|| data_folder::certs(data), |tls| tls.certs.clone());
    CertsFolder::new(&folder).of(instance)
}

pub(super) fn certs(flags: CertsFlags, data: &Path) -> Result<CertsConfig, CommandError> {
    let command = match flags.action {
        CertsAction::Init { cluster, force } => {
            CertsCommand::Init { cluster: name("cluster", cluster)?, force }
        }
        CertsAction::Issue { service, instance, dns, ip, lifetime, force } => {
            let node = (service != OPERATOR).then(|| known(&service)).transpose()?;
            if node.is_none() && (instance.is_some() || !dns.is_empty() || !ip.is_empty()) {
                return Err(CommandError::usage("the operator has no instance, and nobody dials it")
                    .next("leave --instance, --dns and --ip out"));
            }
            let instance = name("instance", instance.unwrap_or_else(|| format!("{service}-1")))?;
            CertsCommand::Issue { node, instance, dns, ips: ip, lifetime_s: lifetime_s(&lifetime)?, force }
        }
        CertsAction::Show { json } => CertsCommand::Show { json },
        CertsAction::Rotate { names, lifetime } => {
            let names: Result<Vec<_>, _> = names.into_iter().map(|each| name("certificate", each)).collect();
            CertsCommand::Rotate { names: names?, lifetime_s: lifetime_s(&lifetime)? }
        }
    };
    Ok(CertsConfig { certs: flags.certs.unwrap_or_else(|| data_folder::certs(data)), command })
}

fn known(service: &str) -> Result<String, CommandError> {
    if [GATEWAY, BENCH].contains(&service) || service_named(service).is_some() {
        return Ok(service.to_owned());
    }
    let names: Vec<_> = SERVICES.iter().map(|service| service.name).chain([GATEWAY]).collect();
    Err(CommandError::usage(format!("{service:?} is no service"))
        .next(format!("certificates are for {}, and for {OPERATOR}", names.join(", "))))
}

/// Reads `90s`, `15m`, `24h` or `7d`.
pub(super) fn lifetime_s(flag: &LifetimeFlag) -> Result<u64, CommandError> {
    let Some(text) = &flag.lifetime else { return Ok(LIFETIME_S_DEFAULT) };
    let unit = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3600,
        Some(b'd') => 24 * 3600,
        _ => 0,
    };
    let count: Option<u64> = text.get(..text.len().saturating_sub(1)).and_then(|digits| digits.parse().ok());
    match count.and_then(|count| count.checked_mul(unit)) {
        Some(seconds @ 1..=LIFETIME_S_MAX) => Ok(seconds),
        _ => Err(CommandError::usage(format!("{text:?} is no time for which a certificate can be good"))
            .next("write a number and s, m, h or d, as 24h; at most 3650d")),
    }
}
