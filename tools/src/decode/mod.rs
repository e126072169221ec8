//! `micronet decode`: bytes in words, from hexadecimal text or from a capture.

mod capture;
mod connections;
mod hex;
mod segment;
mod stream;

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;

use micronet_wire::explain::{Conversation, Explained, Schemas, Side, lines};
use serde_json::{Value, json};

use self::connections::{Connections, Counts, Said, sender};
use crate::config::{Bytes, DecodeConfig};
use crate::error::CommandError;
use crate::schema::source;
use crate::server_process;
use crate::terminal::{self, Style};

/// A capture, or a text, is at most so long. In bytes.
const INPUT_BYTES_MAX: u64 = 1 << 30;

/// The characters of a value on a line with others.
const MEANING_CHARS_MAX: usize = 60;

/// Tells what the bytes mean. Fails when something is wrong with them.
pub(crate) fn run(config: &DecodeConfig) -> Result<ExitCode, CommandError> {
    let mut schemas = Schemas::new();
    for wanted in &config.schemas {
        let schema = server_process::runtime()?.block_on(source::load(wanted, &config.asking))?;
        if !schemas.add(schema) {
            return Err(CommandError::usage("these are more schemas than can be kept"));
        }
    }
    let input = read(&config.bytes)?;
    let is_right = if capture::is_capture(&input) {
        of_capture(config, &input, schemas)?
    } else {
        of_text(config, &input, &schemas)?
    };
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(bytes: &Bytes) -> Result<Vec<u8>, CommandError> {
    let (name, from): (String, Box<dyn Read>) = match bytes {
        Bytes::Text(text) => return Ok(text.clone().into_bytes()),
        Bytes::Stdin if io::stdin().is_terminal() => {
            return Err(CommandError::usage("there is nothing to decode")
                .next("give hexadecimal text, or a capture: micronet decode FILE"));
        }
        Bytes::Stdin => ("stdin".into(), Box::new(io::stdin())),
        Bytes::File(path) => {
            let name = path.display().to_string();
            let file = fs::File::open(path)
                .map_err(|error| CommandError::usage(format!("cannot read {name}: {error}")))?;
            (name, Box::new(file))
        }
    };
    let mut input = Vec::new();
    from.take(INPUT_BYTES_MAX + 1)
        .read_to_end(&mut input)
        .map_err(|error| CommandError::new(format!("cannot read {name}: {error}")))?;
    if input.len() as u64 > INPUT_BYTES_MAX {
        return Err(CommandError::usage(format!("{name} is longer than {INPUT_BYTES_MAX} bytes")));
    }
    Ok(input)
}

/// Bytes of one direction, as hexadecimal text.
fn of_text(config: &DecodeConfig, input: &[u8], schemas: &Schemas) -> Result<bool, CommandError> {
    let text = std::str::from_utf8(input).map_err(|_| {
        CommandError::usage("this is neither a capture nor hexadecimal text")
            .next("make text of it: xxd FILE | micronet decode")
    })?;
    let bytes = hex::read(text).map_err(CommandError::usage)?;
    let tell = |side: Side| {
        let mut conversation = Conversation::new(schemas.clone());
        let mut told = conversation.read(side, &bytes);
        told.extend(conversation.finish(side));
        told
    };
    // Whose bytes they are is known by what only one side sends.
    let mut told = tell(Side::Dialler);
    if told.iter().find_map(sender) == Some(Side::Acceptor) {
        told = tell(Side::Acceptor);
    }
    let style = Style::for_stdout();
    for told in &told {
        if config.json {
            terminal::say(&as_json(told).to_string());
        } else {
            terminal::say(&format!("{}  ({} bytes)", style.bold(&told.title), told.bytes.len()));
            terminal::say(&shown(told));
        }
    }
    Ok(told.iter().all(|told| told.faults.is_empty() && (told.header.is_some() || told.title == "PREFACE")))
}

fn of_capture(config: &DecodeConfig, file: &[u8], schemas: Schemas) -> Result<bool, CommandError> {
    let packets = capture::packets(file).ok_or_else(|| CommandError::usage("this is no capture"))?;
    // Read twice, so that a schema that passes late tells what passed before it.
    let mut learning = Connections::new(schemas, |_| {});
    packets.list.iter().for_each(|packet| learning.packet(packet, config.port));
    learning.finish();
    let since_us = packets.list.first().map_or(0, |packet| packet.at_us);
    let style = Style::for_stdout();
    let mut connections = Connections::new(learning.schemas().clone(), |said| {
        terminal::say(&if config.json {
            in_json(said).to_string()
        } else {
            in_words(said, since_us, config.verbose, style)
        });
    });
    packets.list.iter().for_each(|packet| connections.packet(packet, config.port));
    connections.finish();
    let Counts { connections, frames, faulty, lost_bytes } = connections.counts;
    let mut summary = format!("{} packets, {connections} connections, {frames} frames", packets.list.len());
    if faulty > 0 {
        summary = format!("{summary}, {faulty} of them with something wrong");
    }
    if lost_bytes > 0 {
        summary = format!("{summary}, {lost_bytes} bytes not in the capture or in no whole frame");
    }
    if packets.cut_short {
        summary = format!("{summary}; the file ends within a packet");
    }
    terminal::note(&summary);
    if frames == 0 {
        return Err(CommandError::new("no frame of this protocol is in the capture").next(
            "in TLS nothing can be read: `micronet tap --pcap FILE` writes such a connection in the clear",
        ));
    }
    Ok(faulty == 0)
}

fn shown(told: &Explained) -> String {
    lines(told).iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// A frame of a capture: a line, then what its message says, or all its parts.
fn in_words(said: &Said, since_us: u64, verbose: bool, style: Style) -> String {
    let at = said.at_us.saturating_sub(since_us);
    let title = style.bold(&said.told.title);
    let mut line =
        format!("{:>4}.{:06}  {} → {}  {title}", at / 1_000_000, at % 1_000_000, said.from, said.to);
    if let Some(us) = said.after_us {
        line = format!("{line}, after {}.{:03} ms", us / 1_000, us % 1_000);
    }
    if verbose {
        return format!("{line}\n{}", shown(&said.told));
    }
    let message: Vec<String> = said
        .told
        .parts
        .iter()
        .filter(|part| part.depth > 0)
        .map(|part| format!("{} {}", part.name, short(&part.meaning)))
        .collect();
    if !message.is_empty() {
        line = format!("{line}\n    {}", message.join("  "));
    }
    let faults = said.told.faults.iter().map(|fault| format!("\n    {}", style.red(format!("! {fault}"))));
    line + &faults.collect::<String>()
}

/// A value as far as it fits a line with others.
fn short(meaning: &str) -> String {
    match meaning.char_indices().nth(MEANING_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &meaning[..end]),
        None => meaning.to_owned(),
    }
}

fn in_json(said: &Said) -> Value {
    let mut value = as_json(&said.told);
    value["at_us"] = said.at_us.into();
    value["from"] = said.from.to_string().into();
    value["to"] = said.to.to_string().into();
    value["side"] = said.side.name().into();
    if let Some(us) = said.after_us {
        value["after_us"] = us.into();
    }
    value
}

/// What was explained, for other programs.
fn as_json(told: &Explained) -> Value {
    let parts: Vec<Value> = told
        .parts
        .iter()
        .map(|part| {
            json!({
                "at": part.at.start, "bytes": part.at.len(), "depth": part.depth, "name": part.name,
                "meaning": part.meaning,
            })
        })
        .collect();
    let mut value =
        json!({"title": told.title, "bytes": told.bytes.len(), "parts": parts, "faults": told.faults});
    if let Some(header) = told.header {
        value["kind"] = header.kind.name().into();
        value["stream"] = header.stream.into();
        value["method"] = header.method.into();
    }
    value
}
