//! The command line and its help are consistent.

use clap::{Command, CommandFactory};

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Flags::command().debug_assert();
}

#[test]
fn help_fits_a_narrow_terminal() {
    fn check(command: &mut Command) {
        let help = command.render_long_help().to_string() + &command.render_help().to_string();
        for line in help.lines() {
            let width = line.chars().count();
            assert!(width <= HELP_COLUMNS, "{}: {width} columns: {line}", command.get_name());
        }
        command.get_subcommands_mut().for_each(check);
    }
    let mut command = Flags::command();
    command.build();
    check(&mut command);
}

/// The commands that the help of a command shows as examples, as words.
fn examples(help: &str) -> Vec<Vec<String>> {
    let help: String = help.split("\\\n").map(str::trim_start).collect();
    let commands = help.lines().filter_map(|line| {
        let command = line.strip_prefix("  micronet ")?;
        // A description stands apart, and so does what the shell does with it.
        let command = command.split("  ").next().unwrap_or(command);
        let command = command.split(['|', ';', '#', '>']).next().unwrap_or(command);
        Some(words(command))
    });
    commands.collect()
}

/// A line's words, as a shell takes it apart.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for letter in line.trim().chars() {
        match (quote, letter) {
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            (None, ' ') => words.push(String::new()),
            _ => words.last_mut().expect("one").push(letter),
        }
    }
    assert!(quote.is_none(), "a quote isn't closed: {line}");
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn examples_in_help_are_commands_that_there_are() {
    fn check(command: &Command, seen: &mut usize) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for example in examples(&help) {
            *seen += 1;
            let parsed = Flags::try_parse_from(["micronet".to_owned()].iter().chain(&example));
            assert!(
                parsed.is_ok(),
                "in the help of {}: {example:?}: {}",
                command.get_name(),
                parsed.unwrap_err()
            );
        }
        command.get_subcommands().for_each(|command| check(command, seen));
    }
    let mut command = Flags::command();
    command.build();
    let mut seen = 0;
    check(&command, &mut seen);
    assert!(seen > 100, "only {seen} examples were found");
}
