//! A data folder of a test's own, which goes with it; that of a failed test is shown and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Lines of each log that a failed test shows.
const LOG_LINES: usize = 40;

/// The data folder of a network under test.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A name that nobody has; `micronet` creates the folder.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("micronet-test-{}-{count}", std::process::id())))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The text of a file in it.
    ///
    /// # Panics
    /// When it can't be read.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        let path = self.0.join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The operator's token.
    #[must_use]
    pub fn operator_token(&self) -> String {
        self.read("operator.token").trim_end().to_owned()
    }

    /// The cluster's secret.
    ///
    /// # Panics
    /// When its file doesn't hold hexadecimal characters.
    #[must_use]
    pub fn cluster_secret(&self) -> Vec<u8> {
        let text = self.read("cluster.secret");
        let byte = |pair: &[u8]| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).expect("hexadecimal");
        text.trim_end().as_bytes().chunks(2).map(byte).collect()
    }

    /// All logs in it, by file name.
    #[must_use]
    pub fn logs(&self) -> Vec<(String, String)> {
        let Ok(entries) = fs::read_dir(self.0.join("logs")) else { return Vec::new() };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let read = |path: PathBuf| {
            let text = fs::read(&path).ok()?;
            Some((
                path.file_name()?.to_string_lossy().into_owned(),
                String::from_utf8_lossy(&text).into_owned(),
            ))
        };
        let mut logs: Vec<_> = paths.filter_map(read).collect();
        logs.sort();
        logs
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
            return;
        }
        eprintln!("---- kept for you to look at: {}", self.0.display());
        for (name, text) in self.logs() {
            show(&name, &text);
        }
    }
}

/// Shows the end of a log of a failed test.
pub fn show(name: &str, text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    eprintln!("---- {name} ({} lines, the last of them)", lines.len());
    for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
        eprintln!("  {line}");
    }
}
