//! Logs as they are read by others: the last lines, and what comes after them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use micronet_wire::error::RpcError;
use micronet_wire::service::Outgoing;

use super::api::Line;

/// How much of a log's end is searched for its last lines, in bytes.
const TAIL_BYTES_MAX: u64 = 1 << 20;
/// The most that is read of a log at once, in bytes.
const READ_BYTES_MAX: u64 = 64 << 10;
/// A longer line is told in pieces, in bytes.
const LINE_BYTES_MAX: usize = 8 << 10;
/// How often it is looked whether there is more, in milliseconds.
const LOOK_MS: u64 = 100;

/// One log that is read on.
#[derive(Debug)]
pub(super) struct Reader {
    instance: String,
    path: PathBuf,
    offset: u64,
    /// The beginning of a line whose end isn't written yet.
    partial: Vec<u8>,
}

impl Reader {
    /// Reads the last lines of a log, and stands at its end then. A log that isn't there yet is empty.
    pub(super) fn open(instance: &str, path: &Path, lines: usize) -> (Self, Vec<Line>) {
        let length = fs::metadata(path).map_or(0, |metadata| metadata.len());
        let offset = length.saturating_sub(TAIL_BYTES_MAX);
        let mut reader =
            Self { instance: instance.to_owned(), path: path.to_owned(), offset, partial: Vec::new() };
        let mut last = Vec::new();
        while let Ok(more @ [_, ..]) = reader.more().as_deref() {
            last.extend_from_slice(more);
            let surplus = last.len().saturating_sub(lines);
            last.drain(..surplus);
        }
        (reader, last)
    }

    /// The lines that were completed since the last look; some of them, where there are very many.
    pub(super) fn more(&mut self) -> io::Result<Vec<Line>> {
        let length = fs::metadata(&self.path)?.len();
        // It was begun anew, or moved aside.
        if length < self.offset {
            (self.offset, self.partial) = (0, Vec::new());
        }
        let mut lines = Vec::new();
        // A long line may fill several reads.
        while lines.is_empty() && self.offset < length {
            let bytes = read_at(&self.path, self.offset)?;
            if bytes.is_empty() {
                break;
            }
            self.offset += bytes.len() as u64;
            for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
                self.partial.extend_from_slice(piece);
                if piece.ends_with(b"\n") || self.partial.len() >= LINE_BYTES_MAX {
                    let text =
                        String::from_utf8_lossy(&self.partial).trim_end_matches(['\n', '\r']).to_owned();
                    lines.push(Line { instance: self.instance.clone(), text });
                    self.partial.clear();
                }
            }
        }
        Ok(lines)
    }
}

fn read_at(path: &Path, offset: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(READ_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Tells the last lines of the logs that `logs` names, and goes on with what is added to them and to those that come later.
pub(super) async fn follow(
    logs: impl Fn() -> Vec<(String, PathBuf)>,
    lines: usize,
    mut replies: Outgoing<Line>,
) -> Result<(), RpcError> {
    let mut readers: BTreeMap<String, Reader> = BTreeMap::new();
    for (instance, path) in logs() {
        let (reader, last) = Reader::open(&instance, &path, lines);
        for line in &last {
            replies.send(line).await?;
        }
        readers.insert(instance, reader);
    }
    let mut interval = tokio::time::interval(Duration::from_millis(LOOK_MS));
    loop {
        interval.tick().await;
        let now = logs();
        readers.retain(|name, _| now.iter().any(|(instance, _)| instance == name));
        for (instance, path) in now {
            let reader = readers.entry(instance).or_insert_with_key(|instance| Reader {
                instance: instance.clone(),
                path,
                offset: 0,
                partial: Vec::new(),
            });
            while let Ok(more @ [_, ..]) = reader.more().as_deref() {
                for line in more {
                    replies.send(line).await?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;
    use crate::data_folder::tests::ScratchFolder;

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| &*line.text).collect()
    }

    #[test]
    fn a_log_is_read_from_its_last_lines_on() {
        let scratch = ScratchFolder::new("logs-read");
        let path = scratch.open().log("order-1");
        let (mut reader, last) = Reader::open("order-1", &path, 2);
        assert!(last.is_empty() && reader.more().is_err());
        let mut log = OpenOptions::new().append(true).create(true).open(&path).unwrap();
        write!(log, "one\ntwo\nthree\nfo").unwrap();
        let (mut reader, last) = Reader::open("order-1", &path, 2);
        assert_eq!(texts(&last), ["two", "three"]);
        assert!(reader.more().unwrap().is_empty());
        writeln!(log, "ur").unwrap();
        assert_eq!(texts(&reader.more().unwrap()), ["four"]);
        // It is moved aside, and goes on.
        log.set_len(0).unwrap();
        writeln!(log, "five").unwrap();
        assert_eq!(texts(&reader.more().unwrap()), ["five"]);
        let (_, last) = Reader::open("order-1", &path, 0);
        assert!(last.is_empty());
    }

    #[test]
    fn a_line_without_an_end_comes_in_pieces() {
        let scratch = ScratchFolder::new("logs-long");
        let path = scratch.open().log("order-1");
        let length = 3 * usize::try_from(READ_BYTES_MAX).unwrap();
        fs::write(&path, vec![b'a'; length]).unwrap();
        let (_, last) = Reader::open("order-1", &path, 100);
        let told: usize = last.iter().map(|line| line.text.len()).sum();
        assert_eq!(told, length);
    }
}
