"""The cases of transcript.json: whole connections, from HELLO to CLOSE.

A case is a list of steps. In each, one side (`by`) does something (`does`) at a time (`at_us`, microseconds since the
connection was made), has events of its own from it (`own`), and sends `hex`, of which the other side then makes `seen`. What is
`held` arrives with the sender's next step. With `words: free` the bytes are an example: code and kind must be these, the
words are the implementation's. `bytes` as `does` are what no correct implementation sends: only the receiver is tested.

The opaque value of a PING is its sender's choice; here it is the time in nanoseconds.
"""
from build import (
    ANNOUNCE, CANCEL, CHECKSUM, CLOSE, DATA, END, ERROR, GOAWAY, HELLO, NOTICE, PING, PONG, PREFACE, PROOF, REPLY,
    REQUEST, entry, frame, head, head_entry, header, metadata, names, of_call, proof, string, text, u8, u16, u32, u64, x,
)

METHOD = 0xA45FA70A  # product.query
TUX = string("Tux")
SECRET = b"an example of a secret, not one!"
NONCES = {"dialler": bytes(range(16)), "acceptor": bytes(range(16, 32))}
SIDES = {
    "dialler": {"cluster": "shop", "node": "order", "instance": "order-1"},
    "acceptor": {"cluster": "shop", "node": "product", "instance": "product-2"},
}


def hello(side, versions=b"\x01\x01", extra=b"", **names_of):
    said = SIDES[side] | names_of
    entries = b"".join(
        entry(key, said[name].encode()) for key, name in ((1, "cluster"), (2, "node"), (3, "instance")) if said[name]
    )
    limits = entry(5, u32(2097152)) + entry(6, u32(4096)) + entry(7, u32(1000)) + entry(9, u8(1))
    return frame(HELLO, versions + entries + entry(4, NONCES[side]) + limits + entry(0x800A, b"vectors") + extra)


def step(by, does, data, seen=(), own=(), at_us=0, **more):
    return {"by": by, "at_us": at_us, "does": does, "hex": data.hex(), "own": list(own), "seen": list(seen)} | more


def say_hello(side):
    return step(side, ["start"], PREFACE + hello(side), [["ready"]])


GREETING = [say_hello("dialler"), say_hello("acceptor")]
FREE = {"words": "free"}


def request(stream, deadline_us=15_000_000, entries=b"", message=TUX):
    return of_call(REQUEST, stream, METHOD, head(deadline_us, entries) + message)


def call(stream, at_us=0, seen=None, deadline_us=15_000_000, **more):
    seen = [["request", stream, METHOD, TUX.hex()]] if seen is None else seen
    options = {"deadline_us": deadline_us}
    return step("dialler", ["call", METHOD, TUX.hex(), options], request(stream, deadline_us), seen, at_us=at_us, **more)


def send(stream, at_us=0, seen=None, deadline_us=15_000_000, **more):
    seen = [["notice", stream, METHOD, TUX.hex()]] if seen is None else seen
    data = of_call(NOTICE, stream, METHOD, head(deadline_us) + TUX)
    options = {"deadline_us": deadline_us}
    return step("dialler", ["send", METHOD, TUX.hex(), options], data, seen, at_us=at_us, **more)


def answer(stream, at_us, ledger, message=b"\x2a", seen=None, then=b"", **more):
    frame_bytes = of_call(REPLY, stream, METHOD, b"".join(map(u32, ledger)) + message)
    seen = [["reply", stream, message.hex()]] if seen is None else seen
    return step("acceptor", ["reply", stream, message.hex()], frame_bytes + then, seen, at_us=at_us, **more)


def error(stream, code, fault, retry, words, ledger=(0, 0, 0, 0)):
    head_bytes = b"".join(map(u32, ledger)) + u16(code) + u8(fault) + u8(retry) + u32(0)
    return of_call(ERROR, stream, METHOD, head_bytes + text(words))


def close(code=0, words=""):
    return frame(CLOSE, u16(code) + text(words))


def closed(code=None, by_peer=False):
    """`by_peer` is None where both sides may be first."""
    return ["closed", code, by_peer]


CANCELLED_AFTER_2MS = error(1, 65, 1, 2, "cancelled", (0, 2000, 0, 0))
ABANDONED = ["abandoned", 1]
LOST = ["failed", 1, "CONNECTION_LOST"]


def case(name, *steps, **more):
    return {"name": name, "sides": SIDES, "nonces": {side: nonce.hex() for side, nonce in NONCES.items()}} | more | {
        "steps": list(steps)
    }


def broken(name, code, number, by, data, before=(), own=(), seen=()):
    """One side sends what breaks a rule; the other ends the connection. `own` are its events before that, `seen` those of the
    side at fault."""
    other = "acceptor" if by == "dialler" else "dialler"
    end = step(other, ["answer"], close(number, "why"), [*seen, closed(code, True)], **FREE)
    wrong = step(by, ["bytes"], data, [*own, closed(code)])
    return case(name, *GREETING, *before, wrong, end, refused=code)


def greeting_refused(name, code, number, hello_bytes):
    first = step("dialler", ["bytes"], hello_bytes, [closed(code)])
    answer_bytes = PREFACE + hello("acceptor") + close(number, "why")
    end = step("acceptor", ["answer"], answer_bytes, [["ready"], closed(code, True)], **FREE)
    return case(name, first, end, refused=code)


PROVED = proof(SECRET, 1, NONCES["dialler"], NONCES["acceptor"], "order", "order-1")
PROVE = {"secret": SECRET.hex(), "credential": "CLUSTER"}
EVERYTHING = (
    head_entry(1, x("4bf92f3577b34da6a3ce929d0e0e473600f067aa0ba902b701")) + head_entry(2, b"req-7")
    + head_entry(3, b"order:42") + head_entry(4, u8(3) + names("ann", "orders:read"))
    + head_entry(5, metadata(("tenant", "one")))
)
EVERYTHING_OPTIONS = {
    "deadline_us": 250_000, "trace": "4bf92f3577b34da6a3ce929d0e0e473600f067aa0ba902b701", "request_id": "req-7",
    "token": "order:42", "principal": ["USER", "ann", "orders:read"], "metadata": {"tenant": "one"},
}


def pong(opaque, received, health=1, in_flight=0):
    return frame(PONG, u64(opaque) + u64(received) + u32(in_flight) * 2 + bytes(8) + u8(health) + u16(0))


def ping(by, at_us, **more):
    return step(by, ["time"], frame(PING, u64(at_us * 1000)), at_us=at_us, **more)


ANNOUNCED = frame(ANNOUNCE, entry(6, u32(1)) + entry(7, u32(2000)) + entry(0x8010, u8(2)))
RECEIVED_THEN = len(PREFACE + hello("dialler") + request(1) + request(2)) + 32

TRANSCRIPTS = [
    case(
        "a call, its reply, and a plain end by drain",
        *GREETING,
        call(1),
        answer(1, 1500, (0, 1500, 0, 0)),
        step("dialler", ["drain"], frame(GOAWAY, u32(0)) + close(), [closed(None, True)], [closed()], 2000),
    ),
    case(
        "two calls, answered in the other order; the second fails",
        *GREETING,
        call(1), call(2, at_us=10),
        step("acceptor", ["fail", 2, "INTERNAL", "oops"], error(2, 81, 2, 2, "oops", (0, 90, 0, 0)),
             [["failed", 2, "INTERNAL"]], at_us=100),
        answer(1, 200, (0, 200, 0, 0)),
    ),
    case(
        "a proven part of the cluster, and everything that a head can say",
        say_hello("dialler"),
        step("acceptor", ["start"], PREFACE + hello("acceptor"), [["ready"]]),
        step("dialler", ["answer"], frame(PROOF, PROVED), []),
        step("dialler", ["call", METHOD, TUX.hex(), EVERYTHING_OPTIONS], request(1, 250_000, EVERYTHING),
             [["request", 1, METHOD, TUX.hex()]]),
        answer(1, 5, (0, 5, 0, 0)),
        **PROVE,
    ),
    case(
        "a principal without proof is not believed",
        *GREETING,
        step("dialler", ["call", METHOD, TUX.hex(), {"deadline_us": 1000, "principal": ["OPERATOR"]}],
             request(1, 1000, head_entry(4, u8(1))), []),
        step("acceptor", ["answer"], error(1, 48, 1, 0, "who?"), [["failed", 1, "UNAUTHENTICATED"]], **FREE),
    ),
    case(
        "a cancelled call",
        *GREETING,
        call(1),
        step("dialler", ["cancel", 1], of_call(CANCEL, 1, METHOD, b"", 0), [ABANDONED], at_us=2000),
        step("acceptor", ["answer"], CANCELLED_AFTER_2MS, [], at_us=2000, **FREE),
    ),
    case(
        "CANCEL crosses the answer",
        *GREETING,
        call(1),
        answer(1, 1000, (0, 1000, 0, 0), seen=[], held=True),
        step("dialler", ["cancel", 1], of_call(CANCEL, 1, METHOD, b"", 0), [], at_us=1000),
        step("acceptor", ["answer"], b"", [], at_us=1000),
        call(2, at_us=1500),
    ),
    case(
        "past its deadline a call is over on both sides",
        *GREETING,
        call(1, deadline_us=3000, held=True, seen=[]),
        step("dialler", ["time"], of_call(CANCEL, 1, METHOD, b"", 0), [["request", 1, METHOD, TUX.hex()], ABANDONED],
             [["failed", 1, "DEADLINE_EXCEEDED"]], at_us=3000),
        step("acceptor", ["answer"], error(1, 65, 1, 2, "cancelled"), [], at_us=3000, **FREE),
    ),
    case(
        "the acceptor's own clock ends a call whose caller is silent",
        *GREETING,
        call(1, deadline_us=3000),
        step("acceptor", ["time"], error(1, 64, 2, 2, "too late", (0, 3000, 0, 0)), [["failed", 1, "DEADLINE_EXCEEDED"]],
             [ABANDONED], at_us=3000, **FREE),
    ),
    case(
        "drain: a request crosses GOAWAY, is cancelled, and was never started",
        *GREETING,
        call(1),
        step("acceptor", ["drain"], frame(GOAWAY, u32(1)), at_us=10, held=True),
        call(2, at_us=20, seen=[]),
        step("dialler", ["cancel", 2], of_call(CANCEL, 2, METHOD, b"", 0), [], at_us=30),
        step("acceptor", ["answer"], error(2, 67, 2, 1, "draining"), [["goaway"]], at_us=40, **FREE),
        answer(1, 50, (0, 50, 0, 0), then=close(), own=[closed()],
               seen=[["reply", 1, "2a"], closed(None, None)]),
    ),
    case(
        "drain: the dialler learns at once what was never started",
        *GREETING,
        call(1),
        step("acceptor", ["drain"], frame(GOAWAY, u32(1)), at_us=10, held=True),
        call(2, at_us=20, seen=[]),
        step("acceptor", ["answer"], error(2, 67, 2, 1, "draining"), [["failed", 2, "DRAINING"], ["goaway"]], at_us=40, **FREE),
        answer(1, 50, (0, 50, 0, 0), then=close(), own=[closed()],
               seen=[["reply", 1, "2a"], closed(None, None)]),
    ),
    case(
        "a one-way call among others: nothing comes back on its stream",
        *GREETING,
        call(1), send(2), call(3),
        step("acceptor", ["reply", 2, ""], b"", at_us=50),
        answer(3, 100, (0, 100, 0, 0)),
        answer(1, 200, (0, 200, 0, 0)),
    ),
    case(
        "a one-way call that fails: nobody is told",
        *GREETING,
        send(1),
        step("acceptor", ["fail", 1, "INTERNAL", "oops"], b"", at_us=100),
        call(2, at_us=200),
        answer(2, 300, (0, 100, 0, 0)),
    ),
    case(
        "a one-way call that is refused is dropped, and the connection goes on",
        *GREETING,
        step("dialler", ["send", METHOD, TUX.hex(), {"deadline_us": 1000, "principal": ["OPERATOR"]}],
             of_call(NOTICE, 1, METHOD, head(1000, head_entry(4, u8(1))) + TUX), [["dropped", 1, "UNAUTHENTICATED"]]),
        step("acceptor", ["answer"], b""),
        call(2),
        answer(2, 5, (0, 5, 0, 0)),
    ),
    case(
        "a one-way call past its deadline",
        *GREETING,
        send(1, deadline_us=3000),
        step("acceptor", ["time"], b"", [], [ABANDONED], at_us=3000),
        step("acceptor", ["reply", 1, ""], b"", at_us=3100),
    ),
    case(
        "a dialler says something and leaves; it is done all the same",
        *GREETING,
        send(1),
        step("dialler", ["drain"], frame(GOAWAY, u32(0)) + close(), [closed(None, True)], [closed()], 10),
        step("acceptor", ["reply", 1, ""], b"", at_us=500),
    ),
    case(
        "drain: a one-way call in flight holds up the end, another crosses GOAWAY and is dropped",
        *GREETING,
        call(1), send(2),
        step("acceptor", ["drain"], frame(GOAWAY, u32(2)), at_us=10, held=True),
        send(3, at_us=20, seen=[["dropped", 3, "DRAINING"]]),
        answer(1, 50, (0, 50, 0, 0), seen=[], held=True),
        step("acceptor", ["reply", 2, ""], close(), [["goaway"], ["reply", 1, "2a"], closed(None, None)], [closed()], 60),
    ),
    case(
        "a lost connection ends its calls",
        *GREETING,
        call(1),
        step("acceptor", ["close", "INTERNAL", "the process ends"], close(81, "the process ends"),
             [LOST, closed("INTERNAL", True)], [ABANDONED, closed("INTERNAL")], at_us=100),
    ),
    case(
        "changed limits: a call too many crosses the word of it; the heartbeat is slower on both sides",
        *GREETING,
        call(1),
        step("acceptor", ["announce", {"calls_in_flight_max": 1, "heartbeat_interval_ms": 2000, "health": "DRAINING"}],
             ANNOUNCED, held=True),
        call(2, seen=[]),
        step("acceptor", ["answer"], error(2, 66, 2, 1, "busy"), [["announced"], ["failed", 2, "OVERLOADED"]], **FREE),
        ping("dialler", 2_000_000),
        step("acceptor", ["answer"], pong(2_000_000_000, RECEIVED_THEN, 2, 1), [["pong"]], at_us=2_000_000),
    ),
    case(
        "a ping after a silent interval",
        *GREETING,
        ping("dialler", 1_000_000),
        step("acceptor", ["answer"], pong(1_000_000_000, len(PREFACE + hello("dialler")) + 32),
             [["pong"]], at_us=1_000_000),
    ),
    case(
        "silence: three pings without answer, then the end",
        *GREETING,
        *(ping("dialler", second * 1_000_000, held=True) for second in (1, 2, 3)),
        step("dialler", ["time"], close(23, "silence"), [], [closed("PEER_SILENT")], 4_000_000, held=True, **FREE),
    ),
    case(
        "no HELLO within 5 seconds",
        step("dialler", ["start"], PREFACE + hello("dialler"), held=True),
        step("dialler", ["time"], close(23, "no HELLO"), [], [closed("PEER_SILENT")], 5_000_000, held=True, **FREE),
    ),
    greeting_refused("another cluster", "WRONG_CLUSTER", 20, PREFACE + hello("dialler", cluster="bank")),
    greeting_refused("only later versions", "VERSION_UNSUPPORTED", 19, PREFACE + hello("dialler", b"\x02\x05")),
    greeting_refused("an unknown capability", "CAPABILITY_UNSUPPORTED", 21, PREFACE + hello("dialler", extra=entry(77, b""))),
    greeting_refused("HTTP", "PROTOCOL_ERROR", 16, b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    greeting_refused("a preface that a text file's conversion changed", "PROTOCOL_ERROR", 16, x("89 4D 4E 50 0A 1A 01")),
    greeting_refused("a request before HELLO", "PROTOCOL_ERROR", 16, PREFACE + request(1)),
    greeting_refused("HELLO without checksum", "PROTOCOL_ERROR", 16,
                     PREFACE + frame(HELLO, x("01 01") + entry(4, bytes(16)), 0)),
    greeting_refused("HELLO with a wrong checksum", "CHECKSUM_MISMATCH", 17, PREFACE + hello("dialler")[:-1] + b"!"),
    greeting_refused("a HELLO of 4097 bytes", "FRAME_TOO_LARGE", 18, PREFACE + frame(HELLO, bytes(4097))),
    broken("a second HELLO", "PROTOCOL_ERROR", 16, "dialler", hello("dialler")),
    broken("a proof of nothing", "BAD_PROOF", 22, "dialler", frame(PROOF, PROVED)),
    broken("a proof that comes too late", "PROTOCOL_ERROR", 16, "dialler", frame(GOAWAY, u32(0)) + frame(PROOF, PROVED)),
    broken("a stream id again", "PROTOCOL_ERROR", 16, "dialler", request(1), [call(1)], [ABANDONED], [LOST]),
    broken("a stream id again, by NOTICE", "PROTOCOL_ERROR", 16, "dialler", of_call(NOTICE, 1, METHOD, head(1)), [call(1)],
           [ABANDONED], [LOST]),
    broken("a NOTICE from the acceptor", "PROTOCOL_ERROR", 16, "acceptor", of_call(NOTICE, 1, METHOD, head(1))),
    broken("a REPLY to a NOTICE", "PROTOCOL_ERROR", 16, "acceptor", of_call(REPLY, 1, METHOD, bytes(16)), [send(1)]),
    broken("an ERROR to a NOTICE", "PROTOCOL_ERROR", 16, "acceptor", error(1, 66, 2, 1, "busy"), [send(1)]),
    broken("a stream of requests", "PROTOCOL_ERROR", 16, "dialler",
           of_call(REQUEST, 1, METHOD, head(1) + TUX, flags=CHECKSUM)),
    broken("a frame without the checksum that was agreed", "PROTOCOL_ERROR", 16, "dialler", frame(PING, bytes(8), 0)),
    broken("a CANCEL of a stream never opened", "PROTOCOL_ERROR", 16, "dialler", of_call(CANCEL, 1, METHOD, b"", 0)),
    broken("a CANCEL of another method", "PROTOCOL_ERROR", 16, "dialler", of_call(CANCEL, 1, METHOD + 1, b"", 0), [call(1)],
           [ABANDONED], [LOST]),
    broken("DATA is reserved", "PROTOCOL_ERROR", 16, "dialler", of_call(DATA, 1, METHOD, b"")),
    broken("a REPLY from the dialler", "PROTOCOL_ERROR", 16, "dialler", of_call(REPLY, 1, METHOD, bytes(16))),
    broken("a REQUEST from the acceptor", "PROTOCOL_ERROR", 16, "acceptor", request(1)),
    broken("a PONG without PING", "PROTOCOL_ERROR", 16, "acceptor", pong(1, 0)),
    broken("a REPLY without call", "PROTOCOL_ERROR", 16, "acceptor", of_call(REPLY, 1, METHOD, bytes(16))),
    broken("a REPLY of another method", "PROTOCOL_ERROR", 16, "acceptor", of_call(REPLY, 1, METHOD + 1, bytes(16)),
           [call(1)], [LOST], [ABANDONED]),
    broken("a malformed REPLY", "PROTOCOL_ERROR", 16, "acceptor", of_call(REPLY, 1, METHOD, bytes(15)), [call(1)], [LOST],
           [ABANDONED]),
    broken("a malformed ERROR", "PROTOCOL_ERROR", 16, "acceptor", of_call(ERROR, 1, METHOD, bytes(15)), [call(1)], [LOST],
           [ABANDONED]),
    broken("a REPLY in another encoding", "PROTOCOL_ERROR", 16, "acceptor", of_call(REPLY, 1, METHOD, bytes(16), 2),
           [call(1)], [LOST], [ABANDONED]),
    broken("a frame larger than agreed", "FRAME_TOO_LARGE", 18, "acceptor", header(2097153, REPLY, END, 1, stream=1, method=1)),
]
