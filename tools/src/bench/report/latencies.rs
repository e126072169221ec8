//! How long requests took: a histogram whose error is bounded, and which JSON holds exactly.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

/// The longest time that is told apart from longer ones: an hour, in nanoseconds.
pub(crate) const LATENCY_NS_MAX: u64 = 3_600_000_000_000;
/// Decimal digits to which times are exact.
const DIGITS: u8 = 3;

/// Times in nanoseconds, exact to three digits. In JSON it is the text that HdrHistogram's tools read: version 2, compressed, in base64.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    /// None yet. It takes as much memory as the longest time so far needs, 256 KiB at most.
    pub(crate) fn new() -> Self {
        // One to three digits are always accepted.
        let mut histogram = Histogram::new(DIGITS).expect("a histogram of three digits");
        histogram.auto(true);
        Self(histogram)
    }

    /// Adds one.
    pub(crate) fn record(&mut self, took: Duration) {
        self.record_ns(u64::try_from(took.as_nanos()).unwrap_or(LATENCY_NS_MAX));
    }

    /// Adds one in nanoseconds; what is longer than an hour counts as an hour.
    pub(crate) fn record_ns(&mut self, ns: u64) {
        // It resizes itself, up to an hour and further.
        let recorded = self.0.record(ns.min(LATENCY_NS_MAX));
        debug_assert!(recorded.is_ok(), "{recorded:?}");
    }

    /// Adds all of `other`.
    pub(crate) fn add(&mut self, other: &Self) {
        let added = self.0.add(&other.0);
        debug_assert!(added.is_ok(), "{added:?}");
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The time that this share of all are at most, in nanoseconds; `None` where there is none. A quantile is from 0 to 1.
    pub(crate) fn at(&self, quantile: f64) -> Option<u64> {
        (!self.is_empty()).then(|| self.0.value_at_quantile(quantile))
    }

    /// The longest, in nanoseconds.
    pub(crate) fn max(&self) -> Option<u64> {
        (!self.is_empty()).then(|| self.0.max())
    }

    /// The mean, in nanoseconds.
    pub(crate) fn mean(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.0.mean())
    }

    /// The histogram itself, for those who write its formats.
    pub(crate) fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }
}

impl From<Histogram<u64>> for Latencies {
    /// Of nanoseconds.
    fn from(histogram: Histogram<u64>) -> Self {
        Self(histogram)
    }
}

impl From<Latencies> for String {
    fn from(latencies: Latencies) -> Self {
        let mut bytes = Vec::new();
        // Into memory; what it would refuse is a histogram of other digits.
        let written = V2DeflateSerializer::new().serialize(&latencies.0, &mut bytes);
        debug_assert!(written.is_ok(), "{written:?}");
        STANDARD.encode(bytes)
    }
}

impl TryFrom<String> for Latencies {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = STANDARD.decode(text).map_err(|error| format!("a histogram is not base64: {error}"))?;
        let read = Deserializer::new().deserialize(&mut bytes.as_slice());
        let mut histogram: Histogram<u64> =
            read.map_err(|error| format!("a histogram can't be read: {error}"))?;
        histogram.auto(true);
        Ok(Self(histogram))
    }
}

impl fmt::Debug for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} latencies", self.len())?;
        match (self.at(0.5), self.max()) {
            (Some(p50), Some(max)) => write!(f, ", P50 {p50} ns, max {max} ns"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_holds_them_exactly() {
        let mut latencies = Latencies::new();
        for ns in [0, 1, 999, 1_000, 1_234_567, 1_000_000_000, LATENCY_NS_MAX, u64::MAX] {
            latencies.record_ns(ns);
        }
        latencies.record(Duration::from_micros(50));
        let json = serde_json::to_string(&latencies).unwrap();
        assert!(json.starts_with("\"HISTFAAA"), "{json}");
        let mut again: Latencies = serde_json::from_str(&json).unwrap();
        assert_eq!(again, latencies);
        assert_eq!((again.len(), again.at(0.5), again.max()), (9, latencies.at(0.5), latencies.max()));
        // What was read can be added to.
        again.add(&latencies);
        again.record_ns(7);
        assert_eq!(again.len(), 19);
    }

    #[test]
    fn what_is_no_histogram_is_refused() {
        for json in ["\"\"", "\"?\"", "\"aGVsbG8=\"", "1"] {
            assert!(serde_json::from_str::<Latencies>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn none_has_no_percentile() {
        let none = Latencies::new();
        assert_eq!((none.at(0.5), none.max(), none.mean()), (None, None, None));
    }
}
