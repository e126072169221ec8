//! Completion in shells: `micronet completions SHELL` prints a script, which asks `micronet complete` for what may stand at the cursor.
//! Commands and flags are read from the command line's own description; services, methods and fields from the running network.

mod live;
mod place;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory;

use self::live::Network;
use self::place::{Place, place};
use crate::cli::Flags;
use crate::cli::complete::Shell;
use crate::error::CommandError;
use crate::terminal;

const BASH: &str = include_str!("micronet.bash");
const FISH: &str = include_str!("micronet.fish");
const ZSH: &str = include_str!("micronet.zsh");

/// What may stand at the cursor, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    value: String,
    about: String,
}

impl Candidate {
    fn new(value: impl Into<String>, about: impl AsRef<str>) -> Self {
        let about = about.as_ref().lines().next().unwrap_or_default().replace('\t', " ");
        Self { value: value.into(), about }
    }
}

/// Prints the script of a shell.
pub(crate) fn script(shell: Shell) -> ExitCode {
    let script = match shell {
        Shell::Bash => BASH,
        Shell::Fish => FISH,
        Shell::Zsh => ZSH,
    };
    terminal::say(script.trim_end());
    ExitCode::SUCCESS
}

/// Prints what may stand in place of the last of these words, a line each: the word, a tab, and what it is. Whatever goes wrong, nothing
/// is printed: nobody reads an error while typing.
pub(crate) fn candidates(words: &[String], data: PathBuf) -> Result<ExitCode, CommandError> {
    let mut command = Flags::command();
    command.build();
    let at = place(&command, words);
    let typed = words.last().map_or("", String::as_str);
    for candidate in of_place(&at, data) {
        if candidate.value.starts_with(typed) {
            terminal::say(format!("{}\t{}", candidate.value, candidate.about).trim_end());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn of_place(at: &Place<'_>, data: PathBuf) -> Vec<Candidate> {
    let network = Network::new(at.data.clone().map_or(data, PathBuf::from));
    let mut found = at.commands.clone();
    found.extend(at.values.clone());
    let of_earlier = |index: usize| at.positionals.get(index).copied();
    match at.wanted {
        Some("SERVICE.METHOD") => found.extend(network.methods_of(at.typed)),
        Some("REQUEST") => {
            let called = of_earlier(0).and_then(|name| name.split_once('.'));
            found.extend(called.map(|called| network.fields(called.0, called.1)).unwrap_or_default());
        }
        Some("SOURCE" | "OLDER" | "NEWER" | "SERVICE") => found.extend(network.services()),
        Some("METHOD") => {
            found.extend(of_earlier(0).map(|service| network.methods(service, "")).unwrap_or_default());
        }
        Some("INSTANCE") => found.extend(network.instances()),
        Some("NAME" | "TARGET") if at.values.is_empty() => {
            found.extend(network.services());
            found.extend(network.instances());
        }
        _ => {}
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &[&str]) {
        let mut command = Flags::command();
        command.build();
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let at = place(&command, &words);
        let found: Vec<String> =
            of_place(&at, "no-folder-is-here".into()).into_iter().map(|candidate| candidate.value).collect();
        for word in expected {
            assert!(found.iter().any(|candidate| candidate == word), "{word} is not in {found:?}");
        }
        if expected.is_empty() {
            assert_eq!(found, Vec::<String>::new(), "{line}");
        }
    }

    #[test]
    fn commands_flags_and_their_values_are_known() {
        check("", &["call", "up", "ping", "schema"]);
        check("--data x ", &["call", "up"]);
        check("schema ", &["show", "diff", "export", "openapi"]);
        check("call --", &["--deadline", "--verbose", "--data"]);
        check("call -v product.query --", &["--deadline"]);
        check("up --profile ", &["toystore", "lab"]);
        check("up --profile=", &["--profile=toystore"]);
        check("service ", &["product", "order"]);
        check("completions ", &["bash", "zsh", "fish"]);
        check("call --deadline ", &[]);
        check("call product.query ", &[]);
        check("nonsense ", &[]);
    }

    #[test]
    fn what_is_hidden_is_not_offered() {
        let mut command = Flags::command();
        command.build();
        let words = [String::new()];
        let at = place(&command, &words);
        let found = of_place(&at, "no-folder-is-here".into());
        assert!(found.iter().all(|candidate| candidate.value != "complete"), "{found:?}");
    }
}
