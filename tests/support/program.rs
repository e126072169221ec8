//! The `micronet` program under test, built once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The program: what `MICRONET_BIN` names, else built by cargo in the profile of these tests.
///
/// # Panics
/// When it is not there, or doesn't build.
pub fn micronet() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| match std::env::var_os("MICRONET_BIN") {
        Some(path) => {
            let path = root().join(path);
            assert!(path.is_file(), "MICRONET_BIN: there is no {}", path.display());
            path
        }
        None => build(),
    })
}

/// The root of the workspace.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent")
}

fn build() -> PathBuf {
    // The folder of this very test: target/PROFILE/deps.
    let own = std::env::current_exe().expect("a test knows its own file");
    let folder = own.ancestors().nth(2).expect("a test lies in target/PROFILE/deps").to_owned();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "micronet", "--target-dir"]);
    command.arg(folder.parent().expect("target/PROFILE has a parent")).current_dir(root());
    if folder.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "micronet doesn't build: {status}");
    folder.join("micronet")
}
