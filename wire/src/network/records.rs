//! What a process remembers of the requests and calls that it has finished.

use crate::schema::{Message, Timestamp};

/// Asks for what is remembered of a request.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestsOf {
    /// The request's id; or the id of a trace, 32 hexadecimal digits.
    #[field(min = 1, max = 64)]
    pub request_id: String,
}

/// What a process remembers of a request.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    /// Who remembers it, as `gateway-1`.
    pub seen_by: String,
    /// What is remembered of it, the oldest first.
    pub records: Vec<Record>,
    /// How far this process remembers.
    pub memory: Memory,
}

/// How far a process remembers what it has finished.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// From when on everything is remembered; where nothing was forgotten yet, since the process began.
    pub all_since: Timestamp,
    /// From when on what failed or was slow is remembered.
    pub notable_since: Timestamp,
    /// How many records there are.
    pub records: u64,
    /// The memory that they take, in bytes.
    pub bytes: u64,
}

/// Which side of a call a record tells of.
#[derive(Message, Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// A request over HTTP, at the gateway or on a service's own port.
    #[default]
    Edge,
    /// A call that this process made of a service.
    Made,
    /// A call that this process served.
    Served,
    /// A kind that this version doesn't know.
    Unknown,
}

/// A request, or one side of a call, that has ended.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Which side it tells of.
    pub kind: RecordKind,
    /// The request's id; empty where the call belongs to none.
    pub request_id: String,
    /// The id of the W3C trace that it belongs to, 32 hexadecimal digits.
    pub trace_id: String,
    /// The id of its own span, 16 hexadecimal digits.
    pub span_id: String,
    /// The id of the span within which it happened; empty where it is the first.
    pub parent_span_id: String,
    /// Whether whoever began the trace wants it kept (the flag `sampled`).
    pub sampled: bool,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// From where it came: an address, or the name of an instance.
    pub from: String,
    /// On whose behalf, as `user:USER`, `service:order`, `operator` or `anonymous`.
    pub principal: String,
    /// The service; empty where it leads to none.
    pub service: String,
    /// The service's method; empty where it leads to none.
    pub method: String,
    /// The method's id on the wire; 0 where it leads to none.
    pub method_id: u32,
    /// What it was over HTTP.
    pub http: Option<HttpRecord>,
    /// How it ended: `OK`, the name of an error's code, or `ABANDONED` when nobody wanted its answer any more.
    pub code: String,
    /// What the error said.
    pub words: String,
    /// Bytes of the request's body or message.
    pub bytes_in: u64,
    /// Bytes of the answer's body or message.
    pub bytes_out: u64,
    /// Where the time of a served call went; credit and writing are known to its caller only.
    pub ledger: Option<LedgerRecord>,
    /// The limits that it has passed, or was refused by.
    pub limits: Vec<LimitRecord>,
    /// What the response cache had to say, as `HIT` or `MISS`; empty where it wasn't asked.
    pub cache: String,
    /// Each instance that was picked for it, in order; a last one without an instance where none could be picked.
    pub attempts: Vec<AttemptRecord>,
}

/// A request over HTTP.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpRecord {
    /// GET, POST, …
    pub method: String,
    /// The path and the query, in which secrets are masked.
    pub target: String,
    /// The route that it took, as `/products/{id}`; empty where there is none.
    pub route: String,
    /// The answer's status.
    pub status: u32,
    /// Whether it came over TLS.
    pub tls: bool,
    /// `HTTP/1.1` or `HTTP/1.0`; this and what follows only where somebody followed when it came.
    pub version: String,
    /// From which page it came, as the client says.
    pub referer: String,
    /// The client's program, as it says.
    pub user_agent: String,
}

/// Where a call's time went at the instance that served it, in microseconds.
#[derive(Message, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LedgerRecord {
    /// From the arrival of the request's last byte to the start of its handler.
    pub receive_queue_us: u32,
    /// In the handler.
    pub handler_us: u32,
    /// Waiting for the caller's credit.
    pub credit_wait_us: u32,
    /// From the end of the handler to the write buffer.
    pub write_queue_us: u32,
}

/// A limit of rate that a request met.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitRecord {
    /// What it is about, as `address` or `shop`.
    pub name: String,
    /// Requests that were left afterwards.
    pub left: u32,
    /// Requests that may come at once.
    pub burst: u32,
    /// Whether the request was refused by it.
    pub refused: bool,
}

/// One attempt to have a call answered.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct AttemptRecord {
    /// The instance that was picked; none where none could be.
    pub instance: Option<String>,
    /// The id of its span, 16 hexadecimal digits.
    pub span_id: String,
    /// How long after the beginning it began, in microseconds.
    pub after_us: u64,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// How it ended: `OK`, the name of an error's code, or `ABANDONED`.
    pub code: String,
    /// What the error said.
    pub words: String,
    /// The instance's own account of the time, where it gave one.
    pub ledger: Option<LedgerRecord>,
    /// Whether it was to show whether the instance answers again.
    pub probe: bool,
    /// By which algorithm the instance was picked.
    pub algorithm: String,
    /// How many instances there were.
    pub candidates_count: u32,
    /// The instances, as they stood when one was picked. Where nothing went wrong, only the one that was picked.
    pub candidates: Vec<CandidateRecord>,
}

/// An instance as it stood when one was picked.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct CandidateRecord {
    /// Its name; its address before it has said one.
    pub instance: String,
    /// How it stood.
    pub state: super::InstanceState,
    /// Why it could not be picked, in words; empty where it could.
    pub excluded: String,
    /// Calls in flight on it.
    pub in_flight: u32,
    /// Its mean response time lately, in microseconds; 0 where nothing is known.
    pub mean_us: u64,
    /// The peak response time that it is judged by, in microseconds; 0 where it doesn't matter or nothing is known.
    pub peak_us: u64,
    /// Its weight; 100 is the norm.
    pub weight: u32,
    /// The share of calls that slow start allows it, per mille.
    pub share_permille: u32,
    /// What a call costs there by the algorithm; the least is the best. 0 where the algorithm doesn't compare.
    pub score: u64,
}

/// Which records somebody wants to hear of. What isn't said doesn't matter.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordFilter {
    /// Of this side only.
    pub kind: Option<RecordKind>,
    /// Of this service only.
    pub service: Option<String>,
    /// Of this method only.
    pub method: Option<String>,
    /// On behalf of this principal only.
    pub principal: Option<String>,
    /// With this code, or this HTTP status, only.
    pub code: Option<String>,
    /// Failed ones only.
    pub failed: bool,
    /// Those that took at least so long, in microseconds.
    pub slower_than_us: u64,
    /// One of so many, by chance; 0 and 1 for all of them.
    pub one_in: u32,
}

impl Record {
    /// Whether it failed by no fault of the caller's.
    #[must_use]
    pub fn failed(&self) -> bool {
        match &self.http {
            Some(http) => http.status >= 500,
            None => self.code != "OK" && !self.is_callers_fault(),
        }
    }

    fn is_callers_fault(&self) -> bool {
        use crate::error::{Code, Fault};
        let code = Code::ALL.iter().find(|code| code.name() == self.code);
        code.is_some_and(|code| *code == Code::Application || code.fault() == Fault::Caller)
    }
}

impl RecordFilter {
    /// Whether a record is among those that are wanted; what is left to chance isn't asked here.
    #[must_use]
    pub fn wants(&self, record: &Record) -> bool {
        let same = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
        let status = || record.http.as_ref().map(|http| http.status.to_string()).unwrap_or_default();
        self.kind.is_none_or(|kind| kind == record.kind)
            && same(&self.service, &record.service)
            && same(&self.method, &record.method)
            && same(&self.principal, &record.principal)
            && self.code.as_ref().is_none_or(|code| *code == record.code || *code == status())
            && (!self.failed || record.failed())
            && record.took_us >= self.slower_than_us
    }
}

impl From<crate::ledger::Ledger> for LedgerRecord {
    fn from(ledger: crate::ledger::Ledger) -> Self {
        let crate::ledger::Ledger { receive_queue_us, handler_us, credit_wait_us, write_queue_us } = ledger;
        Self { receive_queue_us, handler_us, credit_wait_us, write_queue_us }
    }
}
