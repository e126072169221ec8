//! What `dissector` is to do, and where.

use std::path::PathBuf;

use super::Environment;
use crate::cli::dissector::{DissectorFlags, FolderFlags, RawDissector};
use crate::error::CommandError;

/// The folder below the home directory in which Wireshark looks for Lua plugins of a user (User's Guide, \"Plugin folders\").
const PERSONAL_PLUGINS: &str = ".local/lib/wireshark/plugins";

/// What `dissector` does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DissectorConfig {
    /// What is to be done.
    pub(crate) work: DissectorWork,
    /// The folder that was named; else Wireshark is asked.
    pub(crate) to: Option<PathBuf>,
    /// The folder where there is no Wireshark to ask.
    pub(crate) usual: PathBuf,
}

/// What is done with the dissector's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DissectorWork {
    /// It is written.
    Install,
    /// It is named.
    Path,
    /// It is deleted.
    Uninstall,
}

pub(super) fn dissector(
    flags: DissectorFlags,
    environment: Environment<'_>,
) -> Result<DissectorConfig, CommandError> {
    let (work, FolderFlags { to }) = match flags.what {
        RawDissector::Install(folder) => (DissectorWork::Install, folder),
        RawDissector::Path(folder) => (DissectorWork::Path, folder),
        RawDissector::Uninstall(folder) => (DissectorWork::Uninstall, folder),
    };
    let home = environment("HOME").filter(|home| !home.is_empty());
    let usual = match (home, &to) {
        (Some(home), _) => PathBuf::from(home).join(PERSONAL_PLUGINS),
        (None, Some(to)) => to.clone(),
        (None, None) => {
            return Err(CommandError::usage("there is no home directory in the environment (HOME)")
                .next("name the folder: --to DIR"));
        }
    };
    Ok(DissectorConfig { work, to, usual })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(work: RawDissector, home: Option<&str>) -> Result<DissectorConfig, CommandError> {
        dissector(DissectorFlags { what: work }, &|name| home.filter(|_| name == "HOME").map(str::to_owned))
    }

    #[test]
    fn the_folder_is_named_or_below_home() {
        let config = parsed(RawDissector::Install(FolderFlags { to: None }), Some("/home/ada")).unwrap();
        assert_eq!((config.work, config.to), (DissectorWork::Install, None));
        assert_eq!(config.usual, PathBuf::from("/home/ada/.local/lib/wireshark/plugins"));
        let named = FolderFlags { to: Some(PathBuf::from("here")) };
        assert_eq!(parsed(RawDissector::Path(named), None).unwrap().to, Some(PathBuf::from("here")));
        let nowhere = parsed(RawDissector::Uninstall(FolderFlags { to: None }), None).unwrap_err();
        assert!(nowhere.to_string().contains("--to DIR"), "{nowhere}");
    }
}
