//! Where on the command line the cursor stands.

use clap::{Arg, Command};

use super::Candidate;

/// What may stand at the cursor, as far as the command line itself knows.
#[derive(Debug, Default)]
pub(super) struct Place<'w> {
    /// Commands and flags.
    pub(super) commands: Vec<Candidate>,
    /// The values of what is wanted, where these are known.
    pub(super) values: Vec<Candidate>,
    /// The name of the value that is wanted, as in help.
    pub(super) wanted: Option<&'static str>,
    /// The values without a flag that stand before.
    pub(super) positionals: Vec<&'w str>,
    /// What was typed of the value.
    pub(super) typed: &'w str,
    /// The data folder that was named.
    pub(super) data: Option<String>,
}

/// The names of values that can be offered.
const KNOWN: [&str; 10] = [
    "SERVICE.METHOD",
    "REQUEST",
    "SOURCE",
    "OLDER",
    "NEWER",
    "SERVICE",
    "METHOD",
    "INSTANCE",
    "NAME",
    "TARGET",
];

/// Finds the place of the last word.
pub(super) fn place<'w>(root: &Command, words: &'w [String]) -> Place<'w> {
    let mut at = Place::default();
    let Some((typed, before)) = words.split_last() else { return at };
    at.typed = typed;
    let mut command = root;
    let mut flag: Option<&Arg> = None;
    for word in before {
        if let Some(awaits) = flag.take() {
            note_data(awaits, word, &mut at);
        } else if let Some((name, value)) = word.split_once('=').filter(|_| word.starts_with("--")) {
            if let Some(known) = named(command, name) {
                note_data(known, value, &mut at);
            }
        } else if word.starts_with('-') && word != "-" {
            flag = named(command, word).filter(|flag| flag.get_action().takes_values());
        } else if at.positionals.is_empty()
            && let Some(next) = command.find_subcommand(word)
        {
            command = next;
        } else {
            at.positionals.push(word);
        }
    }
    if let Some(flag) = flag {
        wants(flag, "", &mut at);
    } else if let Some((name, _)) = typed.split_once('=').filter(|_| typed.starts_with("--")) {
        if let Some(flag) = named(command, name) {
            wants(flag, &format!("{name}="), &mut at);
        }
    } else if typed.starts_with('-') {
        at.commands = flags(command);
    } else {
        if at.positionals.is_empty() {
            at.commands = subcommands(command);
        }
        let positionals: Vec<&Arg> = command.get_positionals().collect();
        let last =
            positionals.last().filter(|last| last.get_num_args().is_some_and(|count| count.max_values() > 1));
        if let Some(positional) = positionals.get(at.positionals.len()).or(last) {
            wants(positional, "", &mut at);
        }
    }
    at
}

/// The flag of this name, long or short.
fn named<'c>(command: &'c Command, word: &str) -> Option<&'c Arg> {
    let is_it = |arg: &&Arg| match word.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => arg.get_short().is_some_and(|short| word.ends_with(short)),
    };
    command.get_arguments().find(is_it)
}

fn note_data(flag: &Arg, value: &str, at: &mut Place<'_>) {
    if flag.get_long() == Some("data") {
        at.data = Some(value.to_owned());
    }
}

fn wants(arg: &Arg, prefix: &str, at: &mut Place<'_>) {
    let values = arg.get_possible_values();
    let shown = values.iter().filter(|value| !value.is_hide_set() && arg.get_action().takes_values());
    at.values = shown
        .map(|value| {
            let about = value.get_help().map(ToString::to_string).unwrap_or_default();
            Candidate::new(format!("{prefix}{}", value.get_name()), about)
        })
        .collect();
    let name = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    at.wanted = KNOWN.into_iter().find(|known| name.as_deref() == Some(known));
}

fn flags(command: &Command) -> Vec<Candidate> {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let named = shown.filter_map(|arg| {
        let about = arg.get_help().map(ToString::to_string).unwrap_or_default();
        Some(Candidate::new(format!("--{}", arg.get_long()?), about))
    });
    named.collect()
}

fn subcommands(command: &Command) -> Vec<Candidate> {
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown
        .map(|command| {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            Candidate::new(command.get_name(), about)
        })
        .collect()
}
