//! What the kernel knows of a connection's way out: bytes that the other side's kernel has not acknowledged.

use std::net::{IpAddr, SocketAddr};

/// Bytes that were handed to the kernel and that nobody has acknowledged yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unacknowledged {
    /// How many.
    pub bytes: u64,
    /// How often in a row the first of them has been sent again without success.
    pub retransmits: u32,
}

/// Looks a connection up in the tables of Linux (proc(5), `/proc/net/tcp`); `None` elsewhere, or when it isn't there.
///
/// It reads the table of all connections: something for when there is doubt, and not for each heartbeat of a busy server.
#[must_use]
pub fn unacknowledged(local: SocketAddr, peer: SocketAddr) -> Option<Unacknowledged> {
    let table = if local.is_ipv4() { "/proc/self/net/tcp" } else { "/proc/self/net/tcp6" };
    find(&std::fs::read_to_string(table).ok()?, local, peer)
}

/// The line of a connection: its number, both addresses, the state, `tx_queue:rx_queue`, the timer, the retransmits.
fn find(table: &str, local: SocketAddr, peer: SocketAddr) -> Option<Unacknowledged> {
    let (local, peer) = (in_hex(local), in_hex(peer));
    table.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        if fields.next()? != local || fields.next()? != peer {
            return None;
        }
        let (sent, _) = fields.nth(1)?.split_once(':')?;
        let bytes = u64::from_str_radix(sent, 16).ok()?;
        let retransmits = u32::from_str_radix(fields.nth(1)?, 16).ok()?;
        Some(Unacknowledged { bytes, retransmits })
    })
}

/// An address as the table writes it: each 32 bits of it in the machine's own order.
fn in_hex(address: SocketAddr) -> String {
    let words = |octets: &[u8]| -> String {
        let word = |four: &[u8]| four.try_into().map_or(0, u32::from_ne_bytes);
        octets.chunks(4).map(|four| format!("{:08X}", word(four))).collect()
    };
    let ip = match address.ip() {
        IpAddr::V4(ip) => words(&ip.octets()),
        IpAddr::V6(ip) => words(&ip.octets()),
    };
    format!("{ip}:{:04X}", address.port())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_line_of_the_table_is_found() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
             0: 0100007F:1F42 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 35513 1\n   \
             1: 0100007F:C350 0100007F:1F42 01 0000002A:00000001 01:00000014 0000000B     0        0 35514 2\n";
        let at = |text: &str| text.parse().unwrap();
        let found = find(table, at("127.0.0.1:50000"), at("127.0.0.1:8002"));
        assert_eq!(found, Some(Unacknowledged { bytes: 42, retransmits: 11 }));
        assert_eq!(find(table, at("127.0.0.1:50001"), at("127.0.0.1:8002")), None);
        assert_eq!(find("", at("127.0.0.1:50000"), at("127.0.0.1:8002")), None);
        assert_eq!(in_hex(at("[::1]:80")), "00000000000000000000000001000000:0050");
    }

    /// What nobody reads is acknowledged until the peer's kernel has no room any more.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_real_connection_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_unread, _) = listener.accept().unwrap();
        let of_stream = |stream: &TcpStream| {
            unacknowledged(stream.local_addr().unwrap(), stream.peer_addr().unwrap()).unwrap()
        };
        assert_eq!(of_stream(&stream), Unacknowledged::default());
        stream.set_nonblocking(true).unwrap();
        while stream.write(&[0; 65_536]).is_ok() {}
        assert!(of_stream(&stream).bytes > 0);
    }
}
