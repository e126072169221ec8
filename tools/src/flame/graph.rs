//! The flame graph, as an SVG document that stands for itself: a box for each function, as wide as its samples, above its caller.

use std::fmt::Write;

use super::tree::Node;

/// The drawing, in units of its own.
const WIDTH: f64 = 1200.0;
const ROW: f64 = 17.0;
const TOP: f64 = 34.0;
/// Boxes that nobody could see aren't drawn.
const WIDTH_MIN: f64 = 0.2;
/// How wide a letter of a name is, about.
const LETTER: f64 = 6.6;
/// Boxes of so many rows are drawn; what stands above is left out.
const ROWS_MAX: usize = 120;

/// A click widens a box to the whole; one on the lowest shows all again.
const SCRIPT: &str = r#"<script><![CDATA[
const boxes = [...document.querySelectorAll("g[data-x]")];
function show(from, width) {
  for (const box of boxes) {
    const scale = 1200 / width, x = (box.dataset.x - from) * scale, w = box.dataset.w * scale;
    const seen = x + w > 0.1 && x < 1199.9, left = Math.max(x, 0), wide = Math.min(x + w, 1200) - left;
    box.style.display = seen ? "" : "none";
    if (!seen) continue;
    const [rect, text] = [box.querySelector("rect"), box.querySelector("text")];
    rect.setAttribute("x", left); rect.setAttribute("width", Math.max(wide, 0.2));
    text.setAttribute("x", left + 3);
    const letters = Math.floor((wide - 6) / 6.6), name = box.dataset.name;
    text.textContent = letters < 3 ? "" : name.length <= letters ? name : name.slice(0, letters - 1) + "…";
  }
}
for (const box of boxes) box.addEventListener("click", () => show(+box.dataset.x, +box.dataset.w));
]]></script>
"#;

/// Draws the tree.
pub(super) fn draw(tree: &Node, title: &str) -> String {
    let rows = tree.height().min(ROWS_MAX);
    let height = TOP + ROW * (rows + 1) as f64 + 8.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"monospace\" \
         font-size=\"11\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"{}\" y=\"21\" text-anchor=\"middle\" font-size=\"15\">{}</text>\n",
        WIDTH / 2.0,
        escaped(title)
    );
    let drawing = Drawing { all: tree.samples, bottom: height - 8.0 - ROW };
    drawing.node(&mut svg, tree, "all", 0.0, 0);
    svg.push_str(SCRIPT);
    svg.push_str("</svg>\n");
    svg
}

struct Drawing {
    all: u64,
    /// Where the lowest row is.
    bottom: f64,
}

impl Drawing {
    fn node(&self, svg: &mut String, node: &Node, name: &str, x: f64, row: usize) {
        let share = node.samples as f64 / self.all.max(1) as f64;
        let width = share * WIDTH;
        if width < WIDTH_MIN || row > ROWS_MAX {
            return;
        }
        let (y, fill, shown) = (self.bottom - ROW * row as f64, colour(name), cut(name, width));
        let _ = writeln!(
            svg,
            "<g data-x=\"{x:.2}\" data-w=\"{width:.2}\" data-name=\"{name}\"><title>{name}: {samples} samples, {percent:.2} %</title>\
             <rect x=\"{x:.2}\" y=\"{y:.1}\" width=\"{width:.2}\" height=\"{high}\" fill=\"{fill}\" rx=\"1\"/>\
             <text x=\"{text:.2}\" y=\"{base:.1}\">{shown}</text></g>",
            name = escaped(name),
            samples = node.samples,
            percent = share * 100.0,
            high = ROW - 1.0,
            text = x + 3.0,
            base = y + 12.0,
            shown = escaped(&shown)
        );
        let mut left = x;
        for (name, called) in &node.called {
            self.node(svg, called, name, left, row + 1);
            left += called.samples as f64 / self.all.max(1) as f64 * WIDTH;
        }
    }
}

/// As much of a name as a box has room for.
fn cut(name: &str, width: f64) -> String {
    let fits = |letters: &usize| *letters as f64 * LETTER + 6.0 <= width;
    let all = name.chars().count();
    match (0..=all).rev().find(fits).unwrap_or(0) {
        0..3 => String::new(),
        letters if letters == all => name.to_owned(),
        letters => name.chars().take(letters - 1).chain(['…']).collect(),
    }
}

/// Whose function it is: our own by crate, the others' and the kernel's.
fn colour(name: &str) -> &'static str {
    let is_of = |part: &str| name.trim_start_matches(['<', '&']).starts_with(part);
    match name {
        _ if is_of("micronet_wire") => "#f2a65a",
        _ if is_of("micronet_transport") => "#f28482",
        _ if is_of("micronet") => "#f6bd60",
        _ if is_of("tokio") || is_of("mio") => "#84a59d",
        _ if is_of("std") || is_of("core") || is_of("alloc") || is_of("hashbrown") => "#b5c99a",
        _ if name.contains("::") => "#cdb4db",
        _ => "#a2c4e0",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flame::stacks::Stack;

    #[test]
    fn a_box_is_as_wide_as_its_samples_and_stands_above_its_caller() {
        let stack = |frames: &[&str], samples| Stack {
            frames: frames.iter().map(|&frame| frame.to_owned()).collect(),
            samples,
        };
        let stacks = [stack(&["a", "Vec<u8>"], 1), stack(&["a", "b"], 3)];
        let svg = draw(&Node::of(&stacks), "a & b");
        for part in [
            "<text x=\"600\" y=\"21\" text-anchor=\"middle\" font-size=\"15\">a &amp; b</text>",
            "data-x=\"0.00\" data-w=\"300.00\" data-name=\"Vec&lt;u8&gt;\"",
            "data-x=\"300.00\" data-w=\"900.00\" data-name=\"b\"><title>b: 3 samples, 75.00 %</title><rect x=\"300.00\" y=\"34.0\"",
            "data-x=\"0.00\" data-w=\"1200.00\" data-name=\"a\"><title>a: 4 samples, 100.00 %</title><rect x=\"0.00\" y=\"51.0\"",
        ] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
    }
}
