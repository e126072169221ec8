//! What was counted and timed, as numbers instead of Prometheus's text: how many, how many of them failed, and how long they took.

use bytes::BytesMut;
use micronet_wire::json::{Object, put_list};
use prometheus::core::Collector;
use prometheus::proto::{Histogram, LabelPair, Metric};
use prometheus::{HistogramVec, IntCounterVec};

use super::Metrics;

/// The shares of latencies that are shown, in percent.
const SHARES: [(&str, f64); 3] = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0)];

impl Metrics {
    /// Appends the calls that were answered here over RPC and in text, by method, as a JSON array.
    pub(crate) fn put_calls(&self, out: &mut BytesMut) {
        self.unsettled.settle();
        let families = &self.families;
        put_timed(out, &families.server_duration, &families.server_requests, |labels| {
            let is_ok = labels.iter().any(|label| label.name() == "code" && label.value() == "OK");
            !is_ok
        });
    }

    /// Appends the requests of HTTP that were answered here, by route, as a JSON array.
    pub(crate) fn put_requests(&self, out: &mut BytesMut) {
        let families = &self.families;
        put_timed(out, &families.http_duration, &families.http_requests, |labels| {
            labels.iter().any(|label| label.name() == "status" && label.value().starts_with(['4', '5']))
        });
    }
}

/// Everything of a family of durations that has happened at all, beside those of a family of counts that failed.
fn put_timed(
    out: &mut BytesMut,
    durations: &HistogramVec,
    counts: &IntCounterVec,
    failed: impl Fn(&[LabelPair]) -> bool,
) {
    let (timed, counted) = (metrics(durations), metrics(counts));
    let happened = timed.iter().filter(|each| each.get_histogram().get_sample_count() > 0);
    put_list(out, happened, |out, each| {
        let is_of_it =
            |other: &&Metric| each.get_label().iter().all(|label| other.get_label().contains(label));
        let failures = counted.iter().filter(is_of_it).filter(|other| failed(other.get_label()));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count, which Prometheus keeps as a float"
        )]
        let failures: u64 = failures.map(|each| each.get_counter().get_value() as u64).sum();
        put_one(out, each.get_label(), each.get_histogram(), failures);
    });
}

fn metrics(of: &impl Collector) -> Vec<Metric> {
    of.collect().into_iter().flat_map(|mut family| family.take_metric()).collect()
}

fn put_one(out: &mut BytesMut, labels: &[LabelPair], durations: &Histogram, failures: u64) {
    let mut object = Object::begin(out);
    for label in labels {
        object.text(label.name(), label.value());
    }
    object.unsigned("count", durations.get_sample_count()).unsigned("failed", failures);
    object.value("latency_us", |out| {
        let mut latency = Object::begin(out);
        #[expect(clippy::cast_precision_loss, reason = "2^53 calls are enough")]
        let mean_s = durations.get_sample_sum() / durations.get_sample_count() as f64;
        latency.unsigned("mean", micros(mean_s));
        for (name, share) in SHARES {
            latency.unsigned(name, micros(quantile_s(durations, share)));
        }
        latency.end();
    });
    object.end();
}

/// An estimate of what so many percent don't exceed, in seconds: as `histogram_quantile` of Prometheus makes it, linear within a
/// bucket. What is beyond the last bound is taken for that bound.
#[expect(clippy::cast_precision_loss, reason = "2^53 calls are enough")]
fn quantile_s(durations: &Histogram, percent: f64) -> f64 {
    let rank = durations.get_sample_count() as f64 * percent / 100.0;
    let (mut below, mut lower_s) = (0.0, 0.0);
    for bucket in durations.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite()) {
        let (up_to, upper_s) = (bucket.cumulative_count() as f64, bucket.upper_bound());
        if up_to >= rank && up_to > below {
            return lower_s + (upper_s - lower_s) * (rank - below) / (up_to - below);
        }
        (below, lower_s) = (up_to, upper_s);
    }
    lower_s
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded, and never negative")]
fn micros(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}

#[cfg(test)]
mod tests {
    use micronet_wire::builtin::builtin_schema;
    use micronet_wire::error::Code;

    use super::*;
    use crate::metrics::ServerMeters;

    #[test]
    fn what_happened_is_shown_with_estimates_of_how_long_it_took() {
        let (metrics, schema) = (Metrics::default(), builtin_schema());
        let meters = ServerMeters::of(&metrics, &schema, &[]);
        let method = schema.method_named("instance").unwrap().id;
        // Ninety within the bucket from 50 to 100 us, ten within that from 5 to 10 ms.
        (0..90).for_each(|_| meters.ended(method, None, 80_000));
        (0..10).for_each(|_| meters.ended(method, Some(Code::Internal), 8_000_000));
        let mut out = BytesMut::new();
        metrics.put_calls(&mut out);
        let shown = String::from_utf8_lossy(&out).into_owned();
        assert_eq!(
            shown,
            r#"[{"method":"instance","service":"micronet","count":100,"failed":10,"latency_us":{"mean":872,"p50":78,"p90":100,"p99":9500}}]"#
        );
        out.clear();
        metrics.put_requests(&mut out);
        assert_eq!(&out[..], b"[]");
    }
}
