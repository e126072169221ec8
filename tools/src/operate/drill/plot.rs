//! The plots of a report: SVG that takes its colours from the page around it, so that it is legible in light and dark, and printed.

use std::fmt::Write;

use crate::plot::{escaped, step};

/// The drawing, in units of its own.
const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 220.0;
/// Room for the numbers, the legend and the seconds.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 32.0;
const BOTTOM: f64 = 28.0;
/// About so many lines stand behind the curves.
const TICKS: f64 = 4.0;
/// About so many seconds have a number.
const SECONDS_LABELLED: f64 = 12.0;

/// Curves over the seconds of a drill.
#[derive(Clone, Debug)]
pub(super) struct Plot {
    /// What it shows.
    pub(super) title: &'static str,
    /// What its numbers measure.
    pub(super) unit: &'static str,
    /// How many seconds it shows.
    pub(super) seconds: f64,
    /// The curves.
    pub(super) curves: Vec<Curve>,
    /// Times that are shaded, from and to, in seconds, with what was then.
    pub(super) bands: Vec<(f64, f64, &'static str)>,
    /// Moments that are marked, in seconds, with what happened.
    pub(super) marks: Vec<(f64, String)>,
}

/// A curve.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    /// What it is.
    pub(super) name: &'static str,
    /// The class of its style: `a`, `b` or `c`.
    pub(super) class: &'static str,
    /// Its points: seconds, and what was measured in them.
    pub(super) points: Vec<(f64, f64)>,
}

impl Plot {
    /// Draws it.
    pub(super) fn svg(&self) -> String {
        let most = self.curves.iter().flat_map(|curve| &curve.points).map(|(_, y)| *y).fold(0.0, f64::max);
        let step = step(if most > 0.0 { most } else { 1.0 } / TICKS);
        let scale = Scale { seconds: self.seconds.max(1.0), top: (most / step).ceil().max(1.0) * step };
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{0}\"><title>{0}</title>\n",
            escaped(self.title)
        );
        for (from, to, words) in &self.bands {
            let (x, width) = (scale.x(*from), scale.x(*to) - scale.x(*from));
            let _ = writeln!(
                svg,
                "<rect class=\"band\" x=\"{x:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
                HEIGHT - TOP - BOTTOM,
                escaped(words)
            );
        }
        self.axes(&mut svg, &scale, step);
        for (at, words) in &self.marks {
            let x = scale.x(*at);
            let _ = writeln!(
                svg,
                "<line class=\"mark\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{:.1}\"><title>{}</title></line>",
                HEIGHT - BOTTOM,
                escaped(words)
            );
        }
        self.curves(&mut svg, &scale);
        svg.push_str("</svg>\n");
        svg
    }

    fn axes(&self, svg: &mut String, scale: &Scale, step: f64) {
        let mut tick = 0.0;
        while tick <= scale.top * 1.001 {
            let y = scale.y(tick);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\"/>\n<text x=\"{:.1}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                y + 4.0,
                (tick * 1_000.0).round() / 1_000.0
            );
            tick += step;
        }
        let seconds = step_of_seconds(scale.seconds);
        let mut second = 0.0;
        while second <= scale.seconds {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{second} s</text>",
                scale.x(second),
                HEIGHT - BOTTOM + 18.0
            );
            second += seconds;
        }
    }

    fn curves(&self, svg: &mut String, scale: &Scale) {
        for (place, curve) in self.curves.iter().enumerate() {
            let Curve { name, class, points } = curve;
            let path: Vec<String> =
                points.iter().map(|(x, y)| format!("{:.1},{:.1}", scale.x(*x), scale.y(*y))).collect();
            let _ = writeln!(svg, "<polyline class=\"curve {class}\" points=\"{}\"/>", path.join(" "));
            for (x, y) in points {
                let _ = writeln!(
                    svg,
                    "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\"><title>{} s: {name} {} {}</title></circle>",
                    scale.x(*x),
                    scale.y(*y),
                    x.floor(),
                    (y * 10.0).round() / 10.0,
                    self.unit
                );
            }
            #[expect(clippy::cast_precision_loss, reason = "there are three curves at most")]
            let x = LEFT + 4.0 + 130.0 * place as f64;
            let _ = writeln!(
                svg,
                "<line class=\"curve {class}\" x1=\"{x:.1}\" y1=\"16\" x2=\"{:.1}\" y2=\"16\"/>\n<text x=\"{:.1}\" y=\"20\">{name}</text>",
                x + 18.0,
                x + 24.0
            );
        }
    }
}

/// From numbers to places in the drawing.
struct Scale {
    seconds: f64,
    top: f64,
}

impl Scale {
    fn x(&self, second: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * second.clamp(0.0, self.seconds) / self.seconds
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.top
    }
}

fn step_of_seconds(seconds: f64) -> f64 {
    let least = seconds / SECONDS_LABELLED;
    [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0].into_iter().find(|step| *step >= least).unwrap_or(120.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_a_point_for_each_second() {
        let curve = |name, class| Curve { name, class, points: vec![(0.5, 10.0), (1.5, 0.0), (2.5, 90.0)] };
        let plot = Plot {
            title: "Latency & more",
            unit: "ms",
            seconds: 3.0,
            curves: vec![curve("P50", "a"), curve("P99", "b")],
            bands: vec![(1.0, 2.0, "fault")],
            marks: vec![(1.2, "noticed by <gateway-1>".into())],
        };
        let svg = plot.svg();
        assert_eq!((svg.matches("<circle").count(), svg.matches("<polyline").count()), (6, 2), "{svg}");
        for words in ["2 s: P99 90 ms", "Latency &amp; more", "&lt;gateway-1&gt;", "class=\"band\""] {
            assert!(svg.contains(words), "{words} is missing in {svg}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn a_plot_of_nothing_is_drawn_too() {
        let plot = Plot {
            title: "",
            unit: "",
            seconds: 0.0,
            curves: Vec::new(),
            bands: Vec::new(),
            marks: Vec::new(),
        };
        let svg = plot.svg();
        assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn what_is_more_stands_higher_and_what_is_later_further_right() {
        let scale = Scale { seconds: 20.0, top: 100.0 };
        assert!(scale.y(90.0) < scale.y(10.0) && scale.y(100.0) >= TOP && scale.y(0.0) <= HEIGHT - BOTTOM);
        assert!(scale.x(1.0) < scale.x(2.0) && scale.x(0.0) >= LEFT && scale.x(99.0) <= WIDTH - RIGHT);
    }
}
