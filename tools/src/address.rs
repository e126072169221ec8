//! Addresses as people write them: `HOST`, `HOST:PORT`, `[::1]:PORT`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::error::CommandError;

/// The longest host name (RFC 1035 section 2.3.4), in bytes.
const HOST_BYTES_MAX: usize = 255;

/// A host and a port to connect to. The host is a name or an IP address; names are resolved when they are dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// Reads an address; one without a port gets the default, and without a default it is refused.
    pub(crate) fn parse(text: &str, port_default: Option<u16>) -> Result<Self, CommandError> {
        let refuse = |why: &str| {
            CommandError::usage(format!("{text:?} is not an address: {why}"))
                .next("write HOST:PORT, such as localhost:8002 or [::1]:8002")
        };
        let (host, port) = split(text).map_err(refuse)?;
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:%".contains(&byte);
        if host.is_empty() || host.len() > HOST_BYTES_MAX || !host.bytes().all(is_host) {
            return Err(refuse("the host is missing or has characters that no host has"));
        }
        let port = match port {
            Some(port) => port.parse().map_err(|_| refuse("the port is not a number from 1 to 65535"))?,
            None => port_default.ok_or_else(|| refuse("the port is missing"))?,
        };
        if port == 0 {
            return Err(refuse("the port is not a number from 1 to 65535"));
        }
        Ok(Self { host: host.to_owned(), port })
    }

    /// Reads an HTTP server's address, with or without `http://` before it and a slash behind.
    pub(crate) fn parse_url(text: &str, port_default: u16) -> Result<Self, CommandError> {
        if text.starts_with("https://") {
            return Err(CommandError::usage(format!("{text:?} asks for TLS, which is not there yet"))
                .next("write http://HOST:PORT or HOST:PORT"));
        }
        let rest = text.strip_prefix("http://").unwrap_or(text);
        Self::parse(rest.strip_suffix('/').unwrap_or(rest), Some(port_default))
    }

    /// Looks the host up. Of several addresses the first IPv4 one is taken, since that is what services listen on by default.
    pub(crate) async fn resolve(&self) -> Result<SocketAddr, CommandError> {
        let refuse = |why: String| {
            CommandError::new(format!("cannot find the host of {self}: {why}"))
                .next("check its spelling, or use an IP address")
        };
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let addresses: Vec<SocketAddr> = found.map_err(|error| refuse(error.to_string()))?.collect();
        let preferred = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
        preferred.copied().ok_or_else(|| refuse("it has no address".into()))
    }

    /// The host and the port.
    pub(crate) fn into_parts(self) -> (String, u16) {
        (self.host, self.port)
    }

    /// A host and a port that are known to be right.
    pub(crate) fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Addresses as flags and logs write them: with commas between.
pub(crate) fn list<A: fmt::Display>(addresses: &[A]) -> String {
    addresses.iter().map(A::to_string).collect::<Vec<_>>().join(",")
}

/// Reads an address to listen on: an IP address or `localhost`, with a port or the default one. Port 0 is a free port.
pub(crate) fn parse_listen(text: &str, port_default: u16) -> Result<SocketAddr, CommandError> {
    let (host, port) = split(text).map_err(|why| bad_listen(text, why))?;
    let port = match port {
        Some(port) => {
            port.parse().map_err(|_| bad_listen(text, "the port is not a number from 0 to 65535"))?
        }
        None => port_default,
    };
    Ok(SocketAddr::new(listen_ip(host)?, port))
}

/// Reads a host to listen on: an IP address or `localhost`.
pub(crate) fn listen_ip(host: &str) -> Result<IpAddr, CommandError> {
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    host.parse().map_err(|_| bad_listen(host, "the host is neither an IP address nor localhost"))
}

/// Where a program on this machine reaches a listener: an unspecified address (`0.0.0.0`) is not one to connect to.
pub(crate) fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

fn bad_listen(text: &str, why: &str) -> CommandError {
    CommandError::usage(format!("can't listen on {text:?}: {why}"))
        .next("write an IP address of this machine and a port, such as 127.0.0.1:8002")
}

/// Splits host and port. An IPv6 address stands in brackets when a port follows, as in a URL (RFC 3986 section 3.2.2).
fn split(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("the closing bracket is missing")?;
        host.parse::<Ipv6Addr>().map_err(|_| "what stands in brackets is not an IPv6 address")?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err("only a port may follow the bracket"),
        };
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => Ok((host, Some(port))),
        Some(_) if text.parse::<Ipv6Addr>().is_err() => Err("it has more than one colon"),
        _ => Ok((text, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_read_with_and_without_a_port() {
        let check = |text: &str, default: Option<u16>, wanted: Option<&str>| {
            let read = HostPort::parse(text, default).ok().map(|address| address.to_string());
            assert_eq!(read.as_deref(), wanted, "{text:?}");
        };
        check("localhost", Some(8002), Some("localhost:8002"));
        check("catalog-1.local:9", Some(8002), Some("catalog-1.local:9"));
        check("10.0.0.1:8002", None, Some("10.0.0.1:8002"));
        check("[::1]:8002", None, Some("[::1]:8002"));
        check("::1", Some(8002), Some("[::1]:8002"));
        check("[::1]", Some(8002), Some("[::1]:8002"));
        check("localhost", None, None);
        check("", Some(1), None);
        check(":80", Some(1), None);
        check("host:", Some(1), None);
        check("host:0", None, None);
        check("host:65536", None, None);
        check("a:b:c", Some(1), None);
        check("[::1", Some(1), None);
        check("[name]:80", Some(1), None);
        check("[::1]80", Some(1), None);
        check("with space:80", None, None);
    }

    #[test]
    fn urls_are_hosts_and_ports() {
        let check = |text: &str, wanted: Option<&str>| {
            let read = HostPort::parse_url(text, 8000).ok().map(|address| address.to_string());
            assert_eq!(read.as_deref(), wanted, "{text:?}");
        };
        check("http://localhost:9/", Some("localhost:9"));
        check("http://localhost", Some("localhost:8000"));
        check("front", Some("front:8000"));
        check("https://localhost", None);
        check("http://localhost/path", None);
    }

    #[test]
    fn listeners_are_ip_addresses() {
        let check = |text: &str, wanted: Option<&str>| {
            let read = parse_listen(text, 8002).ok().map(|address| address.to_string());
            assert_eq!(read.as_deref(), wanted, "{text:?}");
        };
        check("127.0.0.1", Some("127.0.0.1:8002"));
        check("127.0.0.1:0", Some("127.0.0.1:0"));
        check("localhost:9", Some("127.0.0.1:9"));
        check("[::]:9", Some("[::]:9"));
        check("::1", Some("[::1]:8002"));
        check("example.org:9", None);
        check("127.0.0.1:x", None);
    }

    #[test]
    fn an_unspecified_listener_is_reached_on_loopback() {
        let check = |listener: &str, wanted: &str| {
            assert_eq!(reachable(listener.parse().unwrap()).to_string(), wanted);
        };
        check("0.0.0.0:80", "127.0.0.1:80");
        check("[::]:80", "[::1]:80");
        check("10.1.2.3:80", "10.1.2.3:80");
    }
}
