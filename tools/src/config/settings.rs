//! The file of the gateway's settings.

use std::path::{Path, PathBuf};

use micronet_gateway::settings::Settings;

use crate::error::CommandError;

/// What is configured of a gateway's edge, and where that stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SettingsFile {
    /// The file, if there is one.
    pub(crate) path: Option<PathBuf>,
    /// What it says; the defaults where there is none.
    pub(crate) settings: Settings,
}

impl SettingsFile {
    /// Reads the file that this flag names. All that is wrong with it is told at once.
    pub(super) fn read(path: Option<PathBuf>, flag: &str) -> Result<Self, CommandError> {
        let settings = path.as_deref().map(|path| read(path, flag)).transpose()?.unwrap_or_default();
        Ok(Self { path, settings })
    }
}

fn read(path: &Path, flag: &str) -> Result<Settings, CommandError> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| CommandError::usage(format!("{flag} {shown}: {error}")))?;
    Settings::read(&text).map_err(|faults| {
        let words: Vec<_> = faults.iter().map(|fault| format!("\n  {fault}")).collect();
        CommandError::usage(format!("{flag} {shown} can't be used:{}", words.concat()))
            .next("correct the file; README says what may stand in it")
    })
}
