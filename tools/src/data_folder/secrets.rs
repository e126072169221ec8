//! The cluster's secret and the operator's token: random, written once, never shown.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{failed, temporary_beside, write_new};
use crate::error::CommandError;

/// Bytes of randomness in a secret; its file has two characters for each.
pub(crate) const SECRET_BYTES: usize = 32;

/// What proves that a process belongs to the cluster.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ClusterSecret([u8; SECRET_BYTES]);

impl ClusterSecret {
    pub(super) fn new(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(bytes)
    }

    /// The secret itself: for the proof in HELLO, and for nothing else.
    pub(crate) fn bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }
}

impl fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterSecret(not shown)")
    }
}

/// What proves that a person may operate the network: the text that the token's file holds.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct OperatorToken(String);

impl OperatorToken {
    pub(super) fn new(bytes: &[u8; SECRET_BYTES]) -> Self {
        Self(to_hex(bytes))
    }

    /// The token itself: for a request's credentials, and for nothing else.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OperatorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorToken(not shown)")
    }
}

/// Reads the secret in this file, or makes one. Of several processes that make it at once, one wins and all read it.
pub(super) fn read_or_create(path: &Path) -> Result<[u8; SECRET_BYTES], CommandError> {
    if !path.exists() {
        create_once(path)?;
    }
    read(path)
}

/// Reads the secret in this file.
pub(super) fn read(path: &Path) -> Result<[u8; SECRET_BYTES], CommandError> {
    let mode = fs::metadata(path).map_err(|error| failed("read", path, &error))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(CommandError::new(format!("{} can be read by other users", path.display()))
            .next(format!("delete it, so that a new one is made, or run: chmod 600 {}", path.display())));
    }
    let text = fs::read_to_string(path).map_err(|error| failed("read", path, &error))?;
    from_hex(text.trim_end()).ok_or_else(|| {
        let characters = SECRET_BYTES * 2;
        CommandError::new(format!("{} does not hold {characters} hexadecimal characters", path.display()))
            .next("delete it, so that a new one is made at the next start")
    })
}

/// A finished file is linked to its name: linking fails where the name is taken, so that nothing is overwritten.
fn create_once(path: &Path) -> Result<(), CommandError> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| CommandError::new(format!("the operating system gave no randomness: {error}")))?;
    let temporary = temporary_beside(path);
    let text = to_hex(&bytes) + "\n";
    let linked = write_new(&temporary, text.as_bytes()).and_then(|file| file.sync_all());
    let linked = linked.and_then(|()| fs::hard_link(&temporary, path));
    let _ = fs::remove_file(&temporary);
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed("create", path, &error)),
        _ => Ok(()),
    }
}

fn to_hex(bytes: &[u8; SECRET_BYTES]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; SECRET_BYTES]> {
    if text.len() != SECRET_BYTES * 2 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; SECRET_BYTES];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::tests::ScratchFolder;
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_never_shown() {
        let scratch = ScratchFolder::new("secret");
        let folder = scratch.open();
        let (secret, token) = (folder.cluster_secret().unwrap(), folder.operator_token().unwrap());
        assert_eq!(folder.cluster_secret().unwrap(), secret);
        assert_eq!(folder.operator_token().unwrap(), token);
        assert_ne!(to_hex(&secret.0), token.0);
        assert_eq!(fs::read_to_string(folder.operator_token_path()).unwrap().trim_end(), token.0);
        assert_eq!(token.0.len(), 64);
        assert!(!format!("{secret:?} {token:?}").contains(&token.0[..4]));
    }

    #[test]
    fn a_secret_that_others_can_read_or_that_is_cut_is_refused() {
        let scratch = ScratchFolder::new("bad-secret");
        let folder = scratch.open();
        folder.operator_token().unwrap();
        let path = folder.operator_token_path();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(folder.operator_token().unwrap_err().to_string().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "0123").unwrap();
        let error = folder.operator_token().unwrap_err().to_string();
        assert!(error.contains("64 hexadecimal") && !error.contains("0123"), "{error}");
    }

    #[test]
    fn hexadecimal_goes_there_and_back() {
        let bytes: [u8; SECRET_BYTES] = std::array::from_fn(|place| u8::try_from(place * 8).unwrap());
        assert_eq!(from_hex(&to_hex(&bytes)), Some(bytes));
        assert_eq!(from_hex(&"g".repeat(64)), None);
        assert_eq!(from_hex(&"é".repeat(32)), None);
    }
}
