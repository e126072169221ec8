//! HTTP/1.1 (RFC 9110, RFC 9112), both sides, without I/O and without a clock.
//!
//! This module owns how bytes become requests and how responses become bytes: heads, body framing, connection reuse
//! and the limits on all of them. It knows no route, no JSON, no socket and no time: a driver reads bytes, feeds them
//! in, acts on what comes out, writes what was put into its output buffer, and arms its timer by
//! [`ServerConnection::phase`].
//!
//! What is ambiguous is refused with an [`HttpError`], never repaired: a request that two parsers could read in two
//! ways is how requests are smuggled. A verdict depends on the bytes alone, not on how they were cut into reads, and
//! the work is linear in the bytes even when they arrive one at a time.
//!
//! # The server side
//!
//! ```
//! use bytes::BytesMut;
//! use micronet_wire::http1::{HttpDate, HttpError, ServerConnection, Status};
//!
//! /// One turn of a driver: everything that `input` allows. True while the connection may be read further.
//! fn turn(connection: &mut ServerConnection, input: &mut BytesMut, output: &mut BytesMut) -> bool {
//!     let date = HttpDate::from_unix_s(1_700_000_000);
//!     while let Err(error) = answer_what_is_complete(connection, input, output, &date) {
//!         let Ok(mut response) = connection.respond(output, error.status, &date) else { break };
//!         response.header("Content-Type", "text/plain").expect("a constant header is valid");
//!         response.body(error.reason.as_bytes());
//!     }
//!     connection.is_open()
//! }
//!
//! fn answer_what_is_complete(
//!     connection: &mut ServerConnection,
//!     input: &mut BytesMut,
//!     output: &mut BytesMut,
//!     date: &HttpDate,
//! ) -> Result<(), HttpError> {
//!     loop {
//!         if let Some(head) = connection.poll_head(input)? {
//!             let body_bytes_max = if head.path() == "/upload" { 1 << 20 } else { 1 << 10 };
//!             connection.accept_body(output, body_bytes_max)?; // answers Expect: 100-continue
//!         }
//!         let Some(body) = connection.poll_body(input)? else { return Ok(()) };
//!         let Ok(response) = connection.respond(output, Status::OK, date) else { return Ok(()) };
//!         response.body(&body);
//!     }
//! }
//!
//! let (mut connection, mut output) = (ServerConnection::new(), BytesMut::new());
//! let mut input = BytesMut::from("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET / HTTP/1.1\r\nHost: a\r\n\r\n");
//! assert!(turn(&mut connection, &mut input, &mut output));
//! assert_eq!(String::from_utf8_lossy(&output).matches("HTTP/1.1 200 OK\r\n").count(), 2);
//! ```
//!
//! # The client side
//!
//! ```
//! use bytes::BytesMut;
//! use micronet_wire::http1::ClientConnection;
//!
//! let (mut connection, mut output) = (ClientConnection::new(), BytesMut::new());
//! connection.request(&mut output, "GET", "/users/1", "localhost:8000")?.body(b"");
//! let mut input = BytesMut::from("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
//! let head = connection.poll_head(&mut input).unwrap().expect("the head is complete");
//! assert_eq!(head.code(), 200);
//! assert_eq!(connection.poll_body(&mut input).unwrap().as_deref(), Some(&b"hi"[..]));
//! # Ok::<(), micronet_wire::http1::WriteError>(())
//! ```

mod body;
mod chunk_line;
mod client;
mod connection;
mod date;
mod error;
mod field_name;
mod framing;
mod head;
mod head_reader;
mod header_block;
mod headers;
mod limits;
mod lines;
mod request_line;
mod response;
mod response_head;
mod status;
mod target;
#[cfg(test)]
mod tests;

pub use body::BodyEvent;
pub use client::{ClientConnection, RequestWriter};
pub use connection::{Phase, ServerConnection};
pub use date::HttpDate;
pub use error::{HttpError, WriteError};
pub use field_name::FieldName;
pub use framing::BodyLength;
pub use head::RequestHead;
pub use header_block::HeaderBlock;
pub use headers::Headers;
pub use limits::HttpLimits;
pub use request_line::{Method, Version};
pub use response::ResponseWriter;
pub use response_head::ResponseHead;
pub use status::Status;
pub use target::{DecodeError, TargetForm, decode_component, decode_form, query_pairs, segments};
