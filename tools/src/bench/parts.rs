//! The processes that take part in a measurement, and what each of them needed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::listeners;
use super::process::Sample;
use super::report::model::{Cpu, Kind, Role};
use crate::cli::bench::measure::ProcessRole;
use crate::network_file::NetworkFile;
use crate::registry::{CONTROL, GATEWAY};

/// Processes by their ids, each with its name and what it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts(BTreeMap<u32, (String, Role)>);

/// What was known of the processes when the measurement began.
#[derive(Debug)]
pub(super) struct Before(Vec<(u32, Sample)>);

impl Parts {
    /// This process, those that listen at the targets, as far as they are on this machine, all of the network where one of them belongs to
    /// it, and those that were named.
    pub(super) fn find(
        kind: Kind,
        targets: &[SocketAddr],
        network: Option<&NetworkFile>,
        named: &[(ProcessRole, u32)],
    ) -> Self {
        let own = std::process::id();
        let mut parts = BTreeMap::from([(own, ("bench".to_owned(), Role::Client))]);
        let is_behind = kind == Kind::L4 || named.iter().any(|(role, _)| *role == ProcessRole::Server);
        let role = if is_behind { Role::Gateway } else { Role::Server };
        let mut found: BTreeSet<u32> = targets.iter().flat_map(|target| listeners::at(*target)).collect();
        // `up` holds the listeners of what it starts, and has no part in what passes there.
        if let Some(network) = network
            && found.len() > 1
        {
            found.remove(&network.pid);
        }
        for pid in found.iter().filter(|pid| **pid != own) {
            parts.insert(*pid, (format!("{} (pid {pid})", listeners::name(*pid)), role));
        }
        if let Some(network) =
            network.filter(|network| network.entries.iter().any(|entry| found.contains(&entry.pid)))
        {
            let is_gateway = |entry: &&crate::network_file::Entry| entry.service == GATEWAY;
            let through = network.entries.iter().filter(is_gateway).any(|entry| found.contains(&entry.pid));
            for entry in &network.entries {
                let role = match entry.service.as_str() {
                    GATEWAY => Role::Gateway,
                    CONTROL => Role::Other,
                    _ => Role::Server,
                };
                if (through && role != Role::Other) || found.contains(&entry.pid) {
                    parts.insert(entry.pid, (entry.instance.clone(), role));
                }
            }
        }
        for (role, pid) in named {
            let role = match role {
                ProcessRole::Gateway => Role::Gateway,
                ProcessRole::Server => Role::Server,
                ProcessRole::Other => Role::Other,
            };
            parts.insert(*pid, (format!("{} (pid {pid})", listeners::name(*pid)), role));
        }
        Self(parts)
    }

    /// Those that can't be seen, of which nothing can be told.
    pub(super) fn unseen(&self) -> impl Iterator<Item = u32> {
        self.0.keys().copied().filter(|pid| Sample::of(*pid).is_none())
    }

    /// Looks at all of them.
    pub(super) fn look(&self) -> Before {
        Before(self.0.keys().filter_map(|pid| Some((*pid, Sample::of(*pid)?))).collect())
    }

    /// What each of them has used since then. One that is gone is left out.
    pub(super) fn since(&self, before: &Before) -> Vec<Cpu> {
        let used = |(pid, before): &(u32, Sample)| {
            let (name, role) = self.0.get(pid)?;
            Some(Sample::of(*pid)?.since(before, name.clone(), *role))
        };
        let mut used: Vec<Cpu> = before.0.iter().filter_map(used).collect();
        used.sort_by_key(|cpu| cpu.role);
        used
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::network_file::{Entry, Protocol};

    fn entry(service: &str, pid: u32, address: SocketAddr) -> Entry {
        let instance = format!("{service}-1");
        Entry { service: service.into(), instance, address, protocol: Protocol::Rpc, pid }
    }

    #[test]
    fn who_was_named_is_among_them() {
        let nobody = SocketAddr::from(([192, 0, 2, 1], 1));
        let parts =
            Parts::find(Kind::Http, &[nobody], None, &[(ProcessRole::Server, 1), (ProcessRole::Other, 2)]);
        let roles: Vec<Role> = parts.0.values().map(|(_, role)| *role).collect();
        assert_eq!(roles, [Role::Server, Role::Other, Role::Client], "{parts:?}");
        assert_eq!(Parts(BTreeMap::from([(u32::MAX, (String::new(), Role::Other))])).unseen().count(), 1);
    }

    #[test]
    fn of_a_network_all_take_part_that_a_request_passes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap();
        let own = std::process::id();
        let check = |entries: Vec<Entry>, wanted: &[(u32, &str)]| {
            let (cluster, virtual_ports) = ("c".to_owned(), BTreeMap::new());
            let network = NetworkFile { cluster, pid: 1, certs: None, entries, virtual_ports };
            let parts = Parts::find(Kind::Http, &[here], Some(&network), &[]);
            let seen: Vec<(u32, &str)> =
                parts.0.iter().map(|(pid, (name, _))| (*pid, name.as_str())).collect();
            assert_eq!(seen, wanted);
        };
        // It is this process that listens.
        let others = [entry("control", 2, here), entry("product", 3, here)];
        let [control, product] = others.clone();
        check(
            [vec![entry("gateway", own, here)], others.to_vec()].concat(),
            &[(3, "product-1"), (own, "gateway-1")],
        );
        check(vec![entry("gateway", 4, here), control, entry("order", own, here)], &[(own, "order-1")]);
        check(vec![entry("gateway", 4, here), product], &[(own, "bench")]);
    }
}
