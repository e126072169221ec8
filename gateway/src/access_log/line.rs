//! A request as a line of the access log.

use std::fmt::Write;

use bytes::{BufMut, BytesMut};
use micronet_wire::http1::HttpDate;
use micronet_wire::json::put_string;
use micronet_wire::network::{HttpRecord, LedgerRecord, Record};
use micronet_wire::transcode::put_timestamp;

use crate::settings::LogFormat;

/// Appends the line of a request, with its end. What is no request over HTTP has none.
pub(super) fn put(out: &mut BytesMut, format: LogFormat, record: &Record) {
    let Some(http) = &record.http else { return };
    match format {
        LogFormat::Json => put_json(out, record, http),
        LogFormat::Common => put_common(out, record, http, false),
        LogFormat::Combined => put_common(out, record, http, true),
    }
    out.put_u8(b'\n');
}

/// The account of the instance that was asked last.
fn last_ledger(record: &Record) -> Option<LedgerRecord> {
    record.attempts.last().and_then(|attempt| attempt.ledger)
}

fn last_instance(record: &Record) -> &str {
    record.attempts.last().and_then(|attempt| attempt.instance.as_deref()).unwrap_or_default()
}

fn put_json(out: &mut BytesMut, record: &Record, http: &HttpRecord) {
    out.put_slice(b"{\"time\":");
    put_timestamp(out, record.at.0);
    let texts = [
        ("request_id", &*record.request_id),
        ("trace_id", &record.trace_id),
        ("client", &record.from),
        ("principal", &record.principal),
        ("method", &http.method),
        ("target", &http.target),
        ("version", &http.version),
        ("route", &http.route),
        ("service", &record.service),
        ("code", &record.code),
        ("cache", &record.cache),
        ("instance", last_instance(record)),
        ("referer", &http.referer),
        ("user_agent", &http.user_agent),
    ];
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        put_name(out, name);
        put_string(out, text);
    }
    let mut numbers = vec![
        ("status", u64::from(http.status)),
        ("bytes_in", record.bytes_in),
        ("bytes_out", record.bytes_out),
        ("took_us", record.took_us),
        ("attempts", record.attempts.len() as u64),
    ];
    numbers.extend(last_ledger(record).iter().flat_map(parts));
    for (name, number) in numbers {
        put_name(out, name);
        let _ = write!(out, "{number}");
    }
    put_name(out, "tls");
    let _ = write!(out, "{}", http.tls);
    out.put_u8(b'}');
}

fn put_name(out: &mut BytesMut, name: &str) {
    out.put_u8(b',');
    put_string(out, name);
    out.put_u8(b':');
}

/// The parts of a ledger, by the names that a log has for them.
fn parts(ledger: &LedgerRecord) -> [(&'static str, u64); 4] {
    [
        ("receive_queue_us", ledger.receive_queue_us.into()),
        ("handler_us", ledger.handler_us.into()),
        ("credit_wait_us", ledger.credit_wait_us.into()),
        ("write_queue_us", ledger.write_queue_us.into()),
    ]
}

/// `HOST - USER [TIME] "REQUEST" STATUS BYTES`, then `"REFERER" "USER-AGENT"` if wanted, then what is ours as `NAME=VALUE`.
fn put_common(out: &mut BytesMut, record: &Record, http: &HttpRecord, combined: bool) {
    put_bare(out, &record.from);
    out.put_slice(b" - ");
    put_bare(out, if record.principal == "anonymous" { "" } else { &record.principal });
    let date = HttpDate::from_unix_s(u64::try_from(record.at.0 / 1_000_000).unwrap_or(0)).to_string();
    // `Thu, 01 Jan 1970 00:00:00 GMT`
    let part = |range: std::ops::Range<usize>| date.get(range).unwrap_or_default();
    let _ = write!(out, " [{}/{}/{}:{} +0000] ", part(5..7), part(8..11), part(12..16), part(17..25));
    put_quoted(out, &format!("{} {} {}", http.method, http.target, http.version));
    let _ = write!(out, " {} {}", http.status, record.bytes_out);
    if combined {
        for text in [&http.referer, &http.user_agent] {
            out.put_u8(b' ');
            put_quoted(out, if text.is_empty() { "-" } else { text });
        }
    }
    let _ = write!(out, " took_us={} request_id=", record.took_us);
    put_bare(out, &record.request_id);
    for (name, number) in last_ledger(record).iter().flat_map(parts) {
        let _ = write!(out, " {name}={number}");
    }
}

/// A word; `-` for none.
fn put_bare(out: &mut BytesMut, text: &str) {
    match text {
        "" => out.put_u8(b'-'),
        text => out.extend(text.bytes().map(|byte| if byte.is_ascii_graphic() { byte } else { b'_' })),
    }
}

/// A text between quotation marks, in which nothing can end it or the line.
fn put_quoted(out: &mut BytesMut, text: &str) {
    out.put_u8(b'"');
    for char in text.chars() {
        match char {
            '"' | '\\' => drop(write!(out, "\\{char}")),
            char if char.is_control() => drop(write!(out, "\\x{:02x}", u32::from(char))),
            char => drop(write!(out, "{char}")),
        }
    }
    out.put_u8(b'"');
}

#[cfg(test)]
mod tests {
    use micronet_wire::network::AttemptRecord;
    use micronet_wire::schema::Timestamp;

    use super::*;

    fn record() -> Record {
        let ledger = LedgerRecord { receive_queue_us: 3, handler_us: 400, ..LedgerRecord::default() };
        Record {
            request_id: "one".into(),
            from: "127.0.0.1".into(),
            principal: "user:alice".into(),
            code: "OK".into(),
            at: Timestamp(971_211_336_000_000),
            took_us: 1_234,
            bytes_out: 2_326,
            http: Some(HttpRecord {
                method: "GET".into(),
                target: "/a?b=\"c".into(),
                version: "HTTP/1.1".into(),
                status: 200,
                user_agent: "curl\n\"8\"".into(),
                ..HttpRecord::default()
            }),
            attempts: vec![AttemptRecord {
                instance: Some("product-1".into()),
                ledger: Some(ledger),
                ..AttemptRecord::default()
            }],
            ..Record::default()
        }
    }

    fn line(format: LogFormat, record: &Record) -> String {
        let mut out = BytesMut::new();
        put(&mut out, format, record);
        String::from_utf8(out.into()).unwrap()
    }

    #[test]
    fn the_common_format_is_ncsas() {
        let wanted = "127.0.0.1 - user:alice [10/Oct/2000:20:55:36 +0000] \"GET /a?b=\\\"c HTTP/1.1\" 200 2326 took_us=1234 \
                      request_id=one receive_queue_us=3 handler_us=400 credit_wait_us=0 write_queue_us=0\n";
        assert_eq!(line(LogFormat::Common, &record()), wanted);
        let combined = line(LogFormat::Combined, &record());
        assert!(combined.contains(" 200 2326 \"-\" \"curl\\x0a\\\"8\\\"\" took_us="), "{combined}");
        assert_eq!(combined.lines().count(), 1);
    }

    #[test]
    fn json_has_everything_and_leaves_out_what_is_not_there() {
        let json: serde_json::Value = serde_json::from_str(&line(LogFormat::Json, &record())).unwrap();
        assert_eq!(json["time"], "2000-10-10T20:55:36.000000Z");
        assert_eq!(
            (&json["status"], &json["took_us"], &json["handler_us"]),
            (&200.into(), &1_234.into(), &400.into())
        );
        assert_eq!((&json["instance"], &json["attempts"]), (&"product-1".into(), &1.into()));
        assert_eq!((&json["user_agent"], json.get("referer")), (&"curl\n\"8\"".into(), None));
    }

    #[test]
    fn what_was_no_request_over_http_has_no_line() {
        assert_eq!(line(LogFormat::Json, &Record { http: None, ..record() }), "");
    }
}
