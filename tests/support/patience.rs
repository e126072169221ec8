//! Waiting for something to become true. Tests wait for conditions, never for a time.

use std::thread;
use std::time::{Duration, Instant};

/// How long a condition may take before the test fails. No test is slow because of it unless it fails.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks again and again until there is what is looked for. `look` says what it sees instead, for the failure's message.
///
/// # Panics
/// When it takes longer than [`PATIENCE`].
pub fn until<T>(what: &str, look: impl FnMut() -> Result<T, String>) -> T {
    until_or(what, PATIENCE, look).unwrap_or_else(|failure| panic!("{failure}"))
}

/// The same, with a deadline of its own and without the panic.
///
/// # Errors
/// What was waited for, and what was seen last.
pub fn until_or<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Result<T, String>,
) -> Result<T, String> {
    let begin = Instant::now();
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err(seen) if begin.elapsed() > patience => {
                return Err(format!("waited {patience:?} for {what}, but saw: {seen}"));
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}
