"""The acceptor's side of a connection, played by a script, for the tests."""
from __future__ import annotations

import asyncio
import contextlib
import struct
import unittest
from typing import Any, Awaitable, Callable

from connection import Connection
from frames import CHECKSUM, CONTINUED, END, MORE, PREFACE, CallError, Code, Frame, Kind, crc32c, entry
from schema import SCHEMA, STRING, Method, Service, method_id, struct as record

WORD = record("Word", text=STRING)

def field(name: str, of: int) -> dict[str, Any]:
    return {"name": name, "doc": "", "of": of, "min": None, "max": None, "format": "", "example": ""}


def method(name: str, shape: str, reply: int = 3, error: int | None = None, doc: str = "") -> dict[str, Any]:
    return {"id": method_id(f"toys.{name}"), "name": name, "doc": doc, "request": 3, "reply": reply,
            "error": error, "shape": shape, "idempotency": "Idempotent", "access": "Public", "rate_class": "", "http": [],
            "http_status": 200, "media": "Json", "cache": "", "errors": []}


TOYS_SCHEMA = {
    "name": "toys", "doc": "Toys, in every shape.",
    "types": ["Unit", "U32", "String", {"Struct": {"name": "Word", "doc": "", "fields": [field("text", 2)]}},
              {"Enum": {"name": "ToyError", "doc": "", "variants": [
                  {"name": "Gone", "doc": "", "fields": [field("left", 1)], "http_status": 410}]}}],
    "methods": [method("one", "Unary", error=4, doc="One word."), method("many", "ServerStream"),
                method("gather", "ClientStream"), method("chat", "Bidirectional"), method("tell", "OneWay", reply=0)]}
SCHEMA_BYTES = SCHEMA.encode(TOYS_SCHEMA)
TOYS = Service.parse(SCHEMA_BYTES)
ONE, MANY, GATHER, CHAT, TELL = TOYS.methods.values()


def word(text: str) -> bytes:
    return WORD.encode({"text": text})


def unword(message: bytes) -> str:
    return WORD.decode(message)["text"]


class Acceptor:
    """The acceptor's side of one connection, played by a script. It reads and writes frames, and checks nothing more
    than headers and checksums."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.reader, self.writer = reader, writer

    async def greet(self, *more: bytes) -> None:
        assert await self.reader.readexactly(8) == PREFACE
        hello = await self.read()
        assert hello.kind == Kind.HELLO and hello.flags == CHECKSUM
        self.write_raw(PREFACE)
        self.write(Frame(Kind.HELLO, payload=b"\1\1" + entry(4, bytes(16)) + b"".join(more)))

    async def read(self, *kinds: Kind) -> Frame:
        """The next frame, of one of the kinds, if any are named."""
        header = await self.reader.readexactly(24)
        length, kind, flags, encoding, _, stream, method_, checksum = Frame.LAYOUT.unpack(header[:20])
        assert crc32c(header[:20]) == int.from_bytes(header[20:], "big")
        payload = await self.reader.readexactly(length)
        assert crc32c(payload) == checksum
        assert not kinds or kind in kinds, (Kind(kind).name, payload)
        return Frame(kind, flags, payload, encoding, stream, method_)

    def write_raw(self, data: bytes) -> None:
        self.writer.write(data)

    def write(self, frame: Frame) -> None:
        self.write_raw(frame.pack(True))

    def answer(self, to: Frame, kind: Kind, flags: int = 0, payload: bytes = b"") -> None:
        self.write(Frame(kind, flags, payload, 0 if kind == Kind.CREDIT else 1, to.stream, to.method))

    def reply(self, to: Frame, message: bytes = b"", flags: int = 0) -> None:
        self.answer(to, Kind.REPLY, END | flags, struct.pack(">IIII", 1, 2, 0, 3) + message)

    def error(self, to: Frame, code: int, words: bytes = b"", detail: bytes = b"", fault: int = 1) -> None:
        head = struct.pack(">HBBIH", code, fault, 0, 0, len(words))
        self.answer(to, Kind.ERROR, END, bytes(16) + head + words + detail)

    def pieces(self, to: Frame, message: bytes) -> None:
        """A long reply: all pieces but the last in DATA, the last in the REPLY (SPEC 4.3)."""
        parts = [message[at:at + 16_320] for at in range(0, len(message), 16_320)]
        for index, part in enumerate(parts[:-1]):
            length = b"" if index else len(message).to_bytes(4, "big")
            self.answer(to, Kind.DATA, MORE | (CONTINUED if index else 0), length + part)
        self.reply(to, parts[-1], CONTINUED)

    def stream(self, to: Frame, message: bytes) -> None:
        """A message of a stream of replies, in pieces where it is long."""
        parts = [message[at:at + 16_320] for at in range(0, len(message), 16_320)]
        for index, part in enumerate(parts):
            more = index < len(parts) - 1
            length = len(message).to_bytes(4, "big") if more and not index else b""
            self.answer(to, Kind.DATA, (MORE if more else 0) | (CONTINUED if index else 0), length + part)


Script = Callable[[Acceptor], Awaitable[None]]


class Case(unittest.IsolatedAsyncioTestCase):
    @contextlib.asynccontextmanager
    async def server(self, script: Script):
        """Plays the script for one connection; its failure is the test's."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await script(Acceptor(reader, writer))
                if not done.done():
                    done.set_result(None)
            except BaseException as error:  # noqa: told to the test
                if not done.done():
                    done.set_exception(error)
            writer.close()
        server = await asyncio.start_server(play, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
            await asyncio.wait_for(done, 10)
        finally:
            server.close()

    @contextlib.asynccontextmanager
    async def connection(self, script: Script, *hello: bytes):
        async def greeted(acceptor: Acceptor) -> None:
            await acceptor.greet(*hello)
            await script(acceptor)
        async with self.server(greeted) as port:
            connection = await Connection.connect("127.0.0.1", port)
            yield connection
            await connection.close()

    async def ends(self, script: Script, code: Code, method_: Method = ONE) -> None:
        """The server breaks a rule in a call: the connection ends with the code, told by CLOSE."""
        closed: list[int] = []

        async def play(acceptor: Acceptor) -> None:
            await script(acceptor)
            while (frame := await acceptor.read()).kind != Kind.CLOSE:
                pass
            closed.append(int.from_bytes(frame.payload[:2], "big"))
        async with self.connection(play) as connection:
            call = await connection.open(method_, word("Tux"), timeout=5)
            with self.assertRaises(CallError) as caught:
                async for _ in call:
                    pass
            self.assertEqual(caught.exception.code, Code.CONNECTION_LOST)
            self.assertEqual(connection.ended.code, code)
        self.assertEqual(closed, [code])
