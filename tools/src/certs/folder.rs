//! The folder of certificates: what is in it, by name.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use micronet_transport::tls::TlsFiles;

use crate::data_folder::{self, failed};
use crate::error::CommandError;

/// The name of the operator's certificate.
pub(crate) const OPERATOR: &str = "operator";
/// The name of the CA's files.
const CA: &str = "ca";

/// Names the files of a folder that need not exist.
#[derive(Clone, Debug)]
pub(crate) struct CertsFolder(PathBuf);

impl CertsFolder {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The CA's certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    /// The CA's private key.
    pub(super) fn ca_key(&self) -> PathBuf {
        self.0.join("ca.key")
    }

    /// The certificate and key of an instance, or of the operator.
    pub(crate) fn of(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.pem"))
    }

    /// What the process of this name needs.
    pub(crate) fn files(&self, name: &str) -> TlsFiles {
        TlsFiles { ca: self.ca(), own: self.of(name) }
    }

    /// The names of all certificates but the CA's, in order.
    pub(super) fn names(&self) -> Result<Vec<String>, CommandError> {
        let failed = |error: &io::Error| failed("read", &self.0, error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(|error| failed(&error))? {
            let file = entry.map_err(|error| failed(&error))?.file_name();
            // A file that begins with a dot isn't finished.
            if let Some(name) = file.to_str().and_then(|file| file.strip_suffix(".pem"))
                && name != CA
                && !name.starts_with('.')
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Writes a file for its owner's eyes only; a reader sees the old one or the new one.
    pub(super) fn write(&self, path: &Path, pem: &str) -> Result<(), CommandError> {
        data_folder::create_folder(&self.0).map_err(|error| failed("create the folder", &self.0, &error))?;
        data_folder::write_atomically(path, pem.as_bytes()).map_err(|error| failed("write", path, &error))
    }

    /// Reads a file that holds a private key: one that others can read is no secret any more.
    pub(super) fn read_private(path: &Path) -> Result<String, CommandError> {
        let mode = fs::metadata(path).map_err(|error| failed("read", path, &error))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(CommandError::new(format!("{} can be read by other users", path.display()))
                .next(format!("if nobody has read it, run: chmod 600 {}", path.display())));
        }
        fs::read_to_string(path).map_err(|error| failed("read", path, &error))
    }
}

/// Whether a certificate's file can have this name.
pub(super) fn is_free_name(instance: &str) -> bool {
    instance != CA && instance != OPERATOR && !instance.starts_with('.')
}
