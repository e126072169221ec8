//! Where pages come from. A browser says it of whoever opens a WebSocket (RFC 6455 section 10.2), and lets pages of anywhere do so.

use crate::http1::RequestHead;

/// Which pages may open a WebSocket, besides those that the server itself has served: by their origins (RFC 6454).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    all: bool,
    listed: Vec<String>,
}

/// The scheme, the host and the port of an origin.
type Parts<'a> = (&'a str, &'a str, &'a str);

impl Origins {
    /// The origins that a list names, as `https://app.example`; `*` stands for all. `None` if one of them is no origin.
    #[must_use]
    pub fn of(list: &[&str]) -> Option<Self> {
        let mut origins = Self::default();
        for name in list {
            match (*name, parts(name)) {
                ("*", _) => origins.all = true,
                (_, Some(_)) => origins.listed.push(name.to_ascii_lowercase()),
                _ => return None,
            }
        }
        Some(origins)
    }

    /// Whether the page may from which a request comes. What doesn't say so is no browser.
    #[must_use]
    pub fn allow(&self, head: &RequestHead) -> bool {
        let mut given = head.headers().get_all("Origin");
        let origin = match (given.next(), given.next()) {
            (None, _) => return true,
            (Some(origin), None) => std::str::from_utf8(origin).unwrap_or_default().to_ascii_lowercase(),
            _ => return false,
        };
        self.all || self.listed.contains(&origin) || is_own(&origin, head.host())
    }
}

/// Whether an origin is the server itself, by the name that the client calls it by. The scheme is left out: what is spoken to the
/// client may be spoken by a proxy.
fn is_own(origin: &str, host: &str) -> bool {
    let Some((scheme, name, port)) = parts(origin) else { return false };
    let host = host.to_ascii_lowercase();
    let (host_name, host_port) = split_port(&host);
    host_name == name && (if host_port.is_empty() { default_port(scheme) } else { host_port }) == port
}

fn parts(origin: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = origin.split_once("://")?;
    let (name, port) = split_port(rest);
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    let is_whole =
        !name.is_empty() && name.bytes().all(is_name) && port.bytes().all(|byte| byte.is_ascii_digit());
    let known = matches!(scheme, "http" | "https") && is_whole;
    known.then_some((scheme, name, if port.is_empty() { default_port(scheme) } else { port }))
}

/// A name and a port, which may be missing; in brackets the colons are the name's.
fn split_port(authority: &str) -> (&str, &str) {
    match authority.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        _ => (authority, ""),
    }
}

fn default_port(scheme: &str) -> &'static str {
    if scheme == "https" { "443" } else { "80" }
}
