//! What must hold in every world, at all times and at its end.

use micronet_wire::error::{Code, Retry, RpcError};
use micronet_wire::limits::{
    FRAME_PAYLOAD_BYTES_MAX, HANDSHAKE_MS_MAX, HEARTBEATS_MISSED_MAX, LONG_QUEUE_HARD_BYTES,
    REASSEMBLY_BYTES_MAX, WRITE_BUFFER_HARD_BYTES,
};
use micronet_wire::service::CallContext;

use super::World;
use crate::application::content::{Mark, read};
use crate::application::talk::Listener;
use crate::application::{End, Shape};
use crate::plan::{ACCEPTOR, DIALLER, Fault, MS};

/// In peaceful weather a CANCEL takes no longer than this, in nanoseconds.
const CANCEL_NS: u64 = 2_000 * MS;

impl World {
    /// What must hold at all times: memory is bounded, deadlines are kept, and silence is noticed.
    pub(super) fn check(&mut self) -> Result<(), String> {
        let accepted = self.plan.hellos[ACCEPTOR].calls_in_flight_max as usize;
        for (at, side) in self.sides.iter_mut().enumerate() {
            let (waiting, in_flight) = (side.connection.output().len(), side.connection.calls_in_flight());
            if waiting > WRITE_BUFFER_HARD_BYTES + FRAME_PAYLOAD_BYTES_MAX as usize || in_flight > accepted {
                return Err(format!("side {at} holds {waiting} bytes and {in_flight} calls"));
            }
            // Whoever doesn't run hears nothing, and doesn't blame its peer for it.
            let stalled_ns = match self.plan.fault {
                Fault::Stall(from_ns, stalled, until_ns) if stalled == at && from_ns <= self.now => until_ns,
                _ => 0,
            };
            let silent_ns = self.now.saturating_sub(side.last_heard_ns.max(stalled_ns));
            // SPEC 7.3 and 3.9.
            let patience_ns = match side.ready {
                true => self.plan.interval_ns * u64::from(HEARTBEATS_MISSED_MAX + 1),
                false => HANDSHAKE_MS_MAX * MS,
            };
            let since_ns = if side.ready { silent_ns } else { self.now.saturating_sub(stalled_ns) };
            if !side.closed && since_ns > patience_ns {
                return Err(format!("side {at} has heard nothing for {} ms", silent_ns / MS));
            }
        }
        let in_flight = self.sides[ACCEPTOR].connection.calls_in_flight();
        let (at_work, answering) = self.handlers.count();
        // SPEC 5.9: what nobody waits for goes on without its connection. Of a call whose request isn't here whole, no handler
        // knows, and none works for an answer that is on its way.
        let fits = match self.sides[ACCEPTOR].closed {
            true => in_flight == 0 && self.handlers.all_one_way(),
            false => (at_work..=at_work + answering + self.report.caller.calls.len()).contains(&in_flight),
        };
        if !fits {
            return Err(format!("{at_work} handlers and {answering} answers for {in_flight} calls"));
        }
        std::mem::replace(&mut self.seen, Ok(()))?;
        self.check_accounts()?;
        self.check_cancelled()?;
        match self.is_stalled(ACCEPTOR) {
            true => Ok(()),
            false => self.handlers.check(self.now),
        }
    }

    /// SPEC 4.5 to 4.7: nobody may send more than it was granted, and what is granted and held stays within its bound.
    fn check_accounts(&self) -> Result<(), String> {
        let open = self.sides.iter().all(|side| side.ready && !side.closed);
        let accounts = self.sides.each_ref().map(|side| side.connection.exposure());
        for (at, (ours, theirs)) in
            [(accounts[0], accounts[1]), (accounts[1], accounts[0])].iter().enumerate()
        {
            let when_known = self.plan.credit_when_known.filter(|_| at == ACCEPTOR).unwrap_or(0);
            let window = self.plan.hellos[at].connection_credit.max(when_known);
            let most = u64::from(window) + u64::from(REASSEMBLY_BYTES_MAX);
            if ours.held + ours.granted > most || ours.queued > LONG_QUEUE_HARD_BYTES {
                return Err(format!("memory: side {at} has {ours:?}, and {most} bytes at most"));
            }
            if open && theirs.credit > ours.granted {
                return Err(format!(
                    "credit: side {} may send {} bytes, but {} were granted",
                    1 - at,
                    theirs.credit,
                    ours.granted
                ));
            }
            let idle = (ours.held, ours.reserved, ours.queued, ours.streams) == (0, 0, 0, 0);
            if !idle && self.sides[at].connection.calls_in_flight() == 0 {
                return Err(format!("leak: side {at} has no call in flight, and {ours:?}"));
            }
        }
        Ok(())
    }

    /// SPEC 5.4: in peace, nobody works for long on what nobody wants any more.
    fn check_cancelled(&self) -> Result<(), String> {
        if !self.plan.peaceful {
            return Ok(());
        }
        for stream in self.handlers.streams() {
            let call = self.report.caller.calls.get(&stream);
            if let Some(call) = call.filter(|call| call.end.is_some() && call.ended_ns + CANCEL_NS < self.now)
            {
                return Err(format!("stream {stream} is worked on, and ended at {} ns", call.ended_ns));
            }
        }
        Ok(())
    }

    /// SPEC 5.5, 5.6: what was never started may be sent elsewhere; so it must not have been, here.
    pub(super) fn check_never_started(&self, stream: u32, error: &RpcError) -> Result<(), String> {
        if error.retry == Retry::NeverStarted && self.handlers.has_started(stream) {
            return Err(format!("stream {stream} fails with {error}, as never started, and was"));
        }
        Ok(())
    }

    /// A call arrives in the shape, and with the request, with which its caller made it.
    pub(super) fn check_request(
        &self,
        (stream, shape, id): (u32, Shape, u64),
        request: &[u8],
        context: &CallContext,
    ) -> Result<(), String> {
        if self.observer.goaway().is_some_and(|last| stream > last) {
            return Err(format!("stream {stream} is started after GOAWAY"));
        }
        let caller = &self.report.caller;
        let made = match shape {
            Shape::OneWay => caller.sent.get(&stream).map(|id| (Shape::OneWay, *id)),
            _ => caller.calls.get(&stream).map(|call| (call.shape, call.id)),
        };
        let as_shaped = context.one_way == (shape == Shape::OneWay) && context.many == shape.has_requests();
        if made != Some((shape, id)) || !as_shaped {
            return Err(format!("stream {stream} arrives as {shape:?} {id}, and was made as {made:?}"));
        }
        let whole = match shape.has_requests() {
            true => request.is_empty(),
            false => read(request)? == Mark { call: id, by_caller: true, index: 0 },
        };
        if whole { Ok(()) } else { Err(format!("stream {stream} brings the request of another call")) }
    }

    /// All requests of a stream have come.
    pub(super) fn check_end_of_messages(&mut self, side: usize, stream: u32) -> Result<(), String> {
        if side == DIALLER {
            return Err(format!("the replies of stream {stream} end before the call"));
        }
        let Some(heard) = self.handlers.end_requests(stream)? else { return Ok(()) };
        let speaker = self.report.caller.calls.get(&stream).and_then(|call| call.speaker.as_ref());
        match speaker {
            Some(speaker) if speaker.done && speaker.said == heard => Ok(()),
            _ => Err(format!("stream {stream} ends with {heard} requests, of {speaker:?}")),
        }
    }

    /// All replies of a stream have come before its end.
    pub(super) fn check_heard_all(&self, stream: u32) -> Result<(), String> {
        let call = self.report.caller.calls.get(&stream);
        let Some(listener) = call.and_then(|call| call.listener.as_ref()) else { return Ok(()) };
        let said = self.handlers.said.get(&stream).copied();
        if said == Some(listener.heard) {
            return Ok(());
        }
        Err(format!("stream {stream} ends after {} replies of {said:?}", listener.heard))
    }

    /// In peace, whoever isn't hopeless gets an answer: slow readers hold up nobody else.
    fn check_starved(&self) -> Result<(), String> {
        for (stream, call) in &self.report.caller.calls {
            let late = call.lasted_too_long || call.end == Some(End::Failed(Code::DeadlineExceeded));
            let hopeless = self.handlers.hopeless.contains(stream)
                || call.listener.as_ref().is_some_and(Listener::never_reads);
            if self.plan.peaceful && late && !hopeless {
                return Err(format!("liveness: stream {stream} starved: {:?}", call.shape));
            }
        }
        Ok(())
    }

    /// When all is quiet both sides agree on what each may send.
    fn check_agreement(&self) -> Result<(), String> {
        let [dialler, acceptor] = self.sides.each_ref().map(|side| side.connection.exposure());
        let open = self.sides.iter().all(|side| side.ready && !side.closed);
        if !open || (dialler.credit, acceptor.credit) == (acceptor.granted, dialler.granted) {
            return Ok(());
        }
        Err(format!("accounts: the dialler has {dialler:?}, the acceptor {acceptor:?}"))
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
            if !side.closed && !side.shut && side.connection.bytes_waiting() > 0 {
                return Err(format!("side {at} is open with unsent bytes"));
            }
        }
        match (self.report.caller.open(), self.handlers.is_empty()) {
            (0, true) => {}
            (open, _) => {
                return Err(format!("{open} calls have no end, handlers {:?}", self.handlers.count()));
            }
        }
        self.check_starved()?;
        self.check_agreement()
    }
}
