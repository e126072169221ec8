//! The section of README, as commands with what they are to say.

use std::fs;

use micronet_tests::program::root;

const SECTION: &str = "## The acceptance walk";

/// A command, and what is to be seen.
pub(crate) struct Step {
    /// Where it stands in README, from 1.
    pub(crate) line: usize,
    pub(crate) command: String,
    pub(crate) expected: String,
}

/// All commands of the section, in their order.
pub(crate) fn steps() -> Vec<Step> {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md can be read");
    let numbered = readme.lines().enumerate().skip_while(|(_, line)| *line != SECTION).skip(1);
    let mut steps: Vec<Step> = Vec::new();
    let mut is_console = false;
    for (number, line) in numbered.take_while(|(_, line)| !line.starts_with("## ")) {
        if let Some(language) = line.strip_prefix("```") {
            is_console = language == "console";
        } else if is_console && let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { line: number + 1, command: command.to_owned(), expected: String::new() });
        } else if is_console {
            let step = steps.last_mut().expect("a command stands before what it says");
            step.expected.push_str(line);
            step.expected.push('\n');
        }
    }
    steps
}
