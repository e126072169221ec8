//! What one connection takes from its client.

use super::head_reader::HeadLimits;
use crate::limits::{
    HTTP_BODY_BYTES_MAX, HTTP_BODY_GAP_MS_MAX, HTTP_BUFFERED_BYTES_MAX, HTTP_HEAD_BYTES_MAX,
    HTTP_HEAD_MS_MAX, HTTP_HEADERS_MAX, HTTP_IDLE_MS_MAX, HTTP_RATE_BYTES_PER_S_MIN,
    HTTP_REQUEST_LINE_BYTES_MAX, HTTP_REQUESTS_MAX,
};

/// What one connection takes from its client: the sizes, which [`ServerConnection`](super::ServerConnection) holds it to, and the
/// times, which are its driver's affair. The default is what stands in [`limits`](crate::limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// The longest request line, in bytes; a longer one is answered 414.
    pub request_line_bytes_max: usize,
    /// The largest head, request line included, in bytes; a larger one is answered 431. At most
    /// [`HTTP_HEAD_BYTES_HARD_MAX`](crate::limits::HTTP_HEAD_BYTES_HARD_MAX) counts.
    pub head_bytes_max: usize,
    /// Header fields in a head; more are answered 431. At most
    /// [`HTTP_HEADERS_HARD_MAX`](crate::limits::HTTP_HEADERS_HARD_MAX) count.
    pub headers_max: usize,
    /// The largest body, in bytes; a larger one is answered 413.
    pub body_bytes_max: usize,
    /// The time for a whole head from its first byte on, in milliseconds; then the answer is 408.
    pub head_ms_max: u64,
    /// The longest gap within a body, or while an answer is written, in milliseconds; then the answer is 408.
    pub body_gap_ms_max: u64,
    /// The slowest rate of a body, or of an answer, after a first gap, in bytes a second; then the answer is 408.
    pub rate_bytes_per_s_min: u64,
    /// The time that a connection may idle between requests, in milliseconds; then it is closed.
    pub idle_ms_max: u64,
    /// Requests that the connection carries; the answer to the last one closes it.
    pub requests_max: u64,
    /// What all connections of a process keep together of requests and answers on their way, in bytes; beyond that a body is answered
    /// 503, and a connection whose answer isn't read is cut.
    pub buffered_bytes_max: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        HttpLimits {
            request_line_bytes_max: HTTP_REQUEST_LINE_BYTES_MAX,
            head_bytes_max: HTTP_HEAD_BYTES_MAX,
            headers_max: HTTP_HEADERS_MAX,
            body_bytes_max: HTTP_BODY_BYTES_MAX,
            head_ms_max: HTTP_HEAD_MS_MAX,
            body_gap_ms_max: HTTP_BODY_GAP_MS_MAX,
            rate_bytes_per_s_min: HTTP_RATE_BYTES_PER_S_MIN,
            idle_ms_max: HTTP_IDLE_MS_MAX,
            requests_max: HTTP_REQUESTS_MAX,
            buffered_bytes_max: HTTP_BUFFERED_BYTES_MAX,
        }
    }
}

impl HttpLimits {
    /// Those of heads.
    pub(super) fn of_heads(&self) -> HeadLimits {
        HeadLimits::new(self.request_line_bytes_max, self.head_bytes_max, self.headers_max)
    }
}
