//! What a client has to say and to make of what it hears, on sockets.

use std::net::TcpListener;
use std::time::Duration;

use micronet_wire::error::Code;
use micronet_wire::limits::DEADLINE_US_DEFAULT;

use super::clients::{Call, Command, Dial};
use super::frames::{cancel, close, error, goaway, greeting, ping, pong, reply, request};
use super::scripted::Scripted;
use super::{CLIENTS, METHOD, Names, check};

/// What happens, seen from the peer.
#[expect(clippy::large_enum_variant, reason = "a script has few steps")]
pub(super) enum Step {
    /// The client is told to do this.
    Do(Command),
    /// The peer says this, in one go.
    Say(Vec<u8>),
    /// The peer hears this, and nothing before it.
    Hear(Vec<u8>),
    /// The client tells this of its calls and its connection.
    Told(&'static str),
    /// The peer says nothing further, but hears on.
    HalfClose,
    /// The connection has ended.
    End,
}

use Step::{Do, End, HalfClose, Hear, Say, Told};

fn greet() -> Step {
    Hear(super::transcripts::greeting_of(&Names::of("order")))
}

/// HELLO both ways, then these steps.
pub(super) fn open(steps: impl IntoIterator<Item = Step>) -> Vec<Step> {
    [greet(), Say(greeting("shop", (1, 1)))].into_iter().chain(steps).collect()
}

fn call_within(deadline_us: u64) -> Step {
    Do(Command::Call(Call { method: METHOD, request: Some(b"x".to_vec()), deadline_us, ..Call::default() }))
}

fn call() -> Step {
    call_within(u64::from(DEADLINE_US_DEFAULT))
}

fn asked(stream: u32) -> Step {
    Hear(request(stream, METHOD, b"x"))
}

fn broken(mut frame: Vec<u8>, at: usize) -> Vec<u8> {
    frame[at] ^= 1;
    frame
}

fn cases() -> Vec<(String, Vec<Step>)> {
    let hundred = |each: fn(u32) -> Step| (1..=100).map(each).collect::<Vec<_>>();
    let replies =
        || (1..=100).rev().map(|stream| reply(stream, METHOD, &[7; 300])).collect::<Vec<_>>().concat();
    let many = hundred(|_| call()).into_iter().chain(hundred(asked)).chain([Say(replies())]);
    let all: Vec<(&str, Vec<Step>)> = vec![
        ("a call", open([call(), asked(1), Say(reply(1, METHOD, b"*")), Told("reply 1 2a")])),
        (
            "a call that fails",
            open([call(), asked(1), Say(error(1, METHOD, Code::Overloaded)), Told("failed 1 OVERLOADED")]),
        ),
        (
            "many calls, answered in the other order",
            open(many.chain([Told("reply 100 …"), Told("reply 99 …")])),
        ),
        (
            "two calls one after another",
            open([
                call(),
                asked(1),
                Say(reply(1, METHOD, b"*")),
                Told("reply 1 2a"),
                call(),
                asked(2),
                Say(reply(2, METHOD, b"*")),
                Told("reply 2 2a"),
            ]),
        ),
        (
            "a call that is cancelled, and its answer on its way",
            open([
                call(),
                asked(1),
                Do(Command::Cancel(1)),
                Hear(cancel(1, METHOD)),
                Say(reply(1, METHOD, b"*")),
                call(),
                asked(2),
                Say(reply(2, METHOD, b"*")),
                Told("reply 2 2a"),
            ]),
        ),
        (
            "a deadline passes",
            open([
                call_within(200_000),
                asked(1),
                Hear(cancel(1, METHOD)),
                Told("failed 1 DEADLINE_EXCEEDED"),
                Say(error(1, METHOD, Code::Cancelled)),
            ]),
        ),
        ("a PING", open([Say(ping(42)), Hear(pong(42))])),
        (
            "heartbeats while a call waits",
            open([call(), asked(1), Hear(ping(0)), Say(reply(1, METHOD, b"*")), Told("reply 1 2a")]),
        ),
        (
            "the client drains",
            open([Do(Command::Drain), Hear([goaway(0), close(None)].concat()), End, Told("closed")]),
        ),
        (
            "the server drains",
            open([
                call(),
                asked(1),
                Say(goaway(1)),
                Say(reply(1, METHOD, b"*")),
                Told("reply 1 2a"),
                // Nothing is in flight any more, so it ends by itself.
                Hear(close(None)),
                End,
                Told("closed"),
            ]),
        ),
        (
            "the server drains, and never started a call",
            open([
                call(),
                asked(1),
                Say(goaway(0)),
                Told("failed 1 DRAINING"),
                Say(error(1, METHOD, Code::Draining)),
                Hear(close(None)),
                End,
                Told("closed"),
            ]),
        ),
        (
            "the server closes with words",
            open([
                call(),
                asked(1),
                Say(close(Some(Code::Overloaded))),
                End,
                Told("closed OVERLOADED"),
                Told("failed 1 CONNECTION_LOST"),
            ]),
        ),
        (
            "the server leaves without a word",
            open([
                call(),
                asked(1),
                HalfClose,
                End,
                Told("closed CONNECTION_LOST"),
                Told("failed 1 CONNECTION_LOST"),
            ]),
        ),
        (
            "the server leaves behind an answer",
            open([
                call(),
                asked(1),
                Say(reply(1, METHOD, b"*")),
                HalfClose,
                End,
                Told("reply 1 2a"),
                Told("closed CONNECTION_LOST"),
            ]),
        ),
        (
            "a payload's checksum that is wrong",
            open([
                call(),
                asked(1),
                Say(broken(reply(1, METHOD, b"*"), 26)),
                Hear(close(Some(Code::Checksum))),
                End,
                Told("failed 1 CONNECTION_LOST"),
                Told("closed CHECKSUM_MISMATCH"),
            ]),
        ),
        (
            "a reply to no call",
            open([
                Say(reply(1, METHOD, b"*")),
                Hear(close(Some(Code::Protocol))),
                End,
                Told("closed PROTOCOL_ERROR"),
            ]),
        ),
        (
            "another cluster",
            vec![
                greet(),
                Say(greeting("zoo", (1, 1))),
                Hear(close(Some(Code::WrongCluster))),
                End,
                Told("closed WRONG_CLUSTER"),
            ],
        ),
        (
            "only later versions",
            vec![
                greet(),
                Say(greeting("shop", (200, 201))),
                Hear(close(Some(Code::Version))),
                End,
                Told("closed VERSION_UNSUPPORTED"),
            ],
        ),
        (
            "a server of HTTP",
            vec![
                greet(),
                Say(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
                Hear(close(Some(Code::Protocol))),
                End,
                Told("closed PROTOCOL_ERROR"),
            ],
        ),
        (
            "the server refuses",
            vec![greet(), Say([greeting("shop", (1, 1)), close(Some(Code::Overloaded))].concat()), End],
        ),
    ];
    all.into_iter().map(|(name, steps)| (name.to_owned(), steps)).collect()
}

pub(super) fn run(dial: Dial, steps: &[Step], dribbles: bool) -> Result<(), String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let client = dial(listener.local_addr().map_err(|error| error.to_string())?, Names::of("order"));
    let mut peer = Scripted::accept(&listener, dribbles);
    let mut wanted = Vec::new();
    let mut ended = false;
    for (at, step) in steps.iter().enumerate() {
        let within = |words| format!("step {at}: {words}");
        match step {
            Do(command) => {
                client.commands.blocking_send(command.clone()).map_err(|_| within("it has gone".into()))?;
            }
            Say(bytes) => peer.say(bytes),
            Hear(bytes) => peer.expect(bytes).map_err(within)?,
            Told(what) => wanted.push(*what),
            HalfClose => peer.half_close(),
            End => {
                peer.expect_end().map_err(within)?;
                ended = true;
            }
        }
    }
    if !ended {
        peer.expect_nothing()?;
    }
    // In whatever order: what one is told in another task may come later.
    for _ in 0..wanted.len() {
        let told =
            client.told.recv_timeout(Duration::from_secs(10)).map_err(|_| format!("not told: {wanted:?}"))?;
        let is_it =
            |what: &&str| what.strip_suffix('…').map_or(told == **what, |start| told.starts_with(start));
        match wanted.iter().position(is_it) {
            Some(at) => drop(wanted.remove(at)),
            None => return Err(format!("told {told}, but wanted {wanted:?}")),
        }
    }
    Ok(())
}

#[test]
fn clients_speak_alike() {
    check(&CLIENTS, cases(), |dial, steps| run(dial, steps, false));
}

#[test]
fn clients_speak_alike_with_what_comes_byte_by_byte() {
    check(&CLIENTS, cases(), |dial, steps| run(dial, steps, true));
}
