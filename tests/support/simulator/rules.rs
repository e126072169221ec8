//! What must hold in every world, at all times and at its end.

use micronet_wire::error::Code;
use micronet_wire::limits::{
    FRAME_PAYLOAD_BYTES_MAX, HANDSHAKE_MS_MAX, HEARTBEATS_MISSED_MAX, WRITE_BUFFER_HARD_BYTES,
};

use super::World;
use crate::plan::{ACCEPTOR, Fault, MS};

impl World {
    /// What must hold at all times: memory is bounded, deadlines are kept, and silence is noticed.
    pub(super) fn check(&mut self) -> Result<(), String> {
        let accepted = self.plan.hellos[ACCEPTOR].calls_in_flight_max as usize;
        for (at, side) in self.sides.iter_mut().enumerate() {
            let (waiting, in_flight) = (side.connection.output().len(), side.connection.calls_in_flight());
            if waiting > WRITE_BUFFER_HARD_BYTES + FRAME_PAYLOAD_BYTES_MAX as usize || in_flight > accepted {
                return Err(format!("side {at} holds {waiting} bytes and {in_flight} calls"));
            }
            let silent_ns = self.now - side.last_heard_ns;
            // SPEC 7.3 and 3.9.
            let patience_ns = match side.ready {
                true => self.plan.interval_ns * u64::from(HEARTBEATS_MISSED_MAX + 1),
                false => HANDSHAKE_MS_MAX * MS,
            };
            let since_ns = if side.ready { silent_ns } else { self.now };
            if !side.closed && since_ns > patience_ns {
                return Err(format!("side {at} has heard nothing for {} ms", silent_ns / MS));
            }
        }
        let at_work = self.sides[ACCEPTOR].connection.calls_in_flight();
        // SPEC 5.9: what nobody waits for goes on without its connection.
        let fits = match self.sides[ACCEPTOR].closed {
            true => at_work == 0 && self.handlers.all_one_way(),
            false => self.handlers.len() == at_work,
        };
        if !fits {
            return Err(format!("{} handlers for {at_work} calls", self.handlers.len()));
        }
        self.handlers.check(self.now)
    }

    /// A call arrives in the shape, and with the request, with which its caller made it.
    pub(super) fn check_shape(&self, stream: u32, request: &[u8], one_way: bool) -> Result<(), String> {
        let caller = &self.report.caller;
        let made = match one_way {
            true => caller.sent.get(&stream).copied(),
            false => caller.calls.get(&stream).map(|call| call.id),
        };
        match made {
            Some(id) if request.first_chunk() == Some(&id.to_be_bytes()) => Ok(()),
            _ => Err(format!("stream {stream} arrives, one-way {one_way}, as nobody made it")),
        }
    }

    /// A connection must not end for a reason that isn't there.
    pub(super) fn check_closed(&self, side: usize, code: Option<Code>, by_peer: bool) -> Result<(), String> {
        let corrupt = matches!(self.plan.fault, Fault::Corrupt(..));
        let weather = &self.plan.weather;
        let silent_ns = self.now - self.sides[side].last_heard_ns;
        let calm = self.plan.fault == Fault::None
            && weather.loss_percent == 0
            // SPEC 7.3: a PING waits behind what was sent before it.
            && weather.window_bytes >= 65_536
            && 2 * (weather.delay_ns + weather.jitter_ns) < self.plan.interval_ns;
        let allowed = match code {
            None | Some(Code::ConnectionLost | Code::Internal) => true,
            // Silence is named only when there was some, and never in calm weather.
            Some(Code::Silent) if by_peer => !calm,
            Some(Code::Silent) => {
                !calm && silent_ns >= (self.plan.interval_ns * 3).min(HANDSHAKE_MS_MAX * MS)
                    || !self.sides[side].ready
            }
            Some(Code::Checksum) => corrupt,
            Some(Code::Protocol) => corrupt && !(self.sides[0].ready && self.sides[1].ready),
            Some(_) => false,
        };
        if allowed {
            Ok(())
        } else {
            Err(format!("side {side} ends with {code:?}, silent for {silent_ns} ns"))
        }
    }

    /// What must hold when all is over: nobody waits for anything.
    pub(super) fn check_end(&mut self) -> Result<(), String> {
        for (at, side) in self.sides.iter_mut().enumerate() {
            let in_flight = side.connection.calls_in_flight();
            if !side.closed && in_flight > 0 {
                return Err(format!("side {at} is open with {in_flight} calls in flight"));
            }
            if !side.closed && !side.shut && !side.connection.output().is_empty() {
                return Err(format!("side {at} is open with unsent bytes"));
            }
        }
        match (self.report.caller.open(), self.handlers.is_empty()) {
            (0, true) => Ok(()),
            (open, _) => {
                Err(format!("{open} calls have no end, {} handlers are at work", self.handlers.len()))
            }
        }
    }
}
