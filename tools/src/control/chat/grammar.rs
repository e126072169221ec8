//! How a line becomes a command: words by their places and kinds, with errors that say what would have been right.

use std::fmt;

use super::limits::LINE_BYTES_MAX;
use super::names::Names;
use super::values::{Value, Values, read};
use crate::suggest::did_you_mean;

/// What stands in a place of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A command.
    Command,
    /// A service, or an instance.
    Process,
    /// An instance.
    Instance,
    /// A service that can have more instances or fewer.
    Service,
    /// A service behind the gateway.
    Behind,
    /// An algorithm by which instances are picked.
    Algorithm,
    /// What can happen in a drill.
    Drill,
    /// A time, in milliseconds where no unit follows: `200`, `1.5s`.
    Ms,
    /// A time, with its unit: `30s`, `2m`.
    Time,
    /// A part of all: `20%`.
    Percent,
    /// A number in these bounds.
    Number(u64, u64),
    /// Any word.
    Word,
    /// All that is left of the line.
    Rest,
}

/// Whether, and behind what, an argument stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It has to be there.
    Required,
    /// It may be left out.
    Optional,
    /// Behind its name, as `for 30s`; it may be left out.
    Named,
}

/// An argument of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) place: Place,
}

/// What is needed of a command to read its line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) name: &'static str,
    pub(super) arguments: &'static [Argument],
}

/// Why a line is no command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong(pub(super) String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Form {
    /// How it is written, as `latency <instance> <time> [for <time>]`.
    pub(super) fn usage(&self) -> String {
        let argument = |argument: &Argument| match argument.place {
            Place::Required => format!(" <{}>", argument.name),
            Place::Optional => format!(" [{}]", argument.name),
            Place::Named => format!(" [{} <{}>]", argument.name, argument.kind.noun()),
        };
        self.arguments.iter().map(argument).fold(self.name.to_owned(), |usage, argument| usage + &argument)
    }

    /// Reads what follows the command's name.
    pub(super) fn read(&self, line: &str, names: &Names) -> Result<Values, Wrong> {
        let wrong = |words: String| Wrong(format!("{words}\nusage: {}", self.usage()));
        let (mut words, mut values) = (Words(line), Values::default());
        let mut places = self.arguments.iter().filter(|argument| argument.place != Place::Named).peekable();
        while let Some(word) = words.peek() {
            let is_named = |argument: &&Argument| argument.place == Place::Named && argument.name == word;
            if let Some(argument) = self.arguments.iter().find(is_named).filter(|_| !at_rest(places.peek())) {
                words.next();
                let value = words.next().ok_or_else(|| {
                    wrong(format!("{:?} is followed by {}", argument.name, argument.kind.noun_with_article()))
                })?;
                values.put(argument.name, read(argument.kind, value, names).map_err(wrong)?);
                continue;
            }
            let Some(argument) = places.next() else {
                let more =
                    if words.peek().is_some() && self.arguments.is_empty() { "nothing" } else { "no more" };
                return Err(wrong(format!("{} takes {more}: what is {word:?}?", self.name)));
            };
            if argument.kind == Kind::Rest {
                values.put(argument.name, Value::Text(words.rest().to_owned()));
                continue;
            }
            let value = read(argument.kind, word, names);
            // It may be left out, and the word be what comes next.
            let is_next = |next: &&Argument| read(next.kind, word, names).is_ok();
            if value.is_err() && argument.place == Place::Optional && places.peek().is_some_and(is_next) {
                continue;
            }
            words.next();
            values.put(argument.name, value.map_err(wrong)?);
        }
        match places.find(|argument| argument.place == Place::Required) {
            Some(missing) => Err(wrong(format!("{} needs {}", self.name, missing.kind.noun_with_article()))),
            None => Ok(values),
        }
    }

    /// What the last word of a line can become, which begins behind these others.
    pub(super) fn complete(&self, before: &[&str], names: &Names) -> Vec<String> {
        let named = |word: &str| {
            self.arguments.iter().find(|argument| argument.place == Place::Named && argument.name == word)
        };
        if let Some(argument) = before.last().and_then(|word| named(word)) {
            return names.of(argument.kind);
        }
        let mut places = self.arguments.iter().filter(|argument| argument.place != Place::Named).peekable();
        let mut words = before.iter().peekable();
        while let Some(word) = words.peek() {
            if named(word).is_some() {
                words.nth(1);
                continue;
            }
            let Some(argument) = places.next() else { break };
            let fits = read(argument.kind, word, names).is_ok() || places.peek().is_none();
            if fits || argument.place == Place::Required {
                words.next();
            }
        }
        let mut candidates = Vec::new();
        for argument in places {
            candidates.extend(names.of(argument.kind));
            if argument.place == Place::Required {
                return candidates;
            }
        }
        let unsaid =
            |argument: &&Argument| argument.place == Place::Named && !before.contains(&argument.name);
        candidates.extend(self.arguments.iter().filter(unsaid).map(|argument| argument.name.to_owned()));
        candidates
    }
}

fn at_rest(next: Option<&&Argument>) -> bool {
    next.is_some_and(|argument| argument.kind == Kind::Rest)
}

impl Kind {
    /// What it is called.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Process => "service or instance",
            Self::Instance => "instance",
            Self::Service | Self::Behind => "service",
            Self::Algorithm => "algorithm",
            Self::Drill => "kind of drill",
            Self::Ms | Self::Time => "time",
            Self::Percent => "percentage",
            Self::Number(..) => "number",
            Self::Word => "word",
            Self::Rest => "text",
        }
    }

    fn noun_with_article(self) -> String {
        let noun = self.noun();
        let example = match self {
            Self::Ms => ", as 200ms",
            Self::Time => ", as 30s",
            Self::Percent => ", as 20%",
            _ => "",
        };
        let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        format!("{article} {noun}{example}")
    }
}

/// The words of a line that are still to be read.
struct Words<'l>(&'l str);

impl<'l> Words<'l> {
    fn peek(&self) -> Option<&'l str> {
        self.0.split_whitespace().next()
    }

    fn next(&mut self) -> Option<&'l str> {
        let word = self.peek()?;
        let text = self.0.trim_start();
        self.0 = &text[word.len()..];
        Some(word)
    }

    fn rest(&mut self) -> &'l str {
        std::mem::take(&mut self.0).trim()
    }
}

/// A line apart: its first word in lower case, and what follows.
pub(super) fn first_word(line: &str) -> Result<Option<(String, &str)>, Wrong> {
    if line.len() > LINE_BYTES_MAX {
        return Err(Wrong(format!("a line has at most {LINE_BYTES_MAX} bytes; this one has {}", line.len())));
    }
    let mut words = Words(line);
    Ok(words.next().map(|word| (word.to_lowercase(), words.0)))
}

/// What is said of a word that is no command. Another name is suggested only where no command's own is like it.
pub(super) fn unknown<'n>(
    word: &str,
    names: impl IntoIterator<Item = &'n str>,
    aliases: impl IntoIterator<Item = &'n str>,
) -> Wrong {
    let shown: String = word.chars().take(40).collect();
    let mut meant = did_you_mean(word, names);
    if meant.is_empty() {
        meant = did_you_mean(word, aliases);
    }
    Wrong(format!("there is no command {shown:?}{meant}\nhelp lists all commands"))
}
