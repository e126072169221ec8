//! Which processes of this machine listen at an address: sockets by `/proc/net/tcp`, and who has them open by `/proc/PID/fd`.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;

/// The state of a socket that listens, in `/proc/net/tcp` (TCP_LISTEN of Linux).
const LISTENS: &str = "0A";

/// The processes that have a socket listening at this address, by their ids; none where it is another machine's, or they belong to
/// somebody else.
pub(super) fn at(address: SocketAddr) -> BTreeSet<u32> {
    if !is_here(address.ip()) {
        return BTreeSet::new();
    }
    let mut sockets = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let table = fs::read_to_string(table).unwrap_or_default();
        sockets.extend(table.lines().filter_map(|line| listening(line, address.port())));
    }
    if sockets.is_empty() { BTreeSet::new() } else { holders(&sockets) }
}

/// The name of a process's program; empty where it is gone.
pub(super) fn name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// Whether an address is this machine's: only its own can be bound.
fn is_here(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

/// The inode of a socket that listens at this port, from its line `sl local_address rem_address st … inode`.
fn listening(line: &str, port: u16) -> Option<u64> {
    let mut fields = line.split_whitespace();
    let (_, local_port) = fields.nth(1)?.rsplit_once(':')?;
    let is_there = u16::from_str_radix(local_port, 16) == Ok(port) && fields.nth(1)? == LISTENS;
    if is_there { fields.nth(5)?.parse().ok() } else { None }
}

fn holders(sockets: &BTreeSet<u64>) -> BTreeSet<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|pid| holds(Path::new(&format!("/proc/{pid}/fd")), sockets)).collect()
}

fn holds(descriptors: &Path, sockets: &BTreeSet<u64>) -> bool {
    fs::read_dir(descriptors).into_iter().flatten().flatten().any(|descriptor| {
        let target = fs::read_link(descriptor.path()).unwrap_or_default();
        let inode = target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']'));
        inode.and_then(|inode| inode.parse().ok()).is_some_and(|inode| sockets.contains(&inode))
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_is_found_by_its_port() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(at(address), BTreeSet::from([std::process::id()]));
        assert!(!name(std::process::id()).is_empty());
        drop(listener);
        assert_eq!(at(address), BTreeSet::new());
        // An address for documentation (RFC 5737).
        assert_eq!(at(SocketAddr::new([192, 0, 2, 1].into(), address.port())), BTreeSet::new());
    }

    #[test]
    fn lines_are_read() {
        let check = |state: &str, port: u16, wanted: Option<u64>| {
            let line = format!(
                "   0: 0100007F:1F40 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0"
            );
            assert_eq!(listening(&line, port), wanted, "{line}");
        };
        check("0A", 8000, Some(12_345));
        check("0A", 8001, None);
        check("01", 8000, None);
        assert_eq!(listening("  sl  local_address rem_address   st", 0), None);
    }
}
