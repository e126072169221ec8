"""Puts bytes together, field by field, for generate.py. It decodes nothing and shares no code with any decoder."""
import hashlib
import hmac
import re


def u8(n):
    return n.to_bytes(1, "big")


def u16(n):
    return n.to_bytes(2, "big")


def u32(n):
    return n.to_bytes(4, "big")


def u64(n):
    return n.to_bytes(8, "big")


def x(text):
    return bytes.fromhex(text)


def shown(data):
    """Hexadecimal, in which `(61*300)` stands for 300 bytes 61: every run of 32 or more equal bytes is written so."""
    parts, at = [], 0
    for run in re.finditer(rb"(.)\1{31,}", data, re.S):
        parts += [data[at:run.start()].hex(), f"({run.group(1).hex()}*{len(run.group())})"]
        at = run.end()
    return "".join(parts) + data[at:].hex()


def text(words):
    return u16(len(words.encode())) + words.encode()


def crc32c(data):
    """Bit by bit, by long division in GF(2), so that it has nothing in common with a table."""
    remainder = 0xFFFFFFFF
    for byte in data:
        remainder ^= byte
        for _ in range(8):
            remainder = remainder >> 1 ^ (0x82F63B78 * (remainder & 1))
    return remainder ^ 0xFFFFFFFF


PREFACE = x("89 4D 4E 50 0D 0A 1A 01")
HELLO, PROOF, ANNOUNCE, PING, PONG, GOAWAY, CLOSE, BEACON = range(1, 9)
REQUEST, REPLY, ERROR, CANCEL, DATA, CREDIT, NOTICE = range(16, 23)
END, CHECKSUM, MORE, CONTINUED = 1, 2, 4, 8


def header(length, kind, flags=CHECKSUM, encoding=0, zero=0, stream=0, method=0, payload_sum=0, header_sum=None):
    head = u32(length) + u8(kind) + u8(flags) + u8(encoding) + u8(zero) + u32(stream) + u32(method) + u32(payload_sum)
    return head + u32(crc32c(head) if header_sum is None else header_sum)


def frame(kind, payload, flags=CHECKSUM, payload_sum=None, **fields):
    if payload_sum is None:
        payload_sum = crc32c(payload) if flags & CHECKSUM else 0
    return header(len(payload), kind, flags, payload_sum=payload_sum, **fields) + payload


def of_call(kind, stream, method, payload, encoding=1, flags=END | CHECKSUM):
    return frame(kind, payload, flags, stream=stream, method=method, encoding=encoding)


def data(stream, method, payload, flags=0, encoding=1):
    return of_call(DATA, stream, method, payload, encoding, flags | CHECKSUM)


def fingerprint(schema):
    return hashlib.sha256(schema).digest()[:16]


def beacon(schema, at=0, end=None, length=None, version=1):
    """A piece of an encoded schema."""
    said = u8(version) + fingerprint(schema) + u32(len(schema) if length is None else length) + u32(at)
    return frame(BEACON, said + schema[at:end])


def credit(count, stream=0, method=0):
    return frame(CREDIT, u32(count), CHECKSUM, stream=stream, method=method)


def entry(key, value):
    """An entry of HELLO."""
    return u16(key) + u16(len(value)) + value


def head_entry(tag, value):
    """An entry of a request head."""
    return u8(tag) + u16(len(value)) + value


def names(*all_names):
    return b"".join(u8(len(name)) + name.encode() for name in all_names)


def metadata(*pairs):
    return b"".join(u8(len(key)) + key.encode() + text(value) for key, value in pairs)


def head(deadline_us, entries=b"", length=None):
    content = u32(deadline_us) + entries
    return u16(len(content) if length is None else length) + content


def proof(secret, credential, dialler_nonce, acceptor_nonce, node, instance):
    said = b"micronet proof 1" + u8(credential) + acceptor_nonce + dialler_nonce + names(node) + names(instance)
    return u8(credential) + hmac.digest(secret, said, hashlib.sha256)


# ---- messages (section 9) ----


def varint(n):
    for marker, size, top in ((None, 1, 250), (0xFB, 2, 0xFFFF), (0xFC, 4, 0xFFFFFFFF), (0xFD, 8, 2**64 - 1)):
        if n <= top:
            return (b"" if marker is None else u8(marker)) + n.to_bytes(size, "little")
    raise ValueError(n)


def zigzag(n):
    return varint(2 * n if n >= 0 else -2 * n - 1)


def string(words):
    return varint(len(words.encode())) + words.encode()


def listed(*values):
    return varint(len(values)) + b"".join(values)
