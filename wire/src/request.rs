//! The head of a REQUEST frame (SPEC.md section 6): everything about a call besides its message.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use smol_str::SmolStr;

use crate::error::{Code, RpcError};
use crate::limits::{
    DEADLINE_US_MAX, NAME_BYTES_MAX, PERMISSIONS_MAX, REQUEST_HEAD_BYTES_MAX, REQUEST_ID_BYTES_MAX,
    TOKEN_BYTES_MAX,
};
use crate::metadata::Metadata;
use crate::principal::Principal;
use crate::swar;

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

impl TraceContext {
    /// Whether there is one.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.trace_id != [0; 16]
    }
}

/// What stands in front of a request's message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestHead {
    /// The time that is left for the call, in microseconds, 1 to [`DEADLINE_US_MAX`].
    pub deadline_us: u32,
    /// The trace context.
    pub trace: TraceContext,
    /// The request id, printable ASCII; empty for none.
    pub request_id: SmolStr,
    /// The idempotency token, printable ASCII.
    pub token: Option<String>,
    /// On whose behalf; only a proven peer of the cluster may say.
    pub principal: Option<Principal>,
    /// The call is bulk: it is the first to be refused, and its answer lets others pass.
    pub bulk: bool,
    /// What else the caller sends along.
    pub metadata: Metadata,
}

/// The tags of the head's entries.
pub(crate) mod tag {
    pub(crate) const TRACE: u8 = 1;
    pub(crate) const REQUEST_ID: u8 = 2;
    pub(crate) const TOKEN: u8 = 3;
    pub(crate) const PRINCIPAL: u8 = 4;
    pub(crate) const METADATA: u8 = 5;
    pub(crate) const CLASS: u8 = 6;
    /// SPEC 6.2: an entry with this bit may be skipped by a peer that doesn't know it.
    pub(crate) const IGNORABLE: u8 = 0x80;
}

/// The class of calls that can wait (SPEC 6.7).
const BULK: u8 = 1;

/// The size of a trace context on the wire.
const TRACE_BYTES: usize = 25;

fn malformed<T>(words: &str) -> Result<T, RpcError> {
    Err(RpcError::new(Code::BadRequest, format!("request head: {words}")))
}

impl RequestHead {
    /// Appends the head: its length, the deadline, then the entries that are set.
    ///
    /// # Errors
    /// [`Code::InvalidInput`] when the token, the request id or the principal is too long, or not printable ASCII.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), RpcError> {
        let Self { deadline_us, trace, request_id, token, principal, bulk, metadata } = self;
        let (token, principal) = (token.as_deref(), principal.as_ref());
        let parts = HeadParts {
            deadline_us: *deadline_us,
            trace,
            request_id,
            token,
            principal,
            bulk: *bulk,
            metadata,
        };
        parts.encode(out)
    }

    /// Splits a REQUEST's payload into head and message.
    ///
    /// # Errors
    /// [`Code::BadRequest`] with what is wrong.
    pub fn decode(payload: Bytes) -> Result<(Self, Bytes), RpcError> {
        let mut head = Self::default();
        let message = head.read(payload)?;
        Ok((head, message))
    }

    /// Reads a REQUEST's payload into a head of which nothing is set; the message behind it. A head is long, and isn't copied so.
    pub(crate) fn read(&mut self, mut payload: Bytes) -> Result<Bytes, RpcError> {
        if payload.len() < 2 {
            return malformed("it is cut short");
        }
        let length = usize::from(payload.get_u16());
        if !(4..=REQUEST_HEAD_BYTES_MAX).contains(&length) || payload.len() < length {
            return malformed("its length is wrong");
        }
        let mut input = &payload[..length];
        let deadline_us = input.get_u32();
        // SPEC 6.1: a deadline is never infinite, and never already over.
        if deadline_us == 0 {
            return malformed("a deadline of zero");
        }
        self.deadline_us = deadline_us.min(DEADLINE_US_MAX);
        let mut last = 0;
        while input.has_remaining() {
            if input.remaining() < 3 {
                return malformed("it ends within an entry");
            }
            let (tag, size) = (input.get_u8(), usize::from(input.get_u16()));
            let Some((value, rest)) = input.split_at_checked(size) else {
                return malformed("it ends within an entry");
            };
            input = rest;
            // SPEC 6.2: entries come in ascending order of their tags, each at most once.
            let order = tag & !tag::IGNORABLE;
            if order <= last {
                return malformed("its entries are out of order");
            }
            last = order;
            self.take(tag, value)?;
        }
        payload.advance(length);
        Ok(payload)
    }

    fn take(&mut self, tag: u8, value: &[u8]) -> Result<(), RpcError> {
        match tag {
            tag::TRACE => {
                let Ok(bytes) = <[u8; TRACE_BYTES]>::try_from(value) else {
                    return malformed("the trace context is not 25 bytes long");
                };
                self.trace.trace_id.copy_from_slice(&bytes[..16]);
                // SPEC 6.4: a trace id of zero is as good as no trace, whatever stands behind it.
                if self.trace.is_some() {
                    self.trace.span_id.copy_from_slice(&bytes[16..24]);
                    self.trace.flags = bytes[24];
                }
            }
            tag::REQUEST_ID => self.request_id = take_text(value, REQUEST_ID_BYTES_MAX, "the request id")?,
            tag::TOKEN => self.token = Some(take_text(value, TOKEN_BYTES_MAX, "the idempotency token")?),
            tag::PRINCIPAL => self.principal = Some(take_principal(value)?),
            tag::CLASS if value == [BULK] => self.bulk = true,
            tag::CLASS => return malformed("the class is none of those that there are"),
            tag::METADATA => match Metadata::decode(value) {
                Ok(metadata) => self.metadata = metadata,
                Err(words) => return malformed(words),
            },
            unknown if unknown & tag::IGNORABLE != 0 => {}
            unknown => return malformed(&format!("the entry {unknown} is unknown and may not be ignored")),
        }
        Ok(())
    }
}

/// A head that is put together of what others hold: a call's options are long, and aren't copied for it.
pub(crate) struct HeadParts<'a> {
    pub(crate) deadline_us: u32,
    pub(crate) trace: &'a TraceContext,
    pub(crate) request_id: &'a str,
    pub(crate) token: Option<&'a str>,
    pub(crate) principal: Option<&'a Principal>,
    pub(crate) bulk: bool,
    pub(crate) metadata: &'a Metadata,
}

impl HeadParts<'_> {
    /// Appends the head.
    pub(crate) fn encode(&self, out: &mut BytesMut) -> Result<(), RpcError> {
        self.check()?;
        let start = out.len();
        // Its length, which follows when it is known, the deadline, and what nearly every head has next, at once.
        let mut begin = [0; BEGIN_BYTES];
        begin[2..6].copy_from_slice(&self.deadline_us.clamp(1, DEADLINE_US_MAX).to_be_bytes());
        if self.trace.is_some() {
            begin[6..9].copy_from_slice(&entry_head(tag::TRACE, TRACE_BYTES));
            begin[9..25].copy_from_slice(&self.trace.trace_id);
            begin[25..33].copy_from_slice(&self.trace.span_id);
            begin[33] = self.trace.flags;
            out.extend_from_slice(&begin);
        } else {
            out.extend_from_slice(&begin[..6]);
        }
        if !self.request_id.is_empty() {
            put_entry_head(out, tag::REQUEST_ID, self.request_id.len());
            out.extend_from_slice(self.request_id.as_bytes());
        }
        if let Some(token) = self.token {
            put_entry_head(out, tag::TOKEN, token.len());
            out.extend_from_slice(token.as_bytes());
        }
        if let Some(principal) = self.principal {
            put_entry_head(out, tag::PRINCIPAL, principal_bytes(principal));
            put_principal(out, principal);
        }
        if !self.metadata.is_empty() {
            put_entry_head(out, tag::METADATA, self.metadata.bytes());
            self.metadata.encode(out);
        }
        if self.bulk {
            put_entry_head(out, tag::CLASS, 1);
            out.put_u8(BULK);
        }
        let written = &mut out[..];
        let length = written.len() - start - 2;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "check() bounds every part, and limits.rs their sum"
        )]
        written[start..start + 2].copy_from_slice(&(length as u16).to_be_bytes());
        Ok(())
    }

    /// SPEC 6.3: what is sent keeps the limits of what is accepted.
    fn check(&self) -> Result<(), RpcError> {
        let refused = |what: &str| {
            Err(RpcError::new(Code::InvalidInput, format!("{what} is too long or not printable ASCII")))
        };
        if !self.request_id.is_empty() && !is_printable(self.request_id.as_bytes(), REQUEST_ID_BYTES_MAX) {
            return refused("the request id");
        }
        if self.token.is_some_and(|token| !is_printable(token.as_bytes(), TOKEN_BYTES_MAX)) {
            return refused("the idempotency token");
        }
        if self.principal.is_none_or(Principal::keeps_limits) { Ok(()) } else { refused("the principal") }
    }
}

fn entry_head(tag: u8, length: usize) -> [u8; 3] {
    #[expect(clippy::cast_possible_truncation, reason = "check() bounds every entry")]
    let [high, low] = (length as u16).to_be_bytes();
    [tag, high, low]
}

fn put_entry_head(out: &mut BytesMut, tag: u8, length: usize) {
    out.extend_from_slice(&entry_head(tag, length));
}

/// Length, deadline and trace context.
const BEGIN_BYTES: usize = 2 + 4 + 3 + TRACE_BYTES;

/// Whether a text is printable ASCII (SPEC 6.3) of 1 to `max` bytes.
pub(crate) fn is_printable(text: &[u8], max: usize) -> bool {
    if text.is_empty() || text.len() > max {
        return false;
    }
    // A space, and what isn't ASCII, are none.
    let others = |word| swar::below(word, b'!') | swar::equal(word, 0x7F) | swar::not_ascii(word);
    swar::position(text, others, |byte| !byte.is_ascii_graphic()).is_none()
}

fn take_text<T: for<'a> From<&'a str>>(value: &[u8], max: usize, what: &str) -> Result<T, RpcError> {
    if is_printable(value, max)
        && let Ok(text) = std::str::from_utf8(value)
    {
        return Ok(text.into());
    }
    malformed(&format!("{what} is empty, too long or not printable ASCII"))
}

/// The kinds of principal on the wire (SPEC 6.5): a byte, then for a service its name, for a user subject, organization, session
/// and permissions, each with its length in one byte. Only organization and session may have the length 0.
mod principal_kind {
    pub(super) const ANONYMOUS: u8 = 0;
    pub(super) const OPERATOR: u8 = 1;
    pub(super) const SERVICE: u8 = 2;
    pub(super) const USER: u8 = 3;
}

fn principal_bytes(principal: &Principal) -> usize {
    match principal {
        Principal::Anonymous | Principal::Operator => 1,
        Principal::Service { name } => 2 + name.len(),
        Principal::User { subject, organization, session, permissions } => {
            let permissions: usize = permissions.iter().map(|permission| 1 + permission.len()).sum();
            4 + subject.len() + organization.len() + session.len() + permissions
        }
    }
}

fn put_principal(out: &mut BytesMut, principal: &Principal) {
    let put_name = |out: &mut dyn FnMut(&[u8]), name: &str| {
        #[expect(clippy::cast_possible_truncation, reason = "check() bounds names by NAME_BYTES_MAX")]
        out(&[name.len() as u8]);
        out(name.as_bytes());
    };
    let mut put = |bytes: &[u8]| out.extend_from_slice(bytes);
    match principal {
        Principal::Anonymous => put(&[principal_kind::ANONYMOUS]),
        Principal::Operator => put(&[principal_kind::OPERATOR]),
        Principal::Service { name } => {
            put(&[principal_kind::SERVICE]);
            put_name(&mut put, name);
        }
        Principal::User { subject, organization, session, permissions } => {
            put(&[principal_kind::USER]);
            put_name(&mut put, subject);
            put_name(&mut put, organization);
            put_name(&mut put, session);
            permissions.iter().for_each(|permission| put_name(&mut put, permission));
        }
    }
}

fn take_principal(value: &[u8]) -> Result<Principal, RpcError> {
    let Some((&kind, rest)) = value.split_first() else { return malformed("the principal is empty") };
    let mut names = Names(rest);
    let principal = match kind {
        principal_kind::ANONYMOUS => Principal::Anonymous,
        principal_kind::OPERATOR => Principal::Operator,
        principal_kind::SERVICE => Principal::Service { name: names.name()? },
        principal_kind::USER => {
            let (subject, organization, session) =
                (names.name()?, names.name_or_none()?, names.name_or_none()?);
            let mut permissions = Vec::new();
            while !names.0.is_empty() && permissions.len() < PERMISSIONS_MAX {
                permissions.push(names.name()?);
            }
            Principal::User { subject, organization, session, permissions }
        }
        _ => return malformed("the principal is of no known kind"),
    };
    if names.0.is_empty() { Ok(principal) } else { malformed("the principal has too many names") }
}

/// The names of a principal that are still to be read.
struct Names<'a>(&'a [u8]);

impl Names<'_> {
    fn name<T: for<'a> From<&'a str>>(&mut self) -> Result<T, RpcError> {
        take_text(self.next()?, NAME_BYTES_MAX, "a name of the principal")
    }

    /// The same of a user who may belong to no organization, or have no session.
    fn name_or_none(&mut self) -> Result<String, RpcError> {
        match self.next()? {
            [] => Ok(String::new()),
            name => take_text(name, NAME_BYTES_MAX, "a name of the principal"),
        }
    }

    fn next(&mut self) -> Result<&[u8], RpcError> {
        let named =
            self.0.split_first().and_then(|(length, rest)| rest.split_at_checked(usize::from(*length)));
        let Some((name, rest)) = named else { return malformed("the principal is cut short") };
        self.0 = rest;
        Ok(name)
    }
}
