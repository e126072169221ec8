//! The first account of a network that has none: made by whoever has the code that stands in a file which only the owner of the
//! data folder can read. It is good until it was used once.

use std::io;
use std::path::{Path, PathBuf};

use micronet_transport::clock::unix_us;

use super::keys::{read_private, write_private};
use super::secrets::{hash, secret};
use crate::auth::store::AuthStore;
use crate::run::StartError;

/// The file with the code, in the folder of what nobody else may read. It is there for as long as the code is good.
#[must_use]
pub fn code_file(private: &Path) -> PathBuf {
    private.join("setup.code")
}

/// Makes the code, where there is no account yet; removes it, where there is one.
pub(super) async fn offer(store: &AuthStore, private: Option<&Path>) -> Result<(), StartError> {
    let Some(private) = private else { return Ok(()) };
    let path = code_file(private);
    let failed = |error: &dyn std::fmt::Display| StartError::Store(format!("{}: {error}", path.display()));
    if store.has_accounts().await.map_err(|error| failed(&error))? {
        withdraw(private);
        return Ok(());
    }
    // Of several instances that start at once one makes it.
    match write_private(&path, secret().0.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(&error)),
        _ => {}
    }
    let code = read_private(&path).map_err(|error| failed(&error))?;
    let code = String::from_utf8_lossy(&code);
    if store.admit_setup_code(hash(code.trim()), unix_us()).await.map_err(|error| failed(&error))? {
        tracing::warn!(file = %path.display(), "there is no account yet: the first one is made with the code in this file");
    }
    Ok(())
}

/// The code is good no more.
pub(super) fn withdraw(private: &Path) {
    let path = code_file(private);
    if let Err(error) = std::fs::remove_file(&path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, file = %path.display(), "the file of the code that was used can't be removed");
    }
}
