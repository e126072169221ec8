//! What was explained, as lines of text: the bytes in hexadecimal on the left, what they mean on the right.

use super::{Explained, Part};

/// Bytes of a part on one line.
const BYTES_A_LINE: usize = 8;
/// Lines of bytes that one part takes at most.
const LINES_A_PART: usize = 4;
/// The width of the names, in characters.
const NAME_WIDTH: usize = 20;

/// A line for each part, and more for those with many bytes; the title isn't among them. No line has a newline in it. The bytes of
/// secrets are not shown.
#[must_use]
pub fn lines(told: &Explained) -> Vec<String> {
    let mut lines = Vec::new();
    for part in &told.parts {
        put(told, part, &mut lines);
    }
    lines.extend(told.faults.iter().map(|fault| format!("! {fault}")));
    lines
}

fn put(told: &Explained, part: &Part, lines: &mut Vec<String>) {
    let bytes = told.bytes.get(part.at.clone()).unwrap_or_default();
    let indent = "  ".repeat(part.depth.min(8));
    let name = format!("{indent}{}", part.name);
    let meaning: String = part.meaning.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut chunks = bytes.chunks(BYTES_A_LINE);
    let first = hex(chunks.next().unwrap_or_default(), part.secret);
    let offset = if bytes.is_empty() { "    ".into() } else { format!("{:04x}", part.at.start) };
    let line = format!("{offset}  {first:<23}  {name:<NAME_WIDTH$}  {meaning}");
    lines.push(line.trim_end().to_owned());
    for (index, chunk) in (1..LINES_A_PART).zip(chunks.by_ref()) {
        let offset = part.at.start + index * BYTES_A_LINE;
        lines.push(format!("{offset:04x}  {}", hex(chunk, part.secret)));
    }
    let left: usize = chunks.map(<[u8]>::len).sum();
    if left > 0 {
        lines.push(format!("      … and {left} bytes"));
    }
}

fn hex(bytes: &[u8], is_secret: bool) -> String {
    let shown = bytes.iter().map(|byte| if is_secret { "**".into() } else { format!("{byte:02x}") });
    shown.collect::<Vec<String>>().join(" ")
}
