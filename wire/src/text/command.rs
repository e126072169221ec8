//! What a line asks for (SPEC.md 17.3).

use super::suggestion::nearest;
use crate::limits::{ACCESS_TOKEN_BYTES_MAX, DEADLINE_US_MAX, TOKEN_BYTES_MAX};
use crate::request::is_printable;

macro_rules! verbs {
    ($($(#[doc = $doc:expr])* $name:ident = $text:literal;)*) => {
        /// The first word of a line.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Verb { $($(#[doc = $doc])* $name,)* }

        impl Verb {
            /// All of them, in the order in which they are listed.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The word.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

verbs! {
    /// What can be said.
    Help = "HELP";
    /// What can be called.
    Methods = "METHODS";
    /// The schema, or a part of it.
    Schema = "SCHEMA";
    /// One call with one answer.
    Call = "CALL";
    /// One call with an answer of many messages.
    Stream = "STREAM";
    /// Whether anybody is there.
    Ping = "PING";
    /// How the process is doing.
    Health = "HEALTH";
    /// What it has done.
    Stats = "STATS";
    /// Who is connected.
    Who = "WHO";
    /// Where the last call's time went.
    Ledger = "LEDGER";
    /// How long calls may take.
    Deadline = "DEADLINE";
    /// The idempotency token of the next call.
    Token = "TOKEN";
    /// Who asks.
    Auth = "AUTH";
    /// Whether calls show their ids, ledgers and frames.
    Trace = "TRACE";
    /// The end.
    Quit = "QUIT";
}

impl Verb {
    /// The verb that a word is, whatever its case.
    #[must_use]
    pub fn named(word: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|verb| verb.name().as_bytes().eq_ignore_ascii_case(word))
    }
}

/// What a line asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// What can be said, or how a verb is used.
    Help(Option<Verb>),
    /// What can be called.
    Methods,
    /// The whole schema, or that of a method.
    Schema(Option<&'a str>),
    /// A call of a method with this JSON, which may be empty.
    Call(&'a str, &'a str),
    /// The same where many messages are the answer.
    Stream(&'a str, &'a str),
    /// Whether anybody is there.
    Ping,
    /// How the process is doing.
    Health,
    /// What it has done.
    Stats,
    /// Who is connected.
    Who,
    /// Where the last call's time went.
    Ledger,
    /// How long calls may take from now on, in microseconds; the default again without a number.
    Deadline(Option<u32>),
    /// The idempotency token of the next call; none again without one.
    Token(Option<&'a str>),
    /// The bearer token of calls from now on; none again without one.
    Auth(Option<&'a str>),
    /// Whether calls are traced from now on; how it is without a word.
    Trace(Option<bool>),
    /// The end.
    Quit,
}

/// The token of an `AUTH` is never shown.
impl std::fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.verb().name())
    }
}

/// Why a line is no command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The code of the answer.
    pub code: &'static str,
    /// What is wrong, and what would be right.
    pub words: String,
}

impl Mistake {
    fn usage(verb: Verb, words: &str) -> Self {
        Self { code: "BAD_REQUEST", words: format!("{words}: {}", verb.usage()) }
    }
}

impl<'a> Command<'a> {
    /// The command of a line; `None` where the line is empty.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: &'a [u8]) -> Result<Option<Self>, Mistake> {
        let bad = |words: &str| Mistake { code: "BAD_REQUEST", words: words.to_owned() };
        let text = std::str::from_utf8(line).map_err(|_| bad("the line is not UTF-8"))?;
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err(bad("the line has control characters in it"));
        }
        let text = text.trim_matches([' ', '\t']);
        if text.is_empty() {
            return Ok(None);
        }
        let (word, rest) = split(text);
        let verb = Verb::named(word.as_bytes()).ok_or_else(|| unknown(word))?;
        Self::of(verb, rest).map(Some)
    }

    fn of(verb: Verb, rest: &'a str) -> Result<Self, Mistake> {
        let given = (!rest.is_empty()).then_some(rest);
        let alone = |command| match given {
            None => Ok(command),
            Some(_) => Err(Mistake::usage(verb, "nothing follows this command")),
        };
        let called = || match split(rest) {
            ("", _) => Err(Mistake::usage(verb, "a method is missing")),
            called => Ok(called),
        };
        match verb {
            Verb::Help => given.map(named).transpose().map(Self::Help),
            Verb::Methods => alone(Self::Methods),
            Verb::Schema => Ok(Self::Schema(given)),
            Verb::Call => called().map(|(method, json)| Self::Call(method, json)),
            Verb::Stream => called().map(|(method, json)| Self::Stream(method, json)),
            Verb::Ping => alone(Self::Ping),
            Verb::Health => alone(Self::Health),
            Verb::Stats => alone(Self::Stats),
            Verb::Who => alone(Self::Who),
            Verb::Ledger => alone(Self::Ledger),
            Verb::Deadline => {
                let parsed =
                    |text| duration_us(text).ok_or_else(|| Mistake::usage(verb, "a time up to 1h is wanted"));
                given.map(parsed).transpose().map(Self::Deadline)
            }
            Verb::Token => match given {
                Some(token) if !is_printable(token.as_bytes(), TOKEN_BYTES_MAX) || token.contains(' ') => {
                    Err(Mistake::usage(verb, "a token has 1 to 64 printable ASCII characters and no spaces"))
                }
                given => Ok(Self::Token(given)),
            },
            Verb::Auth => match given {
                Some(token) if token.len() > ACCESS_TOKEN_BYTES_MAX || token.contains([' ', '\t']) => {
                    Err(Mistake::usage(verb, "one bearer token is wanted, and nothing else"))
                }
                given => Ok(Self::Auth(given)),
            },
            Verb::Trace => match given {
                None => Ok(Self::Trace(None)),
                Some(word) if word.eq_ignore_ascii_case("on") => Ok(Self::Trace(Some(true))),
                Some(word) if word.eq_ignore_ascii_case("off") => Ok(Self::Trace(Some(false))),
                Some(_) => Err(Mistake::usage(verb, "it is on or off")),
            },
            Verb::Quit => alone(Self::Quit),
        }
    }

    /// Its verb.
    #[must_use]
    pub fn verb(&self) -> Verb {
        match self {
            Self::Help(_) => Verb::Help,
            Self::Methods => Verb::Methods,
            Self::Schema(_) => Verb::Schema,
            Self::Call(..) => Verb::Call,
            Self::Stream(..) => Verb::Stream,
            Self::Ping => Verb::Ping,
            Self::Health => Verb::Health,
            Self::Stats => Verb::Stats,
            Self::Who => Verb::Who,
            Self::Ledger => Verb::Ledger,
            Self::Deadline(_) => Verb::Deadline,
            Self::Token(_) => Verb::Token,
            Self::Auth(_) => Verb::Auth,
            Self::Trace(_) => Verb::Trace,
            Self::Quit => Verb::Quit,
        }
    }
}

/// The first word, and what follows it.
fn split(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    (word, rest.trim_matches([' ', '\t']))
}

fn named(word: &str) -> Result<Verb, Mistake> {
    Verb::named(word.as_bytes()).ok_or_else(|| unknown(word))
}

fn unknown(word: &str) -> Mistake {
    let shown: String = word.chars().take(32).collect();
    let words = match nearest(word, Verb::ALL.iter().map(|verb| verb.name())) {
        Some(meant) => format!("there is no command {shown}; {meant} perhaps? HELP lists all"),
        None => format!("there is no command {shown}; HELP lists all"),
    };
    Mistake { code: "UNKNOWN_COMMAND", words }
}

/// A time above 0 and up to an hour, as `500ms`, in microseconds. The units are us, ms, s, m and h; there are no fractions.
#[must_use]
pub fn duration_us(text: &str) -> Option<u32> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_us: u64 = match unit.trim_start() {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" | "min" => 60_000_000,
        "h" => 3_600_000_000,
        _ => return None,
    };
    let us = number.parse::<u64>().ok()?.checked_mul(unit_us)?;
    u32::try_from(us).ok().filter(|us| (1..=DEADLINE_US_MAX).contains(us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_commands_whatever_their_case() {
        for (line, command) in [
            ("", None),
            (" \t ", None),
            ("help", Some(Command::Help(None))),
            ("Help  call ", Some(Command::Help(Some(Verb::Call)))),
            ("methods", Some(Command::Methods)),
            ("SCHEMA product.query", Some(Command::Schema(Some("product.query")))),
            (
                "call product.query {\"name\": \"Tux\"} ",
                Some(Command::Call("product.query", "{\"name\": \"Tux\"}")),
            ),
            ("CALL query", Some(Command::Call("query", ""))),
            ("stream\tproduct.watch\t{}", Some(Command::Stream("product.watch", "{}"))),
            ("DEADLINE 500ms", Some(Command::Deadline(Some(500_000)))),
            ("deadline", Some(Command::Deadline(None))),
            ("TOKEN my-whale", Some(Command::Token(Some("my-whale")))),
            ("AUTH abc.def", Some(Command::Auth(Some("abc.def")))),
            ("trace ON", Some(Command::Trace(Some(true)))),
            ("trace off", Some(Command::Trace(Some(false)))),
            ("trace", Some(Command::Trace(None))),
            ("quit", Some(Command::Quit)),
        ] {
            assert_eq!(Command::parse(line.as_bytes()), Ok(command), "{line:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, code, words) in [
            ("HLEP", "UNKNOWN_COMMAND", "HELP perhaps?"),
            ("help cal", "UNKNOWN_COMMAND", "CALL perhaps?"),
            ("EHLO mail.example", "UNKNOWN_COMMAND", "no command EHLO; HELP lists all"),
            ("CALL", "BAD_REQUEST", "a method is missing: CALL "),
            ("STREAM ", "BAD_REQUEST", "a method is missing: STREAM "),
            ("PING 1", "BAD_REQUEST", "nothing follows"),
            ("DEADLINE soon", "BAD_REQUEST", "up to 1h"),
            ("DEADLINE 2h", "BAD_REQUEST", "up to 1h"),
            ("TOKEN two words", "BAD_REQUEST", "no spaces"),
            ("AUTH two words", "BAD_REQUEST", "one bearer token"),
            ("TRACE maybe", "BAD_REQUEST", "on or off"),
            ("PI\u{7}NG", "BAD_REQUEST", "control characters"),
        ] {
            let mistake = Command::parse(line.as_bytes()).unwrap_err();
            assert!(mistake.code == code && mistake.words.contains(words), "{line:?}: {mistake:?}");
        }
        assert!(Command::parse(b"PING \xff").is_err_and(|mistake| mistake.words.contains("UTF-8")));
    }

    #[test]
    fn times_have_units() {
        for (text, us) in [
            ("1us", Some(1)),
            ("500ms", Some(500_000)),
            ("2 s", Some(2_000_000)),
            ("1h", Some(3_600_000_000)),
            ("3601s", None),
            ("0s", None),
            ("5", None),
            ("1.5s", None),
            ("-1s", None),
            ("99999999999999999999s", None),
            ("", None),
        ] {
            assert_eq!(duration_us(text), us, "{text}");
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        assert_eq!(format!("{:?}", Command::parse(b"AUTH secret").unwrap().unwrap()), "AUTH");
    }
}
