//! The packets of a capture: pcap, and pcapng (draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng). Only what tells packets apart is read.
//!
//! The crates that read these files are made to write them too, and bring a parser each; this is a header and a length.

/// A packet as it was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet<'f> {
    /// When, in microseconds since 1970.
    pub(super) at_us: u64,
    /// What its first bytes are: the LINKTYPE of the capture.
    pub(super) link: u16,
    pub(super) bytes: &'f [u8],
}

/// The end of a file that breaks off is told with the packets before it.
#[derive(Debug, Default)]
pub(super) struct Packets<'f> {
    pub(super) list: Vec<Packet<'f>>,
    pub(super) cut_short: bool,
}

/// How numbers are written in a file.
#[derive(Debug, Clone, Copy)]
struct Order {
    big: bool,
}

impl Order {
    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }
}

/// Whether a file is a capture.
pub(super) fn is_capture(file: &[u8]) -> bool {
    is_pcapng(file) || pcap_order(file).is_some()
}

/// The packets of a file; none when it is no capture.
pub(super) fn packets(file: &[u8]) -> Option<Packets<'_>> {
    if is_pcapng(file) {
        return Some(pcapng(file));
    }
    let (order, nanoseconds) = pcap_order(file)?;
    Some(pcap(file, order, nanoseconds))
}

fn is_pcapng(file: &[u8]) -> bool {
    file.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a])
}

/// By the magic number: how numbers are written, and whether times are in nanoseconds.
fn pcap_order(file: &[u8]) -> Option<(Order, bool)> {
    match file.first_chunk()? {
        [0xa1, 0xb2, 0xc3, 0xd4] => Some((Order { big: true }, false)),
        [0xd4, 0xc3, 0xb2, 0xa1] => Some((Order { big: false }, false)),
        [0xa1, 0xb2, 0x3c, 0x4d] => Some((Order { big: true }, true)),
        [0x4d, 0x3c, 0xb2, 0xa1] => Some((Order { big: false }, true)),
        _ => None,
    }
}

fn pcap(file: &[u8], order: Order, nanoseconds: bool) -> Packets<'_> {
    let mut packets = Packets::default();
    let Some(link) = order.u32(file, 20) else { return Packets { cut_short: true, ..packets } };
    let link = u16::try_from(link & 0xffff).unwrap_or(u16::MAX);
    let mut rest = file.get(24..).unwrap_or_default();
    while !rest.is_empty() {
        let taken = (|| {
            let seconds = u64::from(order.u32(rest, 0)?);
            let fraction = u64::from(order.u32(rest, 4)?);
            let length = usize::try_from(order.u32(rest, 8)?).ok()?;
            let bytes = rest.get(16..)?.get(..length)?;
            let fraction = if nanoseconds { fraction / 1_000 } else { fraction };
            Some((Packet { at_us: seconds * 1_000_000 + fraction, link, bytes }, 16 + length))
        })();
        let Some((packet, length)) = taken else {
            packets.cut_short = true;
            break;
        };
        packets.list.push(packet);
        rest = &rest[length..];
    }
    packets
}

/// An interface of a pcapng section.
#[derive(Debug, Clone, Copy)]
struct Interface {
    link: u16,
    /// Units of its times in a second.
    units: u64,
}

fn pcapng(file: &[u8]) -> Packets<'_> {
    let mut packets = Packets::default();
    let (mut order, mut interfaces) = (Order { big: false }, Vec::new());
    let mut rest = file;
    while !rest.is_empty() {
        if rest.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
            order.big = rest.get(8..12) == Some(&[0x1a, 0x2b, 0x3c, 0x4d]);
            interfaces.clear();
        }
        let block = order.u32(rest, 4).and_then(|length| usize::try_from(length).ok());
        let Some(block) = block.filter(|length| *length >= 12).and_then(|length| rest.get(..length)) else {
            packets.cut_short = true;
            break;
        };
        let body = &block[8..block.len() - 4];
        match order.u32(block, 0) {
            Some(1) => interfaces.extend(interface(order, body)),
            Some(6) => packets.list.extend(enhanced_packet(order, body, &interfaces)),
            Some(3) => packets.list.extend(simple_packet(order, body, &interfaces)),
            _ => {}
        }
        rest = rest.get(block.len().next_multiple_of(4)..).unwrap_or_default();
    }
    packets
}

fn interface(order: Order, body: &[u8]) -> Option<Interface> {
    let mut found = Interface { link: order.u16(body, 0)?, units: 1_000_000 };
    let mut options = body.get(8..)?;
    while let (Some(code), Some(length)) = (order.u16(options, 0), order.u16(options, 2)) {
        let length = usize::from(length);
        if code == 9
            && let Some([resolution]) = options.get(4..4 + length)
        {
            let power = u32::from(resolution & 0x7f);
            let units =
                if resolution & 0x80 == 0 { 10_u64.checked_pow(power) } else { 2_u64.checked_pow(power) };
            found.units = units.unwrap_or(1_000_000).max(1);
        }
        options = options.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(found)
}

fn enhanced_packet<'f>(order: Order, body: &'f [u8], interfaces: &[Interface]) -> Option<Packet<'f>> {
    let of = interfaces.get(usize::try_from(order.u32(body, 0)?).ok()?)?;
    let time = u64::from(order.u32(body, 4)?) << 32 | u64::from(order.u32(body, 8)?);
    let length = usize::try_from(order.u32(body, 12)?).ok()?;
    let at_us = u64::try_from(u128::from(time) * 1_000_000 / u128::from(of.units)).unwrap_or(u64::MAX);
    Some(Packet { at_us, link: of.link, bytes: body.get(20..)?.get(..length)? })
}

fn simple_packet<'f>(order: Order, body: &'f [u8], interfaces: &[Interface]) -> Option<Packet<'f>> {
    let whole = usize::try_from(order.u32(body, 0)?).ok()?;
    let bytes = body.get(4..)?;
    Some(Packet { at_us: 0, link: interfaces.first()?.link, bytes: bytes.get(..whole).unwrap_or(bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pcap_file(big: bool) -> Vec<u8> {
        let u32 = |number: u32| if big { number.to_be_bytes() } else { number.to_le_bytes() };
        let mut file = u32(0xa1b2_c3d4).to_vec();
        [0x0002_0004, 0, 0, 65_535, 1].iter().for_each(|number| file.extend(u32(*number)));
        for (seconds, bytes) in [(1, &b"abc"[..]), (2, b"defgh")] {
            let length = u32(u32::try_from(bytes.len()).unwrap());
            file.extend([u32(seconds), u32(7), length, length].concat());
            file.extend(bytes);
        }
        file
    }

    #[test]
    fn packets_of_pcap() {
        for big in [true, false] {
            let file = pcap_file(big);
            let found = packets(&file).unwrap();
            let expected = [
                Packet { at_us: 1_000_007, link: 1, bytes: b"abc" },
                Packet { at_us: 2_000_007, link: 1, bytes: b"defgh" },
            ];
            assert_eq!((found.list.as_slice(), found.cut_short), (&expected[..], false));
            let found = packets(&file[..file.len() - 1]).unwrap();
            assert_eq!((found.list.as_slice(), found.cut_short), (&expected[..1], true));
        }
    }

    #[test]
    fn packets_of_pcapng() {
        let block = |kind: u32, body: &[u8]| {
            let length = u32::try_from(12 + body.len()).unwrap().to_le_bytes();
            [&kind.to_le_bytes()[..], &length, body, &length].concat()
        };
        let section =
            block(0x0a0d_0d0a, &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat());
        // Link type 113, and times in nanoseconds.
        let interface = block(1, &[113, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        let mut body = vec![0; 8];
        body.extend(5_000_u32.to_le_bytes());
        body.extend([3, 0, 0, 0, 3, 0, 0, 0, b'a', b'b', b'c', 0]);
        let file = [section, interface, block(99, &[1, 2, 3, 4]), block(6, &body)].concat();
        let found = packets(&file).unwrap();
        assert_eq!(found.list, [Packet { at_us: 5, link: 113, bytes: b"abc" }]);
        for end in 0..file.len() {
            let _ = packets(&file[..end]);
        }
    }

    #[test]
    fn other_files_are_no_captures() {
        assert!(packets(b"894d4e50").is_none() && packets(b"").is_none());
    }
}
