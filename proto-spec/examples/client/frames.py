"""Frames of the micronet protocol (SPEC 2), what HELLO and ANNOUNCE say (SPEC 3), and the codes of errors (SPEC 8)."""
from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import IntEnum

PREFACE = bytes.fromhex("894D4E500D0A1A01")
END, CHECKSUM, MORE, CONTINUED = 1, 2, 4, 8
HARD_MAX, CREDIT_MAX = 16_777_216, 1_073_741_824

Kind = IntEnum("Kind", {"HELLO": 1, "PROOF": 2, "ANNOUNCE": 3, "PING": 4, "PONG": 5, "GOAWAY": 6, "CLOSE": 7,
                        "BEACON": 8, "REQUEST": 16, "REPLY": 17, "ERROR": 18, "CANCEL": 19, "DATA": 20, "CREDIT": 21, "NOTICE": 22})
FROM_ACCEPTOR = {Kind.HELLO, Kind.ANNOUNCE, Kind.PING, Kind.PONG, Kind.GOAWAY, Kind.CLOSE, Kind.REPLY, Kind.ERROR,
                 Kind.DATA, Kind.CREDIT, Kind.BEACON}
# The sets of flags of which an acceptor's frames bear one, besides CHECKSUM (SPEC 2.7, 4.3); others bear none.
FLAGS = {Kind.REPLY: (END, END | CONTINUED), Kind.ERROR: (END,), Kind.DATA: (0, MORE, CONTINUED, MORE | CONTINUED)}

Code = IntEnum("Code", {  # SPEC 8.2
    "APPLICATION": 1, "PROTOCOL_ERROR": 16, "CHECKSUM_MISMATCH": 17, "FRAME_TOO_LARGE": 18, "VERSION_UNSUPPORTED": 19,
    "WRONG_CLUSTER": 20, "CAPABILITY_UNSUPPORTED": 21, "BAD_PROOF": 22, "PEER_SILENT": 23, "CREDIT_EXCEEDED": 24,
    "TLS_REQUIRED": 25, "WRONG_IDENTITY": 26,
    "UNKNOWN_METHOD": 32, "UNKNOWN_ENCODING": 33, "BAD_REQUEST": 34, "INVALID_INPUT": 35, "MESSAGE_TOO_LARGE": 36,
    "SCHEMA_MISMATCH": 37, "UNAUTHENTICATED": 48, "INSUFFICIENT_PERMISSIONS": 49, "TOKEN_REUSED": 50,
    "TOKEN_MISSING": 51, "INVALID_CREDENTIALS": 52, "TOKEN_WITHDRAWN": 53, "TOKEN_EXPIRED": 54, "DEADLINE_EXCEEDED": 64, "CANCELLED": 65,
    "OVERLOADED": 66, "DRAINING": 67, "SERVICE_UNAVAILABLE": 68, "CONNECTION_LOST": 69, "RATE_LIMIT_EXCEEDED": 70,
    "DATABASE_ERROR": 80, "INTERNAL": 81, "EXTERNAL_SERVICE_ERROR": 82})
RETRY = ("never", "never_started", "maybe_executed")  # SPEC 8.3
FAULT = ("", "caller", "callee", "network")  # SPEC 8.1


def code_name(code: int) -> str:
    return Code(code).name if code in Code._value2member_map_ else f"unknown code {code}, as INTERNAL"  # SPEC 8.4


class CallError(Exception):
    """How a call failed (SPEC 8.1). `here` says that the server didn't say so: this side did."""

    def __init__(self, code: int, words: str, retry: str = "never", fault: str = "caller", retry_after_ms: int = 0,
                 detail: bytes = b"", here: bool = True):
        super().__init__(words)
        self.code, self.words, self.retry, self.fault = code, words, retry, fault
        self.retry_after_ms, self.detail, self.here = retry_after_ms, detail, here


class ConnectionEnded(Exception):
    """The end of the connection (SPEC 1.6, 5.7), by either side; `code` is 0 for a plain end or a lost connection."""

    def __init__(self, code: int, words: str):
        super().__init__(words)
        self.code, self.words = code, words


class Violation(Exception):
    """The peer broke a rule: the connection ends with this code (SPEC 1.6)."""

    def __init__(self, words: str, code: Code = Code.PROTOCOL_ERROR):
        super().__init__(words)
        self.code = code


def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)  # 1EDC6F41, reflected
        table.append(value)
    return table


CRC_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    """The Castagnoli CRC (SPEC 2.3)."""
    crc, table = 0xFFFF_FFFF, CRC_TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFF_FFFF


@dataclass(frozen=True)
class Frame:
    """A frame. Its header's layout is that of SPEC 2.1."""
    kind: int
    flags: int = 0
    payload: bytes = b""
    encoding: int = 0
    stream: int = 0
    method: int = 0
    LAYOUT = struct.Struct(">IBBBBIII")

    def pack(self, checksum: bool) -> bytes:
        flags = self.flags | (CHECKSUM if checksum else 0)
        head = self.LAYOUT.pack(len(self.payload), self.kind, flags, self.encoding, 0, self.stream, self.method,
                                crc32c(self.payload) if checksum else 0)
        return head + crc32c(head).to_bytes(4, "big") + self.payload

    @classmethod
    def check_header(cls, header: bytes, payload_max: int) -> tuple[int, int, Frame]:
        """The length, the payload's checksum, and the frame without its payload; in the order of SPEC 2.9."""
        if crc32c(header[:20]) != int.from_bytes(header[20:], "big"):
            raise Violation("a header's checksum doesn't match", Code.CHECKSUM_MISMATCH)
        length, kind, flags, encoding, zero, stream, method, checksum = cls.LAYOUT.unpack(header[:20])
        if kind not in FROM_ACCEPTOR:
            raise Violation(f"a frame of the kind {kind}, which an acceptor doesn't send")
        if zero or flags & 0xF0 or checksum and not flags & CHECKSUM:
            raise Violation("reserved bits of a header are set")
        if kind < 16:
            placed = not (stream or method or encoding)
        elif kind == Kind.CREDIT:
            placed = (stream == 0) == (method == 0) and encoding == 0
        else:
            placed = stream and method
        if not placed or flags & ~CHECKSUM not in FLAGS.get(kind, (0,)):
            raise Violation(f"a {Kind(kind).name} with flags or a place that it may not have")
        if length > min(payload_max, HARD_MAX):
            raise Violation(f"a payload of {length} bytes", Code.FRAME_TOO_LARGE)
        return length, checksum, cls(kind, flags, b"", encoding, stream, method)


def entries(data: bytes) -> dict[int, bytes]:
    """Entries of HELLO and ANNOUNCE: key, length, value, in ascending order, none twice (SPEC 3.2)."""
    found: dict[int, bytes] = {}
    at, last = 0, -1
    while at < len(data):
        key, length = int.from_bytes(data[at:at + 2], "big"), int.from_bytes(data[at + 2:at + 4], "big")
        at += 4
        if at + length > len(data) or (key & 0x7FFF) <= last:
            raise Violation("an entry is cut, or out of order")
        last, found[key] = key & 0x7FFF, data[at:at + length]
        at += length
    return found


def entry(key: int, value: bytes) -> bytes:
    return struct.pack(">HH", key, len(value)) + value


def is_beacon(data: bytes) -> bool:
    """Whether a BEACON's payload is well-formed (SPEC 4.10)."""
    length, offset = int.from_bytes(data[17:21], "big"), int.from_bytes(data[21:25], "big")
    return 25 < len(data) <= 25 + 4096 and data[0] > 0 and offset + len(data) - 25 <= length <= 1_048_576


def text_of(data: bytes, at: int) -> tuple[str, int]:
    """Text (SPEC 1.5), and where it ends."""
    length = int.from_bytes(data[at:at + 2], "big")
    if len(data) < at + 2 + length or length > 1024:
        raise Violation("a text is cut, or longer than 1024 bytes")
    try:
        return data[at + 2:at + 2 + length].decode(), at + 2 + length
    except UnicodeDecodeError:
        raise Violation("a text that isn't UTF-8") from None


@dataclass
class Hello:
    """What the acceptor's HELLO says (SPEC 3.2); `apply` also takes an ANNOUNCE (SPEC 3.10)."""
    cluster: str = ""
    node: str = ""
    instance: str = ""
    nonce: bytes = b""
    frame_payload_max: int = 65_536
    calls_in_flight_max: int = 4096
    heartbeat_interval_ms: int = 1000
    schema: bytes = b""
    checksums: bool = True
    software: str = ""
    stream_credit: int = 65_536
    connection_credit: int = 33_554_432
    draining: bool = False

    NAMES = {1: "cluster", 2: "node", 3: "instance"}
    NUMBERS = {5: ("frame_payload_max", 32_768, HARD_MAX), 6: ("calls_in_flight_max", 1, 2**32 - 1),
               7: ("heartbeat_interval_ms", 50, 60_000), 11: ("stream_credit", 16_384, CREDIT_MAX),
               12: ("connection_credit", 65_536, CREDIT_MAX)}  # SPEC 3.4

    @classmethod
    def parse(cls, payload: bytes) -> Hello:
        if len(payload) < 2 or payload[0] > payload[1]:
            raise Violation("HELLO's versions are malformed")
        if not payload[0] <= 1 <= payload[1]:
            raise Violation(f"versions {payload[0]} to {payload[1]}; this is 1", Code.VERSION_UNSUPPORTED)
        hello = cls()
        for key, value in entries(payload[2:]).items():
            if key in cls.NAMES:
                if not re.fullmatch(rb"[A-Za-z0-9._-]{1,64}", value):
                    raise Violation(f"HELLO: the {cls.NAMES[key]} is malformed")
                setattr(hello, cls.NAMES[key], value.decode())
            elif key in (4, 8) and len(value) == 16:
                setattr(hello, "nonce" if key == 4 else "schema", value)
            elif key == 9 and value in (b"\0", b"\1"):
                hello.checksums = value == b"\1"
            elif key == 0x800A and len(value) <= 1024:
                hello.software = value.decode(errors="replace")
            elif key in (4, 8, 9, 0x800A):
                raise Violation(f"HELLO: the entry {key:04X} is malformed")
            elif key in cls.NUMBERS:
                hello._number(key, value)
            elif not key & 0x8000:
                raise Violation(f"HELLO demands {key:04X}", Code.CAPABILITY_UNSUPPORTED)  # SPEC 3.3
        if not hello.nonce or hello.stream_credit > hello.connection_credit:  # SPEC 3.4
            raise Violation("HELLO has no nonce, or more credit for a stream than for the connection")
        return hello

    def announce(self, payload: bytes) -> None:
        for key, value in entries(payload).items():
            if key in (6, 7):
                self._number(key, value)
            elif key == 0x8010 and value in (b"\1", b"\2"):
                self.draining = value == b"\2"
            elif key in (0x8010, 0x800A, *range(1, 13)) and key != 10:
                raise Violation(f"ANNOUNCE: the entry {key:04X} is malformed, or can't be changed")
            elif not key & 0x8000:
                raise Violation(f"ANNOUNCE demands {key:04X}", Code.CAPABILITY_UNSUPPORTED)

    def _number(self, key: int, value: bytes) -> None:
        name, low, high = self.NUMBERS[key]
        if len(value) != 4 or not low <= int.from_bytes(value, "big") <= high:
            raise Violation(f"the {name} is malformed")
        setattr(self, name, int.from_bytes(value, "big"))
