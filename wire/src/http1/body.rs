//! The body of a message: where it ends, whatever frames it.

use bytes::{Buf, Bytes, BytesMut};

use super::chunk_line::parse_chunk_line;
use super::framing::BodyLength;
use super::head_reader::SectionReader;
use super::lines::LineScanner;
use super::{Headers, HttpError, Status};
use crate::limits::{HTTP_CHUNK_EXTENSION_BYTES_MAX, HTTP_CHUNK_LINE_BYTES_MAX};

/// What comes of a body that is read as it arrives.
#[derive(Clone, Debug)]
pub enum BodyEvent {
    /// Some of its bytes, never none: a slice of what was read.
    Data(Bytes),
    /// Its end, with the trailers (RFC 9110 section 6.5). They are not headers: nothing here acts on them.
    End(Headers),
}

/// Reads one body.
///
/// ```text
/// Empty       ExpectEnd
/// Sized       ExpectBytes -> ExpectEnd
/// Chunked     ExpectChunkLine -> ExpectChunkBytes -> ExpectChunkEnd -> ExpectChunkLine …
///             ExpectChunkLine (size 0) -> ExpectTrailers -> ExpectEnd
/// UntilClose  ExpectClose -> (the connection was closed) ExpectEnd
/// ```
#[derive(Debug)]
pub(super) struct BodyReader {
    state: State,
    /// The most bytes that the body may have.
    bytes_max: u64,
    /// The bytes that the body has had so far, declared chunks included.
    bytes: u64,
    extension_bytes: usize,
    trailers: Headers,
    /// What has been read of a body that is wanted whole and comes in pieces.
    collected: BytesMut,
}

#[derive(Debug)]
#[expect(clippy::enum_variant_names, reason = "a state is named by what it awaits")]
enum State {
    ExpectBytes {
        remaining: u64,
    },
    ExpectChunkLine(LineScanner),
    ExpectChunkBytes {
        remaining: u64,
    },
    ExpectChunkEnd,
    ExpectTrailers(SectionReader),
    ExpectClose,
    /// Everything has been read; the end hasn't been told.
    ExpectEnd,
}

/// What is at the front of the input.
enum Step {
    /// So many bytes of the body, at least one.
    Data(usize),
    /// The end of the body.
    End,
    /// Nothing yet.
    More,
}

const TOO_LARGE: HttpError = HttpError::new(Status::CONTENT_TOO_LARGE, "the body is too large");

impl BodyReader {
    /// A reader of a body of this length, of `bytes_max` bytes at most.
    pub(super) fn new(length: BodyLength, bytes_max: u64) -> Self {
        let state = match length {
            BodyLength::Empty => State::ExpectEnd,
            BodyLength::Sized(remaining) => State::ExpectBytes { remaining },
            BodyLength::Chunked => State::ExpectChunkLine(LineScanner::default()),
            BodyLength::UntilClose => State::ExpectClose,
        };
        let (trailers, collected) = (Headers::default(), BytesMut::new());
        BodyReader { state, bytes_max, bytes: 0, extension_bytes: 0, trailers, collected }
    }

    /// Sets the most bytes that the body may have, and refuses one that has declared more.
    pub(super) fn set_bytes_max(&mut self, bytes_max: u64) -> Result<(), HttpError> {
        self.bytes_max = bytes_max;
        match self.state {
            State::ExpectBytes { remaining } if remaining > bytes_max.saturating_sub(self.bytes) => {
                Err(TOO_LARGE)
            }
            _ => Ok(()),
        }
    }

    /// The same body without a limit: to be thrown away, once it is known that little remains.
    pub(super) fn unlimited(self) -> Self {
        BodyReader { bytes_max: u64::MAX, ..self }
    }

    /// How many bytes were put together of a body that is wanted whole.
    pub(super) fn bytes_collected(&self) -> usize {
        self.collected.len()
    }

    /// How many bytes are still to come, if that is known.
    pub(super) fn bytes_remaining(&self) -> Option<u64> {
        match self.state {
            State::ExpectBytes { remaining } => Some(remaining),
            State::ExpectEnd => Some(0),
            _ => None,
        }
    }

    /// The next piece of the body, or `None` while there is none in `input`.
    pub(super) fn poll_event(&mut self, input: &mut BytesMut) -> Result<Option<BodyEvent>, HttpError> {
        Ok(match self.step(input)? {
            Step::More => None,
            Step::End => Some(BodyEvent::End(std::mem::take(&mut self.trailers))),
            Step::Data(bytes) => {
                self.consumed(bytes);
                Some(BodyEvent::Data(input.split_to(bytes).freeze()))
            }
        })
    }

    /// The whole body, or `None` while it isn't complete. A body of a declared length stays in `input` until it is
    /// complete, and is then a slice of it; chunks are put together.
    pub(super) fn poll_whole(&mut self, input: &mut BytesMut) -> Result<Option<Bytes>, HttpError> {
        loop {
            match self.step(input)? {
                Step::More => return Ok(None),
                Step::End => return Ok(Some(std::mem::take(&mut self.collected).freeze())),
                Step::Data(bytes) => {
                    if let State::ExpectBytes { remaining } = self.state
                        && self.collected.is_empty()
                    {
                        if (bytes as u64) < remaining {
                            return Ok(None);
                        }
                        self.consumed(bytes);
                        return Ok(Some(input.split_to(bytes).freeze()));
                    }
                    self.collected.extend_from_slice(&input[..bytes]);
                    input.advance(bytes);
                    self.consumed(bytes);
                }
            }
        }
    }

    /// Throws the body away as it comes: whether all of it has come.
    pub(super) fn poll_discard(&mut self, input: &mut BytesMut) -> Result<bool, HttpError> {
        loop {
            match self.step(input)? {
                Step::More => return Ok(false),
                Step::End => return Ok(true),
                Step::Data(bytes) => {
                    input.advance(bytes);
                    self.consumed(bytes);
                }
            }
        }
    }

    /// The peer has closed its side: whether the body may end so (RFC 9112 section 8).
    pub(super) fn handle_close(&mut self) -> Result<(), HttpError> {
        match self.state {
            State::ExpectClose | State::ExpectEnd => {
                self.state = State::ExpectEnd;
                Ok(())
            }
            _ => Err(HttpError::malformed("the connection was closed within a body")),
        }
    }

    /// Goes over framing until there is data, the end, or nothing more.
    fn step(&mut self, input: &mut BytesMut) -> Result<Step, HttpError> {
        loop {
            match &mut self.state {
                State::ExpectEnd => return Ok(Step::End),
                State::ExpectBytes { remaining } => {
                    if *remaining > self.bytes_max.saturating_sub(self.bytes) {
                        return Err(TOO_LARGE);
                    }
                    return Ok(data_step(*remaining, input));
                }
                State::ExpectChunkBytes { remaining } => return Ok(data_step(*remaining, input)),
                State::ExpectClose => {
                    let room = self.bytes_max.saturating_sub(self.bytes);
                    return if input.len() as u64 > room {
                        Err(TOO_LARGE)
                    } else {
                        Ok(data_step(room, input))
                    };
                }
                State::ExpectChunkLine(lines) => {
                    let line = lines.next_line(input, HTTP_CHUNK_LINE_BYTES_MAX + 2);
                    let line =
                        line.map_err(|fault| HttpError::malformed(fault.reason("a chunk line is too long")))?;
                    let Some(line) = line else { return Ok(Step::More) };
                    let next = input.split_to(line.end + 2);
                    self.state = self.chunk_begun(&next[line])?;
                }
                State::ExpectChunkEnd => match input[..] {
                    [b'\r', b'\n', ..] => {
                        input.advance(2);
                        self.state = State::ExpectChunkLine(LineScanner::default());
                    }
                    [] | [b'\r'] => return Ok(Step::More),
                    // RFC 9112 section 7.1: chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
                    _ => return Err(HttpError::malformed("a chunk does not end where its size says")),
                },
                State::ExpectTrailers(section) => {
                    let Some(trailers) = section.poll(input, SectionReader::TRAILERS)? else {
                        return Ok(Step::More);
                    };
                    self.trailers = trailers;
                    self.state = State::ExpectEnd;
                }
            }
        }
    }

    /// What follows a chunk line. The body's limit is checked against what is declared, before it comes.
    fn chunk_begun(&mut self, line: &[u8]) -> Result<State, HttpError> {
        let chunk = parse_chunk_line(line)?;
        // RFC 9112 section 7.1.1: a server ought to limit the extensions of a request as a whole.
        self.extension_bytes += chunk.extension_bytes;
        if self.extension_bytes > HTTP_CHUNK_EXTENSION_BYTES_MAX {
            return Err(HttpError::malformed("too many chunk extensions"));
        }
        if chunk.size == 0 {
            return Ok(State::ExpectTrailers(SectionReader::default()));
        }
        if chunk.size > self.bytes_max.saturating_sub(self.bytes) {
            return Err(TOO_LARGE);
        }
        self.bytes += chunk.size;
        Ok(State::ExpectChunkBytes { remaining: chunk.size })
    }

    /// So many bytes of data were taken off the input, no more than [`Step::Data`] said.
    fn consumed(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        match &mut self.state {
            State::ExpectBytes { remaining } => {
                self.bytes += bytes;
                *remaining -= bytes;
                if *remaining == 0 {
                    self.state = State::ExpectEnd;
                }
            }
            State::ExpectChunkBytes { remaining } => {
                *remaining -= bytes;
                if *remaining == 0 {
                    self.state = State::ExpectChunkEnd;
                }
            }
            State::ExpectClose => self.bytes += bytes,
            State::ExpectChunkLine(_)
            | State::ExpectChunkEnd
            | State::ExpectTrailers(_)
            | State::ExpectEnd => {}
        }
    }
}

fn data_step(remaining: u64, input: &BytesMut) -> Step {
    match usize::try_from(remaining).unwrap_or(usize::MAX).min(input.len()) {
        0 => Step::More,
        bytes => Step::Data(bytes),
    }
}
