//! What can go wrong: a peer that breaks the protocol, and a caller of ours that would have.

use std::fmt;

use super::Status;

/// A peer broke the protocol or a limit. The connection can't be used further.
///
/// On the server side `status` and `reason` are to be sent, then the connection is closed; both are safe to show to
/// the peer. On the client side the status is what a gateway answers to its own client: 502.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpError {
    /// The status to answer with.
    pub status: Status,
    /// What was wrong, in a few words.
    pub reason: &'static str,
}

impl HttpError {
    /// A head or a body took too long. The driver hands it to [`fail`](super::ServerConnection::fail) when its timer
    /// has fired (RFC 9110 section 15.5.9).
    pub const TIMEOUT: HttpError =
        HttpError::new(Status::REQUEST_TIMEOUT, "the request took too long to arrive");

    /// An error of this status and these words.
    #[must_use]
    pub const fn new(status: Status, reason: &'static str) -> Self {
        HttpError { status, reason }
    }

    /// A malformed message: 400.
    pub(super) const fn malformed(reason: &'static str) -> Self {
        HttpError::new(Status::BAD_REQUEST, reason)
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.reason)
    }
}

impl std::error::Error for HttpError {}

/// The caller asked for something that can't be written. Nothing of it has been; the connection is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// There is no request to answer: none has arrived, or the answer has been given.
    NoRequest,
    /// A header name that is not a token.
    HeaderName,
    /// A header value with a control character, which could inject a line into the message (RFC 9110 section 5.5).
    HeaderValue,
    /// A header that this module writes by itself: Content-Length, Transfer-Encoding, Connection, Keep-Alive, Date, Host.
    HeaderReserved,
    /// The request asked for no upgrade, its body is not complete, or the protocol is no name of one.
    NotUpgradable,
    /// A method that is not a token, or CONNECT, which is not implemented.
    Method,
    /// A request target that is empty or has characters that it must not have.
    Target,
    /// A host that is not `name`, `address` or either with `:port`.
    Host,
    /// Too many requests are waiting for their responses, or the connection is closed for new ones.
    NotReady,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WriteError::NoRequest => "there is no request to answer",
            WriteError::HeaderName => "a header name must be a token",
            WriteError::HeaderValue => "a header value must have no control characters",
            WriteError::HeaderReserved => "this header is written by the connection itself",
            WriteError::NotUpgradable => "the request can't be upgraded",
            WriteError::Method => "the method must be a token other than CONNECT",
            WriteError::Target => "the request target must be visible ASCII without '#'",
            WriteError::Host => "the host must be a name or an address, with or without a port",
            WriteError::NotReady => "the connection takes no further request now",
        })
    }
}

impl std::error::Error for WriteError {}
