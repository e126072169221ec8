//! `micronet certs`: the cluster's own CA, and the short-lived certificates of its services and of the operator.
//!
//! ```text
//! certs/               mode 0700; in the data folder unless --certs names another
//!   ca.pem             the CA's certificate: all that others need to know of it
//!   ca.key             the CA's private key: whoever has it can be anybody in the cluster
//!   INSTANCE.pem       the certificate of an instance and its private key
//!   operator.pem       the same for the operator's tools
//! ```
//! All files have the mode 0600 and are replaced as a whole.

mod authority;
pub(crate) mod expiry;
mod folder;
mod inspected;
mod renewal;
mod show;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

pub(crate) use self::authority::{Authority, Holder};
pub(crate) use self::folder::{CertsFolder, OPERATOR};
pub(crate) use self::renewal::Renewal;
use crate::config::{CertsCommand, CertsConfig};
use crate::error::CommandError;
use crate::terminal::{self, Style};

/// How long a certificate is good unless it is said otherwise, in seconds: a day.
pub(crate) const LIFETIME_S_DEFAULT: u64 = 24 * 3600;
/// The shortest time for which `up` issues certificates, in seconds: processes must be able to take the next ones up in time.
pub(crate) const LIFETIME_S_MIN_RENEWED: u64 = 5;
/// How long a CA is good, in seconds: ten years.
const CA_LIFETIME_S: u64 = 10 * 365 * 24 * 3600;
/// The clocks of a cluster may differ by this much, in seconds.
const CLOCK_SKEW_S: u64 = 300;

/// Carries out the command.
pub(crate) fn run(config: &CertsConfig) -> Result<ExitCode, CommandError> {
    let folder = CertsFolder::new(&config.certs);
    match &config.command {
        CertsCommand::Init { cluster, force } => {
            let authority = Authority::create(&folder, cluster, *force)?;
            let path = folder.ca();
            terminal::say(&format!("the CA of the cluster {} is in {}", authority.cluster(), path.display()));
            if *force && !folder.names()?.is_empty() {
                terminal::note("what a former CA has issued is worth nothing now: micronet certs rotate");
            }
        }
        CertsCommand::Issue { node, instance, dns, ips, lifetime_s, force } => {
            let authority = Authority::open(&folder)?;
            let holder = match node {
                Some(node) => Holder::service(authority.cluster(), node, instance, (dns, ips))?,
                None => Holder::operator(authority.cluster()),
            };
            let path = folder.of(holder.name());
            if path.exists() && !force {
                return Err(CommandError::new(format!("{} is there already", path.display())).next(format!(
                    "reissue it with `micronet certs rotate {}`, or replace it with --force",
                    holder.name()
                )));
            }
            authority.issue_into(&folder, &holder, *lifetime_s)?;
            terminal::say(&format!("{} is in {}", holder.id(), path.display()));
        }
        CertsCommand::Show { json } => show::run(&folder, *json, Style::for_stdout())?,
        CertsCommand::Rotate { names, lifetime_s } => {
            let authority = Authority::open(&folder)?;
            let names = if names.is_empty() { folder.names()? } else { names.clone() };
            if names.is_empty() {
                return Err(CommandError::new(format!(
                    "there is no certificate in {}",
                    folder.path().display()
                ))
                .next("issue one: micronet certs issue SERVICE"));
            }
            // All are read before any is replaced.
            let holders: Result<Vec<Holder>, _> =
                names.iter().map(|name| Holder::of_file(&folder, name, authority.cluster())).collect();
            for holder in holders? {
                authority.issue_into(&folder, &holder, *lifetime_s)?;
                terminal::say(&format!("reissued {} in {}", holder.id(), folder.of(holder.name()).display()));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Seconds since 1970.
fn unix_s() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}
