//! A timer for what is waited for again and again, mostly for longer each time: a connection's next byte.

use std::pin::Pin;

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is set anew only when it would go off too late: one that was set for an earlier wait stays set, and goes off in
/// vain once. So a wait that ends well, as nearly all do, costs the timer nothing.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Waits until then.
    pub(crate) async fn wait_until(&mut self, then: Instant) {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(then)));
        loop {
            if sleep.is_elapsed() || sleep.deadline() > then {
                sleep.as_mut().reset(then);
            }
            sleep.as_mut().await;
            if Instant::now() >= then {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn it_goes_off_when_it_was_asked_to_last() {
        crate::tests::run_paused(async {
            let (mut alarm, begin) = (Alarm::default(), Instant::now());
            // Waits that are given up: later and later ones, then an earlier one.
            for ms in [10, 2_000, 5_000, 7] {
                let then = begin + Duration::from_millis(ms);
                assert_eq!(alarm.wait_until(then).now_or_never(), None);
            }
            for ms in [20, 3_000, 3_000, 1_000, 3_001] {
                let then = begin + Duration::from_millis(ms);
                let expected = then.max(Instant::now());
                alarm.wait_until(then).await;
                assert_eq!(Instant::now(), expected, "{ms} ms");
            }
        });
    }
}
