//! What is known of a database that can't be reached: that it is dialled now and then, and that who comes in between hears so at
//! once.

use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::time::Instant;

use super::DatabaseError;

/// The shortest and the longest pause between two attempts to connect.
const PAUSE_MS: RangeInclusive<u64> = 20..=1_000;

/// Whether the last attempt to connect has failed.
#[derive(Debug, Default)]
pub(super) struct Outage(Option<Away>);

#[derive(Debug)]
struct Away {
    error: DatabaseError,
    pause_ms: u64,
    /// Until then nobody tries.
    until: Instant,
}

impl Outage {
    /// Whether somebody knows already that the database is away.
    pub(super) fn is_known(&self) -> bool {
        self.0.is_some()
    }

    /// The error of the last attempt, if it is too soon for another.
    pub(super) fn too_soon(&self) -> Result<(), DatabaseError> {
        match self.0.as_ref().filter(|away| Instant::now() < away.until) {
            Some(away) => Err(away.error.clone()),
            None => Ok(()),
        }
    }

    /// Takes the outcome of an attempt to connect. The first failure is logged, and the return.
    pub(super) fn note<T>(&mut self, outcome: &Result<T, DatabaseError>) {
        match outcome {
            Ok(_) => {
                if self.0.take().is_some() {
                    tracing::info!("the database is back");
                }
            }
            Err(error) => {
                if self.0.is_none() {
                    tracing::error!(%error, "can't connect; it is tried again as it is needed");
                }
                let before_ms = self.0.as_ref().map_or(0, |away| away.pause_ms);
                let pause_ms = (2 * before_ms).clamp(*PAUSE_MS.start(), *PAUSE_MS.end());
                let until = Instant::now() + Duration::from_millis(pause_ms);
                self.0 = Some(Away { error: error.clone(), pause_ms, until });
            }
        }
    }
}
