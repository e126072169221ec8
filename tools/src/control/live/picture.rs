//! The network as it is at one moment, and what is different from another one. Pure.

use std::collections::BTreeMap;

use micronet_wire::schema::Timestamp;

use crate::control::api::live::{
    Alert, Gone, LinkEnds, Live, LiveInstance, LiveLink, LiveNetwork, LiveService, LiveTotals,
};

/// The network at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) at: Timestamp,
    pub(crate) network: LiveNetwork,
    pub(crate) totals: LiveTotals,
    pub(crate) services: BTreeMap<String, LiveService>,
    pub(crate) instances: BTreeMap<String, LiveInstance>,
    pub(crate) links: BTreeMap<LinkEnds, LiveLink>,
    pub(crate) alerts: BTreeMap<u64, Alert>,
}

impl Picture {
    /// What is to be told of it to somebody who knows another one, or none: everything but the message's number and events.
    pub(crate) fn since(&self, known: Option<&Self>) -> Live {
        let nothing = Self::default();
        let before = known.unwrap_or(&nothing);
        let is_new = known.is_none();
        let gone = Gone {
            services: missing(&before.services, &self.services),
            instances: missing(&before.instances, &self.instances),
            links: missing(&before.links, &self.links),
            alerts: missing(&before.alerts, &self.alerts),
        };
        Live {
            at: self.at,
            whole: is_new,
            network: (is_new || self.network != before.network).then(|| self.network.clone()),
            totals: (is_new || self.totals != before.totals).then(|| self.totals.clone()),
            services: changed(&before.services, &self.services),
            instances: changed(&before.instances, &self.instances),
            links: changed(&before.links, &self.links),
            alerts: changed(&before.alerts, &self.alerts),
            gone: (gone != Gone::default()).then_some(gone),
            ..Live::default()
        }
    }
}

/// Those that are new, or not as they were.
fn changed<K: Ord, V: PartialEq + Clone>(before: &BTreeMap<K, V>, now: &BTreeMap<K, V>) -> Vec<V> {
    now.iter()
        .filter(|(key, value)| before.get(*key) != Some(*value))
        .map(|(_, value)| value.clone())
        .collect()
}

/// Those that are no more.
fn missing<K: Ord + Clone, V>(before: &BTreeMap<K, V>, now: &BTreeMap<K, V>) -> Vec<K> {
    before.keys().filter(|key| !now.contains_key(*key)).cloned().collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    impl Picture {
        /// What somebody knows who knew this, and hears that.
        pub(crate) fn hear(&mut self, live: Live) {
            if live.whole {
                *self = Self::default();
            }
            self.at = live.at;
            live.network.into_iter().for_each(|network| self.network = network);
            live.totals.into_iter().for_each(|totals| self.totals = totals);
            self.services.extend(live.services.into_iter().map(|each| (each.service.clone(), each)));
            self.instances.extend(live.instances.into_iter().map(|each| (each.instance.clone(), each)));
            self.alerts.extend(live.alerts.into_iter().map(|each| (each.id, each)));
            for link in live.links {
                let ends = LinkEnds { from: link.from.clone(), to_instance: link.to_instance.clone() };
                self.links.insert(ends, link);
            }
            let Gone { services, instances, links, alerts } = live.gone.unwrap_or_default();
            services.iter().for_each(|name| drop(self.services.remove(name)));
            instances.iter().for_each(|name| drop(self.instances.remove(name)));
            links.iter().for_each(|ends| drop(self.links.remove(ends)));
            alerts.iter().for_each(|id| drop(self.alerts.remove(id)));
        }
    }

    /// Numbers that look random, and are the same for a seed.
    pub(crate) struct Random(pub(crate) u64);

    impl Random {
        pub(crate) fn below(&mut self, limit: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % limit
        }
    }

    /// Something else changes.
    fn change(picture: &mut Picture, random: &mut Random) {
        picture.at.0 += 1;
        let name = format!("node-{}", random.below(6));
        let ends = LinkEnds { from: "gateway-1".into(), to_instance: name.clone() };
        match random.below(8) {
            0 => drop(picture.instances.remove(&name)),
            1 => drop(picture.links.remove(&ends)),
            2 => drop(picture.alerts.remove(&random.below(6))),
            3 => picture.totals.per_s = random.below(100),
            4 => {
                let service =
                    LiveService { service: name.clone(), per_s: random.below(9), ..LiveService::default() };
                picture.services.insert(name, service);
            }
            5 => {
                let alert = Alert { id: random.below(6), active: random.below(2) == 0, ..Alert::default() };
                picture.alerts.insert(alert.id, alert);
            }
            6 => {
                let to_instance = name.clone();
                let link = LiveLink {
                    from: ends.from.clone(),
                    to_instance,
                    per_s: random.below(5),
                    ..LiveLink::default()
                };
                picture.links.insert(ends, link);
            }
            _ => {
                let instance =
                    LiveInstance { instance: name.clone(), in_flight: 7, ..LiveInstance::default() };
                picture.instances.insert(name, instance);
            }
        }
    }

    #[test]
    fn who_hears_the_changes_knows_the_whole() {
        for seed in 0..200 {
            let mut random = Random(seed);
            let (mut now, mut known) = (Picture::default(), Picture::default());
            let mut sent: Option<Picture> = None;
            for step in 0..60 {
                change(&mut now, &mut random);
                // A slow reader isn't told each of them.
                if random.below(3) == 0 {
                    let live = now.since(sent.as_ref());
                    assert_eq!(live.whole, sent.is_none());
                    known.hear(live);
                    sent = Some(now.clone());
                    assert_eq!(known, now, "seed {seed}, step {step}");
                }
            }
        }
    }

    #[test]
    fn what_has_not_changed_is_not_told() {
        let mut now = Picture::default();
        let mut random = Random(1);
        (0..50).for_each(|_| change(&mut now, &mut random));
        let live = now.since(Some(&now));
        assert_eq!(live, Live { at: now.at, ..Live::default() });
    }
}
