//! Where settings come from, so that they can be read again.

use std::path::PathBuf;

use super::{Given, Settings};

/// Where a gateway's settings come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// The certificate and key that HTTPS is spoken with where the file names none.
    pub certificate: Option<PathBuf>,
}

impl Source {
    /// Reads the settings as they stand there now.
    ///
    /// # Errors
    /// Everything that is wrong with them, in words.
    pub fn read(&self) -> Result<Settings, Vec<String>> {
        self.read_listed().map(|(settings, _)| settings)
    }

    /// The same, with what stands in the file.
    pub(crate) fn read_listed(&self) -> Result<(Settings, Vec<Given>), Vec<String>> {
        let text = match &self.file {
            None => String::new(),
            Some(path) => {
                std::fs::read_to_string(path).map_err(|error| vec![format!("{}: {error}", path.display())])?
            }
        };
        Settings::read_listed(&text, self).map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    /// Whether there is anything that could be read again.
    #[must_use]
    pub fn is_some(&self) -> bool {
        *self != Self::default()
    }
}
