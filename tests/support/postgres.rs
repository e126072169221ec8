//! A PostgreSQL server of a test's own, which it may crash.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::folder::show;
use crate::leash;
use crate::process::{Finished, run};
use crate::program::root;

/// Where it is said, by the URL of some server, that this machine has PostgreSQL and that it is to be tested.
const SERVER_VARIABLE: &str = "MICRONET_POSTGRES";

/// A running server. It is stopped and deleted when this is dropped.
#[derive(Debug)]
pub struct PostgresServer {
    folder: PathBuf,
    pid: u32,
}

impl PostgresServer {
    /// Starts a new server; none where PostgreSQL is not to be tested, which is said.
    ///
    /// # Panics
    /// When it doesn't start.
    #[must_use]
    pub fn start() -> Option<Self> {
        if std::env::var_os(SERVER_VARIABLE).is_none() {
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                let line = format!(
                    "SKIPPED: networks on PostgreSQL, since {SERVER_VARIABLE} is not set; tests/run sets it\n"
                );
                // Past the test harness, which would swallow it.
                let _ = std::io::stderr().lock().write_all(line.as_bytes());
            });
            return None;
        }
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("micronet-postgres-{}-{count}", std::process::id()));
        let mut server = Self { folder, pid: 0 };
        let _ = server.script("start", &[]).check(0);
        server.put_on_leash();
        Some(server)
    }

    /// A new database on it, by its URL.
    ///
    /// # Panics
    /// When it can't be made.
    #[must_use]
    pub fn new_database(&self, name: &str) -> String {
        self.script("url", &[name]).check(0).stdout.trim_end().to_owned()
    }

    /// Ends it at once, as a crash would: nothing is written down, and connections break.
    ///
    /// # Panics
    /// When it doesn't end.
    pub fn crash(&mut self) {
        self.take_off_leash();
        let _ = self.script("stop", &["immediate"]).check(0);
    }

    /// Starts it again.
    ///
    /// # Panics
    /// When it doesn't start.
    pub fn restart(&mut self) {
        let _ = self.script("restart", &[]).check(0);
        self.put_on_leash();
    }

    /// Stops it where it is: connections stay open, and nothing is answered.
    ///
    /// # Panics
    /// When that is not possible.
    pub fn freeze(&self) {
        let _ = self.script("freeze", &[]).check(0);
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When that is not possible.
    pub fn thaw(&self) {
        let _ = self.script("thaw", &[]).check(0);
    }

    fn script(&self, command: &str, arguments: &[&str]) -> Finished {
        let mut script = Command::new(root().join("tests/postgres"));
        script.arg(command).arg(&self.folder).args(arguments);
        run(script)
    }

    fn put_on_leash(&mut self) {
        let text = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
        self.pid = text.lines().next().and_then(|pid| pid.parse().ok()).expect("the server's process id");
        leash::put_on(self.pid);
    }

    fn take_off_leash(&mut self) {
        if self.pid != 0 {
            leash::take_off(std::mem::take(&mut self.pid));
        }
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if self.pid != 0 {
            self.take_off_leash();
            let _ = self.script("stop", &["immediate"]);
        }
        if std::thread::panicking() {
            show("server.log", &std::fs::read_to_string(self.folder.join("server.log")).unwrap_or_default());
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
