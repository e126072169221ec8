//! Who asks, as far as limits are concerned: an account, or an address.

use std::fmt::{self, Display};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::net::{IpAddr, Ipv6Addr};

use micronet_wire::http1::RequestHead;
use micronet_wire::principal::Principal;

use crate::stats::Network;

/// Whoever a limit is about. IPv6 addresses count by their /64, since whoever has one of those has all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// Somebody at this address, in the form of the IPv6 address that it is mapped to, or at one of its /64.
    Address(u128),
    /// An account, by its number, or by the hash of an id that is none.
    Account(u64),
}

impl Who {
    /// Whoever is at this address.
    pub(crate) fn at(address: IpAddr) -> Self {
        let bits = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => v6.to_bits(),
            IpAddr::V6(v6) => v6.to_bits() & (u128::MAX << 64),
        };
        Self::Address(bits)
    }

    /// Whoever has this principal at this address; nobody where no limit holds, as for the operator, who could lift them all, and for
    /// the cluster's own services.
    pub(crate) fn asks(principal: &Principal, address: Self) -> Option<Self> {
        match principal {
            Principal::Anonymous => Some(address),
            Principal::User { subject, .. } => {
                let hash = || BuildHasherDefault::<DefaultHasher>::default().hash_one(subject);
                Some(Self::Account(subject.parse().unwrap_or_else(|_| hash())))
            }
            Principal::Operator | Principal::Service { .. } => None,
        }
    }
}

/// As it stands in a key that several gateways share: an account's number, an address, or the first of a /64.
impl Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(number) => write!(f, "{number}"),
            Self::Address(bits) => {
                let v6 = Ipv6Addr::from_bits(*bits);
                match v6.to_ipv4_mapped() {
                    Some(v4) => write!(f, "{v4}"),
                    None => write!(f, "{v6}/64"),
                }
            }
        }
    }
}

/// Where a request comes from: the address at the other end, or, where that is a proxy that is trusted, what it says in
/// `X-Forwarded-For`. Each proxy adds at the right whom it has heard, so the rightmost that isn't trusted itself is the client; what
/// stands left of it, a client may have made up.
pub(crate) fn client(peer: IpAddr, head: &RequestHead, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.has(*address));
    if trusted.is_empty() || !is_trusted(&peer) {
        return peer;
    }
    let mut client = peer;
    let said: Vec<&[u8]> = head.headers().list("X-Forwarded-For").collect();
    for hop in said.into_iter().rev() {
        let Some(address) = std::str::from_utf8(hop).ok().and_then(address) else { break };
        client = address;
        if !is_trusted(&address) {
            break;
        }
    }
    client
}

/// An address as proxies write it: with a port too, and IPv6 in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|whole| whole.ip()))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use micronet_wire::http1::ServerConnection;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn head(forwarded: &[&str]) -> RequestHead {
        let lines: String = forwarded.iter().map(|value| format!("X-Forwarded-For: {value}\r\n")).collect();
        let mut input = BytesMut::from(&*format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
        ServerConnection::new().poll_head(&mut input).expect("a sound head").expect("a whole head")
    }

    #[test]
    fn who_has_a_64_has_all_of_it() {
        assert_eq!(Who::at(ip("2001:db8::1")), Who::at(ip("2001:db8::ffff:1")));
        assert_ne!(Who::at(ip("2001:db8::1")), Who::at(ip("2001:db8:0:1::1")));
        assert_ne!(Who::at(ip("10.0.0.1")), Who::at(ip("10.0.0.2")));
        assert_eq!(Who::at(ip("::ffff:10.0.0.1")), Who::at(ip("10.0.0.1")));
        assert_eq!(Who::at(ip("::ffff:10.0.0.1")).to_string(), "10.0.0.1");
        assert_eq!(Who::at(ip("2001:db8::5")).to_string(), "2001:db8::/64");
    }

    #[test]
    fn accounts_count_wherever_they_are_and_the_operator_not_at_all() {
        let here = Who::at(ip("10.0.0.1"));
        let asks = |principal: &Principal, at| Who::asks(principal, at);
        assert_eq!(asks(&Principal::Anonymous, here), Some(here));
        assert_eq!(asks(&Principal::Operator, here), None);
        let user = |subject: &str| Principal::from_key(&format!("user/{subject}")).expect("a user");
        assert_eq!(asks(&user("7"), here), asks(&user("7"), Who::at(ip("10.0.0.2"))));
        assert_ne!(asks(&user("7"), here), asks(&user("8"), here));
        assert_eq!(asks(&user("7"), here).map(|who| who.to_string()), Some("7".to_owned()));
        assert_eq!(asks(&user("ada"), here), asks(&user("ada"), here));
        assert_ne!(asks(&user("ada"), here), asks(&user("bob"), here));
    }

    #[test]
    fn only_what_a_trusted_proxy_says_is_believed() {
        let trusted: Vec<Network> =
            ["10.0.0.0/8", "fd00::/8"].iter().map(|text| text.parse().expect("a network")).collect();
        let check = |peer: &str, said: &[&str], expected: &str| {
            assert_eq!(client(ip(peer), &head(said), &trusted), ip(expected), "{peer} {said:?}");
        };
        check("192.0.2.1", &["1.1.1.1"], "192.0.2.1");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["1.1.1.1"], "1.1.1.1");
        // What the client itself sent stands on the left.
        check("10.0.0.1", &["6.6.6.6, 1.1.1.1"], "1.1.1.1");
        check("10.0.0.1", &["6.6.6.6", "1.1.1.1, 10.0.0.2"], "1.1.1.1");
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
        check("10.0.0.1", &["1.1.1.1, nonsense"], "10.0.0.1");
        check("10.0.0.1", &["1.1.1.1:4711"], "1.1.1.1");
        check("fd00::1", &["[2001:db8::1]"], "2001:db8::1");
        check("fd00::1", &["[2001:db8::1]:80"], "2001:db8::1");
        assert_eq!(client(ip("10.0.0.1"), &head(&["1.1.1.1"]), &[]), ip("10.0.0.1"), "off unless it is said");
    }
}
