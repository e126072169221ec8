"""The cases of transcript.json in which calls are made, answered and given up. What their steps are stands in steps.py."""
from build import *
from steps import *

CANCELLED_AFTER_2MS = error(1, 65, 1, 2, "cancelled", (0, 2000, 0, 0))
ABANDONED = ["abandoned", 1]
LOST = ["failed", 1, "CONNECTION_LOST"]

PROVED = proof(SECRET, 1, NONCES["dialler"], NONCES["acceptor"], "order", "order-1")
PROVE = {"secret": SECRET.hex(), "credential": "CLUSTER"}
EVERYTHING = (
    head_entry(1, x("4bf92f3577b34da6a3ce929d0e0e473600f067aa0ba902b701")) + head_entry(2, b"req-7")
    + head_entry(3, b"order:42") + head_entry(4, u8(3) + names("ann", "7", "s1", "orders:read"))
    + head_entry(5, metadata(("tenant", "one")))
)
EVERYTHING_OPTIONS = {
    "deadline_us": 250_000, "trace": "4bf92f3577b34da6a3ce929d0e0e473600f067aa0ba902b701", "request_id": "req-7",
    "token": "order:42", "principal": ["USER", "ann", "7", "s1", "orders:read"], "metadata": {"tenant": "one"},
}

SCHEMA = bytes(5000)  # Whatever it says: a connection doesn't look into it.
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
        answers="UNAUTHENTICATED", clause="6.5",
    ),
    case(
        "a cancelled call",
        *GREETING,
        call(1),
        step("dialler", ["cancel", 1], of_call(CANCEL, 1, METHOD, b"", 0), [ABANDONED], at_us=2000),
        step("acceptor", ["answer"], CANCELLED_AFTER_2MS, [], at_us=2000, **FREE),
        answers="CANCELLED", clause="5.4",
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
        answers="DRAINING", clause="5.6",
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
        "a beacon ten seconds after the handshake, when calls have passed; another only after as long, with more of them",
        *greeting(acceptor={"schema": SCHEMA}),
        call(1),
        answer(1, 9_999_999, (0, 9_999_999, 0, 0)),
        call(2, at_us=10_000_000),
        step("acceptor", ["answer"], beacon(SCHEMA, 0, 4096) + beacon(SCHEMA, 4096), at_us=10_000_000),
        answer(2, 10_000_100, (0, 100, 0, 0)),
        send(3, at_us=19_999_999),
        step("acceptor", ["answer"], b"", at_us=19_999_999),
        send(4, at_us=20_000_000),
        step("acceptor", ["answer"], beacon(SCHEMA, 0, 4096) + beacon(SCHEMA, 4096), at_us=20_000_000),
        acceptor={"schema": SCHEMA},
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
        ends="PEER_SILENT", clause="7.3",
    ),
    case(
        "no HELLO within 5 seconds",
        step("dialler", ["start"], PREFACE + hello("dialler"), held=True),
        step("dialler", ["time"], close(23, "no HELLO"), [], [closed("PEER_SILENT")], 5_000_000, held=True, **FREE),
        ends="PEER_SILENT", clause="3.9",
    ),
]
