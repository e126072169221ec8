//! What is made of what was told, in a thread of its own: whoever reads a pipe may take their time, and the connection still has to live.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use micronet_wire::network::{RecordKind, Tapped, TappedItem};
use tokio::sync::{mpsc, oneshot};

use super::lines::Lines;
use super::pcap::Capture;
use crate::config::{TapConfig, TapOutput};
use crate::error::CommandError;
use crate::terminal;

/// What waits to be written; what comes beyond it waits in the process that is tapped, as far as there is room.
const WAITING: usize = 4;

/// The thread that writes.
pub(super) struct Writer {
    /// Where what was told goes.
    pub(super) told: mpsc::Sender<Tapped>,
    end: oneshot::Receiver<io::Result<()>>,
    is_over: bool,
    tally: Arc<Tally>,
    what: &'static str,
}

#[derive(Debug, Default)]
struct Tally {
    seen: AtomicU64,
    lost: AtomicU64,
}

impl Writer {
    /// Opens what is written to, and starts.
    pub(super) fn start(config: &TapConfig) -> Result<Self, CommandError> {
        let (output, what) = open(&config.output)?;
        let (told, news) = mpsc::channel(WAITING);
        let (ends, end) = oneshot::channel();
        let tally = Arc::new(Tally::default());
        let writing =
            Writing { output, news, tally: Arc::clone(&tally), made: config.made, count: config.count };
        thread::spawn(move || {
            let result = writing.run();
            // Whoever reads has gone, as `head` does: that is an end like others.
            let is_over = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
            let _ = ends.send(result.or_else(|error| if is_over(&error) { Ok(()) } else { Err(error) }));
        });
        Ok(Self { told, end, is_over: false, tally, what })
    }

    /// Its end: enough was written, nobody reads any more, or it can't be written.
    pub(super) async fn ended(&mut self) -> io::Result<()> {
        let result = (&mut self.end).await;
        self.is_over = true;
        result.unwrap_or(Ok(()))
    }

    /// Says how much there was, once what was told is written; but nobody who doesn't read is waited for.
    pub(super) async fn close(self, lasted: Duration) {
        let Self { told, end, is_over, tally, what } = self;
        drop(told);
        if !is_over {
            let _ = tokio::time::timeout(Duration::from_secs(1), end).await;
        }
        let [seen, lost] = [&tally.seen, &tally.lost].map(|count| count.load(Ordering::Relaxed));
        terminal::note(&format!("{seen} {what} in {:.1} s, {lost} lost", lasted.as_secs_f64()));
    }

    /// Whether there was anything.
    pub(super) fn has_seen(&self) -> bool {
        self.tally.seen.load(Ordering::Relaxed) > 0
    }
}

enum Output {
    Lines(Lines),
    Capture(Capture<BufWriter<Box<dyn Write + Send>>>),
}

fn open(output: &TapOutput) -> Result<(Output, &'static str), CommandError> {
    let capture = |out: io::Result<Box<dyn Write + Send>>, to: &str| {
        let begun = out.and_then(|out| Capture::begin(BufWriter::new(out)));
        let failed = |error| CommandError::new(format!("{to} can't be written: {error}"));
        begun.map(|capture| (Output::Capture(capture), "frames")).map_err(failed)
    };
    match output {
        TapOutput::Lines => Ok((Output::Lines(Lines::text()), "calls")),
        TapOutput::Json => Ok((Output::Lines(Lines::json()), "calls")),
        TapOutput::Pcap(None) => capture(Ok(Box::new(io::stdout())), "stdout"),
        TapOutput::Pcap(Some(path)) => {
            let file = File::create(path).map(|file| Box::new(file) as Box<dyn Write + Send>);
            capture(file, &path.display().to_string())
        }
    }
}

struct Writing {
    output: Output,
    news: mpsc::Receiver<Tapped>,
    tally: Arc<Tally>,
    made: bool,
    count: Option<u64>,
}

impl Writing {
    fn run(mut self) -> io::Result<()> {
        while let Some(told) = self.news.blocking_recv() {
            let is_enough = self.write(told)?;
            if let Output::Capture(capture) = &mut self.output {
                capture.flush()?;
            }
            if is_enough {
                break;
            }
        }
        Ok(())
    }

    /// Writes what was told; true when that is enough.
    fn write(&mut self, told: Tapped) -> io::Result<bool> {
        let Tapped { seen_by, items, lost_calls, lost_frames } = told;
        self.tally.lost.fetch_add(lost_calls + lost_frames, Ordering::Relaxed);
        for item in items {
            match (&mut self.output, item) {
                (Output::Lines(_), TappedItem::Call { record, .. })
                    if record.kind == RecordKind::Made && !self.made =>
                {
                    continue;
                }
                (Output::Lines(lines), TappedItem::Call { record, request, reply }) => {
                    lines.say(&seen_by, &record, &request, &reply)?;
                }
                (Output::Capture(capture), TappedItem::Frame { frame }) => capture.frame(&seen_by, &frame)?,
                (Output::Capture(capture), TappedItem::Connection { connection }) => {
                    capture.connection(&seen_by, &connection);
                    continue;
                }
                _ => continue,
            }
            let seen = self.tally.seen.fetch_add(1, Ordering::Relaxed) + 1;
            if self.count.is_some_and(|count| seen >= count) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
