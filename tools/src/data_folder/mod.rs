//! The data folder: databases, secrets, logs and locks of one network, for its owner's eyes only.
//!
//! ```text
//! micronet-data/        mode 0700
//!   micronet.lock       held by `up` for as long as its network runs; holds its process id
//!   databases.lock      shared by whoever has a database open; exclusive while databases are deleted
//!   databases/          a file for each service
//!   instances/          a lock for each service's instance, held for as long as it runs; holds its process id
//!   cluster.secret      mode 0600: proves to peers that a process belongs to this cluster
//!   certs/              the certificates of mTLS (see `certs`), unless --certs names another folder
//!   auth/               mode 0700: the private keys of access tokens and, until it was used, the code for the first account
//!   operator.token      mode 0600: proves to the network that a person may operate it
//!   network.json        who runs where, while a network runs
//!   logs/               a file for each instance
//! ```

mod secrets;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

pub(crate) use self::secrets::{ClusterSecret, OperatorToken};
use crate::error::CommandError;

/// Only the owner may enter the folder.
const FOLDER_MODE: u32 = 0o700;
/// Only the owner may read its files.
pub(crate) const FILE_MODE: u32 = 0o600;
/// How often `up` tries to take the folder before it says that another network has it.
const LOCK_TRIES: u32 = 4;
/// The pause between two tries, in milliseconds.
const LOCK_PAUSE_MS: u64 = 25;

/// The file of the operator's token.
const OPERATOR_TOKEN: &str = "operator.token";

/// A folder that exists, and the names of what is in it.
#[derive(Clone, Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
}

/// Held by the one `up` that runs on a data folder. The operating system releases it when the process ends.
#[derive(Debug)]
pub(crate) struct NetworkLock {
    _file: File,
}

/// Held by a service's instance for as long as it runs.
#[derive(Debug)]
pub(crate) struct InstanceLock {
    _file: File,
}

/// Held by each process that has a database open.
#[derive(Debug)]
pub(crate) struct DatabasesLock {
    _file: File,
}

impl DataFolder {
    /// Opens the folder, creating it with mode 0700 where it is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, CommandError> {
        let folder = Self { path: path.to_owned() };
        for each in [folder.path.clone(), folder.databases(), folder.instances(), folder.logs()] {
            create_folder(&each).map_err(|error| failed("create the folder", &each, &error))?;
        }
        // Secrets and databases are not for version control, wherever the folder stands.
        let ignore = folder.path.join(".gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n").map_err(|error| failed("write", &ignore, &error))?;
        }
        Ok(folder)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the databases; everything in it goes when `--fresh` is given.
    pub(crate) fn databases(&self) -> PathBuf {
        self.path.join("databases")
    }

    /// The folder of what gateways have written down for the audit log, and the service auth has not taken yet.
    pub(crate) fn audit(&self) -> PathBuf {
        self.path.join("audit")
    }

    /// The folder of what only one service may read: private keys. The service makes it when it has something to put there.
    pub(crate) fn private(&self, service: &str) -> PathBuf {
        self.path.join(service)
    }

    /// The log of one instance.
    pub(crate) fn log(&self, instance: &str) -> PathBuf {
        self.logs().join(format!("{instance}.log"))
    }

    /// The file that says who runs where.
    pub(crate) fn network_file(&self) -> PathBuf {
        network_file(&self.path)
    }

    /// The file of the operator's token. Its path may be shown; what is in it may not.
    pub(crate) fn operator_token_path(&self) -> PathBuf {
        self.path.join(OPERATOR_TOKEN)
    }

    /// The secret that the cluster's processes share; made when it is first asked for.
    pub(crate) fn cluster_secret(&self) -> Result<ClusterSecret, CommandError> {
        secrets::read_or_create(&self.path.join("cluster.secret")).map(ClusterSecret::new)
    }

    /// The operator's token; made when it is first asked for.
    pub(crate) fn operator_token(&self) -> Result<OperatorToken, CommandError> {
        secrets::read_or_create(&self.operator_token_path()).map(|secret| OperatorToken::new(&secret))
    }

    /// Takes the folder for one running network; refused while another runs on it.
    pub(crate) fn lock_network(&self) -> Result<NetworkLock, CommandError> {
        let file = lock_alone(&network_lock_path(&self.path), |holder| {
            CommandError::new(format!(
                "a network already runs on the data folder {}{holder}",
                self.path.display()
            ))
            .next("stop it first (Ctrl-C in its terminal), or start this one with another --data DIR")
        })?;
        Ok(NetworkLock { _file: file })
    }

    /// Takes the name of a service's instance; refused while another process has it. A restart looks after what its former
    /// life has left under its name, and would take the live work of a twin for that.
    pub(crate) fn lock_instance(&self, instance: &str) -> Result<InstanceLock, CommandError> {
        let file = lock_alone(&self.instances().join(format!("{instance}.lock")), |holder| {
            CommandError::new(format!(
                "an instance called {instance} already runs on the data folder {}{holder}",
                self.path.display()
            ))
            .next("stop it first, or give this one another name with --instance NAME")
        })?;
        Ok(InstanceLock { _file: file })
    }

    /// Says that this process has a database open, so that nobody deletes it underneath.
    pub(crate) fn use_databases(&self) -> Result<DatabasesLock, CommandError> {
        let path = self.databases_lock_path();
        let file = open_lock(&path)?;
        file.lock_shared().map_err(|error| failed("lock", &path, &error))?;
        Ok(DatabasesLock { _file: file })
    }

    /// Deletes every database of a folder on which nothing runs. Returns how many files there were.
    pub(crate) fn delete_databases(&self, _network: &NetworkLock) -> Result<usize, CommandError> {
        let path = self.databases_lock_path();
        let lock = open_lock(&path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(failed("lock", &path, &error)),
            Err(TryLockError::WouldBlock) => {
                return Err(CommandError::new(format!(
                    "a service still uses the databases in {}",
                    self.databases().display()
                ))
                .next(
                    "stop the service that was started by hand, or wait until it has drained, and try again",
                ));
            }
        }
        let folder = self.databases();
        let deleted = empty_folder(&folder).map_err(|error| failed("empty", &folder, &error))?;
        // What was done in the network that is gone is of no interest to the next one.
        let audit = self.audit();
        fs::remove_dir_all(&audit)
            .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
            .map_err(|error| failed("delete", &audit, &error))?;
        drop(lock);
        Ok(deleted)
    }

    fn instances(&self) -> PathBuf {
        self.path.join("instances")
    }

    fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    fn databases_lock_path(&self) -> PathBuf {
        self.path.join("databases.lock")
    }
}

/// The operator's token of a data folder that need not exist; a folder without one has none.
pub(crate) fn read_operator_token(folder: &Path) -> Result<Option<OperatorToken>, CommandError> {
    let path = folder.join(OPERATOR_TOKEN);
    if !path.exists() {
        return Ok(None);
    }
    secrets::read(&path).map(|secret| Some(OperatorToken::new(&secret)))
}

/// The folder of certificates of a data folder that need not exist.
pub(crate) fn certs(folder: &Path) -> PathBuf {
    folder.join("certs")
}

/// The network file of a data folder that need not exist.
pub(crate) fn network_file(folder: &Path) -> PathBuf {
    folder.join("network.json")
}

/// Whether a network runs on a data folder that need not exist: whether an `up` holds its lock.
pub(crate) fn network_runs(folder: &Path) -> Result<bool, CommandError> {
    let path = network_lock_path(folder);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed("open", &path, &error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(failed("look at the lock of", &path, &error)),
    }
}

/// Writes a file so that a reader sees the old one or the new one, never a part, also after a loss of power.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    replace(path, content, File::sync_all)
}

/// The same for a file that means nothing after a loss of power. It doesn't wait for the disk, for which whoever serves others has no time.
pub(crate) fn write_atomically_for_now(path: &Path, content: &[u8]) -> io::Result<()> {
    replace(path, content, |_| Ok(()))
}

fn replace(path: &Path, content: &[u8], sync: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    let temporary = temporary_beside(path);
    let written = write_new(&temporary, content).and_then(|file| sync(&file));
    let written = written.and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// A failure of the file system, in words.
pub(crate) fn failed(verb: &str, path: &Path, error: &io::Error) -> CommandError {
    CommandError::new(format!("could not {verb} {}: {error}", path.display()))
        .next("check the folder's owner, mode and free space, or name another folder with --data DIR")
}

/// A name for a file that is not finished: ours alone, since no other running process has our process id.
fn temporary_beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(FILE_MODE).open(path)?;
    file.write_all(content)?;
    Ok(file)
}

/// Creates a folder that only its owner may enter; one that is there stays as it is.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)
}

fn network_lock_path(folder: &Path) -> PathBuf {
    folder.join("micronet.lock")
}

/// Takes a lock file for this process alone, and writes into it who has it. `taken` has the words for the case that another
/// process does, whose id it is given.
fn lock_alone(path: &Path, taken: impl FnOnce(String) -> CommandError) -> Result<File, CommandError> {
    let mut file = open_lock(path)?;
    match try_lock_patiently(&file) {
        Ok(()) => {}
        Err(TryLockError::Error(error)) => return Err(failed("lock", path, &error)),
        Err(TryLockError::WouldBlock) => return Err(taken(holder_of(&mut file))),
    }
    let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(|error| failed("write", path, &error))?;
    Ok(file)
}

/// A command that looks whether a network runs holds the lock for an instant; that is no reason to give up.
fn try_lock_patiently(file: &File) -> Result<(), TryLockError> {
    for _ in 1..LOCK_TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(LOCK_PAUSE_MS)),
            other => return other,
        }
    }
    file.try_lock()
}

fn open_lock(path: &Path) -> Result<File, CommandError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
    options.open(path).map_err(|error| failed("open", path, &error))
}

fn holder_of(lock: &mut File) -> String {
    let mut text = String::new();
    match lock.read_to_string(&mut text) {
        Ok(_) if text.trim().parse::<u32>().is_ok() => format!(" (process {})", text.trim()),
        _ => String::new(),
    }
}

fn empty_folder(folder: &Path) -> io::Result<usize> {
    let mut deleted = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A folder that is gone when the test ends.
    pub(crate) struct ScratchFolder(pub(crate) PathBuf);

    impl ScratchFolder {
        pub(crate) fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("micronet-{test}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }

        pub(crate) fn open(&self) -> DataFolder {
            DataFolder::open(&self.0).unwrap()
        }
    }

    impl Drop for ScratchFolder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_the_owner_may_enter_and_read() {
        let scratch = ScratchFolder::new("modes");
        let folder = scratch.open();
        let _ = (folder.cluster_secret().unwrap(), folder.operator_token().unwrap());
        let _lock = folder.lock_network().unwrap();
        assert_eq!(mode(folder.path()), 0o700);
        for file in ["cluster.secret", "operator.token", "micronet.lock"] {
            assert_eq!(mode(&folder.path().join(file)), 0o600, "{file}");
        }
    }

    #[test]
    fn a_second_network_is_refused_and_told_who_runs() {
        let scratch = ScratchFolder::new("lock");
        let first = scratch.open().lock_network().unwrap();
        let error = scratch.open().lock_network().unwrap_err().to_string();
        assert!(error.contains(&scratch.0.display().to_string()), "{error}");
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        scratch.open().lock_network().unwrap();
    }

    #[test]
    fn an_instance_has_its_name_to_itself() {
        let scratch = ScratchFolder::new("twins");
        let first = scratch.open().lock_instance("order-1").unwrap();
        let _other = scratch.open().lock_instance("order-2").unwrap();
        let error = scratch.open().lock_instance("order-1").unwrap_err().to_string();
        assert!(error.contains("order-1 already runs") && error.contains("--instance"), "{error}");
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        scratch.open().lock_instance("order-1").unwrap();
    }

    #[test]
    fn databases_in_use_are_not_deleted() {
        let scratch = ScratchFolder::new("fresh");
        let folder = scratch.open();
        let network = folder.lock_network().unwrap();
        let database = folder.databases().join("product.sqlite");
        fs::write(&database, b"rows").unwrap();
        let in_use = folder.use_databases().unwrap();
        assert!(folder.delete_databases(&network).is_err());
        assert!(database.exists());
        drop(in_use);
        assert_eq!(folder.delete_databases(&network), Ok(1));
        assert!(!database.exists());
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let scratch = ScratchFolder::new("atomic");
        let path = scratch.open().network_file();
        write_atomically(&path, b"old").unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        let names = fs::read_dir(&scratch.0).unwrap().map(|entry| entry.unwrap().file_name());
        let hidden: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with('.')).collect();
        assert_eq!(hidden, [".gitignore"], "no unfinished file stays behind");
    }
}
