//! As little of HTTP/1.1 as a request with a body takes: no limits, no chunks, nothing refused.

use std::io::Write;
use std::ops::Range;

use crate::items::Item;

/// Where the body of the request at the start of these bytes is, once all of it is there.
pub(crate) fn body(bytes: &[u8]) -> Option<Range<usize>> {
    let mut length = 0;
    let mut at = 0;
    loop {
        let line = bytes[at..].iter().position(|byte| *byte == b'\n')?;
        let header = &bytes[at..at + line];
        at += line + 1;
        if header.len() <= 1 {
            return (bytes.len() - at >= length).then_some(at..at + length);
        }
        if let Some((name, value)) = header.split_at_checked(b"content-length:".len())
            && name.eq_ignore_ascii_case(b"content-length:")
        {
            length = std::str::from_utf8(value).ok()?.trim().parse().ok()?;
        }
    }
}

/// Appends an answer; the buffer is for its body, to be used again.
pub(crate) fn answer(item: &Item<'_>, body: &mut Vec<u8>, output: &mut Vec<u8>) {
    body.clear();
    serde_json::to_writer(&mut *body, item).expect("an item is JSON");
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";
    write!(output, "{head}{}\r\n\r\n", body.len()).expect("memory takes it");
    output.extend_from_slice(body);
}
