//! The connection's own frames after the handshake: PING, PONG, GOAWAY and CLOSE (SPEC.md 5.6, 5.7, 7.2).

use super::{Connection, Event, Role, put};
use crate::error::{Code, RpcError};
use crate::frame::{Close, Goaway, Label, Pong};
use crate::header::Kind;

impl Connection {
    pub(super) fn handle_ping(&mut self, payload: &[u8]) {
        let Ok(opaque) = <[u8; 8]>::try_from(payload) else {
            return self.violation("PING: its payload is not 8 bytes long");
        };
        let pong = self.pong(u64::from_be_bytes(opaque));
        put(self.outbox.control(), Label::control(Kind::Pong), self.checksums, |out| pong.encode(out));
    }

    pub(super) fn handle_pong(&mut self, now: u64, payload: &[u8]) {
        let Some(pong) = Pong::decode(payload) else { return self.violation("PONG: malformed") };
        // SPEC 7.2: the opaque value is ours; a PONG that answers no PING of ours is a violation.
        if !self.keepalive.answered(pong.opaque) {
            return self.violation("PONG: it answers no PING");
        }
        self.events.push_back(Event::Pong { round_trip_ns: now.saturating_sub(pong.opaque), pong });
    }

    pub(super) fn handle_goaway(&mut self, payload: &[u8]) {
        let Some(goaway) = Goaway::decode(payload) else { return self.violation("GOAWAY: malformed") };
        if self.config.role == Role::Dialler {
            self.draining = true;
            self.fail_never_started(goaway.last_stream);
            self.events.push_back(Event::Goaway);
        }
    }

    pub(super) fn handle_close(&mut self, payload: &[u8]) {
        let Some(close) = Close::decode(payload) else { return self.violation("CLOSE: malformed") };
        let error = (close.code != 0).then(|| match Code::from_number(close.code) {
            Some(code) => RpcError::new(code, close.message),
            None => {
                RpcError::new(Code::Protocol, format!("closed with code {}: {}", close.code, close.message))
            }
        });
        self.end(error, true);
    }
}
