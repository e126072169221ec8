//! What is shown: before, after and percent of each case.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::record::{Cost, DEARER_PERCENT_MAX, Row, Verdict};

/// The cases beside their record.
pub(crate) fn compared(rows: &[Row]) -> String {
    let mut out = format!(
        "{:<44} {:>21} {:>8} {:>15}\n{:<44} {:>10} {:>10} {:>8} {:>7} {:>7}\n",
        "", "instructions a request", "", "allocations", "", "recorded", "now", "percent", "recorded", "now"
    );
    for row in rows {
        let number = |cost: Option<Cost>, part: fn(&Cost) -> f64, digits| {
            cost.map_or_else(|| "-".to_owned(), |cost| format!("{:.digits$}", part(&cost)))
        };
        let instructions = |cost| number(cost, |cost| cost.instructions, 0);
        let allocations = |cost| number(cost, |cost| cost.allocations, 2);
        let percent = row.percent().map_or_else(|| "-".to_owned(), |percent| format!("{percent:+.2}"));
        let _ = writeln!(
            out,
            "{:<44} {:>10} {:>10} {percent:>8} {:>7} {:>7}{}",
            row.name,
            instructions(row.before),
            instructions(row.now),
            allocations(row.before),
            allocations(row.now),
            remark(row.verdict())
        );
    }
    let count = |verdict: fn(Verdict) -> bool| rows.iter().filter(|row| verdict(row.verdict())).count();
    let (failures, cheaper) = (count(Verdict::is_failure), count(|verdict| verdict == Verdict::Cheaper));
    if failures > 0 {
        let _ = writeln!(
            out,
            "\n{failures} of {} are not as recorded: above +{DEARER_PERCENT_MAX} % of instructions, or above the allocations. Where that is meant, `tests/run guard --record` writes the record anew.",
            rows.len()
        );
    } else if cheaper > 0 {
        let _ = writeln!(
            out,
            "\nNOTE: {cheaper} of {} are cheaper than recorded: `tests/run guard --record` keeps it so.",
            rows.len()
        );
    }
    out
}

fn remark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::AsRecorded => "",
        Verdict::Cheaper => "  cheaper",
        Verdict::Dearer => "  DEARER",
        Verdict::AllocatesMore => "  ALLOCATES MORE",
        Verdict::NotOnRecord => "  NOT ON RECORD",
        Verdict::NotCounted => "  NOT COUNTED",
    }
}

/// How far several counts of the same lie apart.
pub(crate) fn spread(runs: &[BTreeMap<String, Cost>]) -> String {
    let mut out = format!("{:<44} {:>10} {:>10} {:>9}  allocations\n", "", "least", "most", "apart, %");
    for name in runs.first().into_iter().flat_map(BTreeMap::keys) {
        let range = |part: fn(&Cost) -> f64| {
            let of = runs.iter().filter_map(|run| run.get(name)).map(part);
            of.fold((f64::MAX, 0.0), |(least, most): (f64, f64), one| (least.min(one), most.max(one)))
        };
        let ((least, most), (fewest, greatest)) =
            (range(|cost| cost.instructions), range(|cost| cost.allocations));
        let apart = (most / least - 1.0) * 100.0;
        let _ =
            writeln!(out, "{name:<44} {least:>10.1} {most:>10.1} {apart:>9.3}  {fewest:.2} to {greatest:.2}");
    }
    out
}
