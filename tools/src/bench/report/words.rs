//! Figures as people read them: three digits and a unit.

use super::figures::Unit;
use super::model::{Load, Run};
use super::statistics::{Ratio, Spread};
use crate::load::report::grouped;

/// A number with its unit.
pub(crate) fn number(number: f64, unit: Unit) -> String {
    match unit {
        Unit::PerSecond if number >= 1_000.0 => format!("{}/s", whole(number)),
        Unit::PerSecond => format!("{}/s", digits(number)),
        Unit::Nanoseconds => time(number),
        Unit::Microseconds => format!("{} us", digits(number)),
        Unit::Requests => whole(number),
        Unit::PerRequest => digits(number),
        Unit::Kibibytes => format!("{} MiB", digits(number / 1_024.0)),
        Unit::BytesPerSecond if number >= 1e6 => format!("{} MB/s", digits(number / 1e6)),
        Unit::BytesPerSecond => format!("{} kB/s", digits(number / 1e3)),
    }
}

/// A range with its unit; a dash where there is one number alone.
pub(crate) fn range(spread: &Spread, unit: Unit) -> String {
    match spread.count {
        1 => "-".into(),
        _ => format!("{} to {}", number(spread.min, unit), number(spread.max, unit)),
    }
}

/// A ratio.
pub(crate) fn ratio(ratio: f64) -> String {
    if ratio < 100.0 { format!("{ratio:.2}") } else { digits(ratio) }
}

/// What there is to say of a ratio besides.
pub(crate) fn remark(ratio: &Ratio) -> &'static str {
    match (ratio.spread.count, ratio.overlap) {
        (1, _) => "measured once: may be chance",
        (_, true) => "ranges overlap: may be chance",
        (_, false) => "",
    }
}

/// Nanoseconds.
fn time(ns: f64) -> String {
    match ns {
        ..999.5 => format!("{} ns", digits(ns)),
        ..999_500.0 => format!("{} us", digits(ns / 1e3)),
        ..999_500_000.0 => format!("{} ms", digits(ns / 1e6)),
        _ => format!("{} s", digits(ns / 1e9)),
    }
}

/// Three digits, or all that are before the point.
fn digits(number: f64) -> String {
    match number.abs() {
        0.0 => "0".into(),
        ..0.0995 => format!("{number:.4}"),
        ..0.9995 => format!("{number:.3}"),
        ..9.995 => format!("{number:.2}"),
        ..99.95 => format!("{number:.1}"),
        _ => whole(number),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count; what is more saturates"
)]
fn whole(number: f64) -> String {
    grouped(number.round().max(0.0) as u64)
}

/// How a run was measured, in a line.
pub(crate) fn settings(run: &Run) -> String {
    let settings = &run.settings;
    let load = match settings.load {
        Load::Closed { in_flight } => format!("closed loop, {} in flight", grouped(in_flight.into())),
        Load::Open { rate_per_s } => format!("open loop, {} due", number(rate_per_s, Unit::PerSecond)),
    };
    let connections = match settings.connections {
        1 => "1 connection".to_owned(),
        more => format!("{} connections", grouped(more.into())),
    };
    let payload = settings.payload_bytes.map(|bytes| format!(", {} B", grouped(bytes))).unwrap_or_default();
    let others: Vec<String> =
        settings.other.iter().map(|(name, value)| format!(", {name} {value}")).collect();
    let times = run.repetitions.len();
    format!(
        "{load} on {connections}{payload}{}; {times} x {} s, each after {} s of warm-up",
        others.concat(),
        settings.seconds,
        settings.warm_up_s
    )
}

/// What a run asks, with its protocol.
pub(crate) fn target(run: &Run) -> String {
    format!("{} {}", run.kind, run.target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_a_unit() {
        for (figure, unit, wanted) in [
            (0.0, Unit::Nanoseconds, "0 ns"),
            (850.0, Unit::Nanoseconds, "850 ns"),
            (12_345.0, Unit::Nanoseconds, "12.3 us"),
            (999_400.0, Unit::Nanoseconds, "999 us"),
            (999_600.0, Unit::Nanoseconds, "1.00 ms"),
            (1_500_000_000.0, Unit::Nanoseconds, "1.50 s"),
            (3_600e9, Unit::Nanoseconds, "3,600 s"),
            (123_456.7, Unit::PerSecond, "123,457/s"),
            (12.34, Unit::PerSecond, "12.3/s"),
            (2.314, Unit::Microseconds, "2.31 us"),
            (0.0456, Unit::PerRequest, "0.0456"),
            (20_480.0, Unit::Kibibytes, "20.0 MiB"),
            (2_500_000.0, Unit::BytesPerSecond, "2.50 MB/s"),
            (7.0, Unit::Requests, "7"),
        ] {
            assert_eq!(number(figure, unit), wanted, "{figure} {unit:?}");
        }
    }

    #[test]
    fn one_number_has_no_range() {
        let once = Spread::of([5.0]).unwrap();
        let twice = Spread::of([5.0, 7_000.0]).unwrap();
        assert_eq!(
            (range(&once, Unit::Nanoseconds).as_str(), range(&twice, Unit::Nanoseconds).as_str()),
            ("-", "5.00 ns to 7.00 us")
        );
    }
}
