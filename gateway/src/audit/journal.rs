//! The journal: entries on disk before anybody hears that they were made. A thread of its own writes and makes durable what has come
//! meanwhile, all together.
//!
//! A journal is a folder, locked for as long as its process lives, with segments numbered from 1. Nothing is ever changed in a
//! segment but its end; a segment goes as a whole, when all of it was told and there is a later one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;

use tokio::sync::{oneshot, watch};

use super::limits::{GROUP_MAX, JOURNAL_BYTES_MAX, SEGMENT_BYTES, TRY_AGAIN, WAITING_MAX};
use super::record::NOTHING;

/// What locks a journal's folder.
pub(super) const LOCK: &str = "lock";

/// Where in a journal something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The segment's number, from 1.
    pub(super) segment: u64,
    /// How many bytes of it come before.
    pub(super) offset: u64,
}

/// The journal that this process writes.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    jobs: SyncSender<Job>,
    shared: Arc<Shared>,
    durable: watch::Receiver<Place>,
    /// Held until the process ends.
    _lock: File,
}

/// What the thread shares with the rest.
#[derive(Debug, Default)]
struct Shared {
    /// The last attempt to write has failed.
    failing: AtomicBool,
    /// How many bytes there are that were not told yet, about.
    held: AtomicU64,
}

struct Job {
    record: Vec<u8>,
    written: oneshot::Sender<()>,
}

impl Journal {
    /// Begins a journal in a new folder of this name.
    ///
    /// # Errors
    /// When it can't be written.
    pub(super) fn begin(folder: PathBuf) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let lock = open(&folder.join(LOCK))?;
        lock.try_lock().map_err(io::Error::from)?;
        let segment = Segment::begin(&folder, 1)?;
        let (jobs, waiting) = sync_channel(WAITING_MAX);
        let (durable_is, durable) = watch::channel(Place { segment: 1, offset: 0 });
        let shared = Arc::new(Shared::default());
        let writer = Writer { segment, shared: Arc::clone(&shared), durable: durable_is };
        thread::Builder::new().name("audit".into()).spawn(move || writer.run(&waiting))?;
        Ok(Self { folder, jobs, shared, durable, _lock: lock })
    }

    /// Why nothing more should be begun that has to be written down; `None` while all is well.
    pub(super) fn trouble(&self) -> Option<&'static str> {
        if self.shared.failing.load(Ordering::Relaxed) {
            Some("the audit log can't be written")
        } else if self.shared.held.load(Ordering::Relaxed) >= JOURNAL_BYTES_MAX {
            Some("the audit log is full: the service auth has not taken its entries for too long")
        } else {
            None
        }
    }

    /// Writes a record. It is durable when this completes with true; with false, it is not known to be.
    pub(super) async fn append(&self, record: Vec<u8>) -> bool {
        let (written, is_written) = oneshot::channel();
        self.jobs.try_send(Job { record, written }).is_ok() && is_written.await.is_ok()
    }

    /// Where the journal is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Up to where everything is durable.
    pub(super) fn durable(&self) -> watch::Receiver<Place> {
        self.durable.clone()
    }

    /// So many bytes were told, and are no longer held.
    pub(super) fn let_go(&self, bytes: u64) {
        let held = &self.shared.held;
        let _ =
            held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| Some(held.saturating_sub(bytes)));
    }

    /// How many bytes there are that were not told yet, about.
    pub(super) fn held(&self) -> u64 {
        self.shared.held.load(Ordering::Relaxed)
    }
}

/// The thread's own.
struct Writer {
    segment: Segment,
    shared: Arc<Shared>,
    durable: watch::Sender<Place>,
}

impl Writer {
    fn run(mut self, waiting: &Receiver<Job>) {
        loop {
            // While nothing can be written, nothing is begun that would show that it can be again.
            let first = match self.shared.failing.load(Ordering::Relaxed) {
                true => match waiting.recv_timeout(TRY_AGAIN) {
                    Ok(job) => Some(job),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => return,
                },
                false => match waiting.recv() {
                    Ok(job) => Some(job),
                    Err(_) => return,
                },
            };
            let more = waiting.try_iter().take(GROUP_MAX - 1);
            let group: Vec<Job> = first.into_iter().chain(more).collect();
            let records: Vec<u8> = match group.is_empty() {
                true => NOTHING.to_vec(),
                false => group.iter().flat_map(|job| &job.record).copied().collect(),
            };
            match self.write(&records) {
                Ok(()) => group.into_iter().for_each(|job| {
                    let _ = job.written.send(());
                }),
                // Whoever waits hears by the loss of its sender.
                Err(error) if !self.shared.failing.swap(true, Ordering::Relaxed) => {
                    tracing::error!(%error, entries = group.len(), "the audit log can't be written: actions are refused");
                }
                Err(_) => {}
            }
        }
    }

    fn write(&mut self, records: &[u8]) -> io::Result<()> {
        if self.segment.bytes >= SEGMENT_BYTES {
            self.segment = Segment::begin(&self.segment.folder, self.segment.number + 1)?;
        }
        self.segment.append(records)?;
        let bytes = u64::try_from(records.len()).unwrap_or(0);
        self.shared.held.fetch_add(bytes, Ordering::Relaxed);
        if self.shared.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("the audit log can be written again");
        }
        self.durable.send_replace(Place { segment: self.segment.number, offset: self.segment.bytes });
        Ok(())
    }
}

/// The segment that is written.
struct Segment {
    folder: PathBuf,
    number: u64,
    file: File,
    /// How many of its bytes are durable.
    bytes: u64,
    /// An attempt to write more has failed: what stands behind them is not known.
    dirty: bool,
}

impl Segment {
    fn begin(folder: &Path, number: u64) -> io::Result<Self> {
        let file = open(&path(folder, number))?;
        // The name has to be durable, too.
        File::open(folder)?.sync_all()?;
        Ok(Self { folder: folder.to_owned(), number, file, bytes: 0, dirty: false })
    }

    /// Appends records, all or none of them.
    fn append(&mut self, records: &[u8]) -> io::Result<()> {
        if std::mem::replace(&mut self.dirty, true) {
            self.file.set_len(self.bytes)?;
            self.file.seek(SeekFrom::Start(self.bytes))?;
        }
        self.file.write_all(records)?;
        self.file.sync_data()?;
        self.bytes += u64::try_from(records.len()).unwrap_or(0);
        self.dirty = false;
        Ok(())
    }
}

/// The file of a segment.
pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}.audit"))
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_could_not_be_written_goes_on_where_it_was() {
        let folder = std::env::temp_dir().join(format!("micronet-journal-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (durable_is, durable) = watch::channel(Place { segment: 1, offset: 0 });
        let segment = Segment::begin(&folder, 1).unwrap();
        let mut writer = Writer { segment, shared: Arc::default(), durable: durable_is };
        writer.write(b"first").unwrap();
        // A device that has no room.
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let file = std::mem::replace(&mut writer.segment.file, full);
        assert_eq!(writer.write(b"lost").unwrap_err().kind(), io::ErrorKind::StorageFull);
        // A part of it was written all the same.
        (&file).write_all(b"lo").unwrap();
        writer.segment.file = file;
        writer.shared.failing.store(true, Ordering::Relaxed);
        writer.write(b"second").unwrap();
        assert!(!writer.shared.failing.load(Ordering::Relaxed));
        assert_eq!(*durable.borrow(), Place { segment: 1, offset: 11 });
        assert_eq!(fs::read(path(&folder, 1)).unwrap(), b"firstsecond");
        // A long segment is followed by another.
        writer.write(&vec![b'x'; usize::try_from(SEGMENT_BYTES).unwrap()]).unwrap();
        writer.write(b"third").unwrap();
        assert_eq!(*durable.borrow(), Place { segment: 2, offset: 5 });
        assert_eq!(fs::read(path(&folder, 2)).unwrap(), b"third");
        fs::remove_dir_all(&folder).unwrap();
    }
}
