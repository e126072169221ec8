//! Python, in which proto-spec's examples are written.

use std::process::Command;

use crate::spec::folder;

/// The command that runs a script of proto-spec. `None` when Python is to be skipped, by `MICRONET_SKIP_PYTHON`.
#[must_use]
pub fn script(script: &str) -> Option<Command> {
    if std::env::var_os("MICRONET_SKIP_PYTHON").is_some() {
        eprintln!("SKIPPED: {script} isn't run, because MICRONET_SKIP_PYTHON is set");
        return None;
    }
    let mut command = Command::new("python3");
    command.arg("-B").arg(folder().join(script));
    Some(command)
}
