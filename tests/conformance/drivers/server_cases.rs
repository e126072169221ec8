//! What a server has to answer, on sockets.

use micronet_wire::error::Code;
use micronet_wire::limits::FRAME_PAYLOAD_BYTES_MAX;

use super::frames::{cancel, close, error, goaway, greeting, notice, ping, pong, reply, request};
use super::scripted::Scripted;
use super::servers::Behaviour;
use super::{ANSWER, ECHO, FAILING, METHOD, Names, SERVERS, StartServer, check};

/// What happens, seen from the peer.
pub(super) enum Step {
    /// The peer says this, in one go.
    Say(Vec<u8>),
    /// The peer hears this, and nothing before it.
    Hear(Vec<u8>),
    /// The peer says nothing further, but hears on.
    HalfClose,
    /// The server is told to drain.
    Drain,
    /// The connection has ended.
    End,
}

use Step::{Drain, End, HalfClose, Hear, Say};

fn hello() -> Step {
    Say(greeting("shop", (1, 1)))
}

/// HELLO both ways, then these steps.
pub(super) fn open(steps: impl IntoIterator<Item = Step>) -> Vec<Step> {
    [hello(), Hear(servers_greeting())].into_iter().chain(steps).collect()
}

/// The server's HELLO, in what is compared.
fn servers_greeting() -> Vec<u8> {
    super::transcripts::greeting_of(&Names::of("product"))
}

fn broken(mut frame: Vec<u8>, at: usize) -> Vec<u8> {
    frame[at] ^= 1;
    frame
}

/// A header that claims one byte more than was agreed.
fn too_large() -> Vec<u8> {
    use micronet_wire::header::{Header, Kind, flags};
    let header = Header {
        length: FRAME_PAYLOAD_BYTES_MAX + 1,
        kind: Kind::Request,
        flags: flags::END | flags::CHECKSUM,
        encoding: 1,
        stream: 1,
        method: METHOD,
        payload_checksum: 0,
    };
    header.encode().to_vec()
}

fn cases() -> Vec<(String, Vec<Step>)> {
    let pipelined = || (1..=100).map(|stream| request(stream, ECHO, &[7; 300])).collect::<Vec<_>>().concat();
    let echoed = || (1..=100).map(|stream| reply(stream, ECHO, &[7; 300])).collect::<Vec<_>>().concat();
    let refused = |code| vec![Hear(close(Some(code))), End];
    let all: Vec<(&str, Vec<Step>)> = vec![
        ("a call", open([Say(request(1, METHOD, b"x")), Hear(reply(1, METHOD, ANSWER))])),
        (
            "a call before the server's HELLO was read",
            vec![
                Say([greeting("shop", (1, 1)), request(1, METHOD, b"x")].concat()),
                Hear([servers_greeting(), reply(1, METHOD, ANSWER)].concat()),
            ],
        ),
        (
            "a call that fails",
            open([Say(request(1, FAILING, b"x")), Hear(error(1, FAILING, Code::Internal))]),
        ),
        ("an unknown method", open([Say(request(1, 99, b"x")), Hear(error(1, 99, Code::UnknownMethod))])),
        ("pipelined calls", open([Say(pipelined()), Hear(echoed())])),
        (
            "calls one after another",
            open((1..=20).flat_map(|stream| {
                [Say(request(stream, METHOD, b"x")), Hear(reply(stream, METHOD, ANSWER))]
            })),
        ),
        (
            "a large call and a small one behind it",
            open([
                Say([request(1, ECHO, &[7; 16_000]), request(2, METHOD, b"x")].concat()),
                Hear([reply(1, ECHO, &[7; 16_000]), reply(2, METHOD, ANSWER)].concat()),
            ]),
        ),
        (
            "a one-way call between calls",
            open([
                Say([request(1, METHOD, b""), notice(2, METHOD, b""), request(3, METHOD, b"")].concat()),
                Hear([reply(1, METHOD, ANSWER), reply(3, METHOD, ANSWER)].concat()),
            ]),
        ),
        (
            "a one-way call that fails",
            open([
                Say([notice(1, FAILING, b""), request(2, METHOD, b"")].concat()),
                Hear(reply(2, METHOD, ANSWER)),
            ]),
        ),
        (
            "a CANCEL that comes with its call",
            open([
                Say([request(1, METHOD, b"x"), cancel(1, METHOD), request(2, METHOD, b"x")].concat()),
                Hear([error(1, METHOD, Code::Cancelled), reply(2, METHOD, ANSWER)].concat()),
            ]),
        ),
        (
            "a CANCEL that comes after the answer",
            open([
                Say(request(1, METHOD, b"x")),
                Hear(reply(1, METHOD, ANSWER)),
                Say([cancel(1, METHOD), request(2, METHOD, b"x")].concat()),
                Hear(reply(2, METHOD, ANSWER)),
            ]),
        ),
        ("a PING", open([Say(ping(42)), Hear(pong(42))])),
        ("a CLOSE of the peer", open([Say(close(None)), End])),
        ("the peer drains", open([Say([goaway(0), close(None)].concat()), End])),
        (
            "the server drains while nothing is in flight",
            open([
                Say(request(1, METHOD, b"x")),
                Hear(reply(1, METHOD, ANSWER)),
                Drain,
                Hear([goaway(1), close(None)].concat()),
                End,
            ]),
        ),
        (
            "the server drains before anything was asked",
            open([Say(ping(1)), Hear(pong(1)), Drain, Hear([goaway(0), close(None)].concat()), End]),
        ),
        (
            "the peer half-closes after a call",
            open([Say(request(1, METHOD, b"x")), Hear(reply(1, METHOD, ANSWER)), HalfClose, End]),
        ),
        (
            "the peer half-closes behind its calls",
            open([
                Say([request(1, METHOD, b"x"), request(2, ECHO, b"y")].concat()),
                HalfClose,
                Hear([reply(1, METHOD, ANSWER), reply(2, ECHO, b"y")].concat()),
                End,
            ]),
        ),
        (
            "the peer half-closes in the middle of a frame",
            open([
                Say([request(1, METHOD, b"x"), request(2, METHOD, b"x")[..30].to_vec()].concat()),
                HalfClose,
                Hear(reply(1, METHOD, ANSWER)),
                End,
            ]),
        ),
        ("the peer says nothing and leaves", vec![HalfClose, End]),
        (
            "another cluster",
            [vec![Say(greeting("zoo", (1, 1))), Hear(servers_greeting())], refused(Code::WrongCluster)]
                .into_iter()
                .flatten()
                .collect(),
        ),
        (
            "only later versions",
            [vec![Say(greeting("shop", (200, 201))), Hear(servers_greeting())], refused(Code::Version)]
                .into_iter()
                .flatten()
                .collect(),
        ),
        (
            "a header's checksum that is wrong",
            open([Say(broken(request(1, METHOD, b"x"), 9))].into_iter().chain(refused(Code::Checksum))),
        ),
        (
            "a payload's checksum that is wrong",
            open([Say(broken(request(1, METHOD, b"x"), 26))].into_iter().chain(refused(Code::Checksum))),
        ),
        (
            "a wrong checksum behind a call",
            open([
                Say([request(1, METHOD, b"x"), broken(request(2, METHOD, b"x"), 26)].concat()),
                // The violation ends the connection in the same turn, before the call was looked at.
                Hear(close(Some(Code::Checksum))),
                End,
            ]),
        ),
        (
            "a frame that is too large",
            open([Say(too_large())].into_iter().chain(refused(Code::FrameTooLarge))),
        ),
        (
            "a stream id again",
            open(
                [
                    Say(request(1, METHOD, b"x")),
                    Hear(reply(1, METHOD, ANSWER)),
                    Say(request(1, METHOD, b"x")),
                ]
                .into_iter()
                .chain(refused(Code::Protocol)),
            ),
        ),
        (
            "a reply from the caller",
            open([Say(reply(1, METHOD, b"x"))].into_iter().chain(refused(Code::Protocol))),
        ),
    ];
    all.into_iter().map(|(name, steps)| (name.to_owned(), steps)).collect()
}

pub(super) fn run(start: StartServer, steps: &[Step], dribbles: bool) -> Result<(), String> {
    let mut server = start(&Names::of("product"), Behaviour::default());
    let mut peer = Scripted::dial(server.address, dribbles);
    let mut ended = false;
    for (at, step) in steps.iter().enumerate() {
        let within = |words| format!("step {at}: {words}");
        match step {
            Say(bytes) => peer.say(bytes),
            Hear(bytes) => peer.expect(bytes).map_err(within)?,
            HalfClose => peer.half_close(),
            Drain => server.drain(),
            End => {
                peer.expect_end().map_err(within)?;
                ended = true;
            }
        }
    }
    if !ended {
        peer.expect_nothing()?;
    }
    drop(peer);
    server.stop()
}

#[test]
fn servers_answer_alike() {
    check(&SERVERS, cases(), |start, steps| run(start, steps, false));
}

#[test]
fn servers_answer_alike_what_comes_byte_by_byte() {
    // What one read brings together is another thing when it comes in pieces.
    let apart = [
        "a CANCEL that comes with its call",
        "a wrong checksum behind a call",
        "a large call and a small one behind it",
    ];
    let cases = cases().into_iter().filter(|(name, _)| !apart.contains(&name.as_str()));
    check(&SERVERS, cases, |start, steps| run(start, steps, true));
}
