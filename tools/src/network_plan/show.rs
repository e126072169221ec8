//! A plan as people and programs read it: tables, a small drawing, JSON.

use micronet_wire::network::LinkRule;
use serde_json::{Value, json};

use super::{Plan, Quality, units};
use crate::table::{Align, Table};
use crate::terminal::Style;

impl Quality {
    fn of(link: &LinkRule) -> Self {
        Self {
            latency_us: link.delay_us,
            jitter_us: link.jitter_us,
            loss_permille: link.loss_permille,
            bytes_per_s: link.bytes_per_s,
        }
    }

    /// It in a few words.
    fn words(&self) -> String {
        let mut words = Vec::new();
        if self.latency_us > 0 || self.jitter_us > 0 {
            let jitter = match self.jitter_us {
                0 => String::new(),
                us => format!(" to {}", units::time(self.latency_us + us)),
            };
            words.push(format!("{}{jitter}", units::time(self.latency_us)));
        }
        if self.loss_permille > 0 {
            words.push(format!("{} lost", units::percent(self.loss_permille)));
        }
        if self.bytes_per_s > 0 {
            words.push(units::rate(self.bytes_per_s));
        }
        if words.is_empty() { "as it is".to_owned() } else { words.join(", ") }
    }

    /// Cells of a table: latency, jitter, loss, bandwidth.
    fn cells(&self) -> [String; 4] {
        let or_none = |is: bool, text: String| if is { text } else { "-".to_owned() };
        [
            or_none(self.latency_us > 0, units::time(self.latency_us)),
            or_none(self.jitter_us > 0, units::time(self.jitter_us)),
            or_none(self.loss_permille > 0, units::percent(self.loss_permille)),
            or_none(self.bytes_per_s > 0, units::rate(self.bytes_per_s)),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "latency_us": self.latency_us,
            "jitter_us": self.jitter_us,
            "loss_permille": self.loss_permille,
            "bytes_per_s": self.bytes_per_s,
        })
    }
}

impl Plan {
    /// The drawing, and tables of segments, links and rules.
    pub(crate) fn draw(&self, style: Style) -> String {
        let mut parts = vec![self.drawing(), self.segment_table().draw(style)];
        if !self.links.is_empty() {
            parts.push(self.link_table().draw(style));
        }
        parts.push(if self.allows.is_empty() {
            "Everybody may call everybody.".to_owned()
        } else {
            self.allow_table().draw(style)
        });
        parts.join("\n\n")
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        let segments = self.segments.iter().map(|segment| {
            json!({ "name": segment.name, "members": segment.members, "within": segment.within.json() })
        });
        let links = self.links.iter().map(|link| {
            let mut shown = link.quality.json();
            shown["between"] = json!(self.names(link.between));
            shown
        });
        let allows = self.allows.iter().map(|allow| {
            let [from, to] = &allow.written;
            json!({ "from": from, "to": to, "line": allow.line })
        });
        json!({
            "segments": segments.collect::<Vec<_>>(),
            "links": links.collect::<Vec<_>>(),
            "allow": allows.collect::<Vec<_>>(),
        })
    }

    fn names(&self, places: [usize; 2]) -> [&str; 2] {
        places.map(|place| &*self.segments[place].name)
    }

    fn segment_table(&self) -> Table {
        let mut table = Table::new(&columns([("SEGMENT", Align::Left), ("MEMBERS", Align::Left)]));
        for segment in &self.segments {
            let cells = [segment.name.clone(), segment.members.join(", ")];
            table.row(cells.into_iter().chain(segment.within.cells()).collect());
        }
        table
    }

    fn link_table(&self) -> Table {
        let mut table = Table::new(&columns([("LINK", Align::Left), ("", Align::Left)]));
        for link in &self.links {
            let ends = self.names(link.between).map(str::to_owned);
            table.row(ends.into_iter().chain(link.quality.cells()).collect());
        }
        table
    }

    fn allow_table(&self) -> Table {
        let mut table =
            Table::new(&[("ALLOWED", Align::Left), ("TO CALL", Align::Left), ("LINE", Align::Right)]);
        for allow in &self.allows {
            let [from, to] = allow.written.each_ref().map(|names| names.join(", "));
            table.row(vec![from, to, allow.line.to_string()]);
        }
        table
    }

    /// The segments as a tree from the first one on, each below the one by which it is reached first; links that close a circle stand
    /// below it.
    fn drawing(&self) -> String {
        let mut drawn =
            Drawn { lines: Vec::new(), links: Vec::new(), seen: vec![false; self.segments.len()] };
        if let Some(first) = self.segments.first() {
            drawn.lines.push(format!("{} ({})", first.name, first.members.join(", ")));
            self.branch(0, "", &mut drawn);
        }
        for (at, link) in self.links.iter().enumerate().filter(|(at, _)| !drawn.links.contains(at)) {
            let [one, other] = self.names(link.between);
            let too = if at == drawn.links.len() { "" } else { "and " };
            drawn.lines.push(format!("{too}{one} ── {} ── {other}", link.quality.words()));
        }
        drawn.lines.join("\n")
    }

    fn branch(&self, at: usize, indent: &str, drawn: &mut Drawn) {
        drawn.seen[at] = true;
        let mut branches = Vec::new();
        for (place, link) in self.links.iter().enumerate() {
            let there = match link.between {
                [one, other] if one == at => other,
                [one, other] if other == at => one,
                _ => continue,
            };
            if !drawn.seen[there] {
                drawn.seen[there] = true;
                drawn.links.push(place);
                branches.push((place, there));
            }
        }
        let last = branches.len().saturating_sub(1);
        for (number, (place, there)) in branches.into_iter().enumerate() {
            let (corner, below) = if number == last { ("└─", "   ") } else { ("├─", "│  ") };
            let (link, segment) = (&self.links[place], &self.segments[there]);
            drawn.lines.push(format!(
                "{indent}{corner} {} ── {} ({})",
                link.quality.words(),
                segment.name,
                segment.members.join(", ")
            ));
            self.branch(there, &format!("{indent}{below}"), drawn);
        }
    }
}

/// What the links of an instance are like.
pub(crate) fn links(instance: &str, links: &[LinkRule], style: Style) -> String {
    if links.is_empty() {
        return format!("{instance} is as near to all as the machine has it.");
    }
    let mut table = Table::new(&columns([("TO", Align::Left), ("WHY", Align::Left)]));
    for link in links {
        let to = link.instance.as_ref().unwrap_or(&link.service);
        let cells =
            if link.denied { [(); 4].map(|()| "denied".to_owned()) } else { Quality::of(link).cells() };
        table.row([to.clone(), link.reason.clone()].into_iter().chain(cells).collect());
    }
    table.draw(style)
}

/// The same for programs.
pub(crate) fn links_json(instance: &str, links: &[LinkRule]) -> Value {
    let links = links.iter().map(|link| {
        let mut shown = Quality::of(link).json();
        shown["service"] = json!(link.service);
        shown["instance"] = json!(link.instance);
        shown["denied"] = json!(link.denied);
        shown["reason"] = json!(link.reason);
        shown
    });
    json!({ "instance": instance, "links": links.collect::<Vec<_>>() })
}

/// A drawing in the making.
struct Drawn {
    lines: Vec<String>,
    /// Links that are in it.
    links: Vec<usize>,
    /// Segments that are in it.
    seen: Vec<bool>,
}

/// These columns, and those of a quality.
fn columns(first: [(&'static str, Align); 2]) -> Vec<(&'static str, Align)> {
    let quality = ["LATENCY", "JITTER", "LOSS", "BANDWIDTH"].map(|name| (name, Align::Right));
    first.into_iter().chain(quality).collect()
}
