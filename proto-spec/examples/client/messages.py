"""Messages of the micronet protocol: their encoding (SPEC 9) and its JSON forms (SPEC 9.4).

A `Type` turns the JSON form of a value into bytes and back. JSON is held as Python's json module has it, except that a
number with a fraction is a `Number`, which keeps its digits, and an object knows which names it was given twice.
"""
from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

SAFE_INTEGER = 2**53 - 1
I64 = (-(2**63), 2**63 - 1)
INTEGERS = {f"{'UI'[signed]}{bits}": (-(signed << bits - 1), (1 << bits - signed) - 1)
            for bits in (8, 16, 32, 64) for signed in (0, 1)}


class Malformed(Exception):
    """Bytes that are no message of their type, or a schema that breaks a rule."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a request (SPEC 8.6)."""
    field: str
    code: str
    message: str


class InvalidInput(Exception):
    """JSON that is no value of its type (SPEC 9.4), with every fault that was found."""

    def __init__(self, faults: list[Fault]):
        super().__init__("; ".join(f"{fault.field or 'request'}: {fault.message}" for fault in faults))
        self.faults = faults


class Number(str):
    """The text of a number that isn't an integer."""


class Object(dict):
    """A JSON object, and the names that stand in it twice."""
    twice: tuple[str, ...] = ()


def from_json(text: str) -> Any:
    """Parses JSON; raises ValueError for what isn't."""
    def pairs(items: list[tuple[str, Any]]) -> Object:
        value = Object(items)
        names = [name for name, _ in items]
        value.twice = tuple(name for name in value if names.count(name) > 1) if len(value) < len(items) else ()
        return value

    def constant(name: str) -> Any:
        raise ValueError(f"{name} isn't JSON")
    return json.loads(text, object_pairs_hook=pairs, parse_float=Number, parse_constant=constant)


def to_json(value: Any) -> str:
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{to_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(to_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def varint(value: int) -> bytes:
    """SPEC 9.1: the shortest form."""
    if value <= 250:
        return bytes([value])
    marker, size = next((m, s) for m, s in ((0xFB, 2), (0xFC, 4), (0xFD, 8)) if value < 1 << 8 * s)
    return bytes([marker]) + value.to_bytes(size, "little")


def zigzag(value: int) -> bytes:
    return varint(2 * value if value >= 0 else -2 * value - 1)


class Source:
    """Bytes that are being decoded."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise Malformed("the message is cut")
        self.at += count
        return self.data[self.at - count:self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def varint(self, bits: int = 64) -> int:
        first = self.byte()
        if first <= 250:
            return first
        size = {0xFB: 2, 0xFC: 4, 0xFD: 8}.get(first, 99)
        if 8 * size > bits:
            raise Malformed(f"marker {first:02X} of a varint of {bits} bits")
        return int.from_bytes(self.take(size), "little")

    def zigzag(self, bits: int = 64) -> int:
        value = self.varint(bits)
        return value // 2 if value % 2 == 0 else -(value + 1) // 2

    def count(self) -> int:
        """SPEC 9.3: no honest count exceeds the bytes that are left."""
        count = self.varint()
        if count > len(self.data) - self.at:
            raise Malformed("an absurd length or count")
        return count

    def flag(self) -> bool:
        value = self.byte()
        if value > 1:
            raise Malformed("a byte that is neither 0 nor 1")
        return value == 1


class Sink:
    """Bytes that are being encoded, and the faults that were found on the way."""

    def __init__(self) -> None:
        self.data, self.faults = bytearray(), []

    def fault(self, path: str, code: str, message: str) -> None:
        self.faults.append(Fault(path, code, message))


class Type:
    """A type of SPEC 9.2. `levels` is how deep it nests, and `empty` whether it takes no bytes at all (SPEC 10.2)."""
    levels = 1
    empty = False

    def put(self, value: Any, sink: Sink, path: str) -> None:
        raise NotImplementedError

    def get(self, source: Source) -> Any:
        raise NotImplementedError

    def encode(self, value: Any) -> bytes:
        sink = Sink()
        self.put(value, sink, "")
        if sink.faults:
            raise InvalidInput(sink.faults)
        return bytes(sink.data)

    def decode(self, data: bytes) -> Any:
        """SPEC 9.3: a message is one value and fills its place exactly."""
        source = Source(data)
        value = self.get(source)
        if source.at != len(data):
            raise Malformed("bytes are left over after the message")
        return value


@dataclass(frozen=True)
class Scalar(Type):
    """Unit, Bool, an integer, String, Bytes or Timestamp."""
    kind: str

    def __str__(self) -> str:
        return self.kind

    @property
    def empty(self) -> bool:
        return self.kind == "Unit"

    def put(self, value: Any, sink: Sink, path: str) -> None:
        kind = self.kind
        if kind in INTEGERS:
            low, high = INTEGERS[kind]
            if kind.endswith("64") and type(value) is str and re.fullmatch(r"-?(0|[1-9][0-9]{0,19})", value):
                value = int(value)
            if type(value) is not int:
                sink.fault(path, "TYPE", f"an integer ({kind}) is wanted")
            elif not low <= value <= high:
                sink.fault(path, "OUT_OF_RANGE", f"must be within {low} and {high}")
            elif kind.endswith("8") and kind[1:] == "8":
                sink.data.append(value & 0xFF)
            else:
                sink.data += zigzag(value) if low < 0 else varint(value)
        elif kind == "Timestamp":
            micros = timestamp(value) if type(value) is str else None
            if micros is None:
                sink.fault(path, "TYPE", "a time as \"2026-11-21T03:31:18.000123Z\" is wanted")
            elif not YEAR_0 <= micros <= YEAR_9999:
                sink.fault(path, "OUT_OF_RANGE", "must be within the years 0000 to 9999")
            else:
                sink.data += zigzag(micros)
        else:
            data = {"Unit": self._unit, "Bool": self._bool, "String": self._string, "Bytes": self._bytes}[kind](value)
            if data is None:
                wanted = {"Unit": "null", "Bool": "true or false", "String": "a string", "Bytes": "a string of base64"}
                sink.fault(path, "TYPE", f"{wanted[kind]} is wanted")
            else:
                sink.data += data

    @staticmethod
    def _unit(value: Any) -> bytes | None:
        return b"" if value is None else None

    @staticmethod
    def _bool(value: Any) -> bytes | None:
        return bytes([value]) if type(value) is bool else None

    @staticmethod
    def _string(value: Any) -> bytes | None:
        try:
            data = value.encode() if type(value) is str else None
        except UnicodeEncodeError:  # half a surrogate pair, which JSON can say and UTF-8 can't
            data = None
        return data if data is None else varint(len(data)) + data

    @staticmethod
    def _bytes(value: Any) -> bytes | None:
        try:
            data = base64.b64decode(value, validate=True) if type(value) is str else None
        except (binascii.Error, ValueError):
            data = None
        return data if data is None else varint(len(data)) + data

    def get(self, source: Source) -> Any:
        kind = self.kind
        if kind in INTEGERS:
            bits, signed = int(kind[1:]), kind[0] == "I"
            if bits == 8:
                value = int.from_bytes(source.take(1), "little", signed=signed)
            else:
                value = source.zigzag(bits) if signed else source.varint(bits)
            return value if abs(value) <= SAFE_INTEGER else str(value)
        if kind == "Unit":
            return None
        if kind == "Bool":
            return source.flag()
        if kind == "Timestamp":
            return timestamp_text(source.zigzag())
        data = source.take(source.count())
        if kind == "Bytes":
            return base64.b64encode(data).decode()
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise Malformed("a string that isn't UTF-8") from None


EPOCH = date(1970, 1, 1)
DAY = 86_400_000_000
YEAR_0, YEAR_9999 = -719_528 * DAY, ((date(9999, 12, 31) - EPOCH).days + 1) * DAY - 1
TIMESTAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?"
                       r"(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII)


def timestamp(text: str) -> int | None:
    """Microseconds since 1970 of a time of RFC 3339. The year 0, which Python doesn't know, is as the year 400."""
    match = TIMESTAMP.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    try:
        days = (date(year or 400, month, day) - EPOCH).days - (0 if year else 146_097)
    except ValueError:
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    offset = int(match[8] + "1") * (int(match[9]) * 60 + int(match[10])) if match[8] else 0
    seconds = days * 86_400 + hour * 3600 + (minute - offset) * 60 + second
    return seconds * 1_000_000 + int((match[7] or "").ljust(6, "0"))


def timestamp_text(micros: int) -> str:
    if not YEAR_0 <= micros <= YEAR_9999:
        raise Malformed("a time beyond the years 0000 to 9999")
    days, rest = divmod(micros, DAY)
    year_0 = days < (date(1, 1, 1) - EPOCH).days
    day = EPOCH + timedelta(days=days + 146_097 * year_0)
    seconds, micro = divmod(rest, 1_000_000)
    return (f"{day.year - 400 * year_0:04}-{day.month:02}-{day.day:02}"
            f"T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{micro:06}Z")


@dataclass(frozen=True)
class Decimal(Type):
    """A count of 10^-scale. Nothing is ever rounded (SPEC 9.4)."""
    scale: int

    def __str__(self) -> str:
        return f"Decimal({self.scale})"

    def put(self, value: Any, sink: Sink, path: str) -> None:
        text = str(value) if type(value) in (int, str, Number) else ""
        match = re.fullmatch(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?", text)
        if not match:
            return sink.fault(path, "TYPE", "a number without exponent is wanted")
        sign, whole, part = match[1], match[2], match[3] or ""
        if len(part) > self.scale:
            return sink.fault(path, "OUT_OF_RANGE", f"at most {self.scale} digits after the point")
        count = int(sign + whole + part.ljust(self.scale, "0")) if len(whole) < 20 else 2**64
        if not I64[0] <= count <= I64[1]:
            return sink.fault(path, "OUT_OF_RANGE", "the number is too large")
        sink.data += zigzag(count)

    def get(self, source: Source) -> Any:
        count = source.zigzag()
        digits = str(abs(count)).rjust(self.scale + 1, "0")
        cut = len(digits) - self.scale
        return Number("-" * (count < 0) + digits[:cut] + ("." + digits[cut:] if self.scale else ""))


@dataclass(frozen=True)
class Option(Type):
    item: Type

    def __str__(self) -> str:
        return f"{self.item}?"

    @property
    def levels(self) -> int:
        return self.item.levels + 1

    def put(self, value: Any, sink: Sink, path: str) -> None:
        sink.data.append(value is not None)
        if value is not None:
            self.item.put(value, sink, path)

    def get(self, source: Source) -> Any:
        return self.item.get(source) if source.flag() else None


@dataclass(frozen=True)
class List(Type):
    item: Type

    def __str__(self) -> str:
        return f"[{self.item}]"

    @property
    def levels(self) -> int:
        return self.item.levels + 1

    def put(self, value: Any, sink: Sink, path: str) -> None:
        if not isinstance(value, list):
            return sink.fault(path, "TYPE", "an array is wanted")
        sink.data += varint(len(value))
        for index, item in enumerate(value):
            self.item.put(item, sink, f"{path}[{index}]")

    def get(self, source: Source) -> Any:
        return [self.item.get(source) for _ in range(source.count())]


@dataclass(frozen=True)
class Map(Type):
    key: Scalar
    value: Type

    def __str__(self) -> str:
        return f"{{{self.key}: {self.value}}}"

    @property
    def levels(self) -> int:
        return max(self.key.levels, self.value.levels) + 1

    def put(self, value: Any, sink: Sink, path: str) -> None:
        if not isinstance(value, dict):
            return sink.fault(path, "TYPE", "an object is wanted")
        for name in getattr(value, "twice", ()):
            sink.fault(f"{path}[{json.dumps(name)}]", "DUPLICATE", "the key is given twice")
        entries = [(self._key(text), text, item) for text, item in value.items()]
        order = (lambda e: (str(e[1])).encode("utf-8", "replace")) if self.key.kind == "String" else (
            lambda e: e[0] if isinstance(e[0], int) else 0)
        sink.data += varint(len(entries))
        for key, text, item in sorted(entries, key=order):
            self.key.put(key, sink, f"{path}[{json.dumps(text)}]")
            self.value.put(item, sink, f"{path}[{json.dumps(text)}]")

    def _key(self, text: str) -> Any:
        """The key that the text says; the text itself where it says none, which the key's type then refuses."""
        if self.key.kind == "Bool":
            return {"true": True, "false": False}.get(text, text)
        return int(text) if self.key.kind in INTEGERS and re.fullmatch(r"-?[1-9][0-9]{0,19}|0", text) else text

    def get(self, source: Source) -> Any:
        entries: dict[str, Any] = {}
        last: Any = None
        for _ in range(source.count()):
            key = self.key.get(source)
            order = key.encode() if self.key.kind == "String" else int(key)
            if last is not None and order <= last:
                raise Malformed("the keys of a map don't ascend")
            last = order
            entries[key if isinstance(key, str) else json.dumps(key)] = self.value.get(source)
        return entries


@dataclass(frozen=True)
class Field:
    name: str
    type: Type
    doc: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.type}"


@dataclass(frozen=True)
class Struct(Type):
    name: str
    fields: tuple[Field, ...]

    def __str__(self) -> str:
        return self.name

    def brief(self) -> str:
        return f"{self.name} {{{', '.join(map(str, self.fields))}}}"

    @property
    def levels(self) -> int:
        return max((field.type.levels for field in self.fields), default=0) + 1

    @property
    def empty(self) -> bool:
        return not self.fields

    def put(self, value: Any, sink: Sink, path: str) -> None:
        """All fields but options must be there, none unknown, none twice (SPEC 9.4)."""
        if not isinstance(value, dict):
            return sink.fault(path, "TYPE", "an object is wanted")
        inside = path + "." if path else ""
        known = {field.name for field in self.fields}
        for name in value:
            if name not in known:
                sink.fault(inside + name, "UNKNOWN", "there is no field of this name")
        for name in getattr(value, "twice", ()):
            sink.fault(inside + name, "DUPLICATE", "the field is given twice")
        for field in self.fields:
            if field.name in value or isinstance(field.type, Option):
                field.type.put(value.get(field.name), sink, inside + field.name)
            else:
                sink.fault(inside + field.name, "MISSING", "the field must be given")

    def get(self, source: Source) -> Any:
        return {field.name: field.type.get(source) for field in self.fields}


@dataclass(frozen=True)
class Variant:
    body: Struct
    http_status: int = 0


@dataclass(frozen=True)
class Enum(Type):
    name: str
    variants: tuple[Variant, ...]

    def __str__(self) -> str:
        return self.name

    @property
    def levels(self) -> int:
        """An enum is one level more than a struct would be (SPEC 10.2)."""
        return max(variant.body.levels for variant in self.variants) + 1

    def put(self, value: Any, sink: Sink, path: str) -> None:
        """`"Name"` without fields, `{"Name":{…}}` with (SPEC 9.4)."""
        name = next(iter(value)) if isinstance(value, dict) and len(value) == 1 else value
        index, variant = next(((i, v) for i, v in enumerate(self.variants) if v.body.name == name), (0, None))
        if type(name) is not str:
            sink.fault(path, "TYPE", "the name of a variant, or an object of one, is wanted")
        elif variant is None:
            sink.fault(path, "UNKNOWN", f"there is no variant {name}")
        elif isinstance(value, dict) == variant.body.empty:
            sink.fault(path, "TYPE", f"the variant {name} has {'no' if variant.body.empty else 'some'} fields")
        else:
            sink.data += varint(index)
            if not variant.body.empty:
                variant.body.put(value[name], sink, f"{path}.{name}" if path else name)

    def get(self, source: Source) -> Any:
        index = source.varint(32)
        if index >= len(self.variants):
            raise Malformed(f"the enum {self.name} has no variant {index}")
        body = self.variants[index].body
        return body.name if body.empty else {body.name: body.get(source)}
