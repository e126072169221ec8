//! Instances by a TOML file, which is read again whenever it changes:
//!
//! ```toml
//! [product]
//! balancer = "p2c_ewma"
//! instances = ["127.0.0.1:8002", { address = "127.0.0.1:8012", weight = 50 }]
//! ```

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};
use std::time::{Duration, SystemTime};
use std::{fmt, fs};

use micronet_wire::limits::{INSTANCES_MAX, PEERS_FILE_BYTES_MAX, PEERS_FILE_LOOK_MS};
use serde::Deserialize;

use crate::balance::Algorithm;
use crate::network::Network;
use crate::tasks;
use crate::upstream::{Source, Target, WEIGHT_NORM};

/// What a file says of services.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeersFile {
    /// The services, by name.
    pub services: BTreeMap<String, FiledService>,
}

/// What a file says of one service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FiledService {
    /// Where its instances are.
    pub targets: Vec<Target>,
    /// By which algorithm they are picked, where it says so.
    pub balancer: Option<Algorithm>,
}

/// Why a file says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError(String);

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FileError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawService {
    balancer: Option<String>,
    #[serde(default)]
    instances: Vec<RawInstance>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawInstance {
    Address(SocketAddr),
    Weighted(Weighted),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Weighted {
    address: SocketAddr,
    weight: u32,
}

impl PeersFile {
    /// Reads a file.
    ///
    /// # Errors
    /// Why it can't be read, or what is wrong in it, with the place.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let why = |error: std::io::Error| FileError(format!("{}: {error}", path.display()));
        let length = fs::metadata(path).map_err(why)?.len();
        if length > PEERS_FILE_BYTES_MAX {
            return Err(FileError(format!(
                "{}: it is longer than {PEERS_FILE_BYTES_MAX} bytes",
                path.display()
            )));
        }
        let text = fs::read_to_string(path).map_err(why)?;
        Self::parse(&text).map_err(|error| FileError(format!("{}: {error}", path.display())))
    }

    fn parse(text: &str) -> Result<Self, FileError> {
        let raw: BTreeMap<String, RawService> =
            toml::from_str(text).map_err(|error| FileError(error.to_string().trim_end().to_owned()))?;
        let service = |(name, raw): (String, RawService)| {
            let wrong = |what: String| FileError(format!("{name}: {what}"));
            let balancer = raw.balancer.as_deref().map(str::parse).transpose().map_err(wrong)?;
            let mut targets: Vec<Target> = Vec::new();
            for instance in raw.instances {
                let target = match instance {
                    RawInstance::Address(address) => Target { address, weight: WEIGHT_NORM },
                    RawInstance::Weighted(Weighted { address, weight }) => Target { address, weight },
                };
                if !(1..=10_000).contains(&target.weight) {
                    return Err(wrong(format!("the weight of {} is not from 1 to 10000", target.address)));
                }
                if targets.iter().any(|known| known.address == target.address) {
                    return Err(wrong(format!("{} is there twice", target.address)));
                }
                targets.push(target);
            }
            if targets.len() > INSTANCES_MAX {
                return Err(wrong(format!("there are more than {INSTANCES_MAX} instances")));
            }
            Ok((name, FiledService { targets, balancer }))
        };
        raw.into_iter().map(service).collect::<Result<_, _>>().map(|services| Self { services })
    }

    /// Tells the network what the file says, and what it says no longer.
    fn tell(&self, network: &Network, before: &Self) {
        for name in before.services.keys().filter(|name| !self.services.contains_key(*name)) {
            network.found(name, Source::File, &[]);
        }
        for (name, service) in &self.services {
            network.found(name, Source::File, &service.targets);
            let algorithm = service.balancer;
            if algorithm != before.services.get(name).and_then(|before| before.balancer) {
                network.balance(name, algorithm.unwrap_or_default());
            }
        }
    }
}

/// Tells `network` what the file said when it was read, and what it says whenever it changes, for as long as the network is there. A
/// file that is broken or gone changes nothing, and the log says so.
///
/// Must be called on a `LocalRuntime` or within a `LocalSet`.
pub fn follow(network: &Rc<Network>, path: PathBuf, said: PeersFile) {
    said.tell(network, &PeersFile::default());
    tasks::spawn("discovery by file", keep_following(Rc::downgrade(network), path, said));
}

async fn keep_following(network: Weak<Network>, path: PathBuf, mut said: PeersFile) {
    let mut seen = stamp(&path);
    loop {
        tokio::time::sleep(Duration::from_millis(PEERS_FILE_LOOK_MS)).await;
        let Some(network) = network.upgrade() else { return };
        let now = stamp(&path);
        if now == seen {
            continue;
        }
        seen = now;
        match PeersFile::read(&path) {
            Ok(says) => {
                tracing::info!(path = %path.display(), services = says.services.len(), "the file of instances has changed");
                says.tell(&network, &said);
                said = says;
            }
            Err(error) => {
                tracing::error!(%error, "the file of instances can't be used: they stay as they were");
                for name in said.services.keys() {
                    network.not_found(name, Source::File, &error.to_string());
                }
            }
        }
    }
}

/// What changes when a file does.
fn stamp(path: &Path) -> Option<(SystemTime, u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let file = fs::metadata(path).ok()?;
    Some((file.modified().ok()?, file.len(), file.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let read = PeersFile::parse(
            "[product]\nbalancer = \"weighted\"\n\
             instances = [\"127.0.0.1:1\", { address = \"[::1]:2\", weight = 50 }]\n[user]\n",
        )
        .unwrap();
        let product = &read.services["product"];
        assert_eq!(product.balancer, Some(Algorithm::Weighted));
        let weights: Vec<_> =
            product.targets.iter().map(|target| (target.address.port(), target.weight)).collect();
        assert_eq!(weights, [(1, 100), (2, 50)]);
        assert_eq!(read.services["user"], FiledService::default());
        for broken in [
            "product = 1",
            "[product]\ninstances = [\"localhost:1\"]",
            "[product]\ninstances = [\"127.0.0.1:1\", \"127.0.0.1:1\"]",
            "[product]\ninstances = [{ address = \"127.0.0.1:1\", weight = 0 }]",
            "[product]\nbalancer = \"best\"",
            "[product]\nport = 1",
            "[product",
        ] {
            assert!(PeersFile::parse(broken).is_err(), "{broken}");
        }
        assert_eq!(PeersFile::parse("").unwrap(), PeersFile::default());
    }
}
