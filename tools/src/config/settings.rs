//! What is configured of a gateway's edge.

use std::path::PathBuf;

use micronet_gateway::settings::{Settings, Source};

use crate::error::CommandError;

/// What is configured of a gateway's edge, and where that stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SettingsFile {
    /// Where it stands.
    pub(crate) source: Source,
    /// What is said there.
    pub(crate) settings: Settings,
}

/// What `up` was told about its gateway's edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GatewayEdge {
    /// The file of settings.
    pub(crate) file: Option<PathBuf>,
    /// The certificate that `up` issues for it, where it does.
    pub(crate) certificate: Option<PathBuf>,
    /// Whether it speaks HTTPS.
    pub(crate) https: bool,
}

impl SettingsFile {
    /// Reads the settings. All that is wrong with them is told at once. `flag` names the file.
    pub(super) fn read(source: Source, flag: &str) -> Result<Self, CommandError> {
        let settings = source.read().map_err(|faults| {
            let words: Vec<_> = faults.iter().map(|fault| format!("\n  {fault}")).collect();
            let named = source.file.as_ref().map(|file| format!("{flag} {}: ", file.display()));
            let words = format!("{}the settings can't be used:{}", named.unwrap_or_default(), words.concat());
            CommandError::usage(words).next("gateway/README.md says what may stand there")
        })?;
        Ok(Self { source, settings })
    }

    /// Whether the gateway speaks HTTPS.
    pub(crate) fn is_https(&self) -> bool {
        self.settings.tls.edge.is_some()
    }
}

impl GatewayEdge {
    /// What `up` has its gateway do. The file is read where that can be done now: not before the certificate is issued.
    pub(super) fn new(file: Option<PathBuf>, certificate: Option<PathBuf>) -> Result<Self, CommandError> {
        let edge = Self { https: certificate.is_some(), file, certificate };
        if edge.https {
            return Ok(edge);
        }
        let read = edge.read()?;
        Ok(Self { https: read.is_https(), ..edge })
    }

    /// Reads the settings as the gateway will.
    pub(crate) fn read(&self) -> Result<SettingsFile, CommandError> {
        let source = Source { file: self.file.clone(), certificate: self.certificate.clone() };
        SettingsFile::read(source, "--gateway-config")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_folder::tests::ScratchFolder;

    #[test]
    fn everything_that_is_wrong_is_told_and_the_file_named() {
        let scratch = ScratchFolder::new("settings");
        let file = scratch.0.join("edge.toml");
        std::fs::create_dir_all(&scratch.0).unwrap();
        std::fs::write(&file, "[tls]\nkey = 1\nhsts = \"x\"\n[no]\n").unwrap();
        let source = Source { file: Some(file.clone()), certificate: None };
        let error = SettingsFile::read(source, "--config").unwrap_err();
        let words = error.to_string();
        for part in [
            &format!("--config {}", file.display()),
            "line 2: tls.key",
            "line 3: tls.hsts",
            "line 4: there is no [no]",
        ] {
            assert!(words.contains(part), "{part} is missing in {words}");
        }
        assert_eq!(error.exit_code(), CommandError::usage("").exit_code());
        let missing = GatewayEdge::new(Some("/nowhere/edge.toml".into()), None).unwrap_err();
        assert!(missing.to_string().contains("/nowhere/edge.toml"), "{missing}");
    }
}
