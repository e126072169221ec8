//! The head of a REQUEST frame.

/// The W3C trace context of a call; all zero means none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TraceContext {
    /// The id of the whole trace.
    pub trace_id: [u8; 16],
    /// The id of the caller's span.
    pub span_id: [u8; 8],
    /// The W3C flags; bit 0 is "sampled".
    pub flags: u8,
}
