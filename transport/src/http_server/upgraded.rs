//! The end of HTTP on a connection: another protocol takes over.

use micronet_wire::http1::{HttpDate, WriteError};
use micronet_wire::rest::Answer;

use super::{HttpConnection, Site, Upgrade, Upgraded};
use crate::clock;
use crate::driver::ByteStream;

impl<S: ByteStream, A: Site> HttpConnection<S, A> {
    /// Says that the connection is another protocol's from now on.
    pub(super) fn switch(&mut self, upgrade: Box<Upgrade>, request_id: &str) {
        if self.write_switch(&upgrade, request_id).is_ok() {
            self.upgrade = Some(upgrade);
        } else {
            // It has a body, or didn't ask for another protocol.
            self.write(Answer::refusal(400, "this request can't change the protocol"), request_id);
        }
    }

    fn write_switch(&mut self, upgrade: &Upgrade, request_id: &str) -> Result<(), WriteError> {
        let date = HttpDate::from_unix_s(u64::try_from(clock::unix_us() / 1_000_000).unwrap_or(0));
        let mut response = self.parser.upgrade(&mut self.output, upgrade.protocol, &date)?;
        let given = upgrade.headers.iter().map(|(name, value)| (*name, &**value));
        for (name, value) in given.chain([("X-Request-ID", request_id)]) {
            response.header(name, value)?;
        }
        response.switch();
        Ok(())
    }

    /// Gives the connection to the protocol that was agreed on, to its end.
    pub(super) async fn hand_over(self: Box<Self>, upgrade: Upgrade) {
        let Self { stream, input, drain, place, .. } = *self;
        let taken_over = (upgrade.take_over)(Upgraded { stream: Box::new(stream), input, drain });
        tokio::select! {
            biased;
            () = place.sent_away() => {}
            () = taken_over => {}
        }
    }
}
