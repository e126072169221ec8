//! The names that commands can use now.

use micronet_transport::balance::Algorithm;

use super::commands;
use super::grammar::Kind;

/// What can happen in a drill: how it is typed, and the method's word for it.
pub(super) const DRILLS: [(&str, &str); 5] = [
    ("kill-instance", "KillInstance"),
    ("stall", "Stall"),
    ("partition", "Partition"),
    ("slow", "Slow"),
    ("dependency-down", "DependencyDown"),
];

/// The names of a network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// Its services and their instances, the gateway's among them.
    pub(crate) services: Vec<(String, Vec<String>)>,
    /// Those that can have more instances or fewer, and are behind the gateway.
    pub(crate) scalable: Vec<String>,
}

impl Names {
    /// Those that fit a kind of argument; none where anything may be said.
    pub(super) fn of(&self, kind: Kind) -> Vec<String> {
        let instances = || self.services.iter().flat_map(|(_, instances)| instances.iter().cloned());
        let services = self.services.iter().map(|(service, _)| service.clone());
        match kind {
            Kind::Process => services.chain(instances()).collect(),
            Kind::Instance => instances().collect(),
            Kind::Service | Kind::Behind => self.scalable.clone(),
            Kind::Algorithm => Algorithm::ALL.map(|algorithm| algorithm.name().to_owned()).into(),
            Kind::Command => commands::names().map(str::to_owned).collect(),
            Kind::Drill => DRILLS.map(|(name, _)| name.to_owned()).into(),
            Kind::Time => ["10s", "30s", "1m", "5m"].map(str::to_owned).into(),
            Kind::Ms | Kind::Percent | Kind::Number(..) | Kind::Word | Kind::Rest => Vec::new(),
        }
    }

    /// The instances that a name stands for: those of a service, or itself.
    pub(super) fn instances_of(&self, name: &str) -> &[String] {
        for (service, instances) in &self.services {
            if service == name {
                return instances;
            }
            if let Some(at) = instances.iter().position(|instance| instance == name) {
                return &instances[at..=at];
            }
        }
        &[]
    }

    /// The service that is called so, or has an instance that is.
    pub(super) fn service_of(&self, name: &str) -> Option<&str> {
        let is_it = |(service, instances): &&(String, Vec<String>)| {
            service == name || instances.iter().any(|instance| instance == name)
        };
        self.services.iter().find(is_it).map(|(service, _)| service.as_str())
    }

    /// Whether nothing would be left of the service.
    pub(super) fn is_whole_service(&self, name: &str) -> bool {
        let service = self.service_of(name).unwrap_or(name);
        self.instances_of(name).len() == self.instances_of(service).len()
    }
}
