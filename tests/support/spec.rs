//! proto-spec as tests read it: vectors, registry and the tables of SPEC.md.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The folder proto-spec.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto-spec")
}

/// The text of a file of the repository.
///
/// # Panics
/// When it can't be read.
#[must_use]
pub fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands in `proto-spec/vectors/NAME.json`, its runs of bytes written out.
///
/// # Panics
/// When it isn't JSON.
#[must_use]
pub fn vectors(name: &str) -> Value {
    let text = read(format!("proto-spec/vectors/{name}.json"));
    let mut file = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}.json: {error}"));
    write_out(&mut file);
    file
}

fn write_out(value: &mut Value) {
    match value {
        Value::String(text) => *text = expanded(text),
        Value::Array(items) => items.iter_mut().for_each(write_out),
        Value::Object(fields) => fields.values_mut().for_each(write_out),
        _ => {}
    }
}

/// A text of bytes in which `(61*300)` stood for 300 bytes 61; any other text as it is.
fn expanded(text: &str) -> String {
    let mut parts = text.split('(');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let run = part.split_once(')').and_then(|(run, rest)| Some((run.split_once('*')?, rest)));
        match run.map(|((byte, count), rest)| (byte, count.parse(), rest)) {
            Some((byte, Ok(count), rest)) if byte.len() == 2 => {
                whole.push_str(&byte.repeat(count));
                whole.push_str(rest);
            }
            _ => {
                whole.push('(');
                whole.push_str(part);
            }
        }
    }
    whole
}

/// Runs every case of `proto-spec/vectors/NAME.json` through `run`, which gets the case and the whole file.
///
/// # Panics
/// With every case that failed, and when there are none.
pub fn check(name: &str, run: impl Fn(&Value, &Value) -> Result<(), String>) {
    let file = vectors(name);
    let cases = file["cases"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert!(!cases.is_empty(), "{name}.json has no cases");
    let failures: Vec<String> = cases
        .iter()
        .enumerate()
        .filter_map(|(at, case)| {
            let title = case["name"].as_str().map_or_else(|| format!("case {at}: {case}"), str::to_owned);
            run(case, &file).err().map(|words| format!("{title}: {words}"))
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{name}.json, {} of {}:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

/// Compares, and says what was found instead.
///
/// # Errors
/// When the two differ.
pub fn expect<T: PartialEq + std::fmt::Debug>(wanted: &T, found: &T) -> Result<(), String> {
    if wanted == found { Ok(()) } else { Err(format!("wanted {wanted:?}\n   found {found:?}")) }
}

/// The bytes that a hexadecimal string stands for.
///
/// # Panics
/// When it is none: vectors are ours.
#[must_use]
pub fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "an odd number of digits: {text}");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap_or_else(|_| panic!("no hex: {text}")))
        .collect()
}

/// The bytes in a case's field `hex`.
#[must_use]
pub fn bytes_of(case: &Value) -> Vec<u8> {
    unhex(case["hex"].as_str().unwrap_or_default())
}

/// Bytes as hexadecimal text.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The rows of the table in SPEC.md whose head begins with `head`, after the place where `after` stands.
///
/// # Panics
/// When there is no such table.
#[must_use]
pub fn table(spec: &str, after: &str, head: &str) -> Vec<Vec<String>> {
    let from = spec.find(after).unwrap_or_else(|| panic!("SPEC.md has no {after}"));
    let mut lines = spec[from..].lines().skip_while(|line| !line.starts_with(head));
    assert!(lines.next().is_some(), "SPEC.md has no table {head} after {after}");
    lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}
