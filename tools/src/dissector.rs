//! `micronet dissector`: puts the dissector of Wireshark, which is a part of this program, where Wireshark finds it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::config::{DissectorConfig, DissectorWork};
use crate::error::CommandError;
use crate::terminal::say;

/// The dissector, as it stands in the repository.
const DISSECTOR: &str = include_str!("../../proto-spec/micronet.lua");
/// Its file.
const FILE: &str = "micronet.lua";
/// What Wireshark calls the folder of its user's scripts, and before version 4.0 the one of all of their plugins.
const FOLDERS: [&str; 2] = ["Personal Lua Plugins:", "Personal Plugins:"];

/// Does what is to be done.
pub(crate) fn run(config: &DissectorConfig) -> Result<ExitCode, CommandError> {
    let folder = match &config.to {
        Some(to) => to.clone(),
        None => ["tshark", "wireshark"].into_iter().find_map(asked).unwrap_or_else(|| config.usual.clone()),
    };
    let file = folder.join(FILE);
    let said = match config.work {
        DissectorWork::Install => install(&folder, &file),
        DissectorWork::Path => Ok(path(&file)),
        DissectorWork::Uninstall => uninstall(&file),
    };
    let said = said.map_err(|error| {
        CommandError::new(format!("{}: {error}", file.display())).next("another folder is named by --to DIR")
    })?;
    say(&said);
    Ok(ExitCode::SUCCESS)
}

/// The folder of personal plugins as Wireshark's own program says it.
fn asked(program: &str) -> Option<PathBuf> {
    let mut command = Command::new(program);
    command.args(["-G", "folders"]).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    personal_folder(&String::from_utf8_lossy(&output.stdout))
}

fn personal_folder(folders: &str) -> Option<PathBuf> {
    let named = |name: &str| folders.lines().find_map(|line| line.strip_prefix(name));
    FOLDERS.into_iter().find_map(named).map(str::trim).filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn install(folder: &Path, file: &Path) -> io::Result<String> {
    fs::create_dir_all(folder)?;
    // Wireshark may be starting: it finds the old one or the new one, and never a half.
    let fresh = file.with_extension("lua.new");
    fs::write(&fresh, DISSECTOR)?;
    fs::rename(&fresh, file)?;
    Ok(format!(
        "{}\nWireshark and tshark know micronet when they are started the next time, or by Ctrl+Shift+L.",
        file.display()
    ))
}

fn path(file: &Path) -> String {
    let state = match fs::read(file) {
        Ok(bytes) if bytes == DISSECTOR.as_bytes() => "installed",
        Ok(_) => "another version is installed: `micronet dissector install` replaces it",
        Err(_) => "not installed: `micronet dissector install` puts it there",
    };
    format!("{}\n{state}", file.display())
}

fn uninstall(file: &Path) -> io::Result<String> {
    match fs::remove_file(file) {
        Ok(()) => Ok(format!("{} is gone", file.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(format!("there is no {}", file.display()))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wireshark_says_where_plugins_are() {
        let check =
            |said, expected: Option<&str>| assert_eq!(personal_folder(said), expected.map(PathBuf::from));
        check(
            "Personal Plugins:    \t/r/plugins/4.0\nPersonal Lua Plugins:\t/r/plugins\nExtcap path:\t/x\n",
            Some("/r/plugins"),
        );
        check("Temp:\t/tmp\nPersonal Plugins:\t/r/plugins\n", Some("/r/plugins"));
        check("Temp:\t/tmp\n", None);
    }
}
