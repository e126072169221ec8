//! A table of the settings' file, asked for key by key: what is wrong is noted, and all of it told at the end.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::rates::Limit;

/// What is wrong with a file of settings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub words: String,
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.words)
    }
}

/// A setting that stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    /// Its table and its key, as `http.idle`.
    pub(crate) key: String,
    /// What the file says, without the password of a URL.
    pub(crate) value: String,
}

/// A file that is being read.
pub(super) struct Reader<'a> {
    text: &'a str,
    whole: Spanned<DeTable<'a>>,
    read: RefCell<BTreeSet<&'static str>>,
    faults: RefCell<Vec<Fault>>,
    given: RefCell<Vec<Given>>,
}

impl<'a> Reader<'a> {
    /// Begins to read a file's text.
    pub(super) fn new(text: &'a str) -> Result<Self, Vec<Fault>> {
        let whole = DeTable::parse(text).map_err(|error| {
            let line = line(text, &error.span().unwrap_or_default());
            vec![Fault { line, words: error.message().replace('\n', ", ") }]
        })?;
        Ok(Self {
            text,
            whole,
            read: RefCell::default(),
            faults: RefCell::default(),
            given: RefCell::default(),
        })
    }

    /// Reads the table of this name, which may be missing, as `[http]`.
    pub(super) fn section<T>(&self, name: &'static str, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        self.read.borrow_mut().insert(name);
        let entries = match self.whole.get_ref().get(name).map(|value| (value, value.get_ref())) {
            None => None,
            Some((_, DeValue::Table(entries))) => Some(entries),
            Some((value, _)) => {
                self.fault(&value.span(), format!("{name} has to be a table: [{name}]"));
                None
            }
        };
        let mut section = Section { name, entries, reader: self, asked: BTreeSet::new() };
        let settings = read(&mut section);
        section.end();
        settings
    }

    /// What was read, unless something was wrong.
    pub(super) fn end<T>(self, settings: T) -> Result<(T, Vec<Given>), Vec<Fault>> {
        for (name, _) in self.whole.get_ref() {
            if !self.read.borrow().contains(&**name.get_ref()) {
                self.fault(&name.span(), format!("there is no [{}]", name.get_ref()));
            }
        }
        let mut faults = self.faults.into_inner();
        faults.sort();
        if faults.is_empty() { Ok((settings, self.given.into_inner())) } else { Err(faults) }
    }

    fn fault(&self, at: &Range<usize>, words: String) {
        self.faults.borrow_mut().push(Fault { line: line(self.text, at), words });
    }
}

/// A table of the file, or of none: then everything has its default.
pub struct Section<'a> {
    name: &'static str,
    entries: Option<&'a DeTable<'a>>,
    reader: &'a Reader<'a>,
    asked: BTreeSet<&'static str>,
}

impl<'a> Section<'a> {
    /// A whole number.
    pub fn number<T>(&mut self, key: &'static str, default: T, range: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display,
    {
        let words = || format!("a number from {} to {}", range.start(), range.end());
        self.read(key, words, |value| match value {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
            _ => None,
        })
        .map_or(default, |number| self.within(key, number, &range, &words()))
    }

    /// A time, as `"500ms"`, `"10s"`, `"5min"` or `"1h"`.
    pub fn duration(
        &mut self,
        key: &'static str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let words = || {
            format!("a time from {:?} to {:?}, as \"500ms\", \"10s\" or \"5min\"", range.start(), range.end())
        };
        self.read(key, words, |value| {
            in_units(value, &[("ms", 1), ("min", 60_000), ("s", 1_000), ("h", 3_600_000)])
        })
        .map_or(default, |ms| self.within(key, Duration::from_millis(ms), &range, &words()))
    }

    /// A size in bytes, as `"8KiB"`, `"1MiB"` or `"512B"`.
    pub fn bytes(&mut self, key: &'static str, default: usize, range: RangeInclusive<usize>) -> usize {
        let words =
            || format!("a size from {} B to {} B, as \"8KiB\" or \"1MiB\"", range.start(), range.end());
        let bytes = self.read(key, words, |value| usize::try_from(in_units(value, &SIZES)?).ok());
        bytes.map_or(default, |bytes| self.within(key, bytes, &range, &words()))
    }

    /// A table of sizes in bytes by names of the operator's own, which is a table of what is `expected`.
    pub fn sizes(
        &mut self,
        key: &'static str,
        expected: &str,
        range: RangeInclusive<usize>,
    ) -> BTreeMap<String, usize> {
        let words = || format!("{expected}; each a size from {} B to {} B", range.start(), range.end());
        let size = |value: &DeValue<'_>| {
            let bytes = usize::try_from(in_units(value, &SIZES)?).ok();
            bytes.filter(|bytes| range.contains(bytes))
        };
        let sizes = self.read(key, words, |value| {
            let entries = value.as_table()?.iter();
            entries.map(|(name, value)| Some((name.get_ref().to_string(), size(value.get_ref())?))).collect()
        });
        sizes.unwrap_or_default()
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let flag = self.read(key, || "true or false".into(), DeValue::as_bool);
        flag.unwrap_or(default)
    }

    /// A text that `parse` takes, which is `expected`.
    pub fn parsed<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.read(key, || expected.into(), |value| parse(value.as_str()?))
    }

    /// A limit of rate; `Some(None)` for none.
    pub fn limit(&mut self, key: &'static str) -> Option<Option<Limit>> {
        let expected = "a limit, as \"100/min\", \"5/s burst 20\" or \"10/hour\", or \"off\"";
        self.parsed(key, expected, |text| match text {
            "off" => Some(None),
            _ => Limit::parse(text).map(Some),
        })
    }

    /// A list of texts, each of which `parse` takes, which is a list of what is `expected`.
    pub fn list<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.read(
            key,
            || format!("a list: {expected}"),
            |value| value.as_array()?.iter().map(|entry| parse(entry.get_ref().as_str()?)).collect(),
        )
    }

    /// Whether the file has it.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// Notes that the settings don't go together.
    pub fn fault(&mut self, key: &'static str, words: impl Into<String>) {
        let at = self.value(key).map(Spanned::span).unwrap_or_default();
        self.reader.fault(&at, format!("{}.{key}: {}", self.name, words.into()));
    }

    fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.entries.and_then(|entries| entries.get(key))
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        expected: impl Fn() -> String,
        take: impl FnOnce(&'a DeValue<'a>) -> Option<T>,
    ) -> Option<T> {
        self.asked.insert(key);
        let value = self.value(key)?;
        let text = self.reader.text.get(value.span()).unwrap_or_default();
        let given = Given { key: format!("{}.{key}", self.name), value: without_password(text) };
        self.reader.given.borrow_mut().push(given);
        let taken = take(value.get_ref());
        if taken.is_none() {
            self.fault(key, format!("has to be {}", expected()));
        }
        taken
    }

    fn within<T: PartialOrd>(
        &mut self,
        key: &'static str,
        value: T,
        range: &RangeInclusive<T>,
        words: &str,
    ) -> T {
        if !range.contains(&value) {
            self.fault(key, format!("has to be {words}"));
        }
        value
    }

    fn end(self) {
        for (key, _) in self.entries.into_iter().flatten() {
            if !self.asked.contains(&**key.get_ref()) {
                let known: Vec<_> = self.asked.iter().copied().collect();
                let words = format!("[{}] has no {}: it has {}", self.name, key.get_ref(), known.join(", "));
                self.reader.fault(&key.span(), words);
            }
        }
    }
}

/// The units of sizes, and what they are in bytes.
const SIZES: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];

/// A text of a number and a unit.
fn in_units(value: &DeValue<'_>, units: &[(&str, u64)]) -> Option<u64> {
    let text = value.as_str()?;
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, times) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*times)
}

/// A value without what stands between a URL's scheme and its host.
fn without_password(value: &str) -> String {
    let hidden = value.find("://").and_then(|at| {
        let (scheme, rest) = value.split_at(at + 3);
        rest.rfind('@').map(|end| format!("{scheme}***{}", &rest[end..]))
    });
    hidden.unwrap_or_else(|| value.to_owned())
}

fn line(text: &str, at: &Range<usize>) -> usize {
    1 + text.bytes().take(at.start).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
[edge]
idle = "75s"
head = "8KiB"
many = 100
open = true
hosts = ["a.example", "b.example"]
kind = "strict"
"#;

    #[derive(Debug, PartialEq)]
    struct Edge {
        idle: Duration,
        head: usize,
        many: u32,
        open: bool,
        hosts: Vec<String>,
        kind: Option<bool>,
    }

    fn read(text: &str) -> Result<Edge, Vec<String>> {
        let said = |faults: Vec<Fault>| faults.iter().map(ToString::to_string).collect::<Vec<_>>();
        let reader = Reader::new(text).map_err(said)?;
        let edge = reader.section("edge", |section| Edge {
            idle: section.duration(
                "idle",
                Duration::from_secs(1),
                Duration::ZERO..=Duration::from_secs(3_600),
            ),
            head: section.bytes("head", 1, 1..=1 << 20),
            many: section.number("many", 7, 1..=1_000),
            open: section.flag("open", false),
            hosts: section.list("hosts", "host names", |host| Some(host.to_owned())).unwrap_or_default(),
            kind: section.parsed("kind", "strict or lenient", |kind| match kind {
                "strict" => Some(true),
                "lenient" => Some(false),
                _ => None,
            }),
        });
        reader.end(edge).map(|(edge, _)| edge).map_err(said)
    }

    #[test]
    fn what_is_there_is_read_and_the_rest_has_its_default() {
        let edge = read(FILE).expect("a sound file");
        assert_eq!((edge.idle, edge.head, edge.many), (Duration::from_secs(75), 8_192, 100));
        assert_eq!((edge.open, edge.hosts.len(), edge.kind), (true, 2, Some(true)));
        let default = read("").expect("an empty file");
        assert_eq!((default.idle, default.head, default.many), (Duration::from_secs(1), 1, 7));
        assert_eq!((default.open, default.hosts.len(), default.kind), (false, 0, None));
    }

    #[test]
    fn what_is_given_is_listed_without_passwords() {
        let reader = Reader::new("[edge]\nb = \"redis://me:secret@host:1\"\na = 7\n").expect("TOML");
        let read = reader.section("edge", |section| {
            (section.number("a", 1, 0..=9), section.parsed("b", "a URL", |url| Some(url.len())))
        });
        let (_, given) = reader.end(read).expect("a sound file");
        let shown: Vec<_> = given.iter().map(|each| format!("{}={}", each.key, each.value)).collect();
        assert_eq!(shown, ["edge.a=7", "edge.b=\"redis://***@host:1\""]);
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        let text = "[edge]\nidle = 75\nhead = \"2MiB\"\nmany = 0\nopen = 1\nhosts = [1]\nkind = \"odd\"\nidel = 1\n[other]\n";
        let faults = read(text).expect_err("nothing of it is right");
        let begins = [
            "line 2: edge.idle: has to be a time from 0ns to 3600s",
            "line 3: edge.head: has to be a size from 1 B to 1048576 B",
            "line 4: edge.many: has to be a number from 1 to 1000",
            "line 5: edge.open: has to be true or false",
            "line 6: edge.hosts: has to be a list: host names",
            "line 7: edge.kind: has to be strict or lenient",
            "line 8: [edge] has no idel: it has head, hosts, idle, kind, many, open",
            "line 9: there is no [other]",
        ];
        assert_eq!(faults.len(), begins.len(), "{faults:#?}");
        for (fault, begin) in faults.iter().zip(begins) {
            assert!(fault.starts_with(begin), "{fault}");
        }
        assert_eq!(read("edge = 1").expect_err("not a table")[0], "line 1: edge has to be a table: [edge]");
        assert!(read("[edge").expect_err("not TOML")[0].starts_with("line 1: "));
    }
}
