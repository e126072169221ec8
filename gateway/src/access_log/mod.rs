//! The access log: a line for each request that was answered, written beside the runtime.
//!
//! It follows the gateway's records as anybody may, so that no request waits for a disk: lines that come faster than they can be
//! written are lost and counted.

mod line;

use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::rc::{Rc, Weak};
use std::time::Duration;

use bytes::BytesMut;
use micronet_transport::metrics::Metrics;
use micronet_transport::records::{Followed, Following, Records};
use micronet_transport::tasks;
use micronet_wire::network::{RecordFilter, RecordKind};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::settings::{Held, LogFormat};

/// Lines that are written at once.
const LINES_MAX: u64 = 512;
/// How long the last lines may take to be written, in milliseconds.
const LAST_MS_MAX: u64 = 1_000;

/// The access log of a gateway.
#[derive(Debug)]
pub(crate) struct AccessLog {
    counts: Rc<Counts>,
    /// It is to end.
    ends: watch::Sender<bool>,
    writer: RefCell<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Counts {
    written: Cell<u64>,
    lost: Cell<u64>,
    /// Of these, what was lost before it was taken here: as the one who follows counts it.
    followed_lost: Cell<u64>,
}

impl Counts {
    fn count_lost(&self, following: &Following) {
        let lost = following.lost();
        let more = lost.saturating_sub(self.followed_lost.replace(lost));
        self.lost.set(self.lost.get() + more);
    }
}

impl AccessLog {
    /// Begins to write what the settings want. Within a runtime only.
    pub(crate) fn begin(settings: &Rc<Held>, records: &Rc<Records>, metrics: &Metrics) -> Self {
        let counts = Rc::new(Counts::default());
        for (outcome, is_written) in [("written", true), ("lost", false)] {
            let counts = Rc::clone(&counts);
            let help = "Lines of the access log, written or lost.";
            metrics.tally("micronet_access_log_lines_total", help, ("outcome", outcome), move || {
                if is_written { counts.written.get() } else { counts.lost.get() }
            });
        }
        let ends = watch::Sender::new(false);
        let (records, held) = (Rc::clone(records), Rc::downgrade(settings));
        let writer = keep(held, settings.readings(), records, Rc::clone(&counts), ends.subscribe());
        Self { counts, ends, writer: RefCell::new(Some(tasks::spawn("access log", writer))) }
    }

    /// Writes what is left.
    pub(crate) async fn finish(&self) {
        self.ends.send_replace(true);
        let writer = self.writer.take();
        if let Some(writer) = writer
            && tokio::time::timeout(Duration::from_millis(LAST_MS_MAX), writer).await.is_err()
        {
            tracing::warn!(written = self.counts.written.get(), "the last lines of the access log are lost");
        }
    }
}

/// Writes the log that the settings want. Whenever they are read again the file is opened again: it may have been moved away.
async fn keep(
    held: Weak<Held>,
    mut wanted: watch::Receiver<u64>,
    records: Rc<Records>,
    counts: Rc<Counts>,
    mut ends: watch::Receiver<bool>,
) {
    let mut following: Option<Following> = None;
    loop {
        wanted.mark_unchanged();
        let Some(settings) = held.upgrade().map(|held| held.settings().access_log.clone()) else { return };
        let Some(file) = &settings.file else {
            following = None;
            counts.followed_lost.set(0);
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { return },
                _ = ends.wait_for(|ends| *ends) => return,
            }
            continue;
        };
        // Kept where the file is only opened again, so that no line is lost meanwhile.
        let filter = || RecordFilter { kind: Some(RecordKind::Edge), ..RecordFilter::default() };
        let Some(mut from) = following.take().or_else(|| records.follow(filter())) else {
            tracing::error!("the access log can't be written: too many follow what happens");
            return;
        };
        let mut log = match Log::open(file) {
            Ok(log) => log,
            Err(error) => {
                tracing::error!(file = %file.display(), %error, "the access log can't be written");
                if wanted.changed().await.is_err() {
                    return;
                }
                continue;
            }
        };
        loop {
            let mut first = tokio::select! {
                biased;
                changed = wanted.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => None,
                },
                followed = from.next() => Some(followed),
                _ = ends.wait_for(|ends| *ends) => None,
            };
            let is_over = first.is_none();
            loop {
                let wrote = log.write(first.take(), &mut from, settings.format, &counts).await;
                counts.count_lost(&from);
                match wrote {
                    // The rest of what there is when it ends.
                    Ok(1..) if is_over => {}
                    Ok(_) => break,
                    Err(error) => {
                        tracing::error!(file = %file.display(), %error, "lines of the access log are lost");
                        break;
                    }
                }
            }
            if is_over {
                return;
            }
        }
        following = Some(from);
    }
}

/// Where lines go.
struct Log {
    /// None only while a thread writes.
    file: Option<Out>,
    lines: BytesMut,
}

enum Out {
    File(File),
    Stdout,
}

impl Log {
    fn open(file: &Path) -> io::Result<Self> {
        let file = match file.to_str() {
            Some("-") => Out::Stdout,
            _ => Out::File(OpenOptions::new().create(true).append(true).open(file)?),
        };
        Ok(Self { file: Some(file), lines: BytesMut::new() })
    }

    /// Writes the line of this request, and those of others that have ended meanwhile; how many these were.
    async fn write(
        &mut self,
        first: Option<Followed>,
        from: &mut Following,
        format: LogFormat,
        counts: &Counts,
    ) -> io::Result<u64> {
        let mut count = 0;
        let mut next = first;
        while let Some(followed) = next.take().or_else(|| from.try_next()) {
            line::put(&mut self.lines, format, &followed.record);
            count += 1;
            if count >= LINES_MAX {
                break;
            }
        }
        let Some(mut file) = self.file.take() else { return Ok(0) };
        let lines = self.lines.split().freeze();
        let written = tokio::task::spawn_blocking(move || {
            let wrote = match &mut file {
                Out::File(file) => file.write_all(&lines),
                Out::Stdout => io::stdout().lock().write_all(&lines),
            };
            (file, wrote)
        });
        let (file, wrote) = written.await.map_err(io::Error::other)?;
        self.file = Some(file);
        let of = if wrote.is_ok() { &counts.written } else { &counts.lost };
        of.set(of.get() + count);
        wrote.map(|()| count)
    }
}
