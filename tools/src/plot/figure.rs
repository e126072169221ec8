//! Lines over an axis, with a band around each where its numbers have a range. It takes its colours from the page around it, so that it is legible
//! in light and dark and printed; as a document of its own it brings them.
//!
//! It is drawn by hand, as the other plots are: a plotting library would bring fonts and colours of its own, which no page in light and dark
//! can change, and knows neither nines nor bands by itself.

use std::fmt::Write;

use super::{escaped, step};
use crate::page;

/// The drawing, in units of its own.
const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 320.0;
/// Room for the numbers, the legend and the label of the horizontal axis.
const LEFT: f64 = 72.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 44.0;
/// Numbers that are nearer to the right edge end there.
const EDGE: f64 = 16.0;
/// Room for the title of a figure among others.
const TITLE: f64 = 36.0;
/// About so many lines stand behind the curves of a linear axis.
const TICKS: f64 = 5.0;
/// And so many along a span of time.
const SPAN_TICKS: f64 = 10.0;
/// A logarithmic axis over fewer powers of ten has lines at 2 and 5 too.
const DECADES_WITH_PARTS: f64 = 3.0;
/// A logarithm is no further from a whole number than this, if it is one.
const ROUNDING: f64 = 1e-6;
/// From one name in the legend to the next.
const LEGEND_STEP: f64 = 190.0;

/// Lines over an axis.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// What it shows.
    pub(crate) title: String,
    /// The horizontal axis.
    pub(crate) x: Axis,
    /// The vertical axis.
    pub(crate) y: Axis,
    /// The lines.
    pub(crate) curves: Vec<Curve>,
    /// Places of the horizontal axis that are marked, with what is there.
    pub(crate) marks: Vec<(f64, String)>,
}

/// Figures one below the other, each under its title, as an SVG document.
pub(crate) fn document(title: &str, figures: &[Figure]) -> String {
    let slot = HEIGHT + TITLE;
    #[expect(clippy::cast_precision_loss, reason = "there are a few")]
    let height = slot * figures.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\"><title>{}</title>\n<style>\n{}\
         svg {{ background: var(--ground); font-family: sans-serif; }}\nsvg .title {{ fill: var(--text); font-size: 15px; }}\n\
         </style>\n",
        escaped(title),
        page::STYLE
    );
    let mut top = 0.0;
    for figure in figures {
        let _ = writeln!(
            svg,
            "<text class=\"title\" x=\"{LEFT}\" y=\"{:.1}\">{}</text>\n<g transform=\"translate(0 {:.1})\">\n{}</g>",
            top + TITLE - 10.0,
            escaped(&figure.title),
            top + TITLE,
            figure.drawn()
        );
        top += slot;
    }
    svg.push_str("</svg>\n");
    svg
}

/// An axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    /// What it counts; empty where its numbers say it.
    pub(crate) label: &'static str,
    /// How numbers are placed on it.
    pub(crate) scale: Scale,
    /// How a number is written.
    pub(crate) words: fn(f64) -> String,
}

/// How numbers are placed on an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// The same length for the same difference, from 0 to a round number.
    Linear,
    /// The same, but it ends where the numbers do: for time.
    Span,
    /// The same length for the same ratio.
    Log,
    /// Each nine of a share takes the same length: 0, 0.9, 0.99, 0.999, …
    Nines,
}

/// A line.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    /// What it is.
    pub(crate) name: String,
    /// The class of its style: `a`, `b`, `c` or `d`.
    pub(crate) class: &'static str,
    /// Its parts, each of points from left to right; between parts nothing was measured.
    pub(crate) parts: Vec<Vec<(f64, f64)>>,
    /// Below and above it, where its numbers have a range: x, the least, the greatest.
    pub(crate) band: Vec<(f64, f64, f64)>,
}

impl Figure {
    /// Draws it, to stand in a page.
    pub(crate) fn svg(&self) -> String {
        let title = escaped(&self.title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">\
             <title>{title}</title>\n{}</svg>\n",
            self.drawn()
        )
    }

    fn drawn(&self) -> String {
        let mut svg = String::new();
        let points = || self.curves.iter().flat_map(|curve| &curve.parts).flatten();
        let bands = || self.curves.iter().flat_map(|curve| &curve.band);
        let xs = points().map(|(x, _)| *x).chain(self.marks.iter().map(|(x, _)| *x));
        let ys = points().map(|(_, y)| *y).chain(bands().flat_map(|(_, least, most)| [*least, *most]));
        let x = Placed::new(self.x.scale, xs, (LEFT, WIDTH - RIGHT));
        let y = Placed::new(self.y.scale, ys, (HEIGHT - BOTTOM, TOP));
        self.grid(&mut svg, &x, &y);
        for (at, words) in &self.marks {
            let x = x.place(*at);
            let bottom = HEIGHT - BOTTOM;
            let _ = writeln!(
                svg,
                "<line class=\"mark\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"><title>{}</title></line>",
                escaped(words)
            );
        }
        for (place, curve) in self.curves.iter().enumerate() {
            curve.draw(&mut svg, &x, &y);
            curve.legend(&mut svg, place);
        }
        svg
    }

    fn grid(&self, svg: &mut String, x: &Placed, y: &Placed) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for tick in y.ticks() {
            let (at, words) = (y.place(tick), escaped(&(self.y.words)(tick)));
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\"/>\n<text x=\"{:.1}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{words}</text>",
                LEFT - 8.0,
                at + 4.0
            );
        }
        for tick in x.ticks() {
            let (at, words) = (x.place(tick), escaped(&(self.x.words)(tick)));
            // What stands at the edge would be cut off.
            let anchor = if at > right - EDGE { "end" } else { "middle" };
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom:.1}\"/>\n<text x=\"{at:.1}\" \
                 y=\"{:.1}\" text-anchor=\"{anchor}\">{words}</text>",
                bottom + 17.0
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n<text x=\"{right}\" y=\"20\" text-anchor=\"end\">{}</text>",
            right,
            HEIGHT - 8.0,
            escaped(self.x.label),
            escaped(self.y.label)
        );
    }
}

impl Curve {
    fn draw(&self, svg: &mut String, x: &Placed, y: &Placed) {
        let class = self.class;
        let points = |points: &mut dyn Iterator<Item = (f64, f64)>| {
            let placed = points.map(|(at, value)| format!("{:.1},{:.1}", x.place(at), y.place(value)));
            placed.collect::<Vec<_>>().join(" ")
        };
        if self.band.len() > 1 {
            let below = self.band.iter().map(|(at, least, _)| (*at, *least));
            let above = self.band.iter().rev().map(|(at, _, most)| (*at, *most));
            let edge = points(&mut below.chain(above));
            let _ = writeln!(
                svg,
                "<polygon class=\"range {class}\" points=\"{edge}\"><title>{}: the range of the repetitions</title></polygon>",
                escaped(&self.name)
            );
        }
        for part in &self.parts {
            let _ = match part.as_slice() {
                // A line of one point would not be seen.
                [(at, value)] => writeln!(
                    svg,
                    "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\"/>",
                    x.place(*at),
                    y.place(*value)
                ),
                part => {
                    let line = points(&mut part.iter().copied());
                    writeln!(svg, "<polyline class=\"curve {class}\" points=\"{line}\"/>")
                }
            };
        }
    }

    fn legend(&self, svg: &mut String, place: usize) {
        #[expect(clippy::cast_precision_loss, reason = "there are four curves at most")]
        let x = LEFT + LEGEND_STEP * place as f64;
        let _ = writeln!(
            svg,
            "<line class=\"curve {}\" x1=\"{x:.1}\" y1=\"16\" x2=\"{:.1}\" y2=\"16\"/>\n<text x=\"{:.1}\" y=\"20\">{}</text>",
            self.class,
            x + 18.0,
            x + 24.0,
            escaped(&self.name)
        );
    }
}

/// From numbers to places in the drawing.
struct Placed {
    scale: Scale,
    /// The ends of the axis, as the scale counts.
    from: f64,
    to: f64,
    /// The distance of ticks where the scale is linear.
    step: f64,
    /// Where the ends are in the drawing.
    ends: (f64, f64),
}

impl Placed {
    fn new(scale: Scale, numbers: impl Iterator<Item = f64>, ends: (f64, f64)) -> Self {
        // On a logarithmic axis there is no place for nothing.
        let is_placed = |number: &f64| number.is_finite() && (scale != Scale::Log || *number > 0.0);
        let counted = numbers.filter(is_placed).map(|number| scale.count(number));
        let (least, most) = counted.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), each| {
            (least.min(each), most.max(each))
        });
        let (mut from, mut to, mut ticks) = (0.0, 1.0, 1.0);
        match scale {
            Scale::Linear if most > 0.0 && most.is_finite() => {
                ticks = step(most / TICKS);
                to = (most / ticks).ceil() * ticks;
            }
            Scale::Span if most > 0.0 && most.is_finite() => (ticks, to) = (step(most / SPAN_TICKS), most),
            Scale::Nines if most.is_finite() => to = (most - ROUNDING).ceil().max(1.0),
            Scale::Log if least.is_finite() => {
                from = (least + ROUNDING).floor();
                to = (most - ROUNDING).ceil().max(from + 1.0);
            }
            Scale::Linear | Scale::Span | Scale::Nines | Scale::Log => {}
        }
        Self { scale, from, to, step: ticks, ends }
    }

    fn place(&self, number: f64) -> f64 {
        let share = (self.scale.count(number).clamp(self.from, self.to) - self.from) / (self.to - self.from);
        self.ends.0 + share * (self.ends.1 - self.ends.0)
    }

    /// The numbers that are written at the axis.
    fn ticks(&self) -> Vec<f64> {
        let parts: &[f64] = match self.scale {
            Scale::Linear | Scale::Span => {
                let mut ticks = Vec::new();
                let mut tick = 0.0;
                while tick <= self.to * (1.0 + ROUNDING) {
                    ticks.push(tick);
                    tick += self.step;
                }
                return ticks;
            }
            Scale::Log if self.to - self.from < DECADES_WITH_PARTS => &[1.0, 2.0, 5.0],
            Scale::Log | Scale::Nines => &[1.0],
        };
        let mut ticks = Vec::new();
        let mut decade = self.from;
        while decade <= self.to + ROUNDING {
            let power = 10_f64.powf(decade);
            ticks.extend(parts.iter().map(|part| match self.scale {
                Scale::Nines => 1.0 - 1.0 / power,
                _ => part * power,
            }));
            decade += 1.0;
        }
        ticks.retain(|tick| self.scale.count(*tick) <= self.to + ROUNDING);
        ticks
    }
}

impl Scale {
    /// A number, as the axis counts.
    fn count(self, number: f64) -> f64 {
        match self {
            Self::Linear | Self::Span => number,
            Self::Log => number.max(f64::MIN_POSITIVE).log10(),
            Self::Nines => -(1.0 - number).max(1e-12).log10(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(scale: Scale) -> Axis {
        Axis { label: "share & more", scale, words: |number| format!("{number}") }
    }

    fn figure(x: Scale, y: Scale, points: Vec<(f64, f64)>) -> Figure {
        let band = points.iter().map(|(x, y)| (*x, y * 0.9, y * 1.1)).collect();
        let curve = Curve { name: "A <b>".into(), class: "a", parts: vec![points], band };
        Figure {
            title: "Latency".into(),
            x: axis(x),
            y: axis(y),
            curves: vec![curve],
            marks: vec![(0.5, "x".into())],
        }
    }

    #[test]
    fn each_nine_takes_the_same_length() {
        let placed = Placed::new(Scale::Nines, [0.5, 0.9999].into_iter(), (0.0, 400.0));
        for (share, wanted) in [(0.0, 0.0), (0.9, 100.0), (0.99, 200.0), (0.999, 300.0), (0.9999, 400.0)] {
            assert!((placed.place(share) - wanted).abs() < 0.01, "{share}: {}", placed.place(share));
        }
        let ticks: Vec<String> = placed.ticks().iter().map(|tick| format!("{tick:.5}")).collect();
        assert_eq!(ticks, ["0.00000", "0.90000", "0.99000", "0.99900", "0.99990"]);
    }

    #[test]
    fn a_logarithmic_axis_begins_and_ends_at_powers_of_ten() {
        let placed = Placed::new(Scale::Log, [0.0, 30.0, 4_000.0].into_iter(), (300.0, 0.0));
        assert_eq!((placed.place(10.0), placed.place(10_000.0)), (300.0, 0.0));
        assert!((placed.place(100.0) - 200.0).abs() < 1e-9);
        let near = Placed::new(Scale::Log, [30.0, 90.0].into_iter(), (0.0, 1.0));
        let ticks: Vec<f64> = near.ticks().iter().map(|tick| tick.round()).collect();
        assert_eq!(ticks, [10.0, 20.0, 50.0, 100.0]);
    }

    #[test]
    fn a_linear_axis_begins_at_nothing() {
        let placed = Placed::new(Scale::Linear, [30.0, 44.0].into_iter(), (0.0, 100.0));
        assert_eq!(placed.ticks(), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]);
        assert!((placed.place(25.0) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn a_span_ends_where_its_numbers_do() {
        let placed = Placed::new(Scale::Span, [0.5, 6.5].into_iter(), (0.0, 65.0));
        assert_eq!(placed.ticks(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert!((placed.place(6.5) - 65.0).abs() < 1e-9);
    }

    #[test]
    fn a_drawing_holds_its_curves_and_no_markup_of_names() {
        for (x, y) in [(Scale::Nines, Scale::Log), (Scale::Linear, Scale::Linear)] {
            let svg = figure(x, y, vec![(0.0, 1.0), (0.9, 5.0)]).svg();
            let count = |what: &str| svg.matches(what).count();
            assert_eq!((count("<polyline"), count("<polygon"), count("class=\"mark\"")), (1, 1, 1), "{svg}");
            assert!(svg.contains("A &lt;b&gt;") && !svg.contains("<style>"), "{svg}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }

    #[test]
    fn a_drawing_of_nothing_is_drawn_too_and_one_point_is_seen() {
        for scale in [Scale::Linear, Scale::Span, Scale::Log, Scale::Nines] {
            let nothing = document("Nothing", &[figure(scale, scale, Vec::new())]);
            assert!(nothing.ends_with("</svg>\n") && nothing.contains("prefers-color-scheme"), "{nothing}");
            let one = figure(scale, scale, vec![(0.5, 0.5)]).svg();
            assert!(one.contains("<circle") && !one.contains("NaN") && !one.contains("inf"), "{one}");
        }
    }
}
