//! Telling the service `auth` what stands in the journals, each entry until it has been taken: this process's own, and those that others
//! have left that ended before they had told all of theirs. An entry that is told twice counts once, by its id.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use micronet_transport::backoff::Backoff;
use micronet_transport::identity::random_bytes;
use micronet_transport::upstream::Upstream;
use micronet_wire::authority::{AuditEntries, AuditEntry, AuthorityClient};
use micronet_wire::error::Code;
use micronet_wire::service::CallOptions;

use super::journal::{self, Journal, LOCK, Place};
use super::limits::{LOOK_AROUND, TOLD_MAX};
use super::record::{self, Read};

/// Whom entries are told to.
type Authority = AuthorityClient<Upstream>;

/// Tells what this process writes, as it comes.
pub(super) async fn own(journal: Rc<Journal>, authority: Authority) {
    let mut durable = journal.durable();
    let mut at = Place { segment: 1, offset: 0 };
    loop {
        let end = *durable.borrow_and_update();
        if at == end {
            if durable.changed().await.is_err() {
                return;
            }
            continue;
        }
        // Behind a segment that was left there is another.
        let until = if at.segment == end.segment { Some(end.offset) } else { None };
        match tell(journal.folder(), &mut at, until, &authority).await {
            Ok(bytes) => journal.let_go(bytes),
            Err(error) => {
                tracing::error!(%error, folder = %journal.folder().display(), "the audit log can't be read");
                tokio::time::sleep(LOOK_AROUND).await;
                continue;
            }
        }
        if until.is_none() && is_read(journal.folder(), at).await {
            remove(journal::path(journal.folder(), at.segment)).await;
            at = Place { segment: at.segment + 1, offset: 0 };
        }
    }
}

/// Tells what is found of others in a folder of journals, now and again.
pub(super) async fn left_behind(folder: PathBuf, own: PathBuf, authority: Authority) {
    loop {
        for (left, lock) in abandoned(folder.clone(), own.clone()).await {
            tracing::info!(journal = %left.display(), "tells what another life has left in the audit log");
            if let Err(error) = tell_all(&left, &authority).await {
                tracing::error!(%error, journal = %left.display(), "a journal of the audit log can't be told");
            }
            drop(lock);
        }
        tokio::time::sleep(LOOK_AROUND).await;
    }
}

/// Tells all of a journal that nobody writes any more, and removes it.
async fn tell_all(folder: &Path, authority: &Authority) -> io::Result<()> {
    for number in segments(folder.to_owned()).await? {
        let mut at = Place { segment: number, offset: 0 };
        while !is_read(folder, at).await {
            let before = at;
            tell(folder, &mut at, None, authority).await?;
            if at == before {
                // What a crash has torn was acknowledged to nobody.
                break;
            }
        }
    }
    let folder = folder.to_owned();
    blocking(move || fs::remove_dir_all(folder)).await
}

/// Tells the next entries of a segment, and moves on behind them; how many bytes they took.
async fn tell(folder: &Path, at: &mut Place, until: Option<u64>, authority: &Authority) -> io::Result<u64> {
    let (path, offset) = (journal::path(folder, at.segment), at.offset);
    let Read { entries, bytes, torn } = blocking(move || read(&path, offset, until)).await?;
    if torn && entries.is_empty() {
        tracing::warn!(folder = %folder.display(), segment = at.segment, at = at.offset, "the end of a segment is torn");
        if until.is_some() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        at.offset = u64::MAX;
        return Ok(0);
    }
    if !entries.is_empty() {
        record_all(entries, authority).await;
    }
    let bytes = u64::try_from(bytes).unwrap_or(0);
    at.offset += bytes;
    Ok(bytes)
}

/// Has entries recorded, however long that takes.
async fn record_all(entries: Vec<AuditEntry>, authority: &Authority) {
    let mut backoff = Backoff::default();
    let mut told = AuditEntries { entries };
    loop {
        let Err(error) = authority.record(&told, CallOptions::default()).await else { return };
        match error.code {
            // One of them can't be taken. It must not stand in the way of the others.
            Code::InvalidInput | Code::BadRequest if told.entries.len() > 1 => {
                for entry in told.entries {
                    Box::pin(record_all(vec![entry], authority)).await;
                }
                return;
            }
            Code::InvalidInput | Code::BadRequest => {
                tracing::error!(%error, entry = ?told.entries.pop(), "an entry of the audit log was refused");
                return;
            }
            _ => tracing::debug!(%error, entries = told.entries.len(), "the audit log's entries wait"),
        }
        let pause_ms = backoff.next_ms(u64::from_ne_bytes(random_bytes()));
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
    }
}

fn read(path: &Path, offset: u64, until: Option<u64>) -> io::Result<Read> {
    /// What is read of a segment at once, in bytes: more than [`TOLD_MAX`] entries of the usual length.
    const READ_BYTES: u64 = 128 << 10;
    let mut file = File::open(path)?;
    let length = until.unwrap_or(file.metadata()?.len());
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(length.saturating_sub(offset).min(READ_BYTES)).read_to_end(&mut bytes)?;
    let read = record::read(&bytes, TOLD_MAX);
    // What was cut off here, and not by a crash, is read the next time.
    Ok(Read { torn: read.torn && read.bytes == 0, ..read })
}

/// Whether nothing of a segment is left to be told.
async fn is_read(folder: &Path, at: Place) -> bool {
    let path = journal::path(folder, at.segment);
    blocking(move || fs::metadata(path)).await.map_or(true, |file| at.offset >= file.len())
}

async fn remove(path: PathBuf) {
    if let Err(error) = blocking(move || fs::remove_file(path)).await {
        tracing::warn!(%error, "a segment of the audit log that was told can't be removed");
    }
}

/// The segments of a journal, the oldest first.
async fn segments(folder: PathBuf) -> io::Result<Vec<u64>> {
    blocking(move || {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            numbers.extend(name.to_str().and_then(|name| name.strip_suffix(".audit")?.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    })
    .await
}

/// The journals that no process holds, each locked from now on.
async fn abandoned(folder: PathBuf, own: PathBuf) -> Vec<(PathBuf, File)> {
    let found = blocking(move || {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            // A journal that has no lock yet is just being begun.
            let lock = (path != own).then(|| File::open(path.join(LOCK)).ok()).flatten();
            found.extend(lock.filter(|lock| lock.try_lock().is_ok()).map(|lock| (path, lock)));
        }
        Ok(found)
    });
    found.await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the folder of the audit log can't be read");
        Vec::new()
    })
}

/// Does something with files, off the runtime.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
