"""Steps of connections, from HELLO to CLOSE, of which the cases of transcript.json are made.

A case is a list of steps. In each, one side (`by`) does something (`does`) at a time (`at_us`, microseconds since the
connection was made), has events of its own from it (`own`), and sends `hex`, of which the other side then makes `seen`. What is
`held` arrives with the sender's next step. With `words: free` the bytes are an example: code and kind must be these, the
words are the implementation's. `bytes` as `does` are what no correct implementation sends: only the receiver is tested.
With `batches` a side sends only as many batches as that, not all that it could: what it does next comes in between.

What a side can do, besides `start`, `answer` (to what it has received) and `time` (its timers): `call` METHOD REQUEST OPTIONS,
`send` for a one-way call, `open` METHOD REQUEST-or-null REPLIES OPTIONS with REPLIES `one` or `many` for all other shapes, `cancel`
STREAM, `say` STREAM MESSAGE LAST, `end` STREAM (no further message), `consume` STREAM BYTES (a message was used up), `await` STREAM
(a reader waits for the next message), `reply` STREAM REPLY, `fail` STREAM CODE WORDS, `announce` LIMITS, `drain`, and `close` CODE WORDS.

A case that ends a connection names code and clause of SPEC 16.4 (`refused`, `clause`), one that ends a call those of 16.5
(`answers`, `clause`). A side's limits that aren't the defaults stand in `sides`, and the schema
that it serves, encoded, if it says any.

The opaque value of a PING is its sender's choice; here it is the time in nanoseconds.
"""
from build import (
    CANCEL, CHECKSUM, CLOSE, CREDIT, DATA, END, ERROR, HELLO, MORE, NOTICE, PING, PONG, PREFACE, REPLY, REQUEST, beacon, credit, data, entry,
    fingerprint, frame, head, head_entry, metadata, of_call, proof, names, shown, string, text, u8, u16, u32, u64, x,
)

METHOD = 0xA45FA70A  # product.query
TUX = string("Tux")
SECRET = b"an example of a secret, not one!"
NONCES = {"dialler": bytes(range(16)), "acceptor": bytes(range(16, 32))}
SIDES = {
    "dialler": {"cluster": "shop", "node": "order", "instance": "order-1"},
    "acceptor": {"cluster": "shop", "node": "product", "instance": "product-2"},
}


LIMITS = {
    "frame_payload_max": (5, 65536), "calls_in_flight_max": (6, 4096), "heartbeat_interval_ms": (7, 1000),
    "stream_credit": (11, 65536), "connection_credit": (12, 33554432),
}


def hello(side, versions=b"\x01\x01", extra=b"", **changes):
    said = SIDES[side] | changes
    entries = b"".join(
        entry(key, said[name].encode()) for key, name in ((1, "cluster"), (2, "node"), (3, "instance")) if said[name]
    )

    def limits(*keys):
        return b"".join(entry(key, u32(said.get(name, usual))) for name, (key, usual) in LIMITS.items() if key in keys)

    schema = entry(8, fingerprint(said["schema"])) if "schema" in said else b""
    rest = limits(5, 6, 7) + schema + entry(9, u8(1)) + entry(0x800A, b"vectors") + limits(11, 12)
    return frame(HELLO, versions + entries + entry(4, NONCES[side]) + rest + extra)


def step(by, does, data, seen=(), own=(), at_us=0, **more):
    return {"by": by, "at_us": at_us, "does": does, "hex": shown(data), "own": list(own), "seen": list(seen)} | more


def say_hello(side, **limits):
    return step(side, ["start"], PREFACE + hello(side, **limits), [["ready"]])


def greeting(dialler=None, acceptor=None):
    return [say_hello("dialler", **(dialler or {})), say_hello("acceptor", **(acceptor or {}))]


GREETING = greeting()
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


def case(name, *steps, dialler=None, acceptor=None, **more):
    sides = {"dialler": SIDES["dialler"] | (dialler or {}), "acceptor": SIDES["acceptor"] | (acceptor or {})}
    for said in sides.values():
        said |= {"schema": shown(said["schema"])} if "schema" in said else {}
    return {"name": name, "sides": sides, "nonces": {side: nonce.hex() for side, nonce in NONCES.items()}} | more | {
        "steps": list(steps)
    }


def broken(clause, name, code, number, by, wrong, before=(), own=(), seen=(), words=FREE, **limits):
    """One side sends what breaks a rule; the other ends the connection. `own` are its events before that, `seen` those of the
    side at fault."""
    other = "acceptor" if by == "dialler" else "dialler"
    end = step(other, ["answer"], close(number, "why"), [*seen, closed(code, True)], **words)
    fault = step(by, ["bytes"], wrong, [*own, closed(code)])
    return case(name, *greeting(**limits), *before, fault, end, refused=code, clause=clause, **limits)


def answered(clause, name, code, number, asked, seen=(), before=(), fault=1, retry=0, held=True, **limits):
    """The dialler sends what costs it a call, and not the connection. Since the dialler doesn't know of that call, the answer is
    not delivered."""
    stream = int.from_bytes(asked[8:12], "big")
    wrong = step("dialler", ["bytes"], asked, seen)
    answer_step = step("acceptor", ["answer"], error(stream, number, fault, retry, "why"), held=held, **FREE)
    return case(name, *greeting(**limits), *before, wrong, answer_step, answers=code, clause=clause, **limits)


def greeting_refused(clause, name, code, number, hello_bytes):
    first = step("dialler", ["bytes"], hello_bytes, [closed(code)])
    answer_bytes = PREFACE + hello("acceptor") + close(number, "why")
    end = step("acceptor", ["answer"], answer_bytes, [["ready"], closed(code, True)], **FREE)
    return case(name, first, end, refused=code, clause=clause)


def pong(opaque, received, health=1, in_flight=0):
    return frame(PONG, u64(opaque) + u64(received) + u32(in_flight) * 2 + bytes(8) + u8(health) + u16(0))


def ping(by, at_us, **more):
    return step(by, ["time"], frame(PING, u64(at_us * 1000)), at_us=at_us, **more)
