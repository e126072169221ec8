//! The trace context of a request: its `traceparent` header.

use crate::request::TraceContext;

/// The trace context of a `traceparent` header (W3C Trace Context, section 3.2). A malformed one is ignored, as it says.
#[must_use]
pub fn trace_context(header: &str) -> Option<TraceContext> {
    let mut parts = header.split('-');
    let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // Version 00 has exactly these parts; a later one may have more.
    if version.len() != 2 || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let context = TraceContext {
        trace_id: bytes_of_id(trace_id)?,
        span_id: bytes_of_id(span_id)?,
        flags: bytes_of_id::<1>(flags)?[0],
    };
    (context.trace_id != [0; 16] && context.span_id != [0; 8]).then_some(context)
}

/// The bytes that an id of a trace or span stands for: lower-case hexadecimal digits, exactly as many as there are bytes.
#[must_use]
pub fn bytes_of_id<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N || !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}
