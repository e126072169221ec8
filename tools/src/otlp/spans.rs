//! From records to spans, by the names of OpenTelemetry's semantic conventions.
//!
//! A request over HTTP and a served call are spans of the kind `SERVER`, and each attempt of a call one of the kind `CLIENT`.

use micronet_wire::network::{AttemptRecord, HttpRecord, LedgerRecord, Record, RecordKind};

use super::protobuf::Message;

/// What the spans of a process have in common.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    /// Attributes, by name.
    pub(super) attributes: Vec<(String, String)>,
}

/// The kinds of spans.
mod kind {
    pub(super) const SERVER: u64 = 2;
    pub(super) const CLIENT: u64 = 3;
}

/// The code of a span's status that says that it failed.
const STATUS_ERROR: u64 = 2;

/// The value of an attribute.
enum Value<'a> {
    Text(&'a str),
    Number(u64),
}

/// A span that is being written.
struct Span<'a> {
    message: &'a mut Message,
}

impl Span<'_> {
    fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            put_attribute(self.message, 9, name, &Value::Text(value));
        }
    }

    fn number(&mut self, name: &str, value: u64) {
        put_attribute(self.message, 9, name, &Value::Number(value));
    }

    fn ledger(&mut self, ledger: Option<LedgerRecord>) {
        let Some(ledger) = ledger else { return };
        self.number("micronet.ledger.receive_queue_us", ledger.receive_queue_us.into());
        self.number("micronet.ledger.handler_us", ledger.handler_us.into());
        self.number("micronet.ledger.credit_wait_us", ledger.credit_wait_us.into());
        self.number("micronet.ledger.write_queue_us", ledger.write_queue_us.into());
    }

    fn rpc(&mut self, record: &Record) {
        self.text("rpc.system", "micronet");
        self.text("rpc.service", &record.service);
        self.text("rpc.method", &record.method);
    }

    fn failed(&mut self, code: &str, words: &str) {
        self.text("error.type", code);
        self.message.message(15, |status| {
            status.bytes(2, words);
            status.number(3, STATUS_ERROR);
        });
    }
}

/// A request that carries the spans of these records (`ExportTraceServiceRequest`), and how many there are.
pub(super) fn request(resource: &Resource, records: &[impl AsRef<Record>]) -> (Vec<u8>, u64) {
    let (mut request, mut count) = (Message::default(), 0);
    request.message(1, |of_resource| {
        of_resource.message(1, |described| {
            for (name, value) in &resource.attributes {
                put_attribute(described, 1, name, &Value::Text(value));
            }
        });
        of_resource.message(2, |of_scope| {
            of_scope.message(1, |scope| {
                scope.bytes(1, "micronet");
                scope.bytes(2, env!("CARGO_PKG_VERSION"));
            });
            for record in records {
                count += put_spans(of_scope, record.as_ref());
            }
        });
    });
    (request.into_bytes(), count)
}

fn put_spans(scope: &mut Message, record: &Record) -> u64 {
    let mut count = 0;
    // What was made has no span besides those of its attempts, which happened within the caller's.
    let within = if record.kind == RecordKind::Made { &record.parent_span_id } else { &record.span_id };
    if record.kind != RecordKind::Made {
        scope.message(2, |message| put_server_span(message, record));
        count += 1;
    }
    for (at, attempt) in record.attempts.iter().enumerate().filter(|(_, attempt)| attempt.instance.is_some())
    {
        scope.message(2, |message| put_client_span(message, record, attempt, (within, at)));
        count += 1;
    }
    count
}

fn put_server_span(message: &mut Message, record: &Record) {
    let name = match &record.http {
        Some(http) if http.route.is_empty() => http.method.clone(),
        Some(http) => format!("{} {}", http.method, http.route),
        None => format!("{}/{}", record.service, record.method),
    };
    let (ids, times) = ((&*record.span_id, &*record.parent_span_id), (record.at.0, record.took_us));
    let mut span = begin(message, record, ids, &name, kind::SERVER, times);
    span.text("micronet.request_id", &record.request_id);
    span.text("enduser.id", &record.principal);
    span.ledger(record.ledger);
    match &record.http {
        Some(http) => put_http(&mut span, record, http),
        None => {
            span.rpc(record);
            span.text("client.address", &record.from);
        }
    }
    if record.failed() {
        let status = record.http.as_ref().map(|http| http.status.to_string());
        span.failed(status.as_deref().unwrap_or(&record.code), &record.words);
    }
}

fn put_http(span: &mut Span<'_>, record: &Record, http: &HttpRecord) {
    let (path, query) = http.target.split_once('?').unwrap_or((&http.target, ""));
    span.text("http.request.method", &http.method);
    span.text("http.route", &http.route);
    span.number("http.response.status_code", http.status.into());
    span.number("http.request.body.size", record.bytes_in);
    span.number("http.response.body.size", record.bytes_out);
    span.text("url.path", path);
    span.text("url.query", query);
    span.text("url.scheme", if http.tls { "https" } else { "http" });
    span.text("client.address", &record.from);
    span.text("micronet.cache", &record.cache);
}

fn put_client_span(
    message: &mut Message,
    record: &Record,
    attempt: &AttemptRecord,
    (within, at): (&str, usize),
) {
    let name = format!("{}/{}", record.service, record.method);
    let times = (record.at.0.saturating_add_unsigned(attempt.after_us), attempt.took_us);
    let mut span = begin(message, record, (&attempt.span_id, within), &name, kind::CLIENT, times);
    span.rpc(record);
    span.text("micronet.request_id", &record.request_id);
    span.text("micronet.instance", attempt.instance.as_deref().unwrap_or_default());
    span.text("micronet.balancing", &attempt.algorithm);
    span.number("micronet.attempt", at as u64 + 1);
    span.ledger(attempt.ledger);
    if attempt.code != "OK" {
        span.failed(&attempt.code, &attempt.words);
    }
}

fn begin<'a>(
    message: &'a mut Message,
    record: &Record,
    (id, parent): (&str, &str),
    name: &str,
    kind: u64,
    (at_us, took_us): (i64, u64),
) -> Span<'a> {
    let start_ns = u64::try_from(at_us).unwrap_or(0).saturating_mul(1_000);
    message.bytes(1, bytes_of(&record.trace_id));
    message.bytes(2, bytes_of(id));
    message.bytes(4, bytes_of(parent));
    message.bytes(5, name);
    message.number(6, kind);
    message.fixed64(7, start_ns);
    message.fixed64(8, start_ns.saturating_add(took_us.saturating_mul(1_000)));
    message.fixed32(16, u32::from(record.sampled));
    Span { message }
}

fn put_attribute(message: &mut Message, field: u64, name: &str, value: &Value<'_>) {
    message.message(field, |attribute| {
        attribute.bytes(1, name);
        attribute.message(2, |any| match value {
            Value::Text(text) => any.bytes(1, text),
            Value::Number(number) => any.number(3, *number),
        });
    });
}

/// The bytes that hexadecimal digits stand for.
fn bytes_of(hex: &str) -> Vec<u8> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    hex.as_bytes().chunks(2).filter_map(pair).collect()
}
