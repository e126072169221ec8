//! What a plan means for one process: the rules for its links to those that it calls.

use micronet_wire::network::LinkRule;

use super::{Plan, Quality};

impl Plan {
    /// The services that there are.
    pub(crate) fn services(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(String::as_str)
    }

    /// The rules for the links of an instance to these services. The first that fits holds, as everywhere.
    pub(crate) fn links_of<'a>(
        &self,
        service: &str,
        instance: &str,
        calls: impl IntoIterator<Item = &'a str>,
    ) -> Vec<LinkRule> {
        let here = self.segment_of(service, instance);
        let mut rules = Vec::new();
        for called in calls {
            if let Some(reason) = self.denies(service, called) {
                let denied = true;
                rules.push(LinkRule { service: called.to_owned(), denied, reason, ..LinkRule::default() });
                continue;
            }
            let Some(here) = here else { continue };
            let all = self.place(called);
            let of_all = all.map(|there| self.ways[here][there]).unwrap_or_default();
            // Instances with a place of their own come first.
            for (there, name) in self.instances_of(called) {
                let way = self.ways[here][there];
                if way != of_all {
                    rules.push(LinkRule {
                        instance: Some(name.to_owned()),
                        ..self.rule(called, way, here, there)
                    });
                }
            }
            if let Some(there) = all
                && of_all != Quality::default()
            {
                rules.push(self.rule(called, of_all, here, there));
            }
        }
        rules
    }

    fn rule(&self, called: &str, way: Quality, here: usize, there: usize) -> LinkRule {
        let [here, there] = [here, there].map(|place| &*self.segments[place].name);
        let reason =
            if here == there { format!("within {here}") } else { format!("the way from {here} to {there}") };
        LinkRule {
            service: called.to_owned(),
            delay_us: way.latency_us,
            jitter_us: way.jitter_us,
            loss_permille: way.loss_permille,
            bytes_per_s: way.bytes_per_s,
            reason,
            ..LinkRule::default()
        }
    }

    /// Why a service may not call another, if so.
    fn denies(&self, from: &str, to: &str) -> Option<String> {
        let has = |names: &[String], name: &str| names.iter().any(|each| each == name);
        let about: Vec<_> = self.allows.iter().filter(|allow| has(&allow.to, to)).collect();
        if self.allows.is_empty() || about.iter().any(|allow| has(&allow.from, from)) {
            return None;
        }
        if about.is_empty() {
            return Some(format!("{from} may not call {to}: no allow rule names who may"));
        }
        let allowed: Vec<String> = about
            .iter()
            .map(|allow| format!("{} (allow rule on line {})", allow.written[0].join(", "), allow.line))
            .collect();
        Some(format!("{from} may not call {to}: only {} may", allowed.join(" and ")))
    }

    /// The segment of an instance: its own place, or its service's.
    fn segment_of(&self, service: &str, instance: &str) -> Option<usize> {
        self.place(instance).or_else(|| self.place(service))
    }

    fn place(&self, member: &str) -> Option<usize> {
        self.segments.iter().position(|segment| segment.members.iter().any(|name| name == member))
    }

    /// The single instances of a service that have a place of their own.
    fn instances_of<'a>(&'a self, service: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
        let placed = self.segments.iter().enumerate();
        let members = placed.flat_map(|(at, segment)| segment.members.iter().map(move |name| (at, &**name)));
        members.filter(move |(_, name)| {
            let is_instance = |(of, _): (&str, &str)| of == service;
            !self.services.iter().any(|service| service == name)
                && name.rsplit_once('-').is_some_and(is_instance)
        })
    }
}
