//! What a PONG tells of its sender's process (SPEC.md 7.2), and what of it the process learns from its connections.

use super::Connection;
use crate::frame::{Health, Pong};
use crate::limits::INSTANCE_CALLS_IN_FLIGHT_MAX;

/// The state of the whole process, as its driver measures it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vitals {
    /// Calls that the process is working on for other connections than this one.
    pub calls_elsewhere: u32,
    /// Calls that the process accepts at once, on all connections together.
    pub calls_in_flight_max: u32,
    /// Calls that it lets work at once as things are; the load is told in relation to it.
    pub calls_at_work_max: u32,
    /// How long recent calls have waited for their handlers, in microseconds.
    pub queue_delay_us: u32,
    /// How late the process's timers have fired recently, in microseconds.
    pub scheduler_lag_us: u32,
}

impl Default for Vitals {
    /// Nothing else is known to be going on.
    fn default() -> Self {
        Self {
            calls_elsewhere: 0,
            calls_in_flight_max: INSTANCE_CALLS_IN_FLIGHT_MAX,
            calls_at_work_max: INSTANCE_CALLS_IN_FLIGHT_MAX,
            queue_delay_us: 0,
            scheduler_lag_us: 0,
        }
    }
}

impl Connection {
    /// Tells the connection how its process is doing. It believes that until it is told anew, so the driver does so before it hands
    /// over what it has read.
    pub fn observe(&mut self, vitals: Vitals) {
        self.vitals = vitals;
    }

    /// Bytes that have been received on this connection.
    #[must_use]
    pub fn bytes_received(&self) -> u64 {
        self.bytes_received
    }

    /// Calls of the peer that this side is working on.
    #[must_use]
    pub fn calls_served(&self) -> u32 {
        u32::try_from(self.inbound.in_flight()).unwrap_or(u32::MAX)
    }

    /// Whether the process, all connections together, can take one more call.
    pub(super) fn instance_has_room(&self) -> bool {
        self.calls_of_instance() < self.vitals.calls_in_flight_max
    }

    fn calls_of_instance(&self) -> u32 {
        self.vitals.calls_elsewhere.saturating_add(self.calls_served())
    }

    pub(super) fn pong(&self, opaque: u64) -> Pong {
        let calls = self.calls_of_instance();
        let limit = self.vitals.calls_in_flight_max.min(self.vitals.calls_at_work_max);
        let load = u64::from(calls) * 1000 / u64::from(limit.max(1));
        Pong {
            opaque,
            bytes_received: self.bytes_received,
            calls_in_flight: u32::try_from(self.calls_in_flight()).unwrap_or(u32::MAX),
            instance_calls_in_flight: calls,
            queue_delay_us: self.vitals.queue_delay_us,
            scheduler_lag_us: self.vitals.scheduler_lag_us,
            health: if self.draining { Health::Draining } else { self.health },
            load_permille: u16::try_from(load).unwrap_or(u16::MAX),
        }
    }
}
