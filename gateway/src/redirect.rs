//! The plaintext port beside HTTPS: it sends everybody there, and answers nothing else.

use std::net::SocketAddr;
use std::rc::Rc;

use micronet_transport::drain::Drain;
use micronet_transport::http_server::{self, Response, Site};
use micronet_transport::identity::Identity;
use micronet_transport::listener;
use micronet_wire::error::Code;
use micronet_wire::http1::{HttpLimits, RequestHead, Status};
use micronet_wire::limits::HTTP_CONNECTIONS_MAX;
use micronet_wire::rest::{Answer, RequestIds};
use tokio::net::TcpListener;

use crate::config::Gateway;

/// The port that a client uses for HTTPS where it names none.
const HTTPS_PORT: u16 = 443;

/// Sends whoever comes to `listener` to the gateway's HTTPS at `address`, until `drain` begins.
///
/// Must run on a `LocalRuntime` or within a `LocalSet`.
pub async fn serve(listener: TcpListener, gateway: Rc<Gateway>, address: SocketAddr, drain: Drain) {
    let site = Rc::new(Redirect { gateway, port: address.port() });
    let connection_drain = drain.clone();
    listener::accept(
        "connection to redirect",
        listener,
        HTTP_CONNECTIONS_MAX,
        drain,
        || (),
        |stream, _| http_server::serve_connection(stream, Rc::clone(&site), connection_drain.clone()),
    )
    .await;
}

struct Redirect {
    gateway: Rc<Gateway>,
    /// Where the gateway listens.
    port: u16,
}

impl Site for Redirect {
    fn request_ids(&self) -> &RequestIds {
        &self.gateway.request_ids
    }

    fn identity(&self) -> &Identity {
        &self.gateway.identity
    }

    fn limits(&self) -> HttpLimits {
        self.gateway.settings().http.limits
    }

    fn has_pages(&self) -> bool {
        false
    }

    async fn answer(&self, _request_id: &str, head: &RequestHead, _body: &[u8]) -> Response {
        let port = self.gateway.settings().tls.redirect_port.unwrap_or(self.port);
        match location(head.host(), head.path(), head.query(), port) {
            Some(location) => {
                let words = "come by HTTPS: nothing else is spoken with";
                let mut answer =
                    Answer::error(Status::PERMANENT_REDIRECT, Code::TlsRequired.name(), words, b"");
                answer.headers.push(("Location", location.into()));
                answer.into()
            }
            None => Answer::refusal(400, "the request names no host that could be reached by HTTPS").into(),
        }
    }
}

/// The same place by HTTPS (RFC 9110, section 15.4.9).
fn location(host: &str, path: &str, query: Option<&str>, port: u16) -> Option<String> {
    let host = name_of(host)?;
    // `OPTIONS *` is of no path.
    let path = if path.starts_with('/') { path } else { "/" };
    let port = if port == HTTPS_PORT { String::new() } else { format!(":{port}") };
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("https://{host}{port}{path}{query}"))
}

/// The host of an authority, without its port: a name, an IPv4 address, or an IPv6 address in brackets.
fn name_of(authority: &str) -> Option<&str> {
    let end = match authority.strip_prefix('[') {
        Some(_) => authority.find(']')? + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(end);
    let is_port = port.strip_prefix(':').unwrap_or(port).bytes().all(|byte| byte.is_ascii_digit());
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_sound = match host.strip_prefix('[') {
        Some(address) => address.trim_end_matches(']').parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(is_name),
    };
    (is_port && is_sound && (port.is_empty() || port.starts_with(':'))).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_place_is_named_by_https() {
        let check = |host: &str, path: &str, port, wanted: Option<&str>| {
            assert_eq!(location(host, path, None, port).as_deref(), wanted, "{host:?} {path:?}");
        };
        let with_query = location("shop.example", "/a", Some("b=c"), 443);
        assert_eq!(with_query.as_deref(), Some("https://shop.example/a?b=c"));
        check("shop.example:80", "/", 8443, Some("https://shop.example:8443/"));
        check("[::1]:80", "/x", 443, Some("https://[::1]/x"));
        check("127.0.0.1", "*", 443, Some("https://127.0.0.1/"));
        for host in ["", ":80", "a b", "a/b", "me@shop.example", "[::1", "[x]", "a:b", "[::1]x", "a\\b"] {
            check(host, "/", 443, None);
        }
    }
}
