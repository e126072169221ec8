//! One direction of a simulated TCP connection: bytes arrive in order and once, but late, in pieces, or not at all.

use std::collections::VecDeque;

use bytes::{BufMut, BytesMut};

use crate::random::Random;

/// How the network behaves while nothing is broken.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// The time that every byte takes, in nanoseconds.
    pub delay_ns: u64,
    /// Up to so much is added for each piece, in nanoseconds.
    pub jitter_ns: u64,
    /// The longest piece, in bytes: 1 splits at every byte.
    pub piece_bytes_max: u64,
    /// So many of a hundred pieces are lost, and arrive by retransmission, later.
    pub loss_percent: u64,
    /// Bytes that may be on the way; the rest waits in the sender's output.
    pub window_bytes: usize,
}

/// What is on the way.
#[derive(Debug)]
enum Piece {
    Bytes(BytesMut),
    /// The sender has closed its side, or the connection was cut here.
    End,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub struct Link {
    pieces: VecDeque<(u64, Piece)>,
    last_arrival_ns: u64,
    on_the_way: usize,
    carried: u64,
    /// Nothing arrives any more, and nobody is told.
    silent: bool,
    ended: bool,
    /// Nothing arrives before this time.
    paused_until_ns: u64,
    /// The connection is cut when so many bytes have been carried.
    cut_after: Option<u64>,
    /// The byte that is changed on the way.
    corrupt_at: Option<u64>,
}

/// What a link hands over.
#[derive(Debug)]
pub enum Arrival {
    /// These bytes.
    Bytes(BytesMut),
    /// The end of the byte stream.
    End,
}

/// A retransmission takes at least so long: Linux's least retransmission time-out.
const RETRANSMISSION_NS_MIN: u64 = 200_000_000;

impl Link {
    /// From now on nothing arrives.
    pub fn fall_silent(&mut self) {
        self.silent = true;
        self.pieces.clear();
    }

    /// What is on the way arrives at this time at the earliest.
    pub fn pause_until(&mut self, at_ns: u64) {
        self.paused_until_ns = at_ns;
        for (due, _) in &mut self.pieces {
            *due = (*due).max(at_ns);
        }
        self.last_arrival_ns = self.last_arrival_ns.max(at_ns);
    }

    /// The connection will be cut after so many bytes.
    pub fn cut_after(&mut self, bytes: u64) {
        self.cut_after = Some(bytes);
    }

    /// This byte will be changed.
    pub fn corrupt_at(&mut self, byte: u64) {
        self.corrupt_at = Some(byte);
    }

    /// Takes from `output` what fits the window; true when the connection was cut by it. `sent` sees what was taken.
    pub fn send(
        &mut self,
        now: u64,
        output: &mut BytesMut,
        weather: &Weather,
        random: &mut Random,
        mut sent: impl FnMut(&[u8]),
    ) -> bool {
        while !self.ended && !output.is_empty() && self.on_the_way < weather.window_bytes {
            let room = (weather.window_bytes - self.on_the_way).min(output.len());
            let longest = usize::try_from(random.between(1, weather.piece_bytes_max)).unwrap_or(room);
            let mut piece = output.split_to(longest.min(room));
            let cut = self.cut_after.is_some_and(|cut| self.carried + piece.len() as u64 >= cut);
            if let (true, Some(after)) = (cut, self.cut_after) {
                piece.truncate(usize::try_from(after - self.carried).unwrap_or(0));
            }
            sent(&piece);
            self.corrupt(&mut piece);
            self.carried += piece.len() as u64;
            self.on_the_way += piece.len();
            let due = self.due(now, weather, random);
            self.push(due, Piece::Bytes(piece));
            if cut {
                self.end(now, weather, random);
                return true;
            }
        }
        false
    }

    fn corrupt(&mut self, piece: &mut BytesMut) {
        let at = self.corrupt_at.and_then(|at| usize::try_from(at.checked_sub(self.carried)?).ok());
        if let Some(byte) = at.and_then(|at| piece.get_mut(at)) {
            *byte ^= 0x10;
        }
    }

    /// Closes this direction: the receiver learns of it after what is on the way.
    pub fn end(&mut self, now: u64, weather: &Weather, random: &mut Random) {
        if !self.ended {
            self.ended = true;
            let due = self.due(now, weather, random);
            self.push(due, Piece::End);
        }
    }

    /// When a piece that is sent now arrives: never before an earlier one.
    fn due(&mut self, now: u64, weather: &Weather, random: &mut Random) -> u64 {
        let mut due = now + weather.delay_ns + random.between(0, weather.jitter_ns);
        if random.percent(weather.loss_percent) {
            due += RETRANSMISSION_NS_MIN + random.between(0, RETRANSMISSION_NS_MIN);
        }
        self.last_arrival_ns = due.max(self.last_arrival_ns).max(self.paused_until_ns);
        self.last_arrival_ns
    }

    fn push(&mut self, due: u64, piece: Piece) {
        if !self.silent {
            self.pieces.push_back((due, piece));
        }
    }

    /// When something arrives next.
    #[must_use]
    pub fn next_arrival(&self) -> Option<u64> {
        self.pieces.front().map(|(due, _)| *due)
    }

    /// What has arrived by now: one piece, or several in one read.
    pub fn arrive(&mut self, now: u64, random: &mut Random) -> Option<Arrival> {
        let mut read = BytesMut::new();
        while let Some((due, piece)) = self.pieces.front() {
            match piece {
                Piece::Bytes(bytes) if *due <= now => {
                    read.put_slice(bytes);
                    self.on_the_way -= bytes.len();
                }
                Piece::End if *due <= now && read.is_empty() => {
                    self.pieces.pop_front();
                    return Some(Arrival::End);
                }
                _ => break,
            }
            self.pieces.pop_front();
            if random.percent(30) {
                break;
            }
        }
        (!read.is_empty()).then_some(Arrival::Bytes(read))
    }
}
