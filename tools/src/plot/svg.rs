//! A line chart as an SVG document (SVG 1.1: axes, ticks, a line and points for each series, a legend).

use std::fmt::Write;

use super::Chart;

/// The drawing, in units of its own.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
/// Room for the axes' labels, the title and the legend.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 78.0;
const BOTTOM: f64 = 50.0;
/// About so many ticks stand on the vertical axis.
const TICKS: f64 = 5.0;
/// Names of series that stand in one line of the legend.
const LEGEND_COLUMNS: usize = 4;
/// At most so many numbers stand below the horizontal axis.
const X_LABELS_MAX: usize = 16;
/// Colours that people tell apart who don't see all of them (M. Okabe, K. Ito, "Color Universal Design", 2008).
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000"];

/// Draws the chart.
pub(super) fn draw(chart: &Chart) -> String {
    let scale = Scale::of(chart);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    text(&mut svg, (WIDTH / 2.0, 24.0), "middle", &chart.title);
    axes(&mut svg, chart, &scale);
    for (place, series) in chart.series.iter().enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        let points: Vec<(f64, f64)> = series.points.iter().map(|(x, y)| (scale.x(*x), scale.y(*y))).collect();
        let line: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
            line.join(" ")
        );
        for (x, y) in points {
            let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>");
        }
        let (line, column) = (place / LEGEND_COLUMNS, place % LEGEND_COLUMNS);
        let (x, y) = (LEFT + 10.0 + 140.0 * column as f64, 42.0 + 18.0 * line as f64);
        let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>");
        text(&mut svg, (x + 10.0, y + 4.0), "start", series.name);
    }
    svg.push_str("</svg>\n");
    svg
}

fn axes(svg: &mut String, chart: &Chart, scale: &Scale) {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let mut tick = 0.0;
    while tick <= scale.y_top * 1.001 {
        let y = scale.y(tick);
        let _ =
            writeln!(svg, "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>");
        text(svg, (LEFT - 8.0, y + 4.0), "end", &format!("{}", (tick * 1000.0).round() / 1000.0));
        tick += scale.y_step;
    }
    let _ = writeln!(
        svg,
        "<path d=\"M{LEFT} {TOP} V{bottom} H{right}\" fill=\"none\" stroke=\"black\" stroke-width=\"1\"/>"
    );
    let mut shown: Vec<u32> =
        chart.series.iter().flat_map(|series| &series.points).map(|(x, _)| *x).collect();
    shown.sort_unstable();
    shown.dedup();
    // Labels that would touch are left out.
    let every = shown.len().div_ceil(X_LABELS_MAX).max(1);
    for x in shown.into_iter().step_by(every) {
        text(svg, (scale.x(x), bottom + 18.0), "middle", &x.to_string());
    }
    text(svg, (LEFT + (right - LEFT) / 2.0, HEIGHT - 10.0), "middle", chart.x_label);
    let y = TOP + (bottom - TOP) / 2.0;
    let label = escaped(chart.y_label);
    let _ = writeln!(
        svg,
        "<text x=\"18\" y=\"{y:.1}\" text-anchor=\"middle\" transform=\"rotate(-90 18 {y:.1})\">{label}</text>"
    );
}

/// From numbers to places in the drawing.
struct Scale {
    x_min: u32,
    x_max: u32,
    y_top: f64,
    y_step: f64,
}

impl Scale {
    fn of(chart: &Chart) -> Self {
        let xs = || chart.series.iter().flat_map(|series| &series.points).map(|(x, _)| *x);
        let y_step = step(chart.y_max() / TICKS);
        let y_top = (chart.y_max() / y_step).ceil() * y_step;
        Self { x_min: xs().min().unwrap_or(0), x_max: xs().max().unwrap_or(0), y_top, y_step }
    }

    /// Half a step stays free on both sides; a single x stands in the middle.
    fn x(&self, x: u32) -> f64 {
        let steps = f64::from(self.x_max - self.x_min) + 1.0;
        LEFT + (WIDTH - LEFT - RIGHT) * (f64::from(x - self.x_min) + 0.5) / steps
    }

    fn y(&self, y: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / self.y_top
    }
}

/// The next larger of 1, 2 and 5 times a power of ten.
pub(crate) fn step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power).find(|step| *step >= least).unwrap_or(power * 10.0)
}

fn text(svg: &mut String, at: (f64, f64), anchor: &str, text: &str) {
    let (x, y) = at;
    let _ =
        writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escaped(text));
}

/// Text as XML has it (XML 1.0 section 2.4).
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    #[test]
    fn a_drawing_has_a_point_for_each_number() {
        let svg = example().svg();
        // Four points and two in the legend.
        assert_eq!(svg.matches("<circle").count(), 6, "{svg}");
        assert_eq!(svg.matches("<polyline").count(), 2, "{svg}");
        assert!(svg.contains("Average &amp; &quot;latency&quot;"), "{svg}");
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
        for number in ["NaN", "inf"] {
            assert!(!svg.contains(number), "{svg}");
        }
    }

    #[test]
    fn what_is_higher_stands_higher() {
        let scale = Scale::of(&example());
        assert!(scale.y(4.0) < scale.y(0.5) && scale.y(0.0) <= HEIGHT - BOTTOM);
        assert!(scale.y(4.0) >= TOP && scale.x(1) > LEFT && scale.x(10) < WIDTH - RIGHT);
    }

    #[test]
    fn steps_are_round() {
        for (least, wanted) in [(0.17, 0.2), (1.0, 1.0), (3.0, 5.0), (6.0, 10.0), (0.021, 0.05)] {
            assert!((step(least) - wanted).abs() < 1e-9, "{least}");
        }
    }

    #[test]
    fn a_chart_of_nothing_is_drawn_too() {
        let mut chart = example();
        chart.series.clear();
        assert!(chart.svg().contains("</svg>"));
        assert_eq!(chart.bars(), chart.title);
    }
}
