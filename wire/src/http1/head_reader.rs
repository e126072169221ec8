//! Reads a head as it arrives: the start line is judged as soon as it is there, the fields when the head is complete.

use bytes::BytesMut;

use super::headers::Fields;
use super::lines::{LineFault, LineScanner};
use super::{Headers, HttpError, Status};
use crate::limits::{
    HTTP_HEAD_BYTES_HARD_MAX, HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_HARD_MAX, HTTP_HEADERS_MAX,
    HTTP_REQUEST_LINE_BYTES_MAX, HTTP_TRAILER_BYTES_MAX,
};

/// The first line of a request or of a response.
pub(super) trait StartLine: Sized {
    /// Whether one empty line before it is skipped.
    const EMPTY_LINE_BEFORE: bool;

    /// What to say of one that doesn't end where it must, of which this is the beginning.
    fn too_long(begin: &[u8]) -> HttpError;

    /// Parses the line, without its CR LF and without control characters other than tabs.
    fn parse(line: &[u8]) -> Result<Self, HttpError>;
}

/// Reads one head: `ExpectLine -> ExpectFields -> ` the head.
#[derive(Debug)]
pub(super) enum HeadReader<L> {
    /// Awaits the end of the start line.
    ExpectLine { lines: LineScanner, empty_line_skipped: bool },
    /// Awaits the empty line behind the fields.
    ExpectFields { line: L, section: SectionReader },
}

impl<L> Default for HeadReader<L> {
    fn default() -> Self {
        HeadReader::ExpectLine { lines: LineScanner::default(), empty_line_skipped: false }
    }
}

impl<L: StartLine> HeadReader<L> {
    /// The start line, if it is there.
    pub(super) fn line(&self) -> Option<&L> {
        match self {
            HeadReader::ExpectLine { .. } => None,
            HeadReader::ExpectFields { line, .. } => Some(line),
        }
    }

    /// Takes a head off the front of `input`, or nothing while it isn't complete. `input` begins with the same bytes in
    /// every call.
    pub(super) fn poll(
        &mut self,
        input: &mut BytesMut,
        limits: HeadLimits,
    ) -> Result<Option<(L, Headers)>, HttpError> {
        if let HeadReader::ExpectLine { lines, empty_line_skipped } = self {
            if L::EMPTY_LINE_BEFORE && !*empty_line_skipped && input.starts_with(b"\r\n") {
                _ = input.split_to(2);
                *lines = LineScanner::default();
                *empty_line_skipped = true;
            }
            let end_max = limits.line_bytes_max + 2;
            let line = lines.next_line(input, end_max).map_err(|fault| match fault {
                LineFault::TooLong => L::too_long(&input[..end_max.min(input.len())]),
                fault => HttpError::malformed(fault.reason("")),
            })?;
            let Some(line) = line else { return Ok(None) };
            *self = HeadReader::ExpectFields {
                line: L::parse(&input[line])?,
                section: SectionReader::after(*lines),
            };
        }
        let HeadReader::ExpectFields { section, .. } = self else { return Ok(None) };
        let Some(headers) = section.poll(input, limits.section)? else { return Ok(None) };
        match std::mem::take(self) {
            HeadReader::ExpectFields { line, .. } => Ok(Some((line, headers))),
            HeadReader::ExpectLine { .. } => Ok(None),
        }
    }
}

/// Reads field lines up to the empty one: the rest of a head, or the trailers behind the last chunk.
#[derive(Clone, Debug, Default)]
pub(super) struct SectionReader {
    lines: LineScanner,
    fields: Fields,
}

/// The most bytes and fields of a section, and what to say of a larger one.
#[derive(Clone, Copy, Debug)]
pub(super) struct SectionLimit {
    bytes_max: usize,
    fields_max: usize,
    too_large: HttpError,
}

/// The limits of heads.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadLimits {
    /// The most bytes of the start line, without its CR LF.
    line_bytes_max: usize,
    /// Those of the head, start line included (RFC 6585 section 5).
    section: SectionLimit,
}

impl HeadLimits {
    /// These, as far as a head can go.
    pub(super) fn new(line_bytes_max: usize, bytes_max: usize, fields_max: usize) -> Self {
        let too_large = HttpError::new(Status::REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too large");
        let bytes_max = bytes_max.min(HTTP_HEAD_BYTES_HARD_MAX);
        let fields_max = fields_max.min(HTTP_HEADERS_HARD_MAX);
        HeadLimits { line_bytes_max, section: SectionLimit { bytes_max, fields_max, too_large } }
    }
}

impl Default for HeadLimits {
    fn default() -> Self {
        HeadLimits::new(HTTP_REQUEST_LINE_BYTES_MAX, HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX)
    }
}

impl SectionReader {
    /// The limit of the trailers.
    pub(super) const TRAILERS: SectionLimit = SectionLimit {
        bytes_max: HTTP_TRAILER_BYTES_MAX,
        fields_max: HTTP_HEADERS_MAX,
        too_large: HttpError::malformed("the trailers are too large"),
    };

    /// A reader of the fields that begin where `lines` is.
    fn after(lines: LineScanner) -> Self {
        SectionReader { lines, fields: Fields::default() }
    }

    /// Takes everything up to the empty line off the front of `input`, or nothing while that isn't there.
    pub(super) fn poll(
        &mut self,
        input: &mut BytesMut,
        limit: SectionLimit,
    ) -> Result<Option<Headers>, HttpError> {
        loop {
            // RFC 9112 section 5.2: a server rejects a folded line. Section 2.2: and white space before the first field.
            if let Some(b' ' | b'\t') = input.get(self.lines.line_start()) {
                return Err(HttpError::malformed("a header field is folded or begins with white space"));
            }
            let line = self.lines.next_line(input, limit.bytes_max).map_err(|fault| match fault {
                LineFault::TooLong => limit.too_large,
                fault => HttpError::malformed(fault.reason("")),
            })?;
            match line {
                None => return Ok(None),
                Some(line) if line.is_empty() => break,
                Some(_) if self.fields.len() >= limit.fields_max => return Err(limit.too_large),
                Some(line) => self.fields.read(input, line)?,
            }
        }
        let section = input.split_to(self.lines.line_start()).freeze();
        Ok(Some(Headers::new(section, std::mem::take(&mut self.fields))))
    }
}
