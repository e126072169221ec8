//! Results for programs: all that was measured, and beside it the figures that people are shown.

use serde_json::{Value, json};

use super::comparison::Comparison;
use super::figures::{Figure, Unit, figures};
use super::model::{Results, Run};
use super::statistics::{Ratio, Spread};

/// All of it. `bench show` and `bench compare` read it too.
pub(crate) fn json(results: &Results) -> Value {
    // What can't be written as JSON would be a key that is no text.
    let mut json = serde_json::to_value(results).unwrap_or_default();
    json["figures"] = results.runs.iter().map(of_run).collect();
    if let [first, second] = results.runs.as_slice() {
        json["comparison"] = comparison(&Comparison::in_turns(first, second));
    }
    json
}

fn of_run(run: &Run) -> Value {
    figures(run).iter().map(figure).collect()
}

fn figure(figure: &Figure) -> Value {
    let mut json = json!({ "group": figure.group, "name": figure.name, "unit": unit(figure.unit) });
    if let Some(figures) = figure.spread().map(spread) {
        json["median"] = figures["median"].clone();
        json["min"] = figures["min"].clone();
        json["max"] = figures["max"].clone();
    }
    json["repetitions"] = json!(figure.numbers);
    json
}

/// Two runs, figure by figure.
pub(super) fn comparison(comparison: &Comparison) -> Value {
    let figures = comparison.figures.iter().map(|compared| {
        json!({
            "group": compared.shown().group,
            "name": compared.shown().name,
            "first": compared.first.as_ref().map(figure),
            "second": compared.second.as_ref().map(figure),
            "ratio": compared.ratio.as_ref().map(ratio),
        })
    });
    json!({ "figures": figures.collect::<Value>(), "differences": comparison.differences })
}

fn ratio(ratio: &Ratio) -> Value {
    let mut json = spread(ratio.spread);
    json["ranges_overlap"] = json!(ratio.overlap);
    json["clear"] = json!(ratio.is_clear());
    json
}

fn spread(spread: Spread) -> Value {
    json!({ "median": spread.median, "min": spread.min, "max": spread.max })
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::PerSecond => "1/s",
        Unit::Nanoseconds => "ns",
        Unit::Microseconds => "us",
        Unit::Requests => "requests",
        Unit::PerRequest => "1/request",
        Unit::Kibibytes => "KiB",
        Unit::BytesPerSecond => "B/s",
    }
}
