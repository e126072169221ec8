//! How notes become a record: field by field as [`Record`](micronet_wire::network::Record) is encoded (SPEC.md section 9). It is written
//! for every request, so nothing here can fail or looks anything up; that it can be decoded, tests hold.

use micronet_wire::ledger::Ledger;

use super::noted::{AttemptNoted, CandidateNoted, HttpNoted, LimitNoted, Noted, digits};

/// Notes as a record.
pub(super) struct Packed<'a> {
    pub(super) noted: &'a Noted,
    /// When it ended, in microseconds since 1970.
    pub(super) ended_us: i64,
    /// With all instances that might have been picked.
    pub(super) whole: bool,
}

/// Writes values in the payload encoding.
struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn flag(&mut self, flag: bool) {
        self.byte(flag.into());
    }

    /// Of any width: the encoding writes small numbers alike, and most are small.
    #[inline]
    fn number(&mut self, number: u64) {
        match u8::try_from(number) {
            Ok(small @ 0..=250) => self.byte(small),
            _ => self.large(number),
        }
    }

    fn large(&mut self, number: u64) {
        let bytes = number.to_le_bytes();
        match number {
            0..=0xFFFF => self.marked(251, &bytes[..2]),
            0x1_0000..=0xFFFF_FFFF => self.marked(252, &bytes[..4]),
            _ => self.marked(253, &bytes),
        }
    }

    fn marked(&mut self, marker: u8, bytes: &[u8]) {
        self.byte(marker);
        self.0.extend_from_slice(bytes);
    }

    fn signed(&mut self, number: i64) {
        self.number((number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned());
    }

    fn length(&mut self, length: usize) {
        self.number(length as u64);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn id(&mut self, id: &[u8]) {
        self.bytes(digits(id, &mut [0; 32]));
    }

    fn ledger(&mut self, ledger: Option<Ledger>) {
        self.flag(ledger.is_some());
        let Some(ledger) = ledger else { return };
        for us in [ledger.receive_queue_us, ledger.handler_us, ledger.credit_wait_us, ledger.write_queue_us] {
            self.number(us.into());
        }
    }
}

impl Packed<'_> {
    /// Appends the record.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let (noted, out) = (self.noted, &mut Writer(out));
        out.number(noted.kind as u64);
        out.text(&noted.request_id);
        out.id(&noted.trace.trace_id);
        out.id(&noted.trace.span_id);
        out.id(&noted.parent);
        out.flag(noted.trace.flags & 1 == 1);
        let took_us = noted.took_us();
        out.signed(self.ended_us.saturating_sub_unsigned(took_us));
        out.number(took_us);
        out.text(&noted.from);
        out.text(&noted.principal);
        out.text(&noted.service);
        out.text(&noted.method);
        out.number(noted.method_id.into());
        http(out, &noted.http);
        out.text(&noted.code);
        out.text(&noted.words);
        out.number(noted.bytes_in);
        out.number(noted.bytes_out);
        out.ledger(noted.ledger);
        out.length(noted.limits.len());
        noted.limits.iter().for_each(|noted| limit(out, noted));
        out.text(&noted.cache);
        out.length(noted.attempts.len());
        noted.attempts.iter().for_each(|attempt| self.attempt(out, attempt));
    }

    fn attempt(&self, out: &mut Writer<'_>, attempt: &AttemptNoted) {
        out.flag(attempt.instance.is_some());
        attempt.instance.iter().for_each(|instance| out.text(instance));
        out.id(&attempt.span);
        out.number(attempt.began_ns.saturating_sub(self.noted.started_ns) / 1_000);
        // One that has no end was given up together with the whole.
        let ended_ns = if attempt.ended_ns == 0 { self.noted.ended_ns } else { attempt.ended_ns };
        out.number(ended_ns.saturating_sub(attempt.began_ns) / 1_000);
        out.text(attempt.code);
        out.text(&attempt.words);
        out.ledger(attempt.ledger);
        out.flag(attempt.probe);
        out.text(attempt.algorithm.name());
        out.number(u32::try_from(attempt.members).unwrap_or(u32::MAX).into());
        let candidates = self.noted.candidates.get(attempt.candidates.clone()).unwrap_or_default();
        let is_told = |candidate: &&CandidateNoted| {
            self.whole || attempt.instance.as_ref().is_some_and(|picked| *picked == candidate.name)
        };
        out.length(candidates.iter().filter(is_told).count());
        candidates.iter().filter(is_told).for_each(|noted| candidate(out, noted));
    }
}

fn http(out: &mut Writer<'_>, http: &HttpNoted) {
    out.flag(!http.method.is_empty());
    if http.method.is_empty() {
        return;
    }
    out.text(&http.method);
    out.text(&http.target);
    out.text(&http.route);
    out.number(http.status.into());
    out.flag(http.tls);
    out.text(http.version);
    out.text(&http.referer);
    out.text(&http.user_agent);
}

fn limit(out: &mut Writer<'_>, limit: &LimitNoted) {
    out.text(limit.name);
    out.number(limit.left.into());
    out.number(limit.burst.into());
    out.flag(limit.refused);
}

fn candidate(out: &mut Writer<'_>, noted: &CandidateNoted) {
    let of = &noted.candidate;
    out.text(&noted.name);
    out.number(noted.state as u64);
    out.text(&noted.excluded);
    out.number(of.in_flight.into());
    out.number(of.mean_ns / 1_000);
    out.number(of.response_ns / 1_000);
    out.number(of.weight.into());
    out.number(of.share_permille.into());
    out.number(noted.score);
}

#[cfg(test)]
mod tests {
    use micronet_wire::encoding;

    use super::*;

    #[test]
    fn numbers_and_texts_are_written_as_the_encoding_has_them() {
        let edges = [0, 1, 250, 251, 0xFFFF, 0x1_0000, 0xFFFF_FFFF, 0x1_0000_0000, u64::MAX];
        for number in edges {
            let (mut out, signed) = (Vec::new(), number.cast_signed());
            let mut writer = Writer(&mut out);
            writer.number(number);
            writer.signed(signed);
            writer.signed(-(signed / 2));
            writer.text("né");
            let expected = encoding::encode(&(number, (signed, (-(signed / 2), "né")))).unwrap();
            assert_eq!(out, expected, "{number}");
        }
    }
}
