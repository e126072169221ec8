//! A timer for what is waited for again and again, mostly for longer each time: a connection's next byte.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is set anew only when it would go off too late: one that was set for an earlier wait stays set, and goes off in
/// vain once. So a wait that ends well, as nearly all do, costs the timer a comparison.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Set>);

#[derive(Debug)]
struct Set {
    sleep: Pin<Box<Sleep>>,
    /// Whom it wakes, once it was waited for.
    wakes: Option<Waker>,
}

impl Alarm {
    /// Ready when it is then, or later.
    pub(crate) fn poll_until(&mut self, cx: &mut Context<'_>, then: Instant) -> Poll<()> {
        let Set { sleep, wakes } =
            self.0.get_or_insert_with(|| Set { sleep: Box::pin(sleep_until(then)), wakes: None });
        loop {
            if sleep.is_elapsed() || sleep.deadline() > then {
                sleep.as_mut().reset(then);
                *wakes = None;
            }
            if wakes.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                return Poll::Pending;
            }
            if sleep.as_mut().poll(cx).is_pending() {
                *wakes = Some(cx.waker().clone());
                return Poll::Pending;
            }
            if Instant::now() >= then {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn it_goes_off_when_it_was_asked_to_last() {
        crate::tests::run_paused(async {
            let (mut alarm, begin) = (Alarm::default(), Instant::now());
            let mut wait_until = async |then| poll_fn(|cx| alarm.poll_until(cx, then)).await;
            // Waits that are given up: later and later ones, then an earlier one.
            for ms in [10, 2_000, 5_000, 7] {
                let then = begin + Duration::from_millis(ms);
                assert_eq!(wait_until(then).now_or_never(), None);
            }
            for ms in [20, 3_000, 3_000, 1_000, 3_001] {
                let then = begin + Duration::from_millis(ms);
                let expected = then.max(Instant::now());
                wait_until(then).await;
                assert_eq!(Instant::now(), expected, "{ms} ms");
            }
        });
    }
}
