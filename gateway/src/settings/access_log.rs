//! `[access_log]`: a line for each request that was answered.

use std::path::PathBuf;

use super::Section;

/// A line for each request that was answered; none where no file is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessLog {
    /// Where the lines go: a file, which they are appended to, or `-` for stdout.
    pub file: Option<PathBuf>,
    /// How a request is written down.
    pub format: LogFormat,
}

/// How a request is written down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A JSON object a line, with everything.
    #[default]
    Json,
    /// NCSA's common log format, with where the time went behind it.
    Common,
    /// The same with referrer and program, as web servers have it.
    Combined,
}

impl AccessLog {
    /// Reads the table.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let file = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        let format = |text: &str| match text {
            "json" => Some(LogFormat::Json),
            "common" => Some(LogFormat::Common),
            "combined" => Some(LogFormat::Combined),
            _ => None,
        };
        Self {
            file: section.parsed("file", "the name of a file, or \"-\" for stdout", file),
            format: section
                .parsed("format", "\"json\", \"common\" or \"combined\"", format)
                .unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn it_is_off_unless_a_file_is_named() {
        let read = |text: &str| Settings::read(text).map(|settings| settings.access_log);
        assert_eq!(read(""), Ok(AccessLog::default()));
        let wanted = AccessLog { file: Some("access.log".into()), format: LogFormat::Combined };
        assert_eq!(read("[access_log]\nfile = \"access.log\"\nformat = \"combined\"\n"), Ok(wanted));
        for wrong in ["format = \"xml\"", "file = \"\"", "files = \"a\""] {
            assert!(read(&format!("[access_log]\n{wrong}\n")).is_err(), "{wrong}");
        }
    }
}
