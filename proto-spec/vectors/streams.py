"""The cases of transcript.json with streams and long messages (SPEC 4). What their steps are stands in steps.py.

The credits that are said in HELLO are small here, so that little data shows how they run out.
"""
from build import *
from steps import *
from transcripts import ABANDONED

LONG = b"a" * 16321
SMALL = {"stream_credit": 16384, "connection_credit": 65536}
PATIENT = {"heartbeat_interval_ms": 60000}
NO_TIME = (0, 0, 0, 0)


def options(deadline_us=15_000_000):
    return {"deadline_us": deadline_us}


def opens(stream, replies, message=TUX, deadline_us=15_000_000, then=b"", **more):
    """A call with one request and a stream of replies; or, without message, with a stream of requests."""
    is_one = message is not None
    body = head(deadline_us) + (message if is_one else b"")
    wire = of_call(REQUEST, stream, METHOD, body, flags=(END if is_one else 0) | CHECKSUM)
    does = ["open", METHOD, shown(message) if is_one else None, replies, options(deadline_us)]
    seen = [["request", stream, METHOD, shown(message) if is_one else ""]]
    return step("dialler", does, wire + then, more.pop("seen", seen), **more)


def says(by, stream, message, last=False, sent=None, seen=None, **more):
    wire = data(stream, METHOD, message, END if last else 0) if sent is None else sent
    seen = [["message", stream, shown(message)]] + ([["end", stream]] if last else []) if seen is None else seen
    return step(by, ["say", stream, shown(message), last], wire, seen, **more)


def ends(stream, **more):
    return step("dialler", ["end", stream], data(stream, METHOD, b"", END), [["end", stream]], **more)


def reply(stream, message=b"", ledger=NO_TIME, flags=END):
    return of_call(REPLY, stream, METHOD, b"".join(map(u32, ledger)) + message, flags=flags | CHECKSUM)


def replies(stream, message=b"", then=b"", seen=None, **more):
    seen = [["reply", stream, shown(message)]] if seen is None else seen
    return step("acceptor", ["reply", stream, shown(message)], reply(stream, message) + then, seen, **more)


def consumes(by, stream, count, sent=b"", seen=(), **more):
    return step(by, ["consume", stream, count], sent, seen, **more)


def announcement(stream, length):
    return data(stream, METHOD, u32(length), MORE)


def pieces(stream, message, last_flags=0):
    """A message of several pieces, as an implementation sends it that makes them as long as they may be."""
    first, rest = u32(len(message)) + message[:16320], range(16320, len(message), 16320)
    wire = data(stream, METHOD, first, MORE)
    for at in rest:
        is_last = at + 16320 >= len(message)
        wire += data(stream, METHOD, message[at:at + 16320], CONTINUED | (last_flags if is_last else MORE))
    return wire


def asks_long(stream, message=LONG):
    announced = of_call(REQUEST, stream, METHOD, head(15_000_000) + u32(len(message)), flags=MORE | CHECKSUM)
    return ["call", METHOD, shown(message), options()], announced, pieces(stream, message, END)


DOES, ANNOUNCED, PIECES = asks_long(1)
TWENTY = b"b" * 20000

STREAMS = [
    case(
        "a long request in pieces, and a long reply whose last piece is in the REPLY",
        *GREETING,
        step("dialler", DOES, ANNOUNCED + PIECES, [["request", 1, METHOD, shown(LONG)]], [["room", 1]]),
        step("acceptor", ["reply", 1, shown(LONG)],
             data(1, METHOD, u32(16321) + LONG[:16320], MORE) + reply(1, b"a", flags=END | CONTINUED),
             [["reply", 1, shown(LONG)]]),
    ),
    case(
        "messages of 16320 bytes are not announced",
        *GREETING,
        step("dialler", ["call", METHOD, shown(LONG[1:]), options()], request(1, message=LONG[1:]),
             [["request", 1, METHOD, shown(LONG[1:])]]),
        replies(1, LONG[1:]),
    ),
    case(
        "a small call passes a long request",
        *GREETING,
        step("dialler", ["call", METHOD, shown(b"a" * 40000), options()],
             of_call(REQUEST, 1, METHOD, head(15_000_000) + u32(40000), flags=MORE | CHECKSUM)
             + data(1, METHOD, u32(40000) + b"a" * 16320, MORE), batches=1),
        step("dialler", ["call", METHOD, TUX.hex(), options()],
             request(2) + data(1, METHOD, b"a" * 16320, MORE | CONTINUED), [["request", 2, METHOD, TUX.hex()]], batches=1),
        step("dialler", ["answer"], data(1, METHOD, b"a" * 7360, END | CONTINUED),
             [["request", 1, METHOD, shown(b"a" * 40000)]], [["room", 1]]),
        replies(2, b"\x2a"),
        replies(1, b"\x2b"),
    ),
    case(
        "a stream of replies",
        *GREETING,
        opens(1, "many"),
        says("acceptor", 1, b"one"), says("acceptor", 1, b"two"),
        replies(1),
    ),
    case(
        "a stream of replies that ends with an error",
        *GREETING,
        opens(1, "many"),
        says("acceptor", 1, b"one"),
        step("acceptor", ["fail", 1, "INTERNAL", "oops"], error(1, 81, 2, 2, "oops"), [["failed", 1, "INTERNAL"]]),
    ),
    case(
        "a stream of requests, whose last message is also its end",
        *GREETING,
        opens(1, "one", None),
        says("dialler", 1, b"one"), says("dialler", 1, b"two", last=True),
        replies(1, b"\x02"),
    ),
    case(
        "a stream of requests that ends without a message more",
        *GREETING,
        opens(1, "one", None),
        says("dialler", 1, b"one"), ends(1),
        replies(1, b"\x01"),
    ),
    case(
        "streams both ways, answered before they have ended",
        *GREETING,
        opens(1, "many", None),
        says("dialler", 1, b"ping"), says("acceptor", 1, b"pong"), says("dialler", 1, b"more"),
        replies(1),
    ),
    case(
        "streams both ways, without any message",
        *GREETING,
        opens(1, "many", None), ends(1), replies(1),
    ),
    case(
        "streams of two calls at once",
        *GREETING,
        opens(1, "many"), opens(2, "many"),
        says("acceptor", 2, b"two"), says("acceptor", 1, b"one"), says("acceptor", 2, b"three"),
        replies(1), replies(2),
    ),
    case(
        "a long message of a stream, with the end",
        *GREETING,
        opens(1, "one", None),
        says("dialler", 1, LONG, True, pieces(1, LONG, END), own=[["room", 1]]),
        replies(1, b"\x01"),
    ),
    case(
        "credit runs out, is topped up, and a message that was announced follows",
        *greeting(acceptor=SMALL),
        opens(1, "one", None),
        says("dialler", 1, b"a" * 10000),
        says("dialler", 1, b"b" * 10000, sent=announcement(1, 10000), seen=[]),
        consumes("acceptor", 1, 10000, credit(10000, 1, METHOD)),
        step("dialler", ["answer"], data(1, METHOD, b"b" * 10000), [["message", 1, "(62*10000)"]], [["room", 1]]),
        ends(1),
        step("acceptor", ["reply", 1, ""], credit(20000) + reply(1), [["reply", 1, ""]]),
        acceptor=SMALL,
    ),
    case(
        "a message longer than its stream's first credit waits for a reader, who has it reserved",
        *greeting(dialler=SMALL),
        opens(1, "many"),
        says("acceptor", 1, TWENTY, sent=announcement(1, 20000), seen=[]),
        step("dialler", ["await", 1], credit(3616, 1, METHOD)),
        step("acceptor", ["answer"], pieces(1, TWENTY), [["message", 1, shown(TWENTY)]], [["room", 1]]),
        consumes("dialler", 1, 20000, credit(16384, 1, METHOD) + credit(20000)),
        dialler=SMALL,
    ),
    case(
        "a message longer than all of the connection's first credit",
        *greeting(acceptor=SMALL),
        opens(1, "one", None),
        says("dialler", 1, b"c" * 70000, sent=announcement(1, 70000), seen=[]),
        step("acceptor", ["await", 1], credit(53616) + credit(53616, 1, METHOD)),
        step("dialler", ["answer"], pieces(1, b"c" * 70000), [["message", 1, "(63*70000)"]], [["room", 1]]),
        acceptor=SMALL,
    ),
    case(
        "a call that is given up in the middle of its request gives all of its credit back",
        *greeting(acceptor={"connection_credit": 65536}),
        step("dialler", ["call", METHOD, shown(b"a" * 40000), options()],
             of_call(REQUEST, 1, METHOD, head(15_000_000) + u32(40000), flags=MORE | CHECKSUM)
             + data(1, METHOD, u32(40000) + b"a" * 16320, MORE), batches=1),
        step("dialler", ["cancel", 1], of_call(CANCEL, 1, METHOD, b"", 0)),
        step("acceptor", ["answer"], credit(40000) + error(1, 65, 1, 2, "cancelled"), **FREE),
        call(2),
        acceptor={"connection_credit": 65536},
    ),
    case(
        "DATA crosses the CANCEL, is ignored, and its credit comes back",
        *greeting(dialler={"connection_credit": 65536}),
        opens(1, "many"),
        says("acceptor", 1, b"a" * 16320, seen=[], held=True),
        step("dialler", ["cancel", 1], of_call(CANCEL, 1, METHOD, b"", 0), [ABANDONED], held=False),
        step("acceptor", ["answer"], error(1, 65, 1, 2, "cancelled"), **FREE),
        step("dialler", ["answer"], credit(16320)),
        dialler={"connection_credit": 65536},
    ),
    case(
        "DATA crosses the terminal frame, is ignored, and its credit comes back",
        *greeting(acceptor={"connection_credit": 65536}),
        opens(1, "one", None),
        replies(1, b"\x2a", seen=[], held=True),
        says("dialler", 1, b"a" * 16320, seen=[]),
        says("dialler", 1, b"b" * 16320, seen=[]),
        step("acceptor", ["answer"], credit(16320) + credit(16320), [["reply", 1, "2a"]]),
        acceptor={"connection_credit": 65536},
    ),
    case(
        "credit beyond the first is counted from the first frame on",
        *greeting(dialler=SMALL),
        call(1),
        step("dialler", ["bytes"], credit(10000, 1, METHOD)),
        step("acceptor", ["reply", 1, shown(TWENTY)],
             data(1, METHOD, u32(20000) + TWENTY[:16320], MORE) + reply(1, TWENTY[16320:], flags=END | CONTINUED),
             held=True),
        dialler=SMALL,
    ),
    case(
        "drain: a stream goes on to its end, and so does the connection",
        *GREETING,
        opens(1, "many"),
        step("acceptor", ["drain"], frame(GOAWAY, u32(1)), [["goaway"]]),
        says("acceptor", 1, b"last words"),
        replies(1, then=close(), own=[closed()], seen=[["reply", 1, ""], closed(None, None)]),
    ),
    case(
        "the deadline of a stream holds until its first message",
        *GREETING,
        opens(1, "many", deadline_us=3000),
        step("acceptor", ["time"], error(1, 64, 2, 2, "too late", (0, 3000, 0, 0)), [["failed", 1, "DEADLINE_EXCEEDED"]],
             [ABANDONED], at_us=3000, **FREE),
        answers="DEADLINE_EXCEEDED", clause="6.1",
    ),
    case(
        "after its first message a stream has 60 seconds for each of the others",
        *greeting(dialler=PATIENT),
        opens(1, "many", deadline_us=3000),
        says("acceptor", 1, b"one", at_us=2000),
        step("acceptor", ["time"], b"", at_us=59_000_000),
        step("acceptor", ["time"],
             frame(PING, u64(60_002_000_000)) + error(1, 64, 2, 2, "silence", (0, 60_002_000, 0, 0)),
             [["failed", 1, "DEADLINE_EXCEEDED"]], [ABANDONED], at_us=60_002_000, **FREE),
        dialler=PATIENT, answers="DEADLINE_EXCEEDED", clause="4.8",
    ),
]
