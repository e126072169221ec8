//! Whether a drill may begin, and with whom: it must not take more than the network can spare. Pure.

use std::fmt::Write;

use crate::control::api::drills::DrillKind;
use crate::registry::GATEWAY;

/// How an instance of the network stands before a drill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Its service.
    pub(super) service: String,
    /// Its name.
    pub(super) instance: String,
    /// What it is like.
    pub(super) health: Health,
}

/// What an instance is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It runs, and all who call it do so.
    Well,
    /// It is not there by the operator's will: it was stopped, or rests.
    Away,
    /// It is otherwise, as these words say.
    Ill(String),
}

/// The network, before a drill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Network {
    /// Its instances, service by service.
    pub(super) instances: Vec<Standing>,
    /// The services that call the one that is drilled, besides the gateway.
    pub(super) callers: Vec<String>,
    /// The drill that is under way, in words.
    pub(super) drill: Option<String>,
    /// The faults in force, in words.
    pub(super) faults: Vec<String>,
}

/// Who is hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The service.
    pub(super) service: String,
    /// The instances: one, or all of a service that is down.
    pub(super) instances: Vec<String>,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No service or instance is called so.
    NoSuchName,
    /// It would take more than the network can spare. With `force` it is done all the same.
    TooMuch {
        /// What would be lost, in words.
        lost: String,
        /// Whether `force` helps.
        force: bool,
    },
    /// There is nothing to be hit.
    NotPossible(String),
}

/// Who is hit by a drill of this kind on what is called so, if it may begin.
pub(super) fn admit(kind: DrillKind, name: &str, force: bool, network: &Network) -> Result<Target, Refusal> {
    let target = target(kind, name, network)?;
    let never = |lost: String| Err(Refusal::TooMuch { lost, force: false });
    if let Some(drill) = &network.drill {
        return never(format!(
            "{drill}: what each of two drills costs could not be told apart, nor ended alone"
        ));
    }
    if let [first, ..] = &*network.faults {
        let words = network.faults.join("; ");
        let it = if network.faults.len() > 1 { "end them" } else { "end it" };
        return never(format!(
            "a fault is in force ({words}): with another one {} would lose more than is meant; {it} first: micronet fault clear {}",
            target.service,
            first_number(first),
        ));
    }
    let ill: Vec<String> = network.instances.iter().filter_map(in_words_if_ill).collect();
    if !ill.is_empty() {
        return never(format!(
            "the network is not well: {}; what is left could not take the place of {}",
            ill.join("; "),
            target.instances.join(", ")
        ));
    }
    if !force && let Some(lost) = loss(kind, &target, network) {
        return Err(Refusal::TooMuch { lost, force: true });
    }
    Ok(target)
}

/// A service that is down is hit as a whole. Else it is the last instance that is well, or the one that was named.
fn target(kind: DrillKind, name: &str, network: &Network) -> Result<Target, Refusal> {
    let all = &network.instances;
    let of_service: Vec<&Standing> = all.iter().filter(|each| each.service == name).collect();
    let named = all.iter().find(|each| each.instance == name && of_service.is_empty());
    let service = named.map_or(name, |named| &named.service).to_owned();
    if named.is_none() && of_service.is_empty() {
        return Err(Refusal::NoSuchName);
    }
    if kind == DrillKind::Unknown {
        return Err(Refusal::NotPossible("no drill is called so".into()));
    }
    if service == GATEWAY {
        return Err(Refusal::NotPossible(
            "the load of a drill goes through the gateway: drill a service".into(),
        ));
    }
    let chosen: Vec<&Standing> = match (kind, named) {
        (DrillKind::DependencyDown, None) => {
            if network.callers.is_empty() {
                return Err(Refusal::NotPossible(format!(
                    "no service calls {service}: nobody depends on it but the gateway's clients"
                )));
            }
            of_service.into_iter().filter(|each| each.health == Health::Well).collect()
        }
        (DrillKind::DependencyDown, Some(named)) => {
            return Err(Refusal::NotPossible(format!(
                "a dependency is down as a whole: name the service {}, not {}",
                named.service, named.instance
            )));
        }
        (_, None) => of_service.into_iter().rfind(|each| each.health == Health::Well).into_iter().collect(),
        (_, Some(named)) => vec![named],
    };
    match chosen.iter().find(|each| each.health == Health::Away) {
        Some(away) => {
            let words = format!("{} is not there: it was stopped, or rests", away.instance);
            return Err(Refusal::NotPossible(words));
        }
        None if chosen.is_empty() => {
            return Err(Refusal::NotPossible(format!("{service} has no instance that could be hit")));
        }
        None => {}
    }
    Ok(Target { service, instances: chosen.into_iter().map(|each| each.instance.clone()).collect() })
}

/// What a service would lose that is more than it can spare, in words.
fn loss(kind: DrillKind, target: &Target, network: &Network) -> Option<String> {
    let of_service = || network.instances.iter().filter(|each| each.service == target.service);
    let is_left =
        |each: &&Standing| each.health == Health::Well && !target.instances.contains(&each.instance);
    let (all, left) = (of_service().count(), of_service().filter(is_left).count());
    let lost = all - left;
    let service = &target.service;
    if left == 0 {
        let mut words = match kind {
            DrillKind::Slow => format!("{service} would have no instance that is not slow"),
            _ => format!("{service} would have no healthy instance without {}", target.instances.join(", ")),
        };
        let how = if kind == DrillKind::Slow { "take longer" } else { "fail meanwhile" };
        let _ = write!(words, ": all of its requests would {how}");
        if !network.callers.is_empty() {
            let _ = write!(words, ", and those of {} that need it", network.callers.join(" and "));
        }
        return Some(words);
    }
    (2 * lost > all).then(|| {
        format!("{service} would be left with {left} of its {all} instances, and lose more than half of them")
    })
}

fn in_words_if_ill(each: &Standing) -> Option<String> {
    match &each.health {
        Health::Ill(words) => Some(format!("{} {words}", each.instance)),
        Health::Well | Health::Away => None,
    }
}

/// A fault's number, from its words.
fn first_number(words: &str) -> String {
    words.chars().skip_while(|each| !each.is_ascii_digit()).take_while(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(service: &str, number: u32, health: Health) -> Standing {
        Standing { service: service.into(), instance: format!("{service}-{number}"), health }
    }

    /// Two of product, three of node, one of user, which order calls.
    fn network() -> Network {
        let of = |service: &str, count: u32| -> Vec<Standing> {
            (1..=count).map(|number| standing(service, number, Health::Well)).collect()
        };
        let instances = [of("user", 1), of("product", 2), of("node", 3), of("order", 1)].concat();
        Network { instances, callers: vec!["order".into()], ..Network::default() }
    }

    fn check(network: &Network, kind: DrillKind, name: &str, wanted: &[&str]) {
        let target = admit(kind, name, false, network).expect("it may begin");
        assert_eq!(target.instances, wanted, "{kind:?} {name}");
    }

    /// What would be lost, and whether force helps.
    #[track_caller]
    fn refused(network: &Network, kind: DrillKind, name: &str) -> (String, bool) {
        match admit(kind, name, false, network) {
            Err(Refusal::TooMuch { lost, force }) => (lost, force),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_last_instance_that_is_well_is_hit_or_the_one_that_was_named() {
        let mut network = network();
        for kind in [DrillKind::KillInstance, DrillKind::Stall, DrillKind::Partition, DrillKind::Slow] {
            check(&network, kind, "product", &["product-2"]);
            check(&network, kind, "product-1", &["product-1"]);
            check(&network, kind, "node", &["node-3"]);
        }
        network.instances[5].health = Health::Away;
        // Two of three would be missing.
        let (lost, force) = refused(&network, DrillKind::Stall, "node");
        assert!(force && lost.contains("node would be left with 1 of its 3 instances"), "{lost}");
        network.instances.push(standing("node", 4, Health::Well));
        check(&network, DrillKind::Stall, "node-2", &["node-2"]);
        network.instances.push(standing("gateway", 1, Health::Well));
        for name in ["gateway", "gateway-1"] {
            let refused = admit(DrillKind::Stall, name, true, &network);
            assert!(matches!(refused, Err(Refusal::NotPossible(_))), "{refused:?}");
        }
        for name in ["nobody", "product-3"] {
            assert_eq!(admit(DrillKind::Stall, name, true, &network), Err(Refusal::NoSuchName));
        }
    }

    #[test]
    fn the_last_healthy_instance_is_taken_by_force_only() {
        let mut network = network();
        let (lost, force) = refused(&network, DrillKind::KillInstance, "user");
        assert!(force, "{lost}");
        for words in ["user would have no healthy instance without user-1", "those of order that need it"] {
            assert!(lost.contains(words), "{lost}");
        }
        let (lost, _) = refused(&network, DrillKind::Slow, "user");
        assert!(lost.contains("no instance that is not slow"), "{lost}");
        assert!(admit(DrillKind::KillInstance, "user", true, &network).is_ok());
        network.callers.clear();
        let (lost, _) = refused(&network, DrillKind::Partition, "order");
        assert!(lost.ends_with("all of its requests would fail meanwhile"), "{lost}");
    }

    #[test]
    fn a_dependency_is_down_as_a_whole_and_by_force() {
        let mut network = network();
        let (lost, force) = refused(&network, DrillKind::DependencyDown, "product");
        assert!(force && lost.contains("product-1, product-2"), "{lost}");
        let target = admit(DrillKind::DependencyDown, "product", true, &network).unwrap();
        assert_eq!(target.instances, ["product-1", "product-2"]);
        let named = admit(DrillKind::DependencyDown, "product-1", true, &network);
        assert!(matches!(named, Err(Refusal::NotPossible(_))), "{named:?}");
        network.callers.clear();
        let alone = admit(DrillKind::DependencyDown, "order", true, &network);
        assert!(
            matches!(&alone, Err(Refusal::NotPossible(words)) if words.contains("no service calls order"))
        );
    }

    #[test]
    fn one_thing_is_broken_at_a_time_whatever_is_forced() {
        let check = |network: &Network, wanted: &str| match admit(DrillKind::Stall, "product", true, network)
        {
            Err(Refusal::TooMuch { lost, force: false }) => assert!(lost.contains(wanted), "{lost}"),
            other => panic!("{other:?}"),
        };
        check(&Network { drill: Some("drill 3 is under way".into()), ..network() }, "drill 3 is under way");
        let faults = vec!["fault 12: node-1 is stalled".into()];
        check(&Network { faults, ..network() }, "micronet fault clear 12");
        let mut ill = network();
        ill.instances[3].health = Health::Ill("is in a crash loop".into());
        check(&ill, "node-1 is in a crash loop; what is left could not take the place of product-2");
    }

    #[test]
    fn who_is_not_there_cannot_be_hit() {
        let mut network = network();
        network.instances[1].health = Health::Away;
        let named = admit(DrillKind::Stall, "product-1", true, &network);
        assert!(
            matches!(&named, Err(Refusal::NotPossible(words)) if words.contains("product-1 is not there"))
        );
        network.instances[2].health = Health::Away;
        let none = admit(DrillKind::Stall, "product", true, &network);
        assert!(
            matches!(&none, Err(Refusal::NotPossible(words)) if words.contains("no instance")),
            "{none:?}"
        );
    }
}
