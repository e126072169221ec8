//! What arguments are, once they are read.

use super::grammar::Kind;
use super::names::Names;
use crate::suggest::did_you_mean;

/// The longest time of a fault, in milliseconds: an hour.
const TIME_MS_MAX: u64 = 3_600_000;
/// The longest time by which calls are slowed down, in milliseconds.
const DELAY_MS_MAX: u64 = 60_000;

/// What was said in an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A name, or other text.
    Text(String),
    /// A number; a time in milliseconds, and a part of all in thousandths.
    Number(u64),
}

/// What was said, by the names of the arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Values(Vec<(&'static str, Value)>);

impl Values {
    pub(super) fn put(&mut self, name: &'static str, value: Value) {
        self.0.retain(|(before, _)| *before != name);
        self.0.push((name, value));
    }

    /// Whether it was said.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(said, _)| *said == name)
    }

    /// The text of an argument.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|(said, value)| match value {
            Value::Text(text) if *said == name => Some(text.as_str()),
            _ => None,
        })
    }

    /// The number of an argument.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.0.iter().find_map(|(said, value)| match value {
            Value::Number(number) if *said == name => Some(*number),
            _ => None,
        })
    }
}

/// Reads a word as an argument of this kind.
pub(super) fn read(kind: Kind, word: &str, names: &Names) -> Result<Value, String> {
    let text = || Ok(Value::Text(word.to_owned()));
    match kind {
        Kind::Word | Kind::Rest => text(),
        Kind::Command
        | Kind::Process
        | Kind::Instance
        | Kind::Service
        | Kind::Behind
        | Kind::Algorithm
        | Kind::Drill => {
            let word = word.to_lowercase();
            let known = names.of(kind);
            if known.contains(&word) {
                return Ok(Value::Text(word));
            }
            let meant = did_you_mean(&word, known.iter().map(String::as_str));
            let shown: String = word.chars().take(64).collect();
            Err(format!("{shown:?} is no {}{meant}\nthere are: {}", kind.noun(), known.join(", ")))
        }
        Kind::Ms => time(word, true, DELAY_MS_MAX),
        Kind::Time => time(word, false, TIME_MS_MAX),
        Kind::Percent => percent(word),
        Kind::Number(min, max) => {
            let number = word.parse().ok().filter(|number| (min..=max).contains(number));
            number.map(Value::Number).ok_or_else(|| format!("{word:?} is no number from {min} to {max}"))
        }
    }
}

/// A time, in milliseconds.
fn time(word: &str, bare: bool, max_ms: u64) -> Result<Value, String> {
    const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let wrong = || {
        let example = if bare { "200, 200ms or 1.5s" } else { "500ms, 30s or 2m" };
        let longest = if max_ms < TIME_MS_MAX { "60s" } else { "1h" };
        format!("{word:?} is no time of up to {longest}: write it as {example}")
    };
    let digits = word.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(word.len());
    let (number, unit) = word.split_at(digits);
    let factor = match UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, factor)) => *factor,
        None if bare && unit.is_empty() => 1,
        None => return Err(wrong()),
    };
    let ms = thousandths(number).and_then(|number| number.checked_mul(factor)).map(|number| number / 1_000);
    ms.filter(|ms| (1..=max_ms).contains(ms)).map(Value::Number).ok_or_else(wrong)
}

/// A part of all, in thousandths.
fn percent(word: &str) -> Result<Value, String> {
    let number = word.strip_suffix('%').and_then(thousandths).map(|number| number / 100);
    let number = number.filter(|permille| (1..=1_000).contains(permille));
    number.map(Value::Number).ok_or_else(|| format!("{word:?} is no part of all: write it as 20%"))
}

/// A number with up to three digits behind its point, times 1,000.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty()
        || part.is_empty()
        || whole.len() > 9
        || part.len() > 3
        || !are_digits(whole)
        || !are_digits(part)
    {
        return None;
    }
    let part = format!("{part:0<3}");
    Some(whole.parse::<u64>().ok()? * 1_000 + part.parse::<u64>().ok()?)
}
