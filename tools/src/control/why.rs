//! From what each process remembers of a request to the way that it went, and to words.
//!
//! What one process made and another served belong together by their spans: a record's parent is the span of the attempt by which it
//! came there.

use std::collections::BTreeSet;

use micronet_transport::clock;
use micronet_wire::network::{AttemptRecord, LedgerRecord, Record, RecordKind, Requests};
use micronet_wire::schema::Timestamp;

use super::api::why::{Hop, Why};

/// Places that are shown of one request.
const HOPS_MAX: usize = 512;

/// What is remembered of a request, put together.
pub(crate) fn why(request_id: String, mut processes: Vec<Requests>, silent: Vec<String>) -> Why {
    processes.sort_by(|one, other| one.seen_by.cmp(&other.seen_by));
    let known: Vec<Known<'_>> = processes
        .iter()
        .flat_map(|process| process.records.iter().map(|record| Known { at: &process.seen_by, record }))
        .collect();
    let mut way = Way::new(known);
    way.go();
    let (at, trace_id) = way.begin();
    let outcome = way.words();
    let hops = way.hops;
    Why { request_id, trace_id, at, outcome, hops, processes, silent }
}

/// A record, and who remembers it.
#[derive(Clone, Copy)]
struct Known<'a> {
    at: &'a str,
    record: &'a Record,
}

/// The way of a request.
struct Way<'a> {
    known: Vec<Known<'a>>,
    gone: BTreeSet<usize>,
    began_us: i64,
    hops: Vec<Hop>,
}

impl<'a> Way<'a> {
    fn new(mut known: Vec<Known<'a>>) -> Self {
        known.sort_by_key(|known| (known.record.at, known.record.kind));
        let began_us = known.first().map_or(0, |known| known.record.at.0);
        Self { known, gone: BTreeSet::new(), began_us, hops: Vec::new() }
    }

    fn begin(&self) -> (Timestamp, String) {
        match self.root() {
            Some(Known { record, .. }) => (record.at, record.trace_id.clone()),
            None => (Timestamp(clock::unix_us()), String::new()),
        }
    }

    /// Where it came in: at the edge, if anybody remembers that.
    fn root(&self) -> Option<Known<'a>> {
        let edge = self.known.iter().find(|known| known.record.kind == RecordKind::Edge);
        edge.or_else(|| self.known.first()).copied()
    }

    /// Goes everywhere: from those whose parent nobody remembers to those within them.
    fn go(&mut self) {
        let spans: BTreeSet<&str> = self.known.iter().flat_map(|known| spans(known.record)).collect();
        let is_root = |known: &Known<'_>| !spans.contains(known.record.parent_span_id.as_str());
        let roots: Vec<usize> = (0..self.known.len()).filter(|at| is_root(&self.known[*at])).collect();
        for at in roots {
            self.enter(at, 0);
        }
    }

    /// One side of a call, and what happened within it.
    fn enter(&mut self, at: usize, depth: u32) {
        if !self.gone.insert(at) || self.hops.len() >= HOPS_MAX {
            return;
        }
        let Known { at: place, record } = self.known[at];
        let depth = match record.kind {
            // Its attempts tell where it went.
            RecordKind::Made => depth,
            _ => {
                self.hops.push(self.hop(place, record, depth));
                depth + 1
            }
        };
        self.within(record, depth);
    }

    fn within(&mut self, record: &'a Record, depth: u32) {
        for attempt in &record.attempts {
            self.attempt(record, attempt, depth);
        }
        let of_span = |known: &Known<'_>| known.record.parent_span_id == record.span_id;
        let children: Vec<usize> = (0..self.known.len()).filter(|at| of_span(&self.known[*at])).collect();
        for child in children {
            self.enter(child, depth);
        }
    }

    /// An attempt, together with what the instance remembers of it.
    fn attempt(&mut self, caller: &Record, attempt: &'a AttemptRecord, depth: u32) {
        let served = self.known.iter().position(|known| {
            known.record.kind == RecordKind::Served && known.record.parent_span_id == attempt.span_id
        });
        let at_us = caller.at.0.saturating_add_unsigned(attempt.after_us);
        let served_ledger = served.and_then(|at| self.known[at].record.ledger);
        self.hops.push(Hop {
            depth,
            instance: attempt.instance.clone().unwrap_or_default(),
            what: method_of(caller),
            after_us: self.after_us(at_us),
            took_us: attempt.took_us,
            code: attempt.code.clone(),
            words: attempt.words.clone(),
            ledger: attempt.ledger.or(served_ledger),
        });
        if let Some(at) = served
            && self.gone.insert(at)
        {
            let record = self.known[at].record;
            self.within(record, depth + 1);
        }
    }

    fn hop(&self, place: &str, record: &Record, depth: u32) -> Hop {
        Hop {
            depth,
            instance: place.to_owned(),
            what: what(record),
            after_us: self.after_us(record.at.0),
            took_us: record.took_us,
            code: record.code.clone(),
            words: record.words.clone(),
            ledger: record.ledger,
        }
    }

    fn after_us(&self, at_us: i64) -> u64 {
        u64::try_from(at_us.saturating_sub(self.began_us)).unwrap_or(0)
    }

    // ---- in words ----

    fn words(&self) -> Vec<String> {
        let Some(root) = self.root() else { return Vec::new() };
        let record = root.record;
        let mut words = vec![ending(root)];
        words.extend(record.limits.iter().filter(|limit| limit.refused).map(|limit| {
            let limit = &limit.name;
            format!("The limit `{limit}` refused it: too many requests came before it.")
        }));
        words.extend(tries(record));
        let others = self.known.iter().filter(|known| !std::ptr::eq(known.record, record));
        for known in others.filter(|known| known.record.kind != RecordKind::Edge) {
            let (place, what) = (known.at, method_of(known.record));
            words.extend(tries(known.record).map(|words| format!("For {place}'s call of {what}: {words}")));
        }
        words.extend(self.slowest());
        words
    }

    /// Where most of the time went.
    fn slowest(&self) -> Option<String> {
        let whole_us = self.hops.iter().map(|hop| hop.took_us).max()?;
        let own = self.hops.iter().enumerate().map(|(at, hop)| (own_us(&self.hops, at), hop));
        let (most_us, hop) = own.max_by_key(|(own_us, _)| *own_us)?;
        let (most, whole) = (milliseconds(most_us), milliseconds(whole_us));
        let place = if hop.instance.is_empty() { return None } else { &hop.instance };
        let all_went = self.hops.iter().all(|hop| !hop.instance.is_empty());
        (all_went && self.hops.len() > 1 && most_us * 2 > whole_us)
            .then(|| format!("Most of the time, {most} of {whole}, went to {} at {place}.", hop.what))
    }
}

/// What a place took that isn't told of those within it.
fn own_us(hops: &[Hop], at: usize) -> u64 {
    let hop = &hops[at];
    let within = hops[at + 1..].iter().take_while(|each| each.depth > hop.depth);
    let taken: u64 = within.filter(|each| each.depth == hop.depth + 1).map(|each| each.took_us).sum();
    hop.took_us.saturating_sub(taken)
}

/// How it ended.
fn ending(known: Known<'_>) -> String {
    let Known { at, record } = known;
    let took = milliseconds(record.took_us);
    let said = if record.words.is_empty() { String::new() } else { format!(": {}", record.words) };
    let by = record.attempts.iter().rfind(|attempt| attempt.code == "OK");
    let by = by.and_then(|attempt| attempt.instance.as_deref());
    let status = record.http.as_ref().map(|http| http.status);
    match (&*record.code, status, by) {
        ("ABANDONED", ..) => format!("Whoever asked went away after {took}, before there was an answer."),
        (_, Some(status), _) if record.cache == "HIT" || record.cache == "SHARED" => {
            format!(
                "{at} answered {status} from what it had kept, after {took}; no service was called for it."
            )
        }
        ("OK", Some(status), Some(by)) => format!("It was answered {status} by {by}, after {took}."),
        ("OK", Some(status), None) => format!("{at} answered {status} itself, after {took}."),
        ("OK", None, _) => format!("{at} answered, after {took}."),
        (code, status, _) => {
            let status = status.map(|status| format!("{status} ")).unwrap_or_default();
            let asked = record.attempts.iter().any(|attempt| attempt.instance.is_some());
            let nobody = record.kind == RecordKind::Edge && !asked;
            let nobody = if nobody { " No service was asked." } else { "" };
            format!("It failed with {status}{code} after {took}{said}.{nobody}")
        }
    }
}

/// The story of what was tried more than once, or nowhere.
fn tries(record: &Record) -> impl Iterator<Item = String> {
    let is_told =
        record.attempts.len() > 1 || record.attempts.iter().any(|attempt| attempt.instance.is_none());
    let attempts = record.attempts.iter().enumerate().filter(move |_| is_told);
    attempts.map(|(at, attempt)| {
        let took = milliseconds(attempt.took_us);
        let said = if attempt.words.is_empty() { String::new() } else { format!(" ({})", attempt.words) };
        let again = if at == 0 { "was picked first" } else { "was tried next" };
        match (&attempt.instance, &*attempt.code) {
            (None, _) => {
                let why =
                    attempt.candidates.iter().map(|each| format!("{}: {}", each.instance, each.excluded));
                let why = why.collect::<Vec<_>>().join("; ");
                let why = if why.is_empty() { "there is none".to_owned() } else { why };
                format!("No{} instance could be picked ({why}).", if at == 0 { "" } else { " other" })
            }
            (Some(instance), "OK") => format!("{instance} {again}, and answered after {took}."),
            (Some(instance), code) => {
                format!("{instance} {again}, and failed after {took} with {code}{said}.")
            }
        }
    })
}

fn spans(record: &Record) -> impl Iterator<Item = &str> {
    let attempts = record.attempts.iter().map(|attempt| attempt.span_id.as_str());
    attempts.chain([record.span_id.as_str()]).filter(|span| !span.is_empty())
}

fn what(record: &Record) -> String {
    match &record.http {
        Some(http) if http.route.is_empty() => format!("{} {}", http.method, http.target),
        Some(http) => format!("{} {}", http.method, http.route),
        None => method_of(record),
    }
}

fn method_of(record: &Record) -> String {
    format!("{}.{}", record.service, record.method)
}

/// The parts of a ledger that took any time, in words.
pub(crate) fn parts(ledger: &LedgerRecord) -> String {
    let parts = [
        ("queue", ledger.receive_queue_us),
        ("handler", ledger.handler_us),
        ("credit", ledger.credit_wait_us),
        ("write", ledger.write_queue_us),
    ];
    let parts = parts.iter().filter(|(name, us)| *us > 0 || *name == "handler");
    parts.map(|(name, us)| format!("{name} {}", milliseconds(u64::from(*us)))).collect::<Vec<_>>().join(", ")
}

/// A time for people.
pub(crate) fn milliseconds(us: u64) -> String {
    format!("{}.{:02} ms", us / 1_000, us % 1_000 / 10)
}

#[cfg(test)]
mod tests;
