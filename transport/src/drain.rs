//! The word that it is time to stop, from whoever hears the signal to whoever serves.

use std::time::Duration;

use micronet_wire::limits::{LASTING_DRAIN_MS_MAX, LASTING_ENDED_PER_S};
use tokio::sync::watch;

use crate::chance::Chance;
use crate::identity::random_bytes;

/// Says when to drain.
#[derive(Debug)]
pub struct DrainTrigger(watch::Sender<bool>);

/// Hears when to drain. Clones hear the same word.
#[derive(Debug, Clone)]
pub struct Drain(watch::Receiver<bool>);

/// A trigger and those who hear it.
#[must_use]
pub fn channel() -> (DrainTrigger, Drain) {
    let (sender, receiver) = watch::channel(false);
    (DrainTrigger(sender), Drain(receiver))
}

impl DrainTrigger {
    /// Begins to drain.
    pub fn drain(&self) {
        self.0.send_replace(true);
    }
}

impl Drain {
    /// Whether draining has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Completes when draining has begun, also when it had before, or when nobody is left who could begin it.
    pub async fn begun(&mut self) {
        let _ = self.0.wait_for(|draining| *draining).await;
    }

    /// Completes when a connection that lasts has to end, at a moment of its own after draining has begun: so that not all clients come
    /// back at once. `open` counts these connections.
    pub async fn turn(&mut self, open: impl FnOnce() -> u64) {
        self.begun().await;
        let wave_ms = (open() * 1_000 / LASTING_ENDED_PER_S).min(LASTING_DRAIN_MS_MAX);
        let after_ms = Chance::new(u64::from_ne_bytes(random_bytes())).up_to(wave_ms);
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
    }
}
