//! ANNOUNCE (SPEC.md 3.10): a side tells on an open connection what has changed since its HELLO.

use bytes::{Buf, BufMut};

use super::{Connection, Event, State, put};
use crate::error::Code;
use crate::frame::{Health, Label};
use crate::header::Kind;
use crate::hello::{Refusal, key, put_entry, take_entry, take_u32};
use crate::limits::{HEARTBEAT_INTERVAL_MS_MAX, HEARTBEAT_INTERVAL_MS_MIN};

/// What has changed; what is `None` stays as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Announcement {
    /// Calls in flight that the sender accepts on this connection from now on, at least 1.
    pub calls_in_flight_max: Option<u32>,
    /// The heartbeat interval that the sender wishes, in milliseconds, within the limits of HELLO.
    pub heartbeat_interval_ms: Option<u32>,
    /// Whether the sender wants new calls. One that drains still takes them, but they had better go elsewhere.
    pub health: Option<Health>,
}

fn malformed<T>(words: &str) -> Result<T, Refusal> {
    Err((Code::Protocol, format!("ANNOUNCE: {words}")))
}

impl Announcement {
    /// Appends the payload.
    pub fn encode(&self, out: &mut impl BufMut) {
        if let Some(calls) = self.calls_in_flight_max {
            put_entry(out, key::CALLS_IN_FLIGHT_MAX, &calls.to_be_bytes());
        }
        if let Some(interval) = self.heartbeat_interval_ms {
            put_entry(out, key::HEARTBEAT_INTERVAL_MS, &interval.to_be_bytes());
        }
        if let Some(health) = self.health {
            put_entry(out, key::HEALTH, &[health.number()]);
        }
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// With the code and words of the CLOSE that answers it.
    pub fn decode(mut payload: &[u8]) -> Result<Self, Refusal> {
        let mut said = Self::default();
        let mut last = None;
        while payload.has_remaining() {
            let (key, value) = take_entry(&mut payload)?;
            let order = key & !key::IGNORABLE;
            if last.is_some_and(|last| last >= order) {
                return malformed("its entries are out of order");
            }
            last = Some(order);
            match key {
                key::CALLS_IN_FLIGHT_MAX => said.calls_in_flight_max = Some(take_u32(value)?),
                key::HEARTBEAT_INTERVAL_MS => said.heartbeat_interval_ms = Some(take_u32(value)?),
                key::HEALTH => match value {
                    [number] if Health::from_number(*number).is_some() => {
                        said.health = Health::from_number(*number);
                    }
                    _ => return malformed("its health is unknown"),
                },
                // SPEC 3.10: what else HELLO said holds for the whole connection.
                fixed if key::FIXED.contains(&fixed) => {
                    return malformed(&format!("the entry {fixed} can't be changed"));
                }
                unknown if unknown & key::IGNORABLE != 0 => {}
                unknown => {
                    return Err((Code::Capability, format!("ANNOUNCE: the entry {unknown} is unknown")));
                }
            }
        }
        if said.is_in_range() { Ok(said) } else { malformed("a limit is out of range") }
    }

    /// SPEC 3.4 holds here too.
    fn is_in_range(&self) -> bool {
        let heartbeats = HEARTBEAT_INTERVAL_MS_MIN..=HEARTBEAT_INTERVAL_MS_MAX;
        self.calls_in_flight_max != Some(0)
            && self.heartbeat_interval_ms.is_none_or(|interval| heartbeats.contains(&interval))
    }
}

impl Connection {
    /// Tells the peer what has changed on this side, and keeps to it from now on. False, and nothing is said, when the connection
    /// isn't open or a limit is out of range.
    pub fn announce(&mut self, said: Announcement) -> bool {
        if self.state != State::Open || !said.is_in_range() {
            return false;
        }
        let own = &mut self.config.hello;
        own.calls_in_flight_max = said.calls_in_flight_max.unwrap_or(own.calls_in_flight_max);
        own.heartbeat_interval_ms = said.heartbeat_interval_ms.unwrap_or(own.heartbeat_interval_ms);
        self.health = said.health.unwrap_or(self.health);
        self.agree_on_heartbeat();
        put(self.outbox.control(), Label::control(Kind::Announce), self.checksums, |out| said.encode(out));
        true
    }

    /// What the peer has announced of itself last: whether it wants new calls.
    #[must_use]
    pub fn peer_health(&self) -> Health {
        self.peer_health
    }

    pub(super) fn handle_announce(&mut self, payload: &[u8]) {
        let said = match Announcement::decode(payload) {
            Ok(said) => said,
            Err((code, words)) => return self.close(code, words),
        };
        self.peer.calls_in_flight_max = said.calls_in_flight_max.unwrap_or(self.peer.calls_in_flight_max);
        self.peer.heartbeat_interval_ms =
            said.heartbeat_interval_ms.unwrap_or(self.peer.heartbeat_interval_ms);
        self.peer_health = said.health.unwrap_or(self.peer_health);
        self.agree_on_heartbeat();
        self.events.push_back(Event::Announced(said));
    }

    /// SPEC 7.1: the longer of the two wishes holds.
    fn agree_on_heartbeat(&mut self) {
        let agreed = self.config.hello.heartbeat_interval_ms.max(self.peer.heartbeat_interval_ms);
        self.keepalive.agree(agreed);
    }
}
