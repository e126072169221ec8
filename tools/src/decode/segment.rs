//! TCP in captured packets, below Ethernet, Linux's cooked capture, loopback, or nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::capture::Packet;

/// A TCP segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment<'f> {
    pub(super) at_us: u64,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) sequence: u32,
    pub(super) syn: bool,
    pub(super) ack: bool,
    pub(super) payload: &'f [u8],
}

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_VLAN: u16 = 0x8100;
const TCP: u8 = 6;

/// The segment in a packet, if there is a whole one.
pub(super) fn segment<'f>(packet: &Packet<'f>) -> Option<Segment<'f>> {
    let bytes = packet.bytes;
    let ip = match packet.link {
        // Ethernet; a tag of a VLAN may stand before what it carries.
        1 => match number(bytes, 12)? {
            ETHERTYPE_VLAN => ip_of(number(bytes, 16)?, bytes.get(18..)?)?,
            kind => ip_of(kind, bytes.get(14..)?)?,
        },
        // Raw IP; loopback of BSD, where a word of the family stands before it; cooked capture, first and second form.
        12 | 14 | 101 | 228 | 229 => bytes,
        0 | 108 => bytes.get(4..)?,
        113 => ip_of(number(bytes, 14)?, bytes.get(16..)?)?,
        276 => ip_of(number(bytes, 0)?, bytes.get(20..)?)?,
        _ => return None,
    };
    let (from, to, tcp) = tcp_of(ip)?;
    let header = usize::from(tcp.get(12)? >> 4) * 4;
    let flags = *tcp.get(13)?;
    let sequence = u32::from_be_bytes(*tcp.get(4..)?.first_chunk()?);
    Some(Segment {
        at_us: packet.at_us,
        from: SocketAddr::new(from, number(tcp, 0)?),
        to: SocketAddr::new(to, number(tcp, 2)?),
        sequence,
        syn: flags & 0x02 != 0,
        ack: flags & 0x10 != 0,
        payload: tcp.get(header.max(20)..)?,
    })
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn ip_of(kind: u16, bytes: &[u8]) -> Option<&[u8]> {
    matches!(kind, ETHERTYPE_IPV4 | ETHERTYPE_IPV6).then_some(bytes)
}

/// The addresses of an IP packet, and the TCP in it. What was fragmented is left out.
fn tcp_of(ip: &[u8]) -> Option<(IpAddr, IpAddr, &[u8])> {
    match ip.first()? >> 4 {
        4 => {
            let header = usize::from(ip[0] & 0x0f) * 4;
            let whole = usize::from(number(ip, 2)?);
            let is_fragment = number(ip, 6)? & 0x3fff != 0;
            if *ip.get(9)? != TCP || is_fragment || header < 20 {
                return None;
            }
            let address = |at: usize| Some(IpAddr::V4(Ipv4Addr::from(*ip.get(at..)?.first_chunk::<4>()?)));
            // Ethernet pads short frames; segmentation in the network card may leave the length 0.
            let end = if whole == 0 { ip.len() } else { whole.min(ip.len()) };
            Some((address(12)?, address(16)?, ip.get(header..end)?))
        }
        6 => {
            if *ip.get(6)? != TCP {
                return None;
            }
            let payload = usize::from(number(ip, 4)?);
            let address = |at: usize| Some(IpAddr::V6(Ipv6Addr::from(*ip.get(at..)?.first_chunk::<16>()?)));
            let end = if payload == 0 { ip.len() } else { (40 + payload).min(ip.len()) };
            Some((address(8)?, address(24)?, ip.get(40..end)?))
        }
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An IPv4 packet with TCP in it.
    pub(crate) fn ipv4(from: u16, to: u16, sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(40 + payload.len()).unwrap().to_be_bytes();
        let mut packet = vec![0x45, 0, length[0], length[1], 0, 0, 0x40, 0, 64, TCP, 0, 0];
        packet.extend([127, 0, 0, 1, 127, 0, 0, 1]);
        packet.extend(from.to_be_bytes());
        packet.extend(to.to_be_bytes());
        packet.extend(sequence.to_be_bytes());
        packet.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend(payload);
        packet
    }

    #[test]
    fn segments_are_found_below_every_link() {
        let ip = ipv4(5000, 8002, 7, 0x18, b"hello");
        let below = |head: &[u8]| [head, &ip, &[0; 3]].concat();
        let mut ethernet = vec![0; 12];
        ethernet.extend([8, 0]);
        let mut cooked = vec![0; 14];
        cooked.extend([8, 0]);
        let mut cooked_again = vec![8, 0];
        cooked_again.extend([0; 18]);
        let packets = [
            (1, below(&ethernet)),
            (1, below(&[&ethernet[..12], &[0x81, 0, 0, 5, 8, 0]].concat())),
            (101, below(&[])),
            (0, below(&[2, 0, 0, 0])),
            (113, below(&cooked)),
            (276, below(&cooked_again)),
        ];
        for (link, bytes) in packets {
            let found = segment(&Packet { at_us: 3, link, bytes: &bytes }).unwrap();
            assert_eq!((found.from.port(), found.to.port(), found.sequence), (5000, 8002, 7), "{link}");
            assert_eq!(
                (found.payload, found.syn, found.ack, found.at_us),
                (&b"hello"[..], false, true, 3),
                "{link}"
            );
            for end in 0..bytes.len() {
                let _ = segment(&Packet { at_us: 3, link, bytes: &bytes[..end] });
            }
        }
    }

    #[test]
    fn ipv6_is_read_and_udp_is_not() {
        let tcp = &ipv4(5000, 8002, 7, 0x02, b"x")[20..];
        let mut ip = vec![0x60, 0, 0, 0, 0, u8::try_from(tcp.len()).unwrap(), TCP, 64];
        ip.extend(Ipv6Addr::LOCALHOST.octets());
        ip.extend(Ipv6Addr::LOCALHOST.octets());
        ip.extend(tcp);
        let found = segment(&Packet { at_us: 0, link: 101, bytes: &ip }).unwrap();
        assert_eq!((found.from.to_string().as_str(), found.syn), ("[::1]:5000", true));
        ip[6] = 17;
        assert_eq!(segment(&Packet { at_us: 0, link: 101, bytes: &ip }), None);
    }
}
