//! Plots: numbers over numbers, as bars in a terminal or as an SVG drawing. This module knows nothing of what they mean.

pub(crate) mod figure;
mod svg;
mod terminal;

pub(crate) use self::svg::{escaped, step};

/// Some series of numbers over the same axis.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    /// What it shows.
    pub(crate) title: String,
    /// What the horizontal axis counts.
    pub(crate) x_label: &'static str,
    /// What the vertical axis measures, with its unit.
    pub(crate) y_label: &'static str,
    /// The unit alone.
    pub(crate) unit: &'static str,
    /// The series.
    pub(crate) series: Vec<Series>,
}

/// One series.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// What it is.
    pub(crate) name: &'static str,
    /// Its points, x before y; x is whole and y is not negative.
    pub(crate) points: Vec<(u32, f64)>,
}

impl Chart {
    /// Bars of Unicode blocks, a line a point.
    pub(crate) fn bars(&self) -> String {
        terminal::bars(self)
    }

    /// Lines with points, as an SVG document.
    pub(crate) fn svg(&self) -> String {
        svg::draw(self)
    }

    /// The largest y, or 1 where all are 0, so that it can be divided by.
    fn y_max(&self) -> f64 {
        let points = self.series.iter().flat_map(|series| &series.points);
        let max = points.map(|(_, y)| *y).fold(0.0, f64::max);
        if max > 0.0 { max } else { 1.0 }
    }
}

/// Bars with a label each: a distribution.
#[derive(Clone, Debug)]
pub(crate) struct Bars {
    /// What they show.
    pub(crate) title: String,
    /// The label of each, its length relative to others, and what stands behind it.
    pub(crate) rows: Vec<(String, f64, String)>,
}

impl Bars {
    /// Bars of Unicode blocks, a line each.
    pub(crate) fn draw(&self) -> String {
        terminal::labelled(self)
    }
}

/// Numbers as a line of blocks, one each, from the lowest block for 0 to the highest for the greatest.
pub(crate) fn sparkline(values: &[u64]) -> String {
    terminal::sparkline(values)
}

/// For tests: two series.
#[cfg(test)]
fn example() -> Chart {
    Chart {
        title: "Average & \"latency\"".into(),
        x_label: "clients",
        y_label: "average in ms",
        unit: "ms",
        series: vec![
            Series { name: "GET", points: vec![(1, 0.5), (2, 1.0)] },
            Series { name: "POST", points: vec![(1, 4.0), (10, 0.0)] },
        ],
    }
}
