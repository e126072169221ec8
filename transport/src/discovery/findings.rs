//! What was found out about where instances are, by service and by who found it.

use std::collections::BTreeMap;

use micronet_wire::schema::Timestamp;

use crate::balance::Algorithm;
use crate::clock;
use crate::upstream::{Source, Target};

/// What one source knows of where the instances of a service are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// The service.
    pub service: String,
    /// Who looks.
    pub source: Source,
    /// What was found when something was found last.
    pub targets: Vec<Target>,
    /// When that was; none before it was the first time.
    pub found: Option<Timestamp>,
    /// Why nothing is found now.
    pub trouble: Option<String>,
}

/// All that was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    searches: BTreeMap<(String, Source), Search>,
    algorithms: BTreeMap<String, Algorithm>,
}

impl Findings {
    /// This source says that instances are there. True if that is news.
    pub(crate) fn found(&mut self, service: &str, source: Source, targets: &[Target]) -> bool {
        let search = self.search(service, source);
        let is_news = search.found.is_none() || search.targets != targets;
        if is_news || search.trouble.is_some() {
            let addresses: Vec<_> = targets.iter().map(|target| target.address).collect();
            tracing::info!(service, %source, ?addresses, "found instances");
        }
        search.targets = targets.to_vec();
        search.found = Some(Timestamp(clock::unix_us()));
        search.trouble = None;
        is_news
    }

    /// This source has nothing to say, for this reason.
    pub(crate) fn not_found(&mut self, service: &str, source: Source, why: &str) {
        let search = self.search(service, source);
        if search.trouble.as_deref() != Some(why) {
            let kept = search.targets.len();
            tracing::warn!(service, %source, why, kept, "can't find instances: those that are known are kept");
            search.trouble = Some(why.to_owned());
        }
    }

    pub(crate) fn balance(&mut self, service: &str, algorithm: Algorithm) {
        self.algorithms.insert(service.to_owned(), algorithm);
    }

    pub(crate) fn algorithm_of(&self, service: &str) -> Option<Algorithm> {
        self.algorithms.get(service).copied()
    }

    pub(crate) fn searches(&self) -> Vec<Search> {
        self.searches.values().cloned().collect()
    }

    pub(crate) fn of(&self, service: &str) -> Vec<(Source, Vec<Target>)> {
        let found =
            self.searches.values().filter(|search| search.service == service && search.found.is_some());
        found.map(|search| (search.source, search.targets.clone())).collect()
    }

    fn search(&mut self, service: &str, source: Source) -> &mut Search {
        self.searches.entry((service.to_owned(), source)).or_insert_with(|| Search {
            service: service.to_owned(),
            source,
            targets: Vec::new(),
            found: None,
            trouble: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_found_any_more_still_counts() {
        let mut findings = Findings::default();
        let targets = [Target::from(std::net::SocketAddr::from(([127, 0, 0, 1], 8002)))];
        findings.not_found("product", Source::Dns, "no such name");
        assert_eq!(findings.of("product"), []);
        assert!(findings.found("product", Source::Dns, &targets));
        assert!(!findings.found("product", Source::Dns, &targets));
        findings.not_found("product", Source::Dns, "the server is away");
        assert_eq!(findings.of("product"), [(Source::Dns, targets.to_vec())]);
        assert_eq!(findings.searches()[0].trouble.as_deref(), Some("the server is away"));
        assert!(!findings.found("product", Source::Dns, &targets), "nothing has changed");
        assert_eq!(findings.searches()[0].trouble, None);
        assert!(findings.found("product", Source::Dns, &[]));
    }
}
