//! The children's logs: their warnings are shown as they come, and the last lines when a child dies.
//!
//! A child writes to its file by itself, so that nothing is lost when `up` is killed and a slow terminal slows nobody
//! down. This module only reads along.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::terminal::{self, Style};

/// A log that is longer is moved aside, so that a disk never fills: two of these remain for each instance. In bytes.
const LOG_BYTES_MAX: u64 = 64 << 20;
/// The most that is read at a look; what a child wrote beyond is left out on the terminal, not in the file. In bytes.
const LOOK_BYTES_MAX: u64 = 64 << 10;
/// How much of a log's end is searched for its last lines, in bytes.
const EXCERPT_BYTES_MAX: u64 = 16 << 10;

/// A reader that follows one log.
#[derive(Debug)]
pub(super) struct LogTail {
    instance: String,
    path: PathBuf,
    offset: u64,
    partial: String,
}

impl LogTail {
    /// Follows a log from its beginning.
    pub(super) fn new(instance: &str, path: &Path) -> Self {
        Self { instance: instance.to_owned(), path: path.to_owned(), offset: 0, partial: String::new() }
    }

    /// Shows the warnings and errors that came since the last look.
    pub(super) fn show_warnings(&mut self) {
        match self.new_lines() {
            Ok(lines) => {
                let style = Style::for_stderr();
                for line in lines.iter().filter(|line| is_warning(line)) {
                    terminal::note(&format!("{} {line}", style.dim(format!("{}:", self.instance))));
                }
            }
            Err(error) => tracing::debug!(path = %self.path.display(), %error, "could not read along"),
        }
    }

    fn new_lines(&mut self) -> io::Result<Vec<String>> {
        let length = fs::metadata(&self.path)?.len();
        if length < self.offset {
            self.offset = 0;
        }
        let text = read_at(&self.path, self.offset, LOOK_BYTES_MAX)?;
        self.offset = length;
        if length > LOG_BYTES_MAX {
            self.move_aside()?;
        }
        self.partial.push_str(&text);
        let Some(end) = self.partial.rfind('\n') else { return Ok(Vec::new()) };
        let rest = self.partial.split_off(end + 1);
        let complete = std::mem::replace(&mut self.partial, rest);
        Ok(complete.lines().map(str::to_owned).collect())
    }

    /// The child goes on writing to the same file: it is copied and emptied. A line written between the two is lost.
    fn move_aside(&mut self) -> io::Result<()> {
        fs::copy(&self.path, previous(&self.path))?;
        OpenOptions::new().write(true).open(&self.path)?.set_len(0)?;
        self.offset = 0;
        Ok(())
    }
}

/// The end of a log, indented, with the path of the whole.
pub(super) fn excerpt(path: &Path, lines: usize) -> String {
    let length = fs::metadata(path).map_or(0, |metadata| metadata.len());
    let text = read_at(path, length.saturating_sub(EXCERPT_BYTES_MAX), EXCERPT_BYTES_MAX).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    let last = &all[all.len().saturating_sub(lines)..];
    let place = path.display();
    if last.is_empty() {
        return format!("; its log {place} is empty");
    }
    format!("; the last lines of {place}:\n    {}", last.join("\n    "))
}

/// Where the log before this one is kept.
pub(super) fn previous(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

fn read_at(path: &Path, offset: u64, bytes_max: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A log line has its level as the second word; a panic has no level, and matters most.
fn is_warning(line: &str) -> bool {
    let level = line.split_whitespace().nth(1);
    matches!(level, Some("WARN" | "ERROR"))
        || line.contains("' panicked at ")
        || line.contains(") panicked at ")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::data_folder::tests::ScratchFolder;

    #[test]
    fn warnings_are_told_from_the_rest() {
        let check = |line: &str, wanted: bool| assert_eq!(is_warning(line), wanted, "{line}");
        check("2026-11-21T00:00:00Z  WARN micronet: slow disk", true);
        check("2026-11-21T00:00:00Z ERROR micronet: no disk", true);
        check("2026-11-21T00:00:00Z  INFO micronet: WARN is a word", false);
        check("thread 'main' panicked at src/main.rs:1:1:", true);
        check("thread 'main' (123) panicked at src/main.rs:1:1:", true);
        check("", false);
    }

    #[test]
    fn a_log_is_followed_line_by_line() {
        let scratch = ScratchFolder::new("tail");
        let path = scratch.open().log("order-1");
        let mut log = OpenOptions::new().append(true).create(true).open(&path).unwrap();
        let mut tail = LogTail::new("order-1", &path);
        write!(log, "one\ntw").unwrap();
        assert_eq!(tail.new_lines().unwrap(), ["one"]);
        writeln!(log, "o").unwrap();
        assert_eq!(tail.new_lines().unwrap(), ["two"]);
        assert!(tail.new_lines().unwrap().is_empty());
        tail.move_aside().unwrap();
        writeln!(log, "three").unwrap();
        assert_eq!(tail.new_lines().unwrap(), ["three"]);
        assert_eq!(fs::read_to_string(previous(&path)).unwrap(), "one\ntwo\n");
        assert!(excerpt(&path, 1).ends_with("\n    three"));
        assert!(excerpt(Path::new("/nowhere"), 1).contains("empty"));
    }
}
