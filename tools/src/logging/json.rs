//! An event as a line of JSON: time, level, target, message, its fields by name, and the request that it belongs to.

use std::fmt;

use bytes::BytesMut;
use micronet_transport::clock;
use micronet_transport::records;
use micronet_wire::json::put_string;
use micronet_wire::transcode::put_timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes events as JSON.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'l> LookupSpan<'l>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line =
            Line::new(clock::unix_us(), event.metadata().level().as_str(), event.metadata().target());
        event.record(&mut line);
        records::current(|request_id, trace_id| line.belongs_to(request_id, trace_id));
        writeln!(writer, "{}", line.end())
    }
}

/// A line on its way.
struct Line {
    json: BytesMut,
    /// Whether the event says itself which request it is about.
    has_request_id: bool,
}

impl Line {
    fn new(unix_us: i64, level: &str, target: &str) -> Self {
        let mut line = Self { json: BytesMut::from(&b"{\"time\":"[..]), has_request_id: false };
        put_timestamp(&mut line.json, unix_us);
        line.text("level", &level.to_ascii_lowercase());
        line.text("target", target);
        line
    }

    fn name(&mut self, name: &str) {
        self.json.extend_from_slice(b",");
        put_string(&mut self.json, name);
        self.json.extend_from_slice(b":");
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        put_string(&mut self.json, text);
    }

    /// What is JSON as it is written.
    fn plain(&mut self, name: &str, value: &dyn fmt::Display) {
        self.name(name);
        self.json.extend_from_slice(value.to_string().as_bytes());
    }

    fn belongs_to(&mut self, request_id: &str, trace_id: &str) {
        if !self.has_request_id && !request_id.is_empty() {
            self.text("request_id", request_id);
        }
        if !trace_id.is_empty() {
            self.text("trace_id", trace_id);
        }
    }

    fn end(mut self) -> String {
        self.json.extend_from_slice(b"}");
        String::from_utf8_lossy(&self.json).into_owned()
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.has_request_id |= field.name() == "request_id";
        self.text(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field.name(), &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field.name(), &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.has_request_id |= field.name() == "request_id";
        self.text(field.name(), &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_an_object_with_its_fields() {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber =
            tracing_subscriber::fmt().with_writer(move || writer.clone()).event_format(Json).finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(request_id = "one", count = 3_u64, is = true, of = ?Some("a\"b"), "line\none");
            tracing::warn!("other");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let [one, other] =
            &text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()[..]
        else {
            panic!("{text}")
        };
        assert_eq!((&one["level"], &one["message"]), (&"info".into(), &"line\none".into()));
        assert_eq!((&one["request_id"], &one["count"], &one["is"]), (&"one".into(), &3.into(), &true.into()));
        assert_eq!((&one["of"], &other["level"]), (&"Some(\"a\\\"b\")".into(), &"warn".into()));
        assert!(one["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{one}");
        assert!(other.get("request_id").is_none() && one["target"].is_string(), "{other}");
    }
}
