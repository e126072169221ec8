//! When each request of a constant rate is due, and a timer that wakes for it: milliseconds, as poll(2) has them, are too coarse.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// Times at equal distances.
pub(crate) struct Schedule {
    began: Instant,
    rate: f64,
}

impl Schedule {
    pub(crate) fn begin(rate: f64) -> Self {
        Self { began: Instant::now(), rate }
    }

    /// When the request of this number, from 0, is due.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 requests")]
    pub(crate) fn at(&self, number: u64) -> Instant {
        self.began + Duration::from_secs_f64(number as f64 / self.rate)
    }
}

/// A timer that wakes a poll at equal distances, as often as requests are due.
pub(crate) struct Ticks(OwnedFd);

impl Ticks {
    pub(crate) fn start(rate: f64, registry: &Registry, token: Token) -> io::Result<Self> {
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let interval = Timespec::try_from(Duration::from_secs_f64(1.0 / rate)).map_err(io::Error::other)?;
        let times = Itimerspec { it_interval: interval, it_value: interval };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self(timer))
    }

    /// Hears what it has said, so that it can be heard again.
    pub(crate) fn heard(&self) {
        // Nothing is there to be read if it was heard between the event and now.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}
