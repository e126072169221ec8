#!/usr/bin/env python3
"""An independent decoder of the micronet protocol, version 1, written from SPEC.md; standard library only.

    decode.py FILE        decodes one direction of a connection (raw bytes, or hex), and prints a line of JSON a frame
    from decode import …  what run_vectors.py and others use

It shares no code with the Rust implementation: where the two disagree, one of them, or SPEC.md, is wrong. Each function
says the clause that it was written from. What breaks a rule raises Refused with the code of SPEC 8.2.
"""
import hashlib
import hmac
import json
import re
import struct
import sys
import unicodedata

PREFACE = bytes.fromhex("894d4e500d0a1a01")  # SPEC 1.2
CONTROL = {1: "HELLO", 2: "PROOF", 3: "ANNOUNCE", 4: "PING", 5: "PONG", 6: "GOAWAY", 7: "CLOSE", 8: "BEACON"}
OF_CALLS = {16: "REQUEST", 17: "REPLY", 18: "ERROR", 19: "CANCEL", 20: "DATA", 21: "CREDIT", 22: "NOTICE"}
KINDS = CONTROL | OF_CALLS  # SPEC 2.2
SENT_BY = {
    "PROOF": "dialler", "REQUEST": "dialler", "CANCEL": "dialler", "REPLY": "acceptor", "ERROR": "acceptor",
    "NOTICE": "dialler", "BEACON": "acceptor",
}
END, CHECKSUM, MORE, CONTINUED = 0x01, 0x02, 0x04, 0x08  # SPEC 2.7
FLAGS = {  # SPEC 2.7: what a kind bears besides CHECKSUM; a kind that isn't here bears nothing
    "REQUEST": {0, END, MORE}, "REPLY": {END, END | CONTINUED}, "ERROR": {END}, "CANCEL": {END}, "NOTICE": {END},
    "DATA": {0, END, MORE, CONTINUED, END | CONTINUED, MORE | CONTINUED},
}
MESSAGE_MAX, PIECE_MAX, CREDIT_MAX = 16777216, 16320, 1073741824  # SPEC 4.2, 4.3, 4.6
SCHEMA_MAX, SCHEMA_PIECE_MAX = 1048576, 4096  # SPEC 10.2, 4.10
CREDENTIALS = {1: "CLUSTER", 2: "OPERATOR"}
PRINCIPALS = {0: "ANONYMOUS", 1: "OPERATOR", 2: "SERVICE", 3: "USER"}
FAULTS = {1: "caller", 2: "callee", 3: "network"}
RETRIES = {0: "never", 1: "never_started", 2: "maybe_executed"}
HEALTH = {1: "SERVING", 2: "DRAINING"}


class Refused(Exception):
    """A rule of SPEC.md is broken; `code` is the name in SPEC 8.2."""

    def __init__(self, code, words):
        super().__init__(f"{code}: {words}")
        self.code = code


def malformed(words):
    raise Refused("PROTOCOL_ERROR", words)


class Input:
    """Takes fields off the front of some bytes; `code` names the refusal when they run out."""

    def __init__(self, data, code="PROTOCOL_ERROR"):
        self.data, self.at, self.code = bytes(data), 0, code

    def left(self):
        return len(self.data) - self.at

    def take(self, count):
        if count > self.left():
            raise Refused(self.code, f"{count} bytes wanted, {self.left()} left")
        self.at += count
        return self.data[self.at - count : self.at]

    def uint(self, size):
        return int.from_bytes(self.take(size), "big")

    def rest(self):
        return self.take(self.left())

    def end(self):
        if self.left():
            raise Refused(self.code, f"{self.left()} bytes left over")


# ---- section 2: frames ------------------------------------------------------------------------------------------


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)  # 1EDC6F41, reflected
        table.append(byte)
    return table


_TABLE = _crc_table()


def crc32c(data):
    """SPEC 2.3."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def header(data, payload_max=65536):
    """SPEC 2.1 to 2.9, in the order of 2.9."""
    length, number, flags, encoding, zero, stream, method, payload_sum, header_sum = struct.unpack(">IBBBBIIII", data)
    if crc32c(data[:20]) != header_sum:
        raise Refused("CHECKSUM_MISMATCH", "header checksum")
    if number not in KINDS:
        malformed(f"kind {number}")
    kind = KINDS[number]
    if zero or flags & ~(END | CHECKSUM | MORE | CONTINUED) or (payload_sum and not flags & CHECKSUM):
        malformed("a reserved bit is set")
    if encoding and (number < 16 or kind in ("CANCEL", "CREDIT")):
        malformed(f"{kind} with an encoding")
    if (stream or method) if number < 16 else (not stream or not method) and (kind != "CREDIT" or stream or method):
        malformed(f"{kind} on stream {stream}, method {method}")
    if flags & ~CHECKSUM not in FLAGS.get(kind, {0}):
        malformed(f"{kind} with flags {flags:02x}")
    if length > min(payload_max, 16777216):
        raise Refused("FRAME_TOO_LARGE", f"{length} bytes")
    return {
        "length": length, "kind": kind, "end": bool(flags & END), "more": bool(flags & MORE),
        "continued": bool(flags & CONTINUED), "checksum": bool(flags & CHECKSUM), "encoding": encoding,
        "stream": stream, "method": method, "payload_checksum": payload_sum,
    }


def raw_frame(data, payload_max=65536):
    """A frame's header, its payload as bytes, and how many bytes both took, or None when it isn't there whole."""
    if len(data) < 24:
        return None
    head = header(data[:24], payload_max)
    payload = data[24 : 24 + head["length"]]
    if len(payload) < head["length"]:
        return None
    if head["checksum"] and crc32c(payload) != head["payload_checksum"]:
        raise Refused("CHECKSUM_MISMATCH", "payload checksum")  # SPEC 2.6
    return head, payload, 24 + head["length"]


def frame(data, payload_max=65536):
    """One whole frame and how many bytes it took, or None when it isn't there whole."""
    taken = raw_frame(data, payload_max)
    if taken is None:
        return None
    head, payload, size = taken
    meaning = {key: value for key, value in head.items() if key not in ("length", "payload_checksum")}
    return meaning | {"payload": payload_of(head, payload)}, size


def payload_of(head, payload):
    """The meaning of a payload, by the table of SPEC 2.2."""
    if head["kind"] == "DATA":
        return message_data(head, payload)
    return DECODERS[head["kind"]](payload)


def stream_of_bytes(data, payload_max=65536):
    """All frames of one direction of a connection, preface first."""
    if data[:8] != PREFACE:
        malformed("no preface")
    at, frames, limit = 8, [], 4096  # SPEC 2.8: before HELLO
    while at < len(data):
        taken = frame(data[at:], limit)
        if taken is None:
            malformed("the bytes end within a frame")
        frames.append(taken[0])
        at += taken[1]
        limit = payload_max
    return frames


# ---- section 3: handshake ---------------------------------------------------------------------------------------


def _name(value):
    text = value.decode("ascii", "replace")
    if not 1 <= len(value) <= 64 or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in text):
        malformed(f"{value!r} is no name")
    return text


def _sized(size):
    def take(value):
        if len(value) != size:
            malformed(f"{len(value)} bytes instead of {size}")
        return value

    return take


def _flag(value):
    if value not in (b"\0", b"\1"):
        malformed("neither 0 nor 1")
    return value == b"\1"


def _software(value):
    if len(value) > 1024:
        malformed("software is too long")
    return value.decode("utf-8", "replace")


def _u32(value):
    return int.from_bytes(_sized(4)(value), "big")


def _hex_of(size):
    return lambda value: _sized(size)(value).hex()


HELLO_ENTRIES = {  # SPEC 3.2: name, how to read it, what holds without it
    1: ("cluster", _name, None), 2: ("node", _name, None), 3: ("instance", _name, None),
    4: ("nonce", _hex_of(16), None), 5: ("frame_payload_max", _u32, 65536), 6: ("calls_in_flight_max", _u32, 4096),
    7: ("heartbeat_interval_ms", _u32, 1000), 8: ("schema", _hex_of(16), None), 9: ("checksums", _flag, True),
    0x800A: ("software", _software, None), 11: ("stream_credit", _u32, 65536), 12: ("connection_credit", _u32, 33554432),
}


def hello(payload):
    """SPEC 3.2 to 3.4."""
    if len(payload) > 4096:
        malformed("HELLO is too long")
    data = Input(payload)
    said = {"versions": [data.uint(1), data.uint(1)]}
    said |= {name: default for name, _, default in HELLO_ENTRIES.values()}
    last = -1
    while data.left():
        key, value = data.uint(2), data.take(data.uint(2))
        if key & 0x7FFF <= last:
            malformed("HELLO's entries are out of order")
        last = key & 0x7FFF
        if key in HELLO_ENTRIES:
            name, read, _ = HELLO_ENTRIES[key]
            said[name] = read(value)
        elif not key & 0x8000:
            raise Refused("CAPABILITY_UNSUPPORTED", f"key {key}")
    if said["nonce"] is None:
        malformed("HELLO without nonce")
    if not 32768 <= said["frame_payload_max"] <= 16777216 or said["calls_in_flight_max"] < 1:
        malformed("a limit makes no sense")
    if not 50 <= said["heartbeat_interval_ms"] <= 60000:
        malformed("the heartbeat interval makes no sense")
    if not 16384 <= said["stream_credit"] <= CREDIT_MAX or not max(65536, said["stream_credit"]) <= said["connection_credit"] <= CREDIT_MAX:
        malformed("the credit makes no sense")
    return said


def _health(value):
    number = _sized(1)(value)[0]
    if number not in HEALTH:
        malformed(f"health {number}")
    return HEALTH[number]


ANNOUNCE_ENTRIES = {
    6: ("calls_in_flight_max", _u32), 7: ("heartbeat_interval_ms", _u32), 0x8010: ("health", _health),
}


def announce(payload):
    """SPEC 3.10."""
    data, last = Input(payload), -1
    said = {name: None for name, _ in ANNOUNCE_ENTRIES.values()}
    while data.left():
        key, value = data.uint(2), data.take(data.uint(2))
        if key & 0x7FFF <= last or (key in HELLO_ENTRIES and key not in ANNOUNCE_ENTRIES):
            malformed("ANNOUNCE's entries are out of order, or of a key that can't be changed")
        last = key & 0x7FFF
        if key in ANNOUNCE_ENTRIES:
            name, read = ANNOUNCE_ENTRIES[key]
            said[name] = read(value)
        elif not key & 0x8000:
            raise Refused("CAPABILITY_UNSUPPORTED", f"key {key}")
    interval = said["heartbeat_interval_ms"]
    if said["calls_in_flight_max"] == 0 or (interval is not None and not 50 <= interval <= 60000):
        malformed("a limit makes no sense")  # SPEC 3.4
    return said


def check_hello(own, peer):
    """SPEC 3.5 and 3.6: whether two HELLOs go together."""
    if max(own["versions"][0], peer["versions"][0]) > min(own["versions"][1], peer["versions"][1]):
        raise Refused("VERSION_UNSUPPORTED", f"{peer['versions']}")
    if own["cluster"] and peer["cluster"] and own["cluster"] != peer["cluster"]:
        raise Refused("WRONG_CLUSTER", peer["cluster"])


def proof(payload):
    """SPEC 3.7, without the secret."""
    if len(payload) != 33 or payload[0] not in CREDENTIALS:
        malformed("PROOF")
    return {"credential": CREDENTIALS[payload[0]], "hmac": payload[1:].hex()}


def proof_hmac(secret, credential, dialler, acceptor):
    """SPEC 3.7: the HMAC that proves `secret`; the two HELLOs as `hello` returns them."""
    node, instance = ((dialler[key] or "").encode() for key in ("node", "instance"))
    said = b"micronet proof 1" + bytes([credential])
    said += bytes.fromhex(acceptor["nonce"]) + bytes.fromhex(dialler["nonce"])
    said += bytes([len(node)]) + node + bytes([len(instance)]) + instance
    return hmac.new(secret, said, hashlib.sha256).digest()


# ---- sections 5 to 8: control frames, request heads, ledgers, errors ---------------------------------------------


def text(data):
    """SPEC 1.5."""
    length = data.uint(2)
    if length > 1024:
        malformed("a text of more than 1024 bytes")
    try:
        return data.take(length).decode("utf-8")
    except UnicodeDecodeError:
        malformed("a text that is not UTF-8")


def ping(payload):
    return {"opaque": _sized(8)(payload).hex()}


PONG_NUMBERS = ("calls_in_flight", "instance_calls_in_flight", "queue_delay_us", "scheduler_lag_us")


def pong(payload):
    """SPEC 7.2."""
    data = Input(_sized(35)(payload))
    said = {"opaque": data.take(8).hex(), "bytes_received": data.uint(8)}
    said |= {key: data.uint(4) for key in PONG_NUMBERS}
    return said | {"health": _health(data.take(1)), "load_permille": data.uint(2)}


def goaway(payload):
    return {"last_stream": _u32(payload)}  # SPEC 5.6


def close(payload):
    """SPEC 5.7."""
    data = Input(payload)
    said = {"code": data.uint(2), "message": text(data)}
    data.end()
    return said


def printable(value, code):
    """SPEC 6.3."""
    if not 1 <= len(value) <= 64 or not all(0x21 <= byte <= 0x7E for byte in value):
        raise Refused(code, f"{value!r} is empty, too long or not printable ASCII")
    return value.decode("ascii")


def principal(value):
    """SPEC 6.5."""
    data = Input(value, "BAD_REQUEST")
    kind, names = data.uint(1), []
    while data.left():
        name = data.take(data.uint(1))
        not_known = kind == 3 and len(names) in (1, 2) and not name
        names.append("" if not_known else printable(name, "BAD_REQUEST"))
    allowed = {0: range(0, 1), 1: range(0, 1), 2: range(1, 2), 3: range(3, 68)}
    if kind not in allowed or len(names) not in allowed[kind]:
        raise Refused("BAD_REQUEST", f"principal of kind {kind} with {len(names)} names")
    return {"kind": PRINCIPALS[kind], "names": names}


def metadata(value):
    """SPEC 6.6."""
    if not 1 <= len(value) <= 2048:
        raise Refused("BAD_REQUEST", f"{len(value)} bytes of metadata")
    data, pairs, last = Input(value, "BAD_REQUEST"), {}, b""
    while data.left():
        key, text_bytes = data.take(data.uint(1)), data.take(data.uint(2))
        if not re.fullmatch(rb"[a-z0-9._-]{1,64}", key) or key <= last:
            raise Refused("BAD_REQUEST", f"the key {key!r} is no key, or out of order")
        last = key
        try:
            said = text_bytes.decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("BAD_REQUEST", "a value that is not UTF-8") from None
        if any(unicodedata.category(character) == "Cc" for character in said):
            raise Refused("BAD_REQUEST", "a value with a control character")
        pairs[key.decode()] = said
    if len(pairs) > 16:
        raise Refused("BAD_REQUEST", f"{len(pairs)} pairs of metadata")
    return pairs


def request(payload):
    """SPEC 6.1 to 6.7."""
    whole = Input(payload, "BAD_REQUEST")
    length = whole.uint(2)
    if not 4 <= length <= 8192:
        raise Refused("BAD_REQUEST", f"a head of {length} bytes")
    head = Input(whole.take(length), "BAD_REQUEST")
    deadline = head.uint(4)
    if deadline == 0:
        raise Refused("BAD_REQUEST", "a deadline of zero")
    said = {"deadline_us": min(deadline, 3600000000), "trace": None, "request_id": None, "token": None, "principal": None}
    said |= {"metadata": {}, "bulk": False}
    last = 0
    while head.left():
        tag, value = head.uint(1), head.take(head.uint(2))
        if tag & 0x7F <= last:
            raise Refused("BAD_REQUEST", "the head's entries are out of order")
        last = tag & 0x7F
        if tag == 1:
            if len(value) != 25:
                raise Refused("BAD_REQUEST", "a trace context of another length")
            if any(value[:16]):  # SPEC 6.4
                said["trace"] = {"trace_id": value[:16].hex(), "span_id": value[16:24].hex(), "flags": value[24]}
        elif tag == 2:
            said["request_id"] = printable(value, "BAD_REQUEST")
        elif tag == 3:
            said["token"] = printable(value, "BAD_REQUEST")
        elif tag == 4:
            said["principal"] = principal(value)
        elif tag == 5:
            said["metadata"] = metadata(value)
        elif tag == 6:
            if value != b"\1":
                raise Refused("BAD_REQUEST", "another class than BULK")  # SPEC 6.7
            said["bulk"] = True
        elif not tag & 0x80:
            raise Refused("BAD_REQUEST", f"the entry {tag} is not known")
    return said | {"message": whole.rest().hex()}


def ledger(data):
    return [data.uint(4) for _ in range(4)]  # SPEC 7.5


def reply(payload):
    """SPEC 4.3: what there is of a message in a frame is never longer than a piece."""
    data = Input(payload)
    said = {"ledger": ledger(data), "message": data.rest().hex()}
    if len(said["message"]) > 2 * PIECE_MAX:
        malformed("a REPLY with too much of a message")
    return said


def error(payload):
    """SPEC 8.1."""
    data = Input(payload)
    said = {"ledger": ledger(data), "code": data.uint(2)}
    fault, retry = data.uint(1), data.uint(1)
    if fault not in FAULTS or retry not in RETRIES:
        malformed(f"fault {fault}, retry {retry}")
    said |= {"fault": FAULTS[fault], "retry": RETRIES[retry], "retry_after_ms": data.uint(4), "message": text(data)}
    if data.left() > 16384:
        malformed("a detail of more than 16384 bytes")
    return said | {"detail": data.rest().hex()}


def cancel(payload):
    if payload:
        malformed("CANCEL with a payload")
    return {}


# ---- section 4: messages in frames of their own -------------------------------------------------------------------


def message_data(head, payload):
    """SPEC 4.3, 4.4: the length of the whole message where it is told, and what there is of the message here."""
    data = Input(payload)
    length = data.uint(4) if head["more"] and not head["continued"] else None
    if data.left() > PIECE_MAX:
        malformed(f"a piece of {data.left()} bytes")
    return {"length": length, "bytes": data.rest().hex()}


def credit(payload):
    """SPEC 4.6."""
    count = _u32(payload)
    if count == 0:
        malformed("CREDIT of nothing")
    return {"bytes": count}


def beacon(payload):
    """SPEC 4.10."""
    data = Input(payload)
    said = {"version": data.uint(1), "fingerprint": data.take(16).hex(), "length": data.uint(4), "offset": data.uint(4)}
    size = data.left()
    if not said["version"] or not 1 <= size <= SCHEMA_PIECE_MAX or not said["offset"] + size <= said["length"] <= SCHEMA_MAX:
        malformed(f"a beacon of {size} bytes at {said['offset']} of {said['length']}")
    return said | {"piece": data.rest().hex()}


DECODERS = {
    "HELLO": hello, "PROOF": proof, "ANNOUNCE": announce, "PING": ping, "PONG": pong, "GOAWAY": goaway, "CLOSE": close,
    "REQUEST": request, "REPLY": reply, "ERROR": error, "CANCEL": cancel, "NOTICE": request,
    "CREDIT": credit, "BEACON": beacon,
}

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as file:
        raw = file.read()
    if not raw.startswith(PREFACE[:1]):
        raw = bytes.fromhex(raw.decode("ascii"))
    for one in stream_of_bytes(raw):
        print(json.dumps(one))
