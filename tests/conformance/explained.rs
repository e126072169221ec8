//! Frames in words, against the vectors: what is right has no faults, what is refused has some, and all bytes are accounted for.

use micronet_tests::spec::{bytes_of, check, unhex};
use micronet_wire::explain::{self, Conversation, Explained, Schemas, Side};
use micronet_wire::header::PREFACE;

/// Whether the parts of the frame follow each other and cover it.
fn covered(told: &Explained) -> Result<(), String> {
    let mut end = 0;
    for part in &told.parts {
        if part.at.start != end {
            return Err(format!("{} begins at {}, not at {end}", part.name, part.at.start));
        }
        end = part.at.end;
    }
    if end == told.bytes.len() {
        Ok(())
    } else {
        Err(format!("{end} of {} bytes are told", told.bytes.len()))
    }
}

#[test]
fn frames_are_told_as_they_are_judged() {
    check("frames", |case, _| {
        let told = explain::frame(bytes_of(case), None, &Schemas::new());
        covered(&told)?;
        match (case["means"]["kind"].as_str(), told.faults.as_slice()) {
            (Some(kind), []) if told.title.starts_with(kind) => Ok(()),
            (None, [_, ..]) => Ok(()),
            (_, faults) => Err(format!("told as {:?} with the faults {faults:?}", told.title)),
        }
    });
}

#[test]
fn headers_are_told_as_they_are_judged() {
    check("header", |case, _| {
        let told = explain::frame(bytes_of(case), None, &Schemas::new());
        covered(&told)?;
        // Where a smaller limit was agreed is known to the connection alone.
        let refused = case.get("refused").is_some_and(|code| code != "FRAME_TOO_LARGE");
        if refused && told.faults.is_empty() { Err("nothing is wrong with it".into()) } else { Ok(()) }
    });
}

/// Feeds a transcript in pieces of so many bytes, and tells the titles of what was found.
fn titles(case: &serde_json::Value, at_once: usize) -> Result<Vec<String>, String> {
    let mut conversation = Conversation::new(Schemas::new());
    let mut titles = Vec::new();
    for step in case["steps"].as_array().ok_or("no steps")? {
        let side = match step["by"].as_str() {
            Some("dialler") => Side::Dialler,
            Some("acceptor") => Side::Acceptor,
            _ => continue,
        };
        let bytes = step["hex"].as_str().map(unhex).unwrap_or_default();
        for chunk in bytes.chunks(at_once) {
            for told in conversation.read(side, chunk) {
                covered(&told)?;
                // How much of another protocol is told at once depends on how it arrives.
                if told.header.is_some() {
                    titles.push(format!("{}: {} {:?}", side.name(), told.title, told.faults));
                }
            }
        }
    }
    Ok(titles)
}

#[test]
fn whole_connections_are_told_however_they_arrive() {
    check("transcript", |case, _| {
        let titles = titles(case, usize::MAX)?;
        match titles == self::titles(case, 7)? && titles == self::titles(case, 1)? {
            true => Ok(()),
            false => Err("it is told otherwise where it arrives in small pieces".into()),
        }
    });
}

#[test]
fn a_connection_is_joined_wherever_its_bytes_begin() {
    check("transcript", |case, _| {
        let steps = case["steps"].as_array().ok_or("no steps")?;
        let of_dialler = steps.iter().filter(|step| step["by"] == "dialler");
        let bytes: Vec<u8> = of_dialler.filter_map(|step| step["hex"].as_str()).flat_map(unhex).collect();
        let whole = Conversation::new(Schemas::new()).read(Side::Dialler, &bytes);
        let Some(first) = whole.iter().find(|told| told.header.is_some()) else { return Ok(()) };
        let Some(broken) = whole.iter().position(|told| told.header.is_none() && told.title != "PREFACE")
        else {
            // Cut within the first frame: the others are found all the same.
            let cut = PREFACE.len() + first.bytes.len() / 2;
            let mut late = Conversation::new(Schemas::new());
            let found = late.read(Side::Dialler, &bytes[cut..]);
            let frames = |list: &[Explained]| list.iter().filter(|told| told.header.is_some()).count();
            return match frames(&found) + 1 == frames(&whole) {
                true => Ok(()),
                false => Err(format!("{} frames were found, not {}", frames(&found), frames(&whole) - 1)),
            };
        };
        if broken > 0 { Ok(()) } else { Err("it begins with what is no frame".into()) }
    });
}
