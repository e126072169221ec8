//! `network.json`: who runs where, written by `up` for other commands to read.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::data_folder::{self, failed};
use crate::error::CommandError;

/// The form of the file; a reader refuses one that it does not know.
const FORM: u64 = 1;

/// A running network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetworkFile {
    /// The cluster's name.
    pub(crate) cluster: String,
    /// The process id of `up`.
    pub(crate) pid: u32,
    /// The folder of the certificates by which its services know each other; none in plaintext.
    pub(crate) certs: Option<PathBuf>,
    /// Its instances, in the order in which they were started.
    pub(crate) entries: Vec<Entry>,
    /// The services that are also reached by a virtual port of the gateway, and where that is.
    pub(crate) virtual_ports: BTreeMap<String, SocketAddr>,
}

/// One running instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its service.
    pub(crate) service: String,
    /// Its own name.
    pub(crate) instance: String,
    /// Where a program on this machine reaches it.
    pub(crate) address: SocketAddr,
    /// What it speaks there.
    pub(crate) protocol: Protocol,
    /// Its process id.
    pub(crate) pid: u32,
}

/// What an address speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1.
    Http,
    /// The binary RPC.
    Rpc,
}

impl Protocol {
    /// Its name in the file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Rpc => "rpc",
        }
    }
}

impl NetworkFile {
    /// Writes the file as a whole.
    pub(crate) fn write(&self, path: &Path) -> Result<(), CommandError> {
        data_folder::write_atomically_for_now(path, self.to_json().as_bytes())
            .map_err(|error| failed("write", path, &error))
    }

    /// Removes the file; one that is not there is as good as removed.
    pub(crate) fn remove(path: &Path) -> Result<(), CommandError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, &error)),
            _ => Ok(()),
        }
    }

    /// The network that runs on a data folder. None where none runs, also where one was killed and left its file.
    pub(crate) fn of_running_network(folder: &Path) -> Result<Option<Self>, CommandError> {
        if !data_folder::network_runs(folder)? {
            return Ok(None);
        }
        let path = data_folder::network_file(folder);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &path, &error)),
        };
        Self::from_json(&text).map(Some).ok_or_else(|| {
            CommandError::new(format!("{} is not a network file of this version", path.display()))
                .next("start the network again with this version of micronet, or name its address with --to")
        })
    }

    /// The first address at which a service speaks so.
    pub(crate) fn first(&self, service: &str, protocol: Protocol) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.service == service && entry.protocol == protocol)
    }

    fn to_json(&self) -> String {
        let entries: Vec<Value> = self.entries.iter().map(Entry::to_json).collect();
        let mut file = json!({ "form": FORM, "cluster": self.cluster, "pid": self.pid, "entries": entries });
        if let Some(certs) = &self.certs {
            file["certs"] = certs.to_string_lossy().into();
        }
        if !self.virtual_ports.is_empty() {
            let ports =
                self.virtual_ports.iter().map(|(name, address)| (name.clone(), address.to_string().into()));
            file["virtual_ports"] = Value::Object(ports.collect());
        }
        format!("{file:#}\n")
    }

    fn from_json(text: &str) -> Option<Self> {
        let file: Value = serde_json::from_str(text).ok()?;
        if file["form"].as_u64() != Some(FORM) {
            return None;
        }
        let entries: Option<Vec<Entry>> = file["entries"].as_array()?.iter().map(Entry::from_json).collect();
        let none = serde_json::Map::new();
        let virtual_ports: Option<BTreeMap<String, SocketAddr>> = file["virtual_ports"]
            .as_object()
            .unwrap_or(&none)
            .iter()
            .map(|(name, address)| Some((name.clone(), address.as_str()?.parse().ok()?)))
            .collect();
        Some(Self {
            cluster: file["cluster"].as_str()?.to_owned(),
            pid: file["pid"].as_u64()?.try_into().ok()?,
            certs: file["certs"].as_str().map(PathBuf::from),
            entries: entries?,
            virtual_ports: virtual_ports?,
        })
    }
}

impl Entry {
    fn to_json(&self) -> Value {
        json!({
            "service": self.service,
            "instance": self.instance,
            "address": self.address.to_string(),
            "protocol": self.protocol.name(),
            "pid": self.pid,
        })
    }

    fn from_json(entry: &Value) -> Option<Self> {
        Some(Self {
            service: entry["service"].as_str()?.to_owned(),
            instance: entry["instance"].as_str()?.to_owned(),
            address: entry["address"].as_str()?.parse().ok()?,
            protocol: match entry["protocol"].as_str()? {
                "http" => Protocol::Http,
                "rpc" => Protocol::Rpc,
                _ => return None,
            },
            pid: entry["pid"].as_u64()?.try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_folder::tests::ScratchFolder;

    fn network(pid: u32) -> NetworkFile {
        let entry = |service: &str, address: &str, protocol| Entry {
            service: service.into(),
            instance: format!("{service}-1"),
            address: address.parse().unwrap(),
            protocol,
            pid: 7,
        };
        NetworkFile {
            cluster: "micronet".into(),
            pid,
            certs: Some("/tmp/certs".into()),
            entries: vec![
                entry("product", "127.0.0.1:8002", Protocol::Rpc),
                entry("gateway", "[::1]:8000", Protocol::Http),
            ],
            virtual_ports: [("product".into(), "127.0.0.1:9002".parse().unwrap())].into(),
        }
    }

    #[test]
    fn a_running_network_is_found_by_its_folder() {
        let scratch = ScratchFolder::new("network");
        let folder = scratch.open();
        let (path, _lock) = (folder.network_file(), folder.lock_network().unwrap());
        assert_eq!(NetworkFile::of_running_network(&scratch.0), Ok(None));
        let running = network(std::process::id());
        running.write(&path).unwrap();
        let found = NetworkFile::of_running_network(&scratch.0).unwrap().unwrap();
        assert_eq!(found, running);
        assert_eq!(found.first("gateway", Protocol::Http).unwrap().address.to_string(), "[::1]:8000");
        assert_eq!(found.first("order", Protocol::Rpc), None);
        NetworkFile::remove(&path).unwrap();
        NetworkFile::remove(&path).unwrap();
        assert_eq!(NetworkFile::of_running_network(&scratch.0), Ok(None));
    }

    #[test]
    fn the_file_of_a_killed_network_counts_for_nothing() {
        let scratch = ScratchFolder::new("stale");
        let folder = scratch.open();
        network(std::process::id()).write(&folder.network_file()).unwrap();
        assert_eq!(NetworkFile::of_running_network(&scratch.0), Ok(None));
        drop(folder.lock_network().unwrap());
        assert_eq!(NetworkFile::of_running_network(&scratch.0), Ok(None));
    }

    #[test]
    fn a_file_of_another_form_is_refused() {
        let scratch = ScratchFolder::new("form");
        let folder = scratch.open();
        let path = folder.network_file();
        for text in ["", "{}", r#"{"form":2,"cluster":"c","pid":1,"entries":[]}"#, r#"{"form":1,"pid":1}"#] {
            fs::write(&path, text).unwrap();
            let lock = folder.lock_network().unwrap();
            assert!(NetworkFile::of_running_network(&scratch.0).is_err(), "{text}");
            // Where no network runs it is what a loss of power has left.
            drop(lock);
            assert_eq!(NetworkFile::of_running_network(&scratch.0), Ok(None), "{text}");
        }
    }
}
