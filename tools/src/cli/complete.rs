//! The flags of `completions`, and of what its scripts ask.

use clap::{Args, ValueEnum};

const COMPLETIONS_HELP: &str = "\
Examples:
  eval \"$(micronet completions bash)\"         in ~/.bashrc
  eval \"$(micronet completions zsh)\"          in ~/.zshrc, after compinit
  micronet completions fish | source          in ~/.config/fish/config.fish

Then Tab knows the commands and flags, and of the running network its services,
their methods, and the fields of requests: micronet call product.<Tab>";

/// The flags of `completions`.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_HELP)]
pub(crate) struct CompletionsFlags {
    /// Whose script to print
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// A shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Fish,
    Zsh,
}

/// The flags of `complete`.
#[derive(Debug, Args)]
pub(crate) struct CompleteFlags {
    /// The words after the program's name, up to the cursor
    #[arg(value_name = "WORD", last = true)]
    pub(crate) words: Vec<String>,
}
