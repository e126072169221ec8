//! The rules that a peer breaks at last, and the code that each of them is answered with.

use micronet_wire::conn::Role;
use micronet_wire::error::Code;
use micronet_wire::header::{Kind, flags};

use super::{Talk, World};
use crate::connection::{METHOD, frame};
use crate::driver::saw;

impl World {
    /// The peer breaks a rule, and the connection ends by the code of it.
    pub(super) fn break_a_rule(&mut self, which: u8) {
        let live = |talk: &&Talk| talk.many && !talk.ended && !talk.cancelled && talk.left == 0;
        let stream = self.talks.iter().find(|(_, talk)| live(talk)).map(|(stream, _)| *stream);
        let begin = |total: u64| [&u32::try_from(total).unwrap().to_be_bytes()[..], &[9; 8]].concat();
        let (stream, talk) = match stream {
            Some(stream) => (stream, &self.talks[&stream]),
            None => (0, &Talk { announced: Some(0), ..Talk::default() }),
        };
        let free = talk.announced.is_none();
        let (code, kind, bits, on, payload) = match which % 10 {
            0 => (Code::Protocol, Kind::Credit, 0, 0, vec![0; 4]),
            1 => (Code::Protocol, Kind::Credit, 0, 0, vec![1; 3]),
            2 => (Code::CreditExceeded, Kind::Credit, 0, 0, (1_u32 << 30).to_be_bytes().to_vec()),
            3 => (Code::Protocol, Kind::Credit, 0, u32::MAX, vec![1; 4]),
            4 => (Code::Protocol, Kind::Data, 0, u32::MAX, vec![1; 4]),
            5 if free => (
                Code::CreditExceeded,
                Kind::Data,
                flags::MORE,
                stream,
                begin(talk.credit.max(self.credit) + 9),
            ),
            6 if free => (Code::Protocol, Kind::Data, flags::CONTINUED, stream, vec![1]),
            7 if free => (Code::Protocol, Kind::Data, 0, stream, vec![]),
            8 if free => (Code::Protocol, Kind::Data, flags::MORE, stream, vec![1, 2, 3]),
            9 if free => (Code::Protocol, Kind::Data, flags::MORE, stream, begin(8)),
            _ => (Code::Protocol, Kind::Data, flags::MORE | flags::END, u32::MAX, vec![1; 4]),
        };
        saw((which % 10, free));
        let method = if on == 0 { 0 } else { METHOD };
        let bytes = frame(kind as u8, bits | flags::CHECKSUM, on, method, &payload);
        self.input.extend_from_slice(&bytes);
        self.connection.receive(self.now, &mut self.input, bytes.len());
        self.attend();
        assert_eq!(self.closed, Some(Some(code)), "rule {}", which % 10);
        assert!(self.role == Role::Acceptor || self.unread.is_empty(), "calls without an end");
    }
}
