//! Profiles: which part of everything `up` starts, on which ports, with which demonstration data, and what to try then.

use std::fmt;
use std::str::FromStr;

use micronet_services::demo::Demo;

use crate::registry::{BASE_PORT, SERVICES, Service, port_at};
use crate::table::{Align, Table};
use crate::terminal::Style;

/// A part of everything that there is.
#[derive(Debug)]
pub(crate) struct Profile {
    /// Its name, on the command line.
    pub(crate) name: &'static str,
    /// What it is, in a few words.
    pub(crate) about: &'static str,
    /// The demonstration data that it asks for; None takes what the folder has.
    pub(crate) demo: Option<Demo>,
    /// The gateway's port, from which `--base-port` moves all others.
    pub(crate) gateway_port: u16,
    /// Its services and the port of each instance.
    members: Members,
    /// Commands to try, with [`FRONT`] for the gateway's address and [`MICRONET`] for this program.
    pub(crate) things_to_try: &'static [&'static str],
}

/// Where the gateway's address stands in a command to try.
pub(crate) const FRONT: &str = "{front}";
/// Where this program stands in a command to try, as far as its first argument.
pub(crate) const MICRONET: &str = "{micronet}";

/// The services of a profile.
#[derive(Debug)]
enum Members {
    /// All that there are, on their own ports.
    Every,
    /// These, on these ports.
    Named(&'static [(&'static str, &'static [u16])]),
}

const QUERY: &str = "curl -s {front}/products/Tux";
/// The toy store's front end shows its toys at the root.
const TOY: &str = "curl -s {front}/Tux";
const BUY: &str = "curl -s -XPOST {front}/orders -H 'content-type: application/json' \
                   -d '{\"name\":\"Whale\",\"quantity\":1}'";
const LIST: &str = "curl -s '{front}/products?sort=-price&per_page=3'";
const DESCRIPTION: &str = "curl -s {front}/openapi.json";
const RANDOM: &str = "{micronet} shop random 100";

/// Everything: what runs unless a profile is named.
const ALL: Profile = Profile {
    name: "all",
    about: "everything there is",
    demo: None,
    gateway_port: BASE_PORT,
    members: Members::Every,
    things_to_try: &[QUERY, LIST, BUY, RANDOM, DESCRIPTION],
};

/// The shop without anything around it.
const SHOP: Profile = Profile {
    name: "shop",
    about: "the shop's services, and its data",
    demo: Some(Demo::Shop),
    gateway_port: 8000,
    members: Members::Named(&[
        ("auth", &[8004]),
        ("user", &[8001]),
        ("product", &[8002, 8012]),
        ("order", &[8003]),
    ]),
    things_to_try: &[QUERY, LIST, BUY, RANDOM, DESCRIPTION],
};

/// The toy store as it was before there was anything else: a front end, a catalog and an order server.
const TOYSTORE: Profile = Profile {
    name: "toystore",
    about: "front end, catalog, order server; open order log",
    demo: Some(Demo::ToyStore),
    gateway_port: 6060,
    members: Members::Named(&[("product", &[10086]), ("order", &[10010])]),
    things_to_try: &[
        TOY,
        BUY,
        "curl -s {front}/orders/log",
        RANDOM,
        "{micronet} load toystore --clients 1..5",
    ],
};

/// The load-balancing lab: a gateway that balances, and nodes that answer as well or as badly as they are told.
const LAB: Profile = Profile {
    name: "lab",
    about: "the load-balancing lab: a balancer and its nodes",
    demo: None,
    gateway_port: 5000,
    members: Members::Named(&[("node", &[5001, 5002, 5003])]),
    things_to_try: &[
        "curl -s {front}/request",
        "curl -s {front}/api/data",
        "{micronet} lab load",
        "{micronet} lab load node-2 --slower 10",
        "{micronet} lab load node-2 --reset",
        "{micronet} lab compare",
    ],
};

/// All profiles; the first is the default.
pub(crate) const PROFILES: [&Profile; 4] = [&ALL, &SHOP, &TOYSTORE, &LAB];

impl Profile {
    /// The services that it starts and their ports, in the order in which they start.
    pub(crate) fn services(&self) -> Vec<(&'static Service, Vec<u16>)> {
        let services = SERVICES.iter().filter_map(|service| Some((service, self.ports_of(service)?)));
        services.collect()
    }

    fn ports_of(&self, service: &Service) -> Option<Vec<u16>> {
        match self.members {
            Members::Every => {
                Some(service.port_offsets.iter().map(|offset| port_at(self.gateway_port, *offset)).collect())
            }
            Members::Named(members) => {
                members.iter().find(|(name, _)| *name == service.name).map(|(_, ports)| ports.to_vec())
            }
        }
    }

    fn ports_in_words(&self) -> String {
        let services = self.services().into_iter().map(|(service, ports)| {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            format!("{} {}", service.name, ports.join("+"))
        });
        let words: Vec<String> =
            [format!("gateway {}", self.gateway_port)].into_iter().chain(services).collect();
        words.join(", ")
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Profiles are told apart by their names.
impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// A profile that was named, or the default.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen(pub(crate) &'static Profile);

impl Default for Chosen {
    fn default() -> Self {
        Self(PROFILES[0])
    }
}

impl FromStr for Chosen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = PROFILES.into_iter().find(|profile| profile.name == text);
        found.map(Self).ok_or_else(|| format!("no profile is called {text:?}"))
    }
}

/// The profiles as `up --help` shows them.
pub(crate) fn help() -> String {
    let mut table = Table::new(&[("  PROFILE", Align::Left), ("WHAT IT IS, AND ITS PORTS", Align::Left)]);
    for profile in PROFILES {
        table.row(vec![format!("  {profile}"), profile.about.to_owned()]);
        table.row(vec![String::new(), profile.ports_in_words()]);
    }
    table.draw(Style::PLAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_made_of_services_that_there_are() {
        for profile in PROFILES {
            if let Members::Named(members) = profile.members {
                assert_eq!(profile.services().len(), members.len(), "{profile}");
            }
        }
    }

    #[test]
    fn the_shop_listens_where_everything_has_it() {
        for (service, ports) in SHOP.services() {
            assert_eq!(ALL.ports_of(service), Some(ports), "{}", service.name);
        }
        assert!(SHOP.services().iter().any(|(service, _)| service.name == "order"));
    }

    #[test]
    fn a_profile_starts_nobody_without_those_it_cannot_do_without() {
        for profile in PROFILES {
            let names: Vec<&str> = profile.services().into_iter().map(|(service, _)| service.name).collect();
            for (service, _) in profile.services() {
                for called in service.requires {
                    assert!(names.contains(called), "{profile}: {} requires {called}", service.name);
                }
            }
        }
    }

    #[test]
    fn a_profile_is_read_from_its_name() {
        for profile in PROFILES {
            assert_eq!(profile.name.parse::<Chosen>().map(|chosen| chosen.0), Ok(profile));
        }
        assert!("toys".parse::<Chosen>().is_err());
    }
}
