//! Frames as a capture file that Wireshark opens: classic pcap with Ethernet, IP and TCP as they might have been on a wire, without TLS.
//!
//! The addresses and ports are those of the connections; sequence numbers and acknowledgements are made up and fit each other. Each
//! conversation tells its schema by a BEACON (SPEC.md 4.10) as soon as it is known, so that the capture can be decoded alone.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::{Bytes, BytesMut};
use micronet_wire::conn::Beacon;
use micronet_wire::frame::{Label, put_frame};
use micronet_wire::header::{Kind, PREFACE};
use micronet_wire::network::{TappedConnection, TappedFrame};
use micronet_wire::schema::Fingerprint;

/// The longest segment, in bytes: an IPv4 packet has at most 65535.
const SEGMENT_BYTES_MAX: usize = 60_000;
/// The longest packet that the file announces, in bytes; what Wireshark itself takes.
const SNAPLEN: u32 = 262_144;
/// Bytes after which the receiver acknowledges them though it has nothing to say.
const UNACKNOWLEDGED_BYTES_MAX: u32 = 32 << 10;
/// What a side says of its window: with the scale, far more than is ever on its way.
const WINDOW: u16 = u16::MAX;
/// TCP options of a SYN: maximum segment size 60000, window scale 14, and an end to fill up.
const SYN_OPTIONS: [u8; 8] = [2, 4, 0xEA, 0x60, 3, 3, 14, 0];

mod bits {
    pub(super) const SYN: u8 = 0x02;
    pub(super) const PSH: u8 = 0x08;
    pub(super) const ACK: u8 = 0x10;
}

/// A capture that is being written.
#[derive(Debug)]
pub(crate) struct Capture<W> {
    out: W,
    conversations: BTreeMap<(String, u64), Conversation>,
    schemas: BTreeMap<Vec<u8>, Bytes>,
}

/// One TCP connection.
#[derive(Debug)]
struct Conversation {
    /// The dialler, then the acceptor.
    sides: [Side; 2],
    begun: bool,
    schema: Option<(Fingerprint, Bytes)>,
    /// The schema was said.
    beaconed: bool,
}

#[derive(Debug)]
struct Side {
    address: SocketAddr,
    /// The number of the next byte.
    sequence: u32,
    /// The last byte of its own that the other side has acknowledged.
    acknowledged: u32,
    packets: u16,
    greeted: bool,
}

impl<W: Write> Capture<W> {
    /// Begins a file.
    pub(crate) fn begin(mut out: W) -> io::Result<Self> {
        let mut head = Vec::with_capacity(24);
        // Microseconds; version 2.4; the time zone and accuracy are always 0; Ethernet.
        head.extend_from_slice(&0xA1B2_C3D4_u32.to_le_bytes());
        head.extend_from_slice(&2_u16.to_le_bytes());
        head.extend_from_slice(&4_u16.to_le_bytes());
        head.extend_from_slice(&[0; 8]);
        head.extend_from_slice(&SNAPLEN.to_le_bytes());
        head.extend_from_slice(&1_u32.to_le_bytes());
        out.write_all(&head)?;
        out.flush()?;
        Ok(Self { out, conversations: BTreeMap::new(), schemas: BTreeMap::new() })
    }

    /// A connection of which frames follow, or of which more is known than before.
    pub(crate) fn connection(&mut self, seen_by: &str, told: &TappedConnection) {
        let fingerprint = &told.fingerprint.0;
        if !told.schema.0.is_empty() {
            self.schemas.insert(fingerprint.clone(), told.schema.0.clone().into());
        }
        let schema = self
            .schemas
            .get(fingerprint)
            .and_then(|schema| Some((Fingerprint(fingerprint.as_slice().try_into().ok()?), schema.clone())));
        let key = (seen_by.to_owned(), told.id);
        let known = self.conversations.entry(key).or_insert_with(|| Conversation::between(told));
        known.schema = known.schema.take().or(schema);
    }

    /// A frame. One of a connection that isn't known is left out.
    pub(crate) fn frame(&mut self, seen_by: &str, told: &TappedFrame) -> io::Result<()> {
        let Some(conversation) = self.conversations.get_mut(&(seen_by.to_owned(), told.connection)) else {
            return Ok(());
        };
        let mut packets = Vec::new();
        conversation.frame(told, &mut packets);
        self.out.write_all(&packets)
    }

    /// Hands all that was written to whoever reads it meanwhile.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Conversation {
    fn between(told: &TappedConnection) -> Self {
        // Where there are no addresses, or they don't fit each other, some of RFC 5737 that nobody has.
        let nowhere = |host: u8| SocketAddr::from((Ipv4Addr::new(192, 0, 2, host), 1));
        let (dialler, acceptor) = match (told.dialler.parse(), told.acceptor.parse()) {
            (Ok(SocketAddr::V4(from)), Ok(SocketAddr::V4(to))) => (from.into(), to.into()),
            (Ok(SocketAddr::V6(from)), Ok(SocketAddr::V6(to))) => (from.into(), to.into()),
            _ => (nowhere(1), nowhere(2)),
        };
        let side = |address| Side { address, sequence: 1, acknowledged: 1, packets: 0, greeted: false };
        Self { sides: [dialler, acceptor].map(side), begun: false, schema: None, beaconed: false }
    }

    fn frame(&mut self, told: &TappedFrame, out: &mut Vec<u8>) {
        let (at_us, by) = (told.at.0, usize::from(!told.by_dialler));
        let is_hello = told.frame.0.get(4) == Some(&(Kind::Hello as u8));
        if !std::mem::replace(&mut self.begun, true) {
            if is_hello {
                self.shake_hands(at_us, out);
            } else {
                self.sides.iter_mut().for_each(|side| side.greeted = true);
            }
        }
        // In the middle of a connection the schema comes first, otherwise behind the acceptor's HELLO.
        self.beacon(at_us, out);
        if is_hello && !std::mem::replace(&mut self.sides[by].greeted, true) {
            self.say(at_us, by, &PREFACE, out);
        }
        self.say(at_us, by, &told.frame.0, out);
        self.beacon(at_us, out);
    }

    fn beacon(&mut self, at_us: i64, out: &mut Vec<u8>) {
        if self.beaconed || self.sides.iter().any(|side| !side.greeted) {
            return;
        }
        let Some((fingerprint, schema)) = &self.schema else { return };
        let mut frames = BytesMut::new();
        for beacon in Beacon::all(*fingerprint, schema) {
            let infallible: Result<(), std::convert::Infallible> =
                put_frame(&mut frames, Label::control(Kind::Beacon), true, |frame| {
                    beacon.encode(frame);
                    Ok(())
                });
            match infallible {
                Ok(()) => {}
            }
        }
        self.beaconed = true;
        self.say(at_us, 1, &frames, out);
    }

    fn shake_hands(&mut self, at_us: i64, out: &mut Vec<u8>) {
        for side in &mut self.sides {
            side.sequence = 0;
        }
        self.packet(at_us, 0, bits::SYN, &[], out);
        self.sides[0].sequence = 1;
        self.packet(at_us, 1, bits::SYN | bits::ACK, &[], out);
        self.sides[1].sequence = 1;
        self.packet(at_us, 0, bits::ACK, &[], out);
    }

    /// Bytes of a side, in as many segments as they need.
    fn say(&mut self, at_us: i64, by: usize, bytes: &[u8], out: &mut Vec<u8>) {
        for segment in bytes.chunks(SEGMENT_BYTES_MAX) {
            self.packet(at_us, by, bits::PSH | bits::ACK, segment, out);
            #[expect(clippy::cast_possible_truncation, reason = "a segment is shorter than 64 KiB")]
            let length = segment.len() as u32;
            let side = &mut self.sides[by];
            side.sequence = side.sequence.wrapping_add(length);
            if side.sequence.wrapping_sub(side.acknowledged) > UNACKNOWLEDGED_BYTES_MAX {
                self.packet(at_us, 1 - by, bits::ACK, &[], out);
            }
        }
    }

    /// A packet, with the header of the file's record before it.
    fn packet(&mut self, at_us: i64, by: usize, flags: u8, payload: &[u8], out: &mut Vec<u8>) {
        let acknowledges = if flags & bits::ACK == 0 { 0 } else { self.sides[1 - by].sequence };
        self.sides[1 - by].acknowledged = self.sides[1 - by].sequence;
        let (from, to) = (self.sides[by].address, self.sides[1 - by].address);
        let mut segment = Vec::with_capacity(28 + payload.len());
        segment.extend_from_slice(&from.port().to_be_bytes());
        segment.extend_from_slice(&to.port().to_be_bytes());
        segment.extend_from_slice(&self.sides[by].sequence.to_be_bytes());
        segment.extend_from_slice(&acknowledges.to_be_bytes());
        let options: &[u8] = if flags & bits::SYN == 0 { &[] } else { &SYN_OPTIONS };
        // The header's length, in words of 4 bytes.
        segment.push(if options.is_empty() { 5 << 4 } else { 7 << 4 });
        segment.push(flags);
        segment.extend_from_slice(&WINDOW.to_be_bytes());
        segment.extend_from_slice(&[0; 4]);
        segment.extend_from_slice(options);
        segment.extend_from_slice(payload);
        let checksum = tcp_checksum(from.ip(), to.ip(), &segment);
        segment[16..18].copy_from_slice(&checksum.to_be_bytes());

        let mut packet = Vec::with_capacity(54 + segment.len());
        // Locally administered addresses: 02:… is nobody's.
        let hardware = |side: usize| if side == 0 { [2, 0, 0, 0, 0, 1] } else { [2, 0, 0, 0, 0, 2] };
        packet.extend_from_slice(&hardware(1 - by));
        packet.extend_from_slice(&hardware(by));
        put_ip(&mut packet, from.ip(), to.ip(), self.sides[by].packets, segment.len());
        self.sides[by].packets = self.sides[by].packets.wrapping_add(1);
        packet.extend_from_slice(&segment);

        let (seconds, micros) = (at_us.div_euclid(1_000_000), at_us.rem_euclid(1_000_000));
        out.extend_from_slice(&u32::try_from(seconds).unwrap_or(0).to_le_bytes());
        out.extend_from_slice(&u32::try_from(micros).unwrap_or(0).to_le_bytes());
        let length = u32::try_from(packet.len()).unwrap_or(SNAPLEN).to_le_bytes();
        out.extend_from_slice(&length);
        out.extend_from_slice(&length);
        out.extend_from_slice(&packet);
    }
}

/// Appends the type of the Ethernet frame and the IP header before so many bytes of TCP.
fn put_ip(packet: &mut Vec<u8>, from: IpAddr, to: IpAddr, number: u16, length: usize) {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            packet.extend_from_slice(&[0x08, 0x00]);
            let start = packet.len();
            let total = u16::try_from(20 + length).unwrap_or(u16::MAX);
            packet.extend_from_slice(&[0x45, 0]);
            packet.extend_from_slice(&total.to_be_bytes());
            packet.extend_from_slice(&number.to_be_bytes());
            // Not to be fragmented; time to live 64; TCP; the checksum comes later.
            packet.extend_from_slice(&[0x40, 0, 64, 6, 0, 0]);
            packet.extend_from_slice(&from.octets());
            packet.extend_from_slice(&to.octets());
            let checksum = folded(sum(&packet[start..]));
            packet[start + 10..start + 12].copy_from_slice(&checksum.to_be_bytes());
        }
        (from, to) => {
            let octets = |address: IpAddr| match address {
                IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                IpAddr::V6(address) => address.octets(),
            };
            packet.extend_from_slice(&[0x86, 0xDD, 0x60, 0, 0, 0]);
            packet.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
            packet.extend_from_slice(&[6, 64]);
            packet.extend_from_slice(&octets(from));
            packet.extend_from_slice(&octets(to));
        }
    }
}

/// RFC 9293, 3.1: over a pseudo-header of the addresses, and the segment.
fn tcp_checksum(from: IpAddr, to: IpAddr, segment: &[u8]) -> u16 {
    let of = |address: IpAddr| match address {
        IpAddr::V4(address) => sum(&address.octets()),
        IpAddr::V6(address) => sum(&address.octets()),
    };
    folded(of(from) + of(to) + 6 + segment.len() as u64 + sum(segment))
}

/// RFC 1071: the sum of 16-bit words.
fn sum(bytes: &[u8]) -> u64 {
    bytes
        .chunks(2)
        .map(|pair| u64::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])))
        .sum()
}

/// RFC 1071: the carries added, and the complement.
fn folded(mut sum: u64) -> u16 {
    while sum > 0xFFFF {
        sum = (sum >> 16) + (sum & 0xFFFF);
    }
    !u16::try_from(sum).unwrap_or(0)
}
