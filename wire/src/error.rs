//! Errors that travel: a code from the registry, words, a typed detail, who is at fault, and whether to retry
//! (SPEC.md section 8; the table stands in proto-spec/registry.toml too, and a test holds the two together).

use std::fmt;

use bytes::Bytes;

/// Whose mistake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The one who called: the same call will fail again.
    Caller,
    /// The one who was called.
    Callee,
    /// Neither: the network, or the load between them.
    Network,
}

/// What a caller may do after an error (SPEC.md 8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retry {
    /// The same call will fail again.
    #[default]
    Never,
    /// The call was never started: it may be sent again, to another instance at once, also when it is a write.
    NeverStarted,
    /// It may have been executed: only an idempotent call, or one with a token, may be sent again.
    MaybeExecuted,
}

macro_rules! codes {
    ($($(#[doc = $doc:expr])* $name:ident = $number:literal, $text:literal, $status:literal, $fault:ident, $retry:ident;)*) => {
        /// The registry of error codes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Code { $($(#[doc = $doc])* $name = $number,)* }

        impl Code {
            /// All codes, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code with this number, if it is in the registry.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
            /// Its name, as it is shown to people and in JSON.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
            /// The HTTP status that stands for it.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
            /// Whose mistake it is.
            #[must_use]
            pub const fn fault(self) -> Fault {
                match self { $(Self::$name => Fault::$fault,)* }
            }
            /// The retry advice that it carries unless the sender says otherwise.
            #[must_use]
            pub const fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry,)* }
            }
        }
    };
}

impl Code {
    /// Whether a CLOSE with this code refuses the handshake, so that its sender has started no call (SPEC 5.8).
    #[must_use]
    pub const fn refuses_handshake(self) -> bool {
        matches!(
            self,
            Self::Version | Self::WrongCluster | Self::BadProof | Self::TlsRequired | Self::WrongIdentity
        )
    }
}

codes! {
    /// The service's own error; the detail is a value of the method's error type, which carries the HTTP status.
    Application = 1, "APPLICATION", 500, Caller, Never;
    /// A frame breaks the protocol; the connection ends.
    Protocol = 16, "PROTOCOL_ERROR", 502, Callee, MaybeExecuted;
    /// A checksum doesn't match; the connection ends.
    Checksum = 17, "CHECKSUM_MISMATCH", 502, Network, MaybeExecuted;
    /// A frame is larger than was agreed; the connection ends.
    FrameTooLarge = 18, "FRAME_TOO_LARGE", 502, Caller, Never;
    /// The two sides have no protocol version in common; the connection ends.
    Version = 19, "VERSION_UNSUPPORTED", 502, Caller, Never;
    /// The peer belongs to another cluster; the connection ends.
    WrongCluster = 20, "WRONG_CLUSTER", 502, Caller, Never;
    /// The peer's HELLO demands a capability that is not known here; the connection ends.
    Capability = 21, "CAPABILITY_UNSUPPORTED", 502, Caller, Never;
    /// The peer could not prove the secret that it claimed to have; the connection ends.
    BadProof = 22, "BAD_PROOF", 401, Caller, Never;
    /// The peer stayed silent for too long; the connection ends.
    Silent = 23, "PEER_SILENT", 503, Network, MaybeExecuted;
    /// The peer sent more than its credit allows; the connection ends.
    CreditExceeded = 24, "CREDIT_EXCEEDED", 502, Callee, MaybeExecuted;
    /// The peer speaks plaintext on a port that speaks TLS; the connection ends.
    TlsRequired = 25, "TLS_REQUIRED", 502, Caller, Never;
    /// The peer's certificate, or what it says of itself beside it, is not the identity that is wanted; the connection ends.
    WrongIdentity = 26, "WRONG_IDENTITY", 502, Caller, Never;
    /// The service has no method with this id.
    UnknownMethod = 32, "UNKNOWN_METHOD", 404, Caller, Never;
    /// The encoding id of the request is not known here.
    UnknownEncoding = 33, "UNKNOWN_ENCODING", 400, Caller, Never;
    /// The request's bytes are not a value of the method's request type.
    BadRequest = 34, "BAD_REQUEST", 400, Caller, Never;
    /// A value of the request is of the wrong type or out of its range; the words name the field.
    InvalidInput = 35, "INVALID_INPUT", 422, Caller, Never;
    /// A message is longer than its limit.
    MessageTooLarge = 36, "MESSAGE_TOO_LARGE", 413, Caller, Never;
    /// The caller was built with a schema that the instance's can't be reconciled with; the words name method and difference.
    SchemaMismatch = 37, "SCHEMA_MISMATCH", 502, Callee, NeverStarted;
    /// No credential was given where one is needed.
    Unauthenticated = 48, "UNAUTHENTICATED", 401, Caller, Never;
    /// The principal lacks the permission that the words name.
    InsufficientPermissions = 49, "INSUFFICIENT_PERMISSIONS", 403, Caller, Never;
    /// The idempotency token was used before with another request.
    TokenReused = 50, "TOKEN_REUSED", 422, Caller, Never;
    /// A write came without the idempotency token that the method needs.
    TokenMissing = 51, "TOKEN_MISSING", 400, Caller, Never;
    /// A credential was given, but it is not right.
    InvalidCredentials = 52, "INVALID_CREDENTIALS", 401, Caller, Never;
    /// The idempotency token's outcome was asked for before the write came: it will not be executed.
    TokenWithdrawn = 53, "TOKEN_WITHDRAWN", 409, Caller, Never;
    /// The access token was right, but it has expired.
    TokenExpired = 54, "TOKEN_EXPIRED", 401, Caller, Never;
    /// The deadline passed.
    DeadlineExceeded = 64, "DEADLINE_EXCEEDED", 504, Callee, MaybeExecuted;
    /// The caller cancelled the call.
    Cancelled = 65, "CANCELLED", 499, Caller, MaybeExecuted;
    /// The service sheds load; the call was not started.
    Overloaded = 66, "OVERLOADED", 503, Callee, NeverStarted;
    /// The instance is draining; the call was not started.
    Draining = 67, "DRAINING", 503, Callee, NeverStarted;
    /// No instance of the service can be reached; the call was not started.
    Unavailable = 68, "SERVICE_UNAVAILABLE", 503, Network, NeverStarted;
    /// The connection was lost while the call was in flight.
    ConnectionLost = 69, "CONNECTION_LOST", 503, Network, MaybeExecuted;
    /// The caller has asked too often; the call was not started.
    RateLimitExceeded = 70, "RATE_LIMIT_EXCEEDED", 429, Caller, Never;
    /// The service's store failed.
    Database = 80, "DATABASE_ERROR", 503, Callee, MaybeExecuted;
    /// The service failed in a way that is its own mistake.
    Internal = 81, "INTERNAL", 500, Callee, MaybeExecuted;
    /// A service behind the one that was called refused what that one had asked of it.
    External = 82, "EXTERNAL_SERVICE_ERROR", 502, Callee, MaybeExecuted;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Retry {
    /// The advice's number in an ERROR frame.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Never => 0,
            Self::NeverStarted => 1,
            Self::MaybeExecuted => 2,
        }
    }

    /// The advice with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Never),
            1 => Some(Self::NeverStarted),
            2 => Some(Self::MaybeExecuted),
            _ => None,
        }
    }
}

/// An error as it travels in an ERROR frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcError {
    /// What went wrong.
    pub code: Code,
    /// The same in words, safe to show to the peer.
    pub message: String,
    /// For [`Code::Application`]: a value of the method's error type. For [`Code::InvalidInput`]: the list of its
    /// [`faults`](crate::faults), or empty. Empty otherwise.
    pub detail: Bytes,
    /// Whether to try again.
    pub retry: Retry,
    /// Wait at least this long before trying again, in milliseconds; 0 is "at once".
    pub retry_after_ms: u32,
}

impl RpcError {
    /// An error with the registry's retry advice and no detail.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), detail: Bytes::new(), retry: code.retry(), retry_after_ms: 0 }
    }

    /// The same error with other retry advice.
    #[must_use]
    pub fn retry(mut self, retry: Retry, retry_after_ms: u32) -> Self {
        (self.retry, self.retry_after_ms) = (retry, retry_after_ms);
        self
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for RpcError {}
