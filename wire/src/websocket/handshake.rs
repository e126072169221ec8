//! The client's part of the handshake.

use crate::http1::{Method, RequestHead, Status, Version};
use crate::rest::{Answer, Refused, other_methods};

/// How a subprotocol begins that is a ticket: what follows says who opens the connection. A page can't send a header, but it can name
/// subprotocols.
pub const TICKET_PREFIX: &str = "micronet.ticket.";

/// Subprotocols that a client may offer.
const PROTOCOLS_MAX: usize = 16;

/// A handshake that is in order, as the client has begun it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake<'a> {
    key: &'a str,
    protocols: Vec<&'a str>,
}

impl<'a> Handshake<'a> {
    /// The handshake that a request begins.
    ///
    /// # Errors
    /// The answer to a request that doesn't begin one: 405, 426 or 400.
    pub fn of(head: &'a RequestHead, body: &[u8]) -> Result<Self, Refused> {
        if head.method() != Method::Get {
            return Err(other_methods(head.method(), &["GET"]));
        }
        if head.version() != Version::Http11 || !head.asks_upgrade("websocket") {
            return Err(upgrade_required(
                "this path speaks WebSocket: send Connection: upgrade, Upgrade: websocket",
            ));
        }
        if single(head, "Sec-WebSocket-Version")? != Some("13") {
            return Err(upgrade_required("the version of WebSocket has to be 13"));
        }
        if !body.is_empty() {
            return Err(refuse("the request that opens a WebSocket carries no body"));
        }
        let key = single(head, "Sec-WebSocket-Key")?.filter(|key| is_key(key));
        let key = key.ok_or_else(|| refuse("Sec-WebSocket-Key has to be 16 bytes in base64"))?;
        Ok(Self { key, protocols: protocols(head)? })
    }

    /// `Sec-WebSocket-Key`, by which the server proves that it has read the handshake.
    #[must_use]
    pub fn key(&self) -> &'a str {
        self.key
    }

    /// The ticket among the subprotocols.
    #[must_use]
    pub fn ticket(&self) -> Option<&'a str> {
        self.protocols.iter().find_map(|protocol| protocol.strip_prefix(TICKET_PREFIX))
    }

    /// The subprotocol for the answer: that of `spoken` if it was offered, and else the ticket, since a browser takes no connection
    /// of which none of its subprotocols became one. None if neither was.
    #[must_use]
    pub fn agree(&self, spoken: &str) -> Option<&'a str> {
        let offered =
            |wanted: &dyn Fn(&str) -> bool| self.protocols.iter().copied().find(|name| wanted(name));
        offered(&|name| name == spoken).or_else(|| offered(&|name| name.starts_with(TICKET_PREFIX)))
    }
}

/// RFC 6455 section 4.2.2: a version that isn't spoken is answered with the one that is.
fn upgrade_required(words: &str) -> Refused {
    let mut answer = Answer::refusal(Status::UPGRADE_REQUIRED.code(), words);
    answer.headers.extend([("Upgrade", "websocket".into()), ("Sec-WebSocket-Version", "13".into())]);
    Box::new(answer)
}

fn refuse(words: &str) -> Refused {
    Box::new(Answer::refusal(400, words))
}

/// RFC 6455 section 11.3: key and version appear once.
fn single<'a>(head: &'a RequestHead, name: &str) -> Result<Option<&'a str>, Refused> {
    let mut given = head.headers().get_all(name);
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => Ok(std::str::from_utf8(value).ok()),
        _ => Err(refuse(&format!("{name} is given twice"))),
    }
}

/// RFC 6455 section 4.2.1: 16 bytes in base64, which are 22 digits, the last of which holds 2 bits, and the padding.
fn is_key(key: &str) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    match key.as_bytes() {
        [digits @ .., b'=', b'='] if digits.len() == 22 => {
            digits.iter().all(is_digit) && b"AQgw".contains(&digits[21])
        }
        _ => false,
    }
}

/// RFC 6455 section 4.1: tokens, none twice.
fn protocols(head: &RequestHead) -> Result<Vec<&str>, Refused> {
    let mut protocols: Vec<&str> = Vec::new();
    for name in head.headers().list("Sec-WebSocket-Protocol") {
        let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        let name = std::str::from_utf8(name).ok().filter(|name| name.as_bytes().iter().all(is_token));
        let name = name.filter(|name| !name.is_empty() && !protocols.contains(name));
        match name {
            Some(name) if protocols.len() < PROTOCOLS_MAX => protocols.push(name),
            _ => {
                return Err(refuse(
                    "Sec-WebSocket-Protocol has to be a list of at most 16 names, none twice",
                ));
            }
        }
    }
    Ok(protocols)
}
