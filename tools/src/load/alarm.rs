//! A timer that is exact to some microseconds: tokio's own goes by milliseconds, in which many requests of an open loop are due.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A timer of the kernel (timerfd_create(2)). One wait at a time.
#[derive(Debug)]
pub(super) struct Alarm(Option<AsyncFd<OwnedFd>>);

impl Alarm {
    /// A timer; where the kernel has none to give, waiting goes by tokio's. Within a runtime only.
    #[expect(
        deprecated,
        reason = "tokio wants a promise, by an unsafe function, that the descriptor stays what it is; an OwnedFd does"
    )]
    pub(super) fn new() -> Self {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)
            .map_err(io::Error::from)
            .and_then(|timer| AsyncFd::with_interest(timer, Interest::READABLE))
            .inspect_err(|error| tracing::warn!(%error, "no timer: requests are due by the millisecond"));
        Self(timer.ok())
    }

    /// Waits until then; not at all if that has passed.
    pub(super) async fn wait_until(&mut self, then: Instant) {
        let rest = then.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return;
        }
        let set = match &self.0 {
            Some(timer) => wait(timer, rest).await,
            None => Err(io::ErrorKind::Unsupported.into()),
        };
        if set.is_err() {
            tokio::time::sleep_until(then.into()).await;
        }
    }
}

async fn wait(timer: &AsyncFd<OwnedFd>, rest: Duration) -> io::Result<()> {
    let once = Itimerspec {
        it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
        it_value: rest.try_into().map_err(io::Error::other)?,
    };
    timerfd_settime(timer, TimerfdTimerFlags::empty(), &once)?;
    loop {
        let mut ready = timer.readable().await?;
        // How often it has gone off, which nobody needs; setting it anew forgets what was not read.
        let read = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut [0; 8])?));
        if let Ok(read) = read {
            return read.map(|_| ());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_process;

    #[test]
    fn it_goes_off_again_and_again_and_never_early() {
        server_process::runtime().unwrap().block_on(async {
            for mut alarm in [Alarm::new(), Alarm(None)] {
                for us in [0, 300, 50, 2_000, 1] {
                    let then = Instant::now() + Duration::from_micros(us);
                    alarm.wait_until(then).await;
                    assert!(Instant::now() >= then, "{us} us");
                }
                // A wait that was given up leaves nothing behind.
                let long = Instant::now() + Duration::from_secs(3_600);
                let _ = tokio::time::timeout(Duration::from_millis(1), alarm.wait_until(long)).await;
                let then = Instant::now() + Duration::from_millis(1);
                alarm.wait_until(then).await;
                assert!(Instant::now() >= then);
            }
        });
    }
}
