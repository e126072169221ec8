//! How notes are kept in memory: what has one length at fixed places, texts behind it. That is for every request, so it is copied rather than
//! encoded; a [`Record`] is made of it only when somebody asks. Nothing else ever reads this form, so it may change as it likes.

use micronet_wire::encoding;
use micronet_wire::ledger::Ledger;
use micronet_wire::network::{AttemptRecord, CandidateRecord, HttpRecord, LimitRecord, Record};
use micronet_wire::schema::Timestamp;

use super::noted::{AttemptNoted, CandidateNoted, LimitNoted, Noted, hex};
use super::texts::{PLACES_BYTES, Text, found};

/// Notes as they are kept.
pub(super) struct Packed<'a> {
    pub(super) noted: &'a Noted,
    /// When it ended, in microseconds since 1970.
    pub(super) ended_us: i64,
    /// With all instances that might have been picked.
    pub(super) whole: bool,
}

/// Flags of the whole.
mod flag {
    pub(super) const SAMPLED: u8 = 1;
    pub(super) const TLS: u8 = 2;
    pub(super) const LEDGER: u8 = 4;
    pub(super) const INSTANCE: u8 = 8;
    pub(super) const PROBE: u8 = 16;
    pub(super) const REFUSED: u8 = 32;
}

/// The texts of an attempt.
const ATTEMPT_TEXTS: usize = 4;
/// A ledger: four numbers.
const LEDGER_BYTES: usize = 16;
/// Its texts stand behind it; where each of them is, and how long they are together, is said last.
const WHOLE_BYTES: usize = 16 + 1 + 1 + 8 + 8 + 4 * 8 + 4 + 2 + LEDGER_BYTES + 2 * 2 + PLACES_BYTES + 2;
const PLACES_AT: usize = WHOLE_BYTES - 2 - PLACES_BYTES;
const LIMIT_BYTES: usize = 4 + 4 + 1 + 2;
const ATTEMPT_BYTES: usize = 8 + 2 * 8 + 1 + LEDGER_BYTES + 4 + 2 * ATTEMPT_TEXTS + 2;
const CANDIDATE_BYTES: usize = 1 + 4 + 8 + 8 + 4 + 4 + 8 + 2 * 2;

/// What stands at fixed places, while it is put together.
struct Fixed<const BYTES: usize> {
    bytes: [u8; BYTES],
    at: usize,
}

impl<const BYTES: usize> Fixed<BYTES> {
    fn new() -> Self {
        Self { bytes: [0; BYTES], at: 0 }
    }

    /// Where everything stands is known when this is compiled, as long as it is inlined.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "else each part is copied with its bounds checked")]
    fn put<const LENGTH: usize>(&mut self, part: [u8; LENGTH]) {
        self.bytes[self.at..][..LENGTH].copy_from_slice(&part);
        self.at += LENGTH;
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see above")]
    fn count(&mut self, count: usize) {
        self.put(u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see above")]
    fn ledger(&mut self, ledger: Option<Ledger>) {
        let ledger = ledger.unwrap_or_default();
        self.put(ledger.receive_queue_us.to_le_bytes());
        self.put(ledger.handler_us.to_le_bytes());
        self.put(ledger.credit_wait_us.to_le_bytes());
        self.put(ledger.write_queue_us.to_le_bytes());
    }

    /// Ends it with the lengths of texts, and appends it with them.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see above")]
    fn append<const TEXTS: usize>(mut self, texts: [&str; TEXTS], out: &mut Vec<u8>) {
        texts.iter().for_each(|text| self.count(text.len()));
        debug_assert_eq!(self.at, BYTES);
        out.extend_from_slice(&self.bytes);
        for text in texts {
            out.extend_from_slice(&text.as_bytes()[..text.len().min(u16::MAX.into())]);
        }
    }
}

/// The flag where it is so.
fn flag_if(flag: u8, is_so: bool) -> u8 {
    if is_so { flag } else { 0 }
}

impl Packed<'_> {
    /// Appends it.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let noted = self.noted;
        let took_us = noted.took_us();
        let mut fixed = Fixed::<WHOLE_BYTES>::new();
        fixed.put(noted.trace.trace_id);
        fixed.put([noted.kind as u8]);
        fixed.put([flag_if(flag::SAMPLED, noted.trace.flags & 1 == 1)
            | flag_if(flag::TLS, noted.tls)
            | flag_if(flag::LEDGER, noted.ledger.is_some())]);
        fixed.put(noted.trace.span_id);
        fixed.put(noted.parent);
        fixed.put(self.ended_us.saturating_sub_unsigned(took_us).to_le_bytes());
        fixed.put(took_us.to_le_bytes());
        fixed.put(noted.bytes_in.to_le_bytes());
        fixed.put(noted.bytes_out.to_le_bytes());
        fixed.put(noted.method_id.to_le_bytes());
        fixed.put(noted.status.to_le_bytes());
        fixed.ledger(noted.ledger);
        fixed.count(noted.limits.len());
        fixed.count(noted.attempts.len());
        fixed.put(noted.texts.places());
        fixed.append([noted.texts.all()], out);
        noted.limits.iter().for_each(|noted| limit(out, noted));
        noted.attempts.iter().for_each(|attempt| self.attempt(out, attempt));
    }

    fn attempt(&self, out: &mut Vec<u8>, attempt: &AttemptNoted) {
        let candidates = self.noted.candidates.get(attempt.candidates.clone()).unwrap_or_default();
        let is_told = |candidate: &&CandidateNoted| {
            self.whole || attempt.instance.as_ref().is_some_and(|picked| *picked == candidate.name)
        };
        // One that has no end was given up together with the whole.
        let ended_ns = if attempt.ended_ns == 0 { self.noted.ended_ns } else { attempt.ended_ns };
        let mut fixed = Fixed::<ATTEMPT_BYTES>::new();
        fixed.put(attempt.span);
        fixed.put((attempt.began_ns.saturating_sub(self.noted.started_ns) / 1_000).to_le_bytes());
        fixed.put((ended_ns.saturating_sub(attempt.began_ns) / 1_000).to_le_bytes());
        fixed.put([flag_if(flag::INSTANCE, attempt.instance.is_some())
            | flag_if(flag::PROBE, attempt.probe)
            | flag_if(flag::LEDGER, attempt.ledger.is_some())]);
        fixed.ledger(attempt.ledger);
        fixed.put(u32::try_from(attempt.members).unwrap_or(u32::MAX).to_le_bytes());
        fixed.count(candidates.iter().filter(is_told).count());
        let instance = attempt.instance.as_deref().unwrap_or_default();
        fixed.append([instance, attempt.code, &attempt.words, attempt.algorithm.name()], out);
        candidates.iter().filter(is_told).for_each(|noted| candidate(out, noted));
    }
}

fn limit(out: &mut Vec<u8>, limit: &LimitNoted) {
    let mut fixed = Fixed::<LIMIT_BYTES>::new();
    fixed.put(limit.left.to_le_bytes());
    fixed.put(limit.burst.to_le_bytes());
    fixed.put([flag_if(flag::REFUSED, limit.refused)]);
    fixed.append([limit.name], out);
}

fn candidate(out: &mut Vec<u8>, noted: &CandidateNoted) {
    let of = &noted.candidate;
    let mut fixed = Fixed::<CANDIDATE_BYTES>::new();
    fixed.put([noted.state as u8]);
    fixed.put(of.in_flight.to_le_bytes());
    fixed.put((of.mean_ns / 1_000).to_le_bytes());
    fixed.put((of.response_ns / 1_000).to_le_bytes());
    fixed.put(of.weight.to_le_bytes());
    fixed.put(of.share_permille.to_le_bytes());
    fixed.put(noted.score.to_le_bytes());
    fixed.append([&*noted.name, &noted.excluded], out);
}

/// The id of its trace.
pub(super) fn trace_id(packed: &[u8]) -> Option<&[u8; 16]> {
    packed.first_chunk()
}

/// The id of its request.
pub(super) fn request_id(packed: &[u8]) -> Option<&[u8]> {
    let (fixed, texts) = packed.split_first_chunk::<WHOLE_BYTES>()?;
    texts.get(found(fixed[PLACES_AT..].first_chunk()?, Text::RequestId))
}

/// Reads what was packed, from its beginning. Nothing is wrong with it; if something were, there would be no record.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const LENGTH: usize>(&mut self) -> Option<[u8; LENGTH]> {
        let (part, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*part)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    fn count(&mut self) -> Option<usize> {
        self.take().map(|bytes| u16::from_le_bytes(bytes).into())
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn ledger(&mut self) -> Option<Ledger> {
        let [receive_queue_us, handler_us, credit_wait_us, write_queue_us] =
            [self.u32()?, self.u32()?, self.u32()?, self.u32()?];
        Some(Ledger { receive_queue_us, handler_us, credit_wait_us, write_queue_us })
    }

    fn texts<const TEXTS: usize>(&mut self) -> Option<[String; TEXTS]> {
        let mut lengths = [0; TEXTS];
        for length in &mut lengths {
            *length = self.count()?;
        }
        let mut texts = [const { String::new() }; TEXTS];
        for (text, length) in texts.iter_mut().zip(lengths) {
            let (bytes, rest) = self.0.split_at_checked(length)?;
            (*text, self.0) = (String::from_utf8_lossy(bytes).into_owned(), rest);
        }
        Some(texts)
    }

    fn many<T>(&mut self, count: usize, one: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..count).map(|_| one(self)).collect()
    }
}

/// What was packed, as a record.
pub(super) fn unpacked(packed: &[u8]) -> Option<Record> {
    let reader = &mut Reader(packed);
    let trace_id = reader.take::<16>()?;
    // An enum without fields is encoded as its number.
    let kind = encoding::decode(&[reader.byte()?]).ok()?;
    let flags = reader.byte()?;
    let (span_id, parent) = (reader.take::<8>()?, reader.take::<8>()?);
    let at = Timestamp(reader.take().map(i64::from_le_bytes)?);
    let (took_us, bytes_in, bytes_out) = (reader.u64()?, reader.u64()?, reader.u64()?);
    let (method_id, status) = (reader.u32()?, reader.count()?);
    let ledger = reader.ledger()?;
    let (limits, attempts) = (reader.count()?, reader.count()?);
    let places = reader.take::<PLACES_BYTES>()?;
    let [all] = reader.texts()?;
    let text = |text| all.get(found(&places, text)).unwrap_or_default().to_owned();
    let is = |flag: u8| flags & flag != 0;
    let verb = text(Text::Verb);
    let http = (!verb.is_empty()).then(|| HttpRecord {
        method: verb,
        target: text(Text::Target),
        route: text(Text::Route),
        status: u32::try_from(status).unwrap_or(0),
        tls: is(flag::TLS),
        version: text(Text::Version),
        referer: text(Text::Referer),
        user_agent: text(Text::UserAgent),
    });
    Some(Record {
        kind,
        request_id: text(Text::RequestId),
        trace_id: id(&trace_id),
        span_id: id(&span_id),
        parent_span_id: id(&parent),
        sampled: is(flag::SAMPLED),
        at,
        took_us,
        from: text(Text::From),
        principal: text(Text::Principal),
        service: text(Text::Service),
        method: text(Text::Method),
        method_id,
        http,
        code: text(Text::Code),
        words: text(Text::Words),
        bytes_in,
        bytes_out,
        ledger: is(flag::LEDGER).then(|| ledger.into()),
        limits: reader.many(limits, limit_of)?,
        cache: text(Text::Cache),
        attempts: reader.many(attempts, attempt_of)?,
    })
}

fn id(bytes: &[u8]) -> String {
    hex(bytes, &mut [0; 32]).to_owned()
}

fn limit_of(reader: &mut Reader<'_>) -> Option<LimitRecord> {
    let (left, burst, flags) = (reader.u32()?, reader.u32()?, reader.byte()?);
    let [name] = reader.texts()?;
    Some(LimitRecord { name, left, burst, refused: flags & flag::REFUSED != 0 })
}

fn attempt_of(reader: &mut Reader<'_>) -> Option<AttemptRecord> {
    let span = reader.take::<8>()?;
    let (after_us, took_us, flags) = (reader.u64()?, reader.u64()?, reader.byte()?);
    let (ledger, candidates_count, candidates) = (reader.ledger()?, reader.u32()?, reader.count()?);
    let [instance, code, words, algorithm] = reader.texts::<ATTEMPT_TEXTS>()?;
    let is = |flag: u8| flags & flag != 0;
    Some(AttemptRecord {
        instance: is(flag::INSTANCE).then_some(instance),
        span_id: id(&span),
        after_us,
        took_us,
        code,
        words,
        ledger: is(flag::LEDGER).then(|| ledger.into()),
        probe: is(flag::PROBE),
        algorithm,
        candidates_count,
        candidates: reader.many(candidates, candidate_of)?,
    })
}

fn candidate_of(reader: &mut Reader<'_>) -> Option<CandidateRecord> {
    let state = encoding::decode(&[reader.byte()?]).ok()?;
    let (in_flight, mean_us, peak_us) = (reader.u32()?, reader.u64()?, reader.u64()?);
    let (weight, share_permille, score) = (reader.u32()?, reader.u32()?, reader.u64()?);
    let [instance, excluded] = reader.texts()?;
    Some(CandidateRecord {
        instance,
        state,
        excluded,
        in_flight,
        mean_us,
        peak_us,
        weight,
        share_permille,
        score,
    })
}
