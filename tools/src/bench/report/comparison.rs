//! Two runs side by side.

use std::cmp::Ordering;

use super::figures::{Better, ERRORS, Figure, THROUGHPUT, figures};
use super::model::{Load, Run};
use super::statistics::{Ratio, Spread};

/// A second run that fails in so many more of its requests than the first is worse, however fast it is.
const ERRORS_SHARE: f64 = 0.001;

/// Two runs, figure by figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Comparison {
    /// What the first, the second and their ratio are called.
    pub(crate) names: [&'static str; 3],
    /// All figures that one of them has.
    pub(crate) figures: Vec<Compared>,
    /// What isn't the same about how they were measured, in words.
    pub(crate) differences: Vec<String>,
    /// The shares of requests that failed.
    errors: (f64, f64),
}

/// A figure of both.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Compared {
    /// As the first has it.
    pub(crate) first: Option<Figure>,
    /// As the second has it.
    pub(crate) second: Option<Figure>,
    /// The second's to the first's.
    pub(crate) ratio: Option<Ratio>,
}

impl Comparison {
    /// Of runs whose repetitions took turns.
    pub(crate) fn in_turns(first: &Run, second: &Run) -> Self {
        Self::new(["A", "B", "B/A"], first, second, Ratio::of_pairs)
    }

    /// Of runs at different times.
    pub(crate) fn over_time(old: &Run, new: &Run) -> Self {
        Self::new(["OLD", "NEW", "NEW/OLD"], old, new, Ratio::of_medians)
    }

    fn new(
        names: [&'static str; 3],
        first: &Run,
        second: &Run,
        ratio: fn(&[f64], &[f64]) -> Option<Ratio>,
    ) -> Self {
        let (all, mut others) = (figures(first), figures(second));
        let mut compared: Vec<Compared> = Vec::new();
        for figure in all {
            let at = others.iter().position(|other| other.key() == figure.key());
            let other = at.map(|at| others.remove(at));
            let ratio = other.as_ref().and_then(|other| ratio(&figure.numbers, &other.numbers));
            compared.push(Compared { first: Some(figure), second: other, ratio });
        }
        for figure in others {
            // Beside those of its group.
            let group = |compared: &Compared| compared.shown().group == figure.group;
            let at = compared.iter().rposition(group).map_or(compared.len(), |at| at + 1);
            compared.insert(at, Compared { first: None, second: Some(figure), ratio: None });
        }
        let errors = (errors_share(first), errors_share(second));
        Self { names, figures: compared, differences: differences(first, second), errors }
    }

    /// In what the second is worse by more than this share, and by more than chance: figure by figure, in words.
    pub(crate) fn worse(&self, threshold: f64) -> Vec<String> {
        let figures = self.figures.iter().filter(|compared| compared.shown().decides);
        let mut worse: Vec<String> = figures
            .filter_map(|compared| {
                let ratio = compared.ratio.filter(|ratio| !ratio.overlap)?;
                let (shown, times) = (compared.shown(), ratio.spread.median);
                let is_worse = match shown.better {
                    Better::Less => times > 1.0 + threshold,
                    Better::More => times < 1.0 - threshold,
                };
                let name = format!("{} {}", shown.group, shown.name);
                is_worse.then(|| format!("{} is {times:.2} times what it was", name.trim_end()))
            })
            .collect();
        let (before, now) = self.errors;
        if now > before + ERRORS_SHARE {
            worse.push(format!(
                "{:.2} % of the requests failed, and {:.2} % did before",
                100.0 * now,
                100.0 * before
            ));
        }
        worse
    }

    /// Whether one of the two was measured once only, so that nothing is known of its range.
    pub(crate) fn is_of_one(&self) -> bool {
        let throughput = self.figures.iter().find(|compared| compared.shown().group == THROUGHPUT);
        throughput.and_then(|compared| compared.ratio).is_some_and(|ratio| ratio.spread.count == 1)
    }
}

impl Compared {
    /// The one of both that there is, the first if both are.
    pub(crate) fn shown(&self) -> &Figure {
        self.first.as_ref().or(self.second.as_ref()).expect("one of both has it")
    }

    /// How the second stands to the first: `Less` where it is worse, `Equal` where there is no clear difference.
    pub(crate) fn tone(&self) -> Ordering {
        let shown = self.shown();
        let Some(ratio) = self.ratio.filter(Ratio::is_clear) else { return Ordering::Equal };
        let larger = ratio.spread.median.total_cmp(&1.0);
        if shown.group == ERRORS || shown.better == Better::Less { larger.reverse() } else { larger }
    }
}

fn errors_share(run: &Run) -> f64 {
    let shares = run.repetitions.iter().filter(|each| each.requests > 0);
    let shares = shares.map(|each| each.failed() as f64 / each.requests as f64);
    Spread::of(shares).map_or(0.0, |spread| spread.median)
}

/// What differs about how two runs were measured: then figures may differ for this reason.
fn differences(first: &Run, second: &Run) -> Vec<String> {
    let mut differences = Vec::new();
    let mut differ = |what: &str, one: String, other: String| {
        if one != other {
            differences.push(format!("{what}: {one}, and then {other}"));
        }
    };
    differ("protocol", first.kind.to_string(), second.kind.to_string());
    differ("machine", first.machine.to_string(), second.machine.to_string());
    let (one, other) = (&first.settings, &second.settings);
    differ("load", load(one.load), load(other.load));
    differ("connections", one.connections.to_string(), other.connections.to_string());
    let bytes =
        |bytes: Option<u64>| bytes.map_or_else(|| "none said".to_owned(), |bytes| format!("{bytes} B"));
    differ("payload", bytes(one.payload_bytes), bytes(other.payload_bytes));
    let names: std::collections::BTreeSet<&String> = one.other.keys().chain(other.other.keys()).collect();
    for name in names {
        let value =
            |of: &super::model::Settings| of.other.get(name).cloned().unwrap_or_else(|| "none".into());
        differ(name, value(one), value(other));
    }
    differences
}

fn load(load: Load) -> String {
    match load {
        Load::Closed { in_flight } => format!("{in_flight} in flight"),
        Load::Open { rate_per_s } => format!("{rate_per_s} a second"),
    }
}
