//! Calls as lines: for people in columns, for programs an object each.

use std::io::{self, Write};

use bytes::BytesMut;
use micronet_wire::encoding;
use micronet_wire::network::{Record, RecordKind, operation_schema};
use micronet_wire::schema::{Message, ServiceSchema, TypeRef, TypeRegistry};
use micronet_wire::transcode::to_json;
use serde_json::Value;

use crate::instances::timestamp;
use crate::terminal::Style;

/// The most of a message that a line for people shows, in characters.
const MESSAGE_CHARACTERS_MAX: usize = 600;
/// Columns don't grow beyond this width, in characters: what is longer sticks out.
const COLUMN_WIDTH_MAX: usize = 44;

/// How wide the columns are at first, in characters.
pub(crate) const WIDTHS: [usize; 7] = [15, 9, 24, 3, 9, 9, 9];

/// Lines, each as wide as those before.
pub(super) enum Lines {
    Text { style: Style, widths: [usize; 7] },
    Json { schema: ServiceSchema, record: TypeRef },
}

impl Lines {
    pub(super) fn text() -> Self {
        Self::Text { style: Style::for_stdout(), widths: WIDTHS }
    }

    pub(super) fn json() -> Self {
        let mut types = TypeRegistry::default();
        let record = Record::describe(&mut types);
        Self::Json { schema: ServiceSchema { types: types.into_types(), ..operation_schema() }, record }
    }

    /// Writes a call to stdout.
    pub(super) fn say(
        &mut self,
        seen_by: &str,
        record: &Record,
        request: &str,
        reply: &str,
    ) -> io::Result<()> {
        let line = match self {
            Self::Text { style, widths } => line(*style, widths, seen_by, record, request, reply),
            Self::Json { schema, record: of } => json(schema, *of, seen_by, record, request, reply),
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()
    }
}

/// A record as one object, with who has seen it and the messages.
fn json(
    schema: &ServiceSchema,
    of: TypeRef,
    seen_by: &str,
    record: &Record,
    request: &str,
    reply: &str,
) -> String {
    let mut shown = BytesMut::new();
    let encoded = encoding::encode(record).unwrap_or_default();
    let mut object: Value = match to_json(schema, of, &encoded, &mut shown) {
        Ok(()) => serde_json::from_slice(&shown).unwrap_or_default(),
        Err(_) => Value::default(),
    };
    object["seen_by"] = seen_by.into();
    for (name, message) in [("request", request), ("reply", reply)] {
        if !message.is_empty() {
            // What was cut is no JSON any more, and shown as text.
            object[name] = serde_json::from_str(message).unwrap_or_else(|_| message.into());
        }
    }
    object.to_string()
}

/// A call in columns, which grow with what stands in them.
pub(crate) fn line(
    style: Style,
    widths: &mut [usize; 7],
    seen_by: &str,
    record: &Record,
    request: &str,
    reply: &str,
) -> String {
    let at = timestamp(record.at);
    let time = at.split_once('T').map_or(&*at, |(_, time)| time.trim_end_matches('Z')).to_owned();
    let status = record.http.as_ref().map_or_else(|| record.code.clone(), |http| http.status.to_string());
    let tried: Vec<&str> = record.attempts.iter().filter_map(|attempt| attempt.instance.as_deref()).collect();
    let cells = [
        time,
        seen_by.to_owned(),
        what(record),
        status,
        took(record.took_us),
        record.principal.clone(),
        if tried.is_empty() { record.cache.clone() } else { tried.join(" > ") },
    ];
    let mut line = String::new();
    for (at, (cell, width)) in cells.iter().zip(widths.iter_mut()).enumerate() {
        let length = cell.chars().count();
        *width = (*width).max(length.min(COLUMN_WIDTH_MAX));
        let space = " ".repeat(width.saturating_sub(length));
        let (before, after) = if at == 4 { (space.as_str(), "") } else { ("", space.as_str()) };
        let is_good = record.code == "OK" || record.http.as_ref().is_some_and(|http| http.status < 400);
        let shown = match at {
            0 | 1 => style.dim(cell),
            3 if is_good => style.green(cell),
            3 => style.red(cell),
            _ => cell.clone(),
        };
        line += &format!("{before}{shown}{after}  ");
    }
    line += &style.dim(&record.request_id);
    let mut line = line.trim_end().to_owned();
    if !record.words.is_empty() {
        line += &format!("\n    {}", style.red(&record.words));
    }
    for (arrow, message) in [('>', request), ('<', reply)] {
        if !message.is_empty() {
            let cut: String = message.chars().take(MESSAGE_CHARACTERS_MAX).collect();
            let more = if cut.len() < message.len() { "…" } else { "" };
            line += &format!("\n    {} {cut}{more}", style.dim(arrow));
        }
    }
    line
}

/// What was asked for: a request by its method and target, a call by its service's method.
fn what(record: &Record) -> String {
    let name = if record.method.is_empty() {
        record.service.clone()
    } else {
        format!("{}.{}", record.service, record.method)
    };
    match (&record.http, record.kind) {
        (Some(http), _) => format!("{} {}", http.method, http.target),
        (None, RecordKind::Made) => format!("> {name}"),
        (None, _) => name,
    }
}

fn took(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{}.{:02} ms", us / 1_000, us % 1_000 / 10),
        _ => format!("{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
    }
}
