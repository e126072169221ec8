//! Bars of Unicode blocks.

use super::{Bars, Chart};

/// Width of the longest bar, in columns.
const BAR_COLUMNS: f64 = 40.0;
/// Parts of a column, from one eighth to seven (Unicode, Block Elements).
const EIGHTHS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// Heights of a block, from one eighth to the whole (Unicode, Block Elements).
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A block for each number.
pub(super) fn sparkline(values: &[u64]) -> String {
    let most = values.iter().copied().max().unwrap_or(0).max(1);
    let height = |value: &u64| usize::try_from(value.saturating_mul(8).div_ceil(most)).unwrap_or(8);
    values.iter().map(|value| HEIGHTS[height(value).saturating_sub(1).min(7)]).collect()
}

/// A line for each point: the series' name before its first, x, the bar, and y.
pub(super) fn bars(chart: &Chart) -> String {
    let names = chart.series.iter().map(|series| series.name.len()).max().unwrap_or(0);
    let points = chart.series.iter().flat_map(|series| &series.points);
    let places = points.map(|(x, _)| x.to_string().len()).max().unwrap_or(0);
    let mut lines = vec![chart.title.clone()];
    for series in &chart.series {
        for (at, (x, y)) in series.points.iter().enumerate() {
            let name = if at == 0 { series.name } else { "" };
            let bar = bar(y / chart.y_max());
            lines.push(format!("  {name:<names$}  {x:>places$} {bar} {y:.2} {}", chart.unit));
        }
    }
    lines.join("\n")
}

/// Draws bars with a label each.
pub(super) fn labelled(bars: &Bars) -> String {
    let labels = bars.rows.iter().map(|(label, ..)| label.chars().count()).max().unwrap_or(0);
    let most = bars.rows.iter().map(|(_, value, _)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let mut lines = vec![bars.title.clone()];
    lines.extend(
        bars.rows
            .iter()
            .map(|(label, value, words)| format!("  {label:>labels$} {} {words}", bar(value / most))),
    );
    lines.join("\n")
}

/// A bar for a share from 0 to 1.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is from 0 to 1")]
fn bar(share: f64) -> String {
    let eighths = (share.clamp(0.0, 1.0) * BAR_COLUMNS * 8.0).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    bar.extend((eighths % 8).checked_sub(1).and_then(|part| EIGHTHS.get(part)));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        assert_eq!(bar(0.0), "");
        assert_eq!(bar(1.0), "█".repeat(40));
        assert_eq!(bar(1.0 / 320.0), "▏");
        assert_eq!(bar(0.2125), "████████▌");
    }

    #[test]
    fn a_sparkline_has_a_block_for_each_number() {
        assert_eq!(sparkline(&[]), "");
        assert_eq!(sparkline(&[0, 0]), "▁▁");
        assert_eq!(sparkline(&[0, 1, 50, 100]), "▁▁▄█");
    }

    #[test]
    fn bars_have_labels() {
        let rows = vec![("one".into(), 1.0, "1".into()), ("three".into(), 0.0, "0".into())];
        let wanted = format!("Title\n    one {} 1\n  three  0", "█".repeat(40));
        assert_eq!(labelled(&Bars { title: "Title".into(), rows }), wanted);
    }

    #[test]
    fn bars_stand_below_each_other() {
        let wanted = format!(
            "Average & \"latency\"\n  GET    1 █████ 0.50 ms\n         2 {} 1.00 ms\n  POST   1 {} 4.00 ms\n        10  0.00 ms",
            "█".repeat(10),
            "█".repeat(40)
        );
        assert_eq!(super::super::example().bars(), wanted);
    }
}
