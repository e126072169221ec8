//! The word that it is time to stop, from whoever hears the signal to whoever serves.

use tokio::sync::watch;

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
}
