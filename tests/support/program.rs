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

/// The folder with all that cargo makes.
///
/// # Panics
/// When this test doesn't lie in it.
#[must_use]
pub fn target() -> PathBuf {
    profile().parent().expect("target/PROFILE has a parent").to_owned()
}

/// Cargo, to build something of what `Cargo.lock` names, if that is `locked`.
#[must_use]
pub fn cargo_build(locked: bool) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet"]).args(locked.then_some("--locked"));
    command
}

/// The folder of the profile of this very test, which lies in target/PROFILE/deps.
fn profile() -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its own file");
    own.ancestors().nth(2).expect("a test lies in target/PROFILE/deps").to_owned()
}

fn build() -> PathBuf {
    let folder = profile();
    let mut command = cargo_build(true);
    command.args(["--bin", "micronet", "--target-dir"]).arg(target()).current_dir(root());
    if folder.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "micronet doesn't build: {status}");
    folder.join("micronet")
}
