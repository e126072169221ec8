//! The driver of browsers: one process for this program, on a port that it takes itself.

use std::process::Command;
use std::sync::OnceLock;

use micronet_tests::patience::until;
use micronet_tests::process::Process;

/// The program, of Debian's package `chromium-driver`.
const PROGRAM: &str = "chromedriver";

/// Where it answers, as `http://localhost:PORT/`.
pub(crate) fn address() -> &'static str {
    static DRIVER: OnceLock<(Process, String)> = OnceLock::new();
    &DRIVER.get_or_init(start).1
}

fn start() -> (Process, String) {
    let mut process = Process::start(PROGRAM, Command::new(PROGRAM).arg("--port=0"));
    let port = until("the line that says where the driver listens", || {
        let said = process.stdout();
        let line = said.lines().find_map(|line| line.split_once("started successfully on port "));
        let port = line.and_then(|(_, rest)| rest.trim_end_matches('.').parse::<u16>().ok());
        match port {
            Some(port) => Ok(port),
            None if process.is_running() => Err(process.said()),
            None => panic!("it ended: {}", process.said()),
        }
    });
    (process, format!("http://localhost:{port}/"))
}
