//! Why a command could not do its work, in words for the person who typed it.

use std::fmt;

/// The exit code of a command that failed.
const EXIT_FAILED: u8 = 1;
/// The exit code of a command line that means nothing, as clap uses it.
const EXIT_USAGE: u8 = 2;

/// A command's failure: what happened, and what to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CommandError {
    what: String,
    next: Option<String>,
    exit_code: u8,
}

impl CommandError {
    /// A failure while the command ran.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), next: None, exit_code: EXIT_FAILED }
    }

    /// A command line that can't be carried out as it stands.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self { what: what.into(), next: None, exit_code: EXIT_USAGE }
    }

    /// Adds what to do next.
    pub(crate) fn next(mut self, advice: impl Into<String>) -> Self {
        self.next = Some(advice.into());
        self
    }

    /// The same failure of a command that had nothing to work on.
    pub(crate) fn into_usage(self) -> Self {
        Self { exit_code: EXIT_USAGE, ..self }
    }

    /// The same failure with an exit code that says of which kind it is.
    pub(crate) fn with_exit_code(self, exit_code: u8) -> Self {
        Self { exit_code, ..self }
    }

    /// The process's exit code after this failure.
    pub(crate) fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.next {
            Some(advice) => write!(f, "\n  {advice}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for CommandError {}
