//! What HELP says: enough to go on without anything else to read.

use bytes::BytesMut;

use super::command::Verb;
use super::writer::Writer;

impl Verb {
    /// How it is used.
    #[must_use]
    pub const fn usage(self) -> &'static str {
        match self {
            Self::Help => "HELP [command]",
            Self::Methods => "METHODS",
            Self::Schema => "SCHEMA [method]",
            Self::Call => "CALL method [json]",
            Self::Stream => "STREAM method [json]",
            Self::Ping => "PING",
            Self::Health => "HEALTH",
            Self::Stats => "STATS",
            Self::Who => "WHO",
            Self::Ledger => "LEDGER",
            Self::Deadline => "DEADLINE [time]",
            Self::Token => "TOKEN [idempotency-token]",
            Self::Auth => "AUTH [bearer-token]",
            Self::Trace => "TRACE [on|off]",
            Self::Quit => "QUIT",
        }
    }

    /// What it does, in a line.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Help => "this list, or how a command is used",
            Self::Methods => "what there is to call, a line each",
            Self::Schema => "types and methods of the service, or what a method takes and gives",
            Self::Call => "call a method: one request, one answer",
            Self::Stream => "call a method that answers with many messages, a line each",
            Self::Ping => "whether anybody is there",
            Self::Health => "how the process is doing",
            Self::Stats => "calls, their latencies, and what is at work",
            Self::Who => "who you are, and who else is connected",
            Self::Ledger => "where the time of the last call went",
            Self::Deadline => "how long calls may take from now on",
            Self::Token => "the idempotency token of the next call",
            Self::Auth => "who you are from now on, by a bearer token",
            Self::Trace => "show ids, ledger and binary frames of each call",
            Self::Quit => "the end",
        }
    }

    /// The rest that there is to know.
    const fn details(self) -> &'static [&'static str] {
        match self {
            Self::Help => &["Commands may be in small letters. Example: HELP CALL"],
            Self::Methods => {
                &["Each line is JSON. A method's name in it is what CALL, STREAM and SCHEMA take."]
            }
            Self::Schema => &[
                "The answer is JSON on one line. Example: SCHEMA product.query",
                "Without a method it is the whole schema, with the fingerprint by which it is known.",
            ],
            Self::Call => &[
                "The JSON stands on the same line, and may be left out where nothing is wanted.",
                "For a method that takes many requests it is an array of them.",
                "The name of the port's own service may be left out: CALL query is CALL product.query there.",
                "A write without a TOKEN gets one that nobody knows: it isn't repeated then.",
                "Example: CALL product.query {\"name\":\"Tux\"}",
            ],
            Self::Stream => &[
                "Messages come as lines of JSON, until +END or -ERR. The next line that you send ends it, also an empty one,",
                "and is then obeyed. In a script let it be the last, or wait for +END.",
                "Example: STREAM product.watch {}",
            ],
            Self::Ping => &["The answer has the time of the process."],
            Self::Health => {
                &["It is what GET /health answers: each part of the process, and whether it is well."]
            }
            Self::Stats => {
                &["It is what GET /stats answers. Latencies are estimates by the histograms of /metrics."]
            }
            Self::Who => &[
                "It is what GET /connections answers. The connections of others are shown to the operator and the cluster.",
            ],
            Self::Ledger => &[
                "In microseconds: waiting to be handled, in the handler, waiting for you to take messages, and waiting to be written.",
            ],
            Self::Deadline => &[
                "A number and us, ms, s, m or h, up to 1h. Without one it is the default again. For STREAM it holds to the first message.",
                "Example: DEADLINE 500ms",
            ],
            Self::Token => &[
                "1 to 64 printable characters without spaces. It holds for the next CALL or STREAM alone: give the same one again to",
                "repeat that safely. Without a token the one that was given is forgotten.",
            ],
            Self::Auth => &[
                "An access token, or the operator's. Without one you are again whom your connection says: the holder of its certificate,",
                "or nobody. The cluster's secret is never said in text. In plaintext whoever listens hears the token.",
            ],
            Self::Trace => &[
                "Lines that begin with # then show request id, trace id, ledger, and the frames of the call as they would be in binary.",
            ],
            Self::Quit => {
                &["Closing your side of the connection does the same: what you have sent is still answered."]
            }
        }
    }
}

/// The lines of an answer to HELP.
pub fn put_help(writer: Writer, out: &mut BytesMut, about: Option<Verb>) {
    let line =
        |out: &mut BytesMut, text: &str| writer.line(out, |out| out.extend_from_slice(text.as_bytes()));
    if let Some(verb) = about {
        writer.ok(out, format_args!("{}: {}", verb.usage(), verb.summary()));
        verb.details().iter().for_each(|text| line(out, text));
        return;
    }
    writer.ok(out, "commands, one a line; try METHODS, then CALL");
    for verb in Verb::ALL {
        line(out, &format!("{:<26} {}", verb.usage(), verb.summary()));
    }
    line(
        out,
        "An answer begins with +OK, or -ERR and a code, and ends with an empty line; lines that begin with # are for people.",
    );
    line(out, "The same port speaks HTTP (GET /schema) and the binary protocol.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_explained_in_lines_that_fit_a_terminal() {
        for about in std::iter::once(None).chain(Verb::ALL.iter().copied().map(Some)) {
            let mut out = BytesMut::new();
            put_help(Writer::default(), &mut out, about);
            let text = String::from_utf8_lossy(&out);
            assert!(text.starts_with("+OK ") && text.lines().count() > 1, "{about:?}: {text}");
            assert!(text.lines().all(|line| !line.is_empty() && line.len() <= 130), "{text}");
            match about {
                None => assert!(Verb::ALL.iter().all(|verb| text.contains(verb.usage()))),
                Some(verb) => assert!(text.contains(verb.usage())),
            }
        }
    }
}
