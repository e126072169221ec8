//! What is said to a person: lines on stdout and stderr, and colours where they are wanted.
//!
//! A closed stdout or stderr (`micronet up | head`) must not end a running network, so failed writes are ignored here.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

/// Writes a line to stdout.
pub(crate) fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Writes a line of progress to stderr, so that stdout stays clean for pipes.
pub(crate) fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes a warning or an error to stderr, under the program's name.
pub(crate) fn warn(line: &str) {
    let style = Style::for_stderr();
    note(&format!("{} {line}", style.red("micronet:")));
}

/// Whether and how text is coloured on one output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    colours: bool,
}

impl Style {
    /// Plain text, whatever the output is.
    pub(crate) const PLAIN: Self = Self { colours: false };

    /// The style of stdout.
    pub(crate) fn for_stdout() -> Self {
        Self { colours: colours_wanted(io::stdout().is_terminal(), &|name| std::env::var(name).ok()) }
    }

    /// The style of stderr.
    pub(crate) fn for_stderr() -> Self {
        Self { colours: colours_wanted(io::stderr().is_terminal(), &|name| std::env::var(name).ok()) }
    }

    /// Whether colours are used.
    pub(crate) fn colours(self) -> bool {
        self.colours
    }

    /// Bold, for headings.
    pub(crate) fn bold(self, text: impl Display) -> String {
        self.paint("1", text)
    }

    /// Dimmed, for what matters less.
    pub(crate) fn dim(self, text: impl Display) -> String {
        self.paint("2", text)
    }

    /// Red, for what went wrong.
    pub(crate) fn red(self, text: impl Display) -> String {
        self.paint("31", text)
    }

    /// Green, for what works.
    pub(crate) fn green(self, text: impl Display) -> String {
        self.paint("32", text)
    }

    fn paint(self, code: &str, text: impl Display) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// Colours go to a terminal only, and not where NO_COLOR is set (<https://no-color.org>: any value but an empty one).
fn colours_wanted(is_terminal: bool, environment: &dyn Fn(&str) -> Option<String>) -> bool {
    is_terminal
        && environment("NO_COLOR").is_none_or(|value| value.is_empty())
        && environment("TERM").is_none_or(|value| value != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_and_obey_no_color() {
        let check = |is_terminal: bool, name: &str, value: &str, wanted: bool| {
            let environment = |asked: &str| (asked == name).then(|| value.to_owned());
            assert_eq!(colours_wanted(is_terminal, &environment), wanted, "{is_terminal} {name}={value}");
        };
        check(true, "", "", true);
        check(false, "", "", false);
        check(true, "NO_COLOR", "1", false);
        check(true, "NO_COLOR", "", true);
        check(true, "TERM", "dumb", false);
    }
}
