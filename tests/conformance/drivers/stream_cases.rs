//! Streams of messages and long messages on sockets: what a server has to answer, and a client to make of what it hears.

use micronet_wire::error::Code;
use micronet_wire::header::flags::{CONTINUED, END, MORE};
use micronet_wire::limits::{CONNECTION_CREDIT_BYTES, STREAM_CREDIT_BYTES};
use micronet_wire::service::Arity;

use super::client_cases::{self as client, Step as Does};
use super::clients::{Call, Command};
use super::frames::{cancel, close, credit, data, error, last_piece, opening, ping, pong, reply, request};
use super::server_cases::{self as server, Step};
use super::{ANSWER, CLIENTS, ECHO, JOIN, METHOD, REPEAT, SERVERS, check};

/// The longest piece of a message.
const PIECE: usize = 16_320;
/// A message that is longer than one piece.
const LONG: usize = 40_000;

fn long(byte: u8) -> Vec<u8> {
    vec![byte; LONG]
}

/// The pieces of a message on a stream, the last with these flags.
fn pieces(stream: u32, method: u32, message: &[u8], last: u8) -> Vec<Vec<u8>> {
    let count = message.len().div_ceil(PIECE);
    let piece = |(at, piece): (usize, &[u8])| {
        let length = u32::try_from(message.len()).expect("a length").to_be_bytes();
        match at {
            0 => data(stream, method, MORE, &[&length, piece].concat()),
            _ if at + 1 == count => data(stream, method, CONTINUED | last, piece),
            _ => data(stream, method, CONTINUED | MORE, piece),
        }
    };
    message.chunks(PIECE).enumerate().map(piece).collect()
}

/// An announcement of a message.
fn announced(stream: u32, method: u32, length: usize) -> Vec<u8> {
    data(stream, method, MORE, &u32::try_from(length).expect("a length").to_be_bytes())
}

fn length_of(message: &[u8]) -> [u8; 4] {
    u32::try_from(message.len()).expect("a length").to_be_bytes()
}

/// A request of which only the length is said.
fn announcing(stream: u32, method: u32, message: &[u8]) -> Vec<u8> {
    opening(stream, method, MORE, &length_of(message))
}

fn server_cases() -> Vec<(String, Vec<Step>)> {
    use Step::{End, Hear, Say};
    let kib = |byte: u8| vec![byte; 1 << 10];
    let window = STREAM_CREDIT_BYTES as usize;
    let all: Vec<(&str, Vec<Step>)> = vec![
        (
            "a stream of replies",
            server::open([
                Say(request(1, REPEAT, &[3, 1])),
                Hear((1..=3).flat_map(|at| data(1, REPEAT, 0, &kib(at))).collect()),
                Hear(reply(1, REPEAT, b"")),
            ]),
        ),
        ("no replies", server::open([Say(request(1, REPEAT, &[0, 1])), Hear(reply(1, REPEAT, b""))])),
        (
            "a stream of replies that waits for credit, which is topped up",
            server::open([
                // Eight of 10 KiB, of which six fit the credit; the seventh is announced.
                Say(request(1, REPEAT, &[8, 10])),
                Hear((1..=6).flat_map(|at| data(1, REPEAT, 0, &[at; 10 << 10])).collect()),
                Hear(announced(1, REPEAT, 10 << 10)),
                // Others are answered meanwhile.
                Say(request(2, METHOD, b"x")),
                Hear(reply(2, METHOD, ANSWER)),
                Say(credit(1, REPEAT, 6 << 10)),
                Hear(data(1, REPEAT, 0, &[7; 10 << 10])),
                Hear(announced(1, REPEAT, 10 << 10)),
                Say(credit(1, REPEAT, 10 << 10)),
                Hear(data(1, REPEAT, 0, &[8; 10 << 10])),
                Hear(reply(1, REPEAT, b"")),
            ]),
        ),
        (
            "long replies in pieces",
            server::open([
                Say(request(1, REPEAT, &[1, 40])),
                Hear(pieces(1, REPEAT, &[1; 40 << 10], 0).concat()),
                Hear(reply(1, REPEAT, b"")),
            ]),
        ),
        (
            "long replies follow each other without a word of the peer, and are given up while they wait for credit",
            server::open([
                Say(request(1, REPEAT, &[255, 16])),
                Hear((1..=3).flat_map(|at| pieces(1, REPEAT, &[at; 16 << 10], 0).concat()).collect()),
                Hear(pieces(1, REPEAT, &[4; 16 << 10], 0).concat()),
                Hear(announced(1, REPEAT, 16 << 10)),
                Say([cancel(1, REPEAT), request(2, METHOD, b"x")].concat()),
                Hear([error(1, REPEAT, Code::Cancelled), reply(2, METHOD, ANSWER)].concat()),
            ]),
        ),
        (
            "a stream of requests",
            server::open([
                Say([opening(1, JOIN, 0, b""), data(1, JOIN, 0, b"one"), data(1, JOIN, END, b"two")].concat()),
                Hear(reply(1, JOIN, b"onetwo")),
                Say([opening(2, JOIN, 0, b""), data(2, JOIN, 0, b"one"), data(2, JOIN, END, b"")].concat()),
                Hear(reply(2, JOIN, b"one")),
                Say([opening(3, JOIN, 0, b""), data(3, JOIN, END, b"")].concat()),
                Hear(reply(3, JOIN, b"")),
            ]),
        ),
        (
            "requests whose credit is topped up, and one that is longer than the first",
            server::open([
                Say(opening(1, JOIN, 0, b"")),
                Say((0..3).flat_map(|_| data(1, JOIN, 0, &[7; 1])).collect()),
                Say(pieces(1, JOIN, &long(8), 0).concat()),
                Hear(credit(1, JOIN, 40_003)),
                Say(announced(1, JOIN, 2 * window)),
                Hear(credit(1, JOIN, STREAM_CREDIT_BYTES)),
                Say(pieces(1, JOIN, &vec![9; 2 * window], END).concat()),
                // Which is longer than the credit that the caller has given.
                Hear(announced(1, JOIN, 3 + LONG + 2 * window)),
            ]),
        ),
        (
            "a long request by announcement, its pieces apart, and a small call between them",
            server::open({
                let parts = pieces(1, ECHO, &long(5), END);
                let echoed = long(5);
                let (head, tail) = echoed.split_at(2 * PIECE);
                let mut steps = vec![Say(announcing(1, ECHO, &long(5))), Say(parts[0].clone())];
                steps.push(Say(request(2, METHOD, b"x")));
                steps.push(Hear(reply(2, METHOD, ANSWER)));
                steps.push(Say(parts[1..].concat()));
                steps.push(Hear(
                    [
                        data(1, ECHO, MORE, &[&length_of(&echoed)[..], &head[..PIECE]].concat()),
                        data(1, ECHO, MORE | CONTINUED, &head[PIECE..]),
                        last_piece(1, ECHO, tail),
                    ]
                    .concat(),
                ));
                steps
            }),
        ),
        (
            "a call that is given up in the middle of its request",
            server::open([
                Say(announcing(1, METHOD, &long(5))),
                Say(pieces(1, METHOD, &long(5), END)[0].clone()),
                Say([cancel(1, METHOD), request(2, METHOD, b"x")].concat()),
                Hear([error(1, METHOD, Code::Cancelled), reply(2, METHOD, ANSWER)].concat()),
            ]),
        ),
        (
            "more than a stream's credit",
            server::open([
                Say(opening(1, JOIN, 0, b"")),
                Say(data(1, JOIN, MORE, &[&length_of(&vec![0; window + 1])[..], &[7; PIECE]].concat())),
                Hear(close(Some(Code::CreditExceeded))),
                End,
            ]),
        ),
    ];
    all.into_iter().map(|(name, steps)| (name.to_owned(), steps)).collect()
}

fn opens(request: Option<&[u8]>, replies: Arity) -> Does {
    let call = Call {
        method: METHOD,
        request: request.map(<[u8]>::to_vec),
        deadline_us: 10_000_000,
        ..Call::default()
    };
    Does::Do(Command::Open(call, replies))
}

fn says(message: &[u8]) -> Does {
    Does::Do(Command::Say(1, message.to_vec(), false))
}

fn client_cases() -> Vec<(String, Vec<Does>)> {
    use Does::{Do, End, Hear, Say, Told};
    let take = || Do(Command::Take(1));
    let asked = || Hear(request(1, METHOD, b"x"));
    let all: Vec<(&str, Vec<Does>)> = vec![
        (
            "a stream of replies, taken as they come",
            client::open([
                opens(Some(b"x"), Arity::Many),
                take(),
                asked(),
                Say(data(1, METHOD, 0, b"*")),
                Say(data(1, METHOD, 0, b"+")),
                Told("message 1 2a"),
                Told("message 1 2b"),
                Say(reply(1, METHOD, b"")),
                Told("reply 1 "),
            ]),
        ),
        (
            "credit is topped up as replies are taken, and not before",
            client::open([
                opens(Some(b"x"), Arity::Many),
                asked(),
                Say((0..2).flat_map(|_| data(1, METHOD, 0, &[7; 16_000])).collect()),
                Say([data(1, METHOD, 0, &[7; 16_000]), ping(1)].concat()),
                Hear(pong(1)),
                take(),
                // The third leaves less than half of it; the others were given back before.
                Hear(credit(1, METHOD, 48_000)),
                Told("message 1 …"),
                Told("message 1 …"),
                Told("message 1 …"),
                Say(error(1, METHOD, Code::Internal)),
                Told("failed 1 INTERNAL"),
            ]),
        ),
        (
            "a reply that is longer than the stream's credit is reserved for a reader",
            client::open([
                opens(Some(b"x"), Arity::Many),
                asked(),
                Say([announced(1, METHOD, 100_000), ping(1)].concat()),
                Hear(pong(1)),
                take(),
                Hear(credit(1, METHOD, 100_000 - STREAM_CREDIT_BYTES)),
                Say(pieces(1, METHOD, &[7; 100_000], 0).concat()),
                Hear(credit(1, METHOD, STREAM_CREDIT_BYTES)),
                Told("message 1 …"),
                Say(reply(1, METHOD, b"")),
                Told("reply 1 "),
            ]),
        ),
        (
            "a stream of requests",
            client::open([
                opens(None, Arity::One),
                Hear(opening(1, METHOD, 0, b"")),
                says(b"one"),
                Hear(data(1, METHOD, 0, b"one")),
                says(b"two"),
                Hear(data(1, METHOD, 0, b"two")),
                Do(Command::Finish(1)),
                Hear(data(1, METHOD, END, b"")),
                Say(reply(1, METHOD, b"*")),
                take(),
                Told("reply 1 2a"),
            ]),
        ),
        (
            "requests wait for credit",
            client::open([
                opens(None, Arity::One),
                Hear(opening(1, METHOD, 0, b"")),
                says(&[7; 60_000]),
                Hear(pieces(1, METHOD, &[7; 60_000], 0).concat()),
                says(&[8; 10_000]),
                Hear(announced(1, METHOD, 10_000)),
                says(b"behind it"),
                Say(credit(1, METHOD, 60_000)),
                Hear(data(1, METHOD, 0, &[8; 10_000])),
                Hear(data(1, METHOD, 0, b"behind it")),
                Do(Command::Finish(1)),
                Hear(data(1, METHOD, END, b"")),
                Say(error(1, METHOD, Code::Overloaded)),
                take(),
                Told("failed 1 OVERLOADED"),
            ]),
        ),
        (
            "long requests follow each other without a word of the peer",
            client::open({
                // More of them than heartbeats without an answer, were each to wait for one.
                let messages = || (1..=8).map(|byte| vec![byte; 16 << 10]);
                let mut steps = vec![opens(None, Arity::One), Hear(opening(1, METHOD, 0, b""))];
                steps.push(Say([credit(1, METHOD, STREAM_CREDIT_BYTES), ping(1)].concat()));
                steps.push(Hear(pong(1)));
                steps.extend(messages().map(|message| says(&message)));
                steps.extend(messages().map(|message| Hear(pieces(1, METHOD, &message, 0).concat())));
                steps.extend([Do(Command::Finish(1)), Hear(data(1, METHOD, END, b""))]);
                steps.extend([Say(reply(1, METHOD, b"*")), take(), Told("reply 1 2a")]);
                steps
            }),
        ),
        (
            "a stream is given up in the middle of a message, and its rest is on its way",
            client::open([
                opens(Some(b"x"), Arity::Many),
                take(),
                asked(),
                Say(pieces(1, METHOD, &long(7), 0)[0].clone()),
                Do(Command::Cancel(1)),
                Hear(cancel(1, METHOD)),
                Say([pieces(1, METHOD, &long(7), 0)[1..].concat(), error(1, METHOD, Code::Cancelled)]
                    .concat()),
                Told("failed 1 …"),
            ]),
        ),
        (
            "more than a stream's credit",
            client::open([
                opens(Some(b"x"), Arity::Many),
                asked(),
                Say((0..5).flat_map(|_| data(1, METHOD, 0, &[7; 16_000])).collect()),
                Hear(close(Some(Code::CreditExceeded))),
                End,
                Told("closed CREDIT_EXCEEDED"),
            ]),
        ),
        (
            "a connection's credit beyond all limits",
            client::open([
                Say([credit(0, 0, 1 << 30), credit(0, 0, CONNECTION_CREDIT_BYTES)].concat()),
                Hear(close(Some(Code::CreditExceeded))),
                End,
                Told("closed CREDIT_EXCEEDED"),
            ]),
        ),
    ];
    all.into_iter().map(|(name, steps)| (name.to_owned(), steps)).collect()
}

#[test]
fn servers_stream_alike() {
    check(&SERVERS, server_cases(), |start, steps| server::run(start, steps, false));
}

#[test]
fn servers_stream_alike_with_what_comes_byte_by_byte() {
    check(&SERVERS, server_cases(), |start, steps| server::run(start, steps, true));
}

#[test]
fn clients_stream_alike() {
    check(&CLIENTS, client_cases(), |dial, steps| client::run(dial, steps, false));
}

#[test]
fn clients_stream_alike_with_what_comes_byte_by_byte() {
    check(&CLIENTS, client_cases(), |dial, steps| client::run(dial, steps, true));
}
