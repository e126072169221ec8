"""What a connection does against an acceptor that is played here."""
from __future__ import annotations

import asyncio
import struct
import unittest
from typing import Any, Callable

import client
from acceptor import CHAT, GATHER, MANY, ONE, TELL, Acceptor, Case, unword, word
from calls import Account, Ledger
from connection import Connection
from frames import CHECKSUM, CONTINUED, END, MORE, PREFACE, CallError, Code, ConnectionEnded, Frame, Kind, crc32c, entry
from schema import Method


class Basics(Case):
    def test_crc(self) -> None:
        self.assertEqual(crc32c(b"123456789"), 0xE3069283)

    async def test_unary(self) -> None:
        async def script(acceptor: Acceptor) -> None:
            request = await acceptor.read(Kind.REQUEST)
            self.assertEqual((request.flags, request.encoding, request.stream, request.method),
                             (END | CHECKSUM, 1, 1, ONE.id))
            self.assertEqual(request.payload, struct.pack(">HI", 4, 5_000_000) + word("Tux"))
            acceptor.reply(request, word("hello"))
            close = await acceptor.read()
            self.assertEqual((close.kind, close.payload), (Kind.CLOSE, bytes(4)))
        async with self.connection(script) as connection:
            self.assertEqual(unword(await connection.call(ONE, word("Tux"), timeout=5)), "hello")

    async def test_errors(self) -> None:
        async def script(acceptor: Acceptor) -> None:
            acceptor.error(await acceptor.read(Kind.REQUEST), 1, b"sold", b"\0\7")
            acceptor.error(await acceptor.read(Kind.REQUEST), 4000, b"new")
            await acceptor.read(Kind.CLOSE)
        async with self.connection(script) as connection:
            with self.assertRaises(CallError) as caught:
                await connection.call(ONE, word("Tux"), timeout=5)
            self.assertIn('detail: {"Gone":{"left":7}}', client.explain(caught.exception, ONE))
            with self.assertRaises(CallError) as caught:
                await connection.call(ONE, word("Tux"), timeout=5)
            self.assertIn("4000", client.explain(caught.exception, ONE))

    async def test_one_way(self) -> None:
        async def script(acceptor: Acceptor) -> None:
            self.assertEqual((await acceptor.read(Kind.NOTICE)).flags, END | CHECKSUM)
            await acceptor.read(Kind.CLOSE)
        async with self.connection(script) as connection:
            await connection.open(TELL, word("Tux"), timeout=5)

    async def test_ping_announce_and_goaway(self) -> None:
        async def script(acceptor: Acceptor) -> None:
            first, second = await acceptor.read(Kind.REQUEST), await acceptor.read(Kind.REQUEST)
            acceptor.write(Frame(Kind.PING, payload=b"12345678"))
            pong = await acceptor.read(Kind.PONG)
            self.assertEqual((len(pong.payload), pong.payload[:8], pong.payload[16:20]), (35, b"12345678", b"\0\0\0\2"))
            acceptor.write(Frame(Kind.BEACON, payload=b"\1" + bytes(16) + b"\0\0\0\2\0\0\0\1!"))
            acceptor.write(Frame(Kind.ANNOUNCE, payload=entry(6, b"\0\0\0\2") + entry(0x8010, b"\2")))
            acceptor.write(Frame(Kind.GOAWAY, payload=b"\0\0\0\1"))
            acceptor.error(second, Code.DRAINING)
            acceptor.reply(first, word("last"))
            await acceptor.read(Kind.CLOSE)
        async with self.connection(script) as connection:
            first = await connection.open(ONE, word("a"), timeout=5)
            second = await connection.open(ONE, word("b"), timeout=5)
            with self.assertRaises(CallError) as caught:
                await anext(second)
            self.assertEqual((caught.exception.code, caught.exception.retry), (Code.DRAINING, "never_started"))
            self.assertEqual(unword(await anext(first)), "last")
            self.assertTrue(connection.peer.draining)
            with self.assertRaises(CallError):
                await connection.open(ONE, word("c"), timeout=5)

    async def test_silence(self) -> None:
        """Three PINGs after silent intervals, and the end after four (SPEC 7.3)."""
        async def script(acceptor: Acceptor) -> None:
            await acceptor.read(Kind.REQUEST)
            for _ in range(3):
                await acceptor.read(Kind.PING)
            self.assertEqual((await acceptor.read(Kind.CLOSE)).payload[:2], b"\0\x17")
        async with self.connection(script) as connection:
            with self.assertRaises(CallError) as caught:
                await connection.call(ONE, word("Tux"), timeout=9)
            self.assertIn("PEER_SILENT", caught.exception.words)

    async def test_a_proof_that_is_refused(self) -> None:
        """Nothing was started (SPEC 5.8)."""
        async def script(acceptor: Acceptor) -> None:
            await acceptor.read(Kind.REQUEST)
            acceptor.write(Frame(Kind.CLOSE, payload=struct.pack(">HH", Code.BAD_PROOF, 0)))
        async with self.connection(script) as connection:
            with self.assertRaises(CallError) as caught:
                await connection.call(ONE, word("Tux"), timeout=5)
            self.assertEqual((caught.exception.code, caught.exception.retry), (Code.CONNECTION_LOST, "never_started"))

    async def test_deadline(self) -> None:
        async def script(acceptor: Acceptor) -> None:
            request = await acceptor.read(Kind.REQUEST)
            await acceptor.read(Kind.CANCEL)
            acceptor.error(request, Code.DEADLINE_EXCEEDED)
            await acceptor.read(Kind.CLOSE)
        async with self.connection(script) as connection:
            with self.assertRaises(CallError) as caught:
                await connection.call(ONE, word("Tux"), timeout=0.1)
            self.assertEqual(caught.exception.code, Code.DEADLINE_EXCEEDED)


class Long(Case):
    async def test_long_request(self) -> None:
        """Announced by its REQUEST; credit that is missing is waited for (SPEC 4.2, 4.4)."""
        text = "x" * 100_000

        async def script(acceptor: Acceptor) -> None:
            request = await acceptor.read(Kind.REQUEST)
            size = len(word(text))
            self.assertEqual((request.flags & ~CHECKSUM, request.payload[6:]), (MORE, size.to_bytes(4, "big")))
            acceptor.write(Frame(Kind.PING, payload=bytes(8)))
            await acceptor.read(Kind.PONG)  # and no DATA before it: the stream has 65536 bytes of credit
            acceptor.answer(request, Kind.CREDIT, payload=(size - 65_536).to_bytes(4, "big"))
            message, frame = bytearray(), request
            while not frame.flags & END:
                frame = await acceptor.read(Kind.DATA)
                if not message:
                    self.assertEqual((frame.flags & ~CHECKSUM, frame.payload[:4]), (MORE, size.to_bytes(4, "big")))
                    message += frame.payload[4:]
                else:
                    self.assertTrue(frame.flags & CONTINUED and bool(frame.flags & MORE) != bool(frame.flags & END))
                    message += frame.payload
                self.assertLessEqual(len(frame.payload), 16_324)
            self.assertEqual(unword(bytes(message)), text)
            acceptor.reply(request, word("ok"))
            await acceptor.read(Kind.CLOSE)
        async with self.connection(script) as connection:
            self.assertEqual(unword(await connection.call(ONE, word(text), timeout=5)), "ok")

    async def test_reply_in_pieces(self) -> None:
        text = "y" * 50_000

        async def script(acceptor: Acceptor) -> None:
            request = await acceptor.read(Kind.REQUEST)
            acceptor.pieces(request, word(text))
            credit = await acceptor.read(Kind.CREDIT)
            self.assertEqual((credit.stream, int.from_bytes(credit.payload, "big")), (0, len(word(text))))
            await acceptor.read(Kind.CLOSE)
        async with self.connection(script) as connection:
            self.assertEqual(unword(await connection.call(ONE, word("Tux"), timeout=5)), text)

    async def test_announced_reply(self) -> None:
        text = "z" * 300_000

        async def script(acceptor: Acceptor) -> None:
            request = await acceptor.read(Kind.REQUEST)
            size = len(word(text))
            acceptor.answer(request, Kind.DATA, MORE, size.to_bytes(4, "big"))
            for stream in (0, request.stream):
                credit = await acceptor.read(Kind.CREDIT)
                self.assertEqual((credit.stream, int.from_bytes(credit.payload, "big")), (stream, size - 65_536))
            acceptor.pieces(request, word(text))
            credit = await acceptor.read(Kind.CREDIT)  # what was reserved besides isn't given back
            self.assertEqual((credit.stream, int.from_bytes(credit.payload, "big")), (0, 65_536))
            await acceptor.read(Kind.CLOSE)
        async with self.connection(script) as connection:
            self.assertEqual(unword(await connection.call(ONE, word("Tux"), timeout=5)), text)
            self.assertEqual(vars(connection.account), vars(Account(33_554_432, 33_554_432)))

    async def test_a_reservation_that_was_in_vain(self) -> None:
        """Credit that was given for a message that never came is not given twice."""
        async def script(acceptor: Acceptor) -> None:
            request = await acceptor.read(Kind.REQUEST)
            acceptor.answer(request, Kind.DATA, MORE, (300_000).to_bytes(4, "big"))
            await acceptor.read(Kind.CREDIT)
            await acceptor.read(Kind.CREDIT)
            acceptor.error(request, Code.INTERNAL, fault=2)
            acceptor.pieces(await acceptor.read(Kind.REQUEST), word("w" * 50_000))
            await acceptor.read(Kind.CLOSE)  # no CREDIT: more is held than at first
        async with self.connection(script) as connection:
            with self.assertRaises(CallError):
                await connection.call(ONE, word("Tux"), timeout=5)
            await connection.call(ONE, word("Tux"), timeout=5)

    async def test_too_long_an_announcement(self) -> None:
        async def script(acceptor: Acceptor) -> None:
            request = await acceptor.read(Kind.REQUEST)
            acceptor.answer(request, Kind.DATA, MORE, (16_777_217).to_bytes(4, "big"))
            await acceptor.read(Kind.CANCEL)
            acceptor.error(request, Code.CANCELLED)
            await acceptor.read(Kind.CLOSE)
        async with self.connection(script) as connection:
            with self.assertRaises(CallError) as caught:
                await connection.call(ONE, word("Tux"), timeout=5)
            self.assertEqual(caught.exception.code, Code.MESSAGE_TOO_LARGE)


class Streams(Case):
    async def test_server_stream(self) -> None:
        async def script(acceptor: Acceptor) -> None:
            request = await acceptor.read(Kind.REQUEST)
            for text in ("a", "b" * 40_000, "c"):
                acceptor.stream(request, word(text))
            for text in ("a", "b" * 40_000, "c"):
                for stream in (0, request.stream):
                    credit = await acceptor.read(Kind.CREDIT)
                    self.assertEqual((credit.stream, int.from_bytes(credit.payload, "big")), (stream, len(word(text))))
            acceptor.reply(request)
            await acceptor.read(Kind.CLOSE)
        async with self.connection(script) as connection:
            call = await connection.open(MANY, word("Tux"), timeout=5)
            self.assertEqual([len(unword(m)) async for m in call], [1, 40_000, 1])
            self.assertEqual(call.ledger, Ledger(1, 2, 0, 3))

    async def test_cancel_crosses(self) -> None:
        """After CANCEL, DATA is ignored, but what it took is returned to the connection (SPEC 4.3, 4.7, 5.4)."""
        async def script(acceptor: Acceptor) -> None:
            request = await acceptor.read(Kind.REQUEST)
            acceptor.stream(request, word("a"))
            await acceptor.read(Kind.CREDIT)
            await acceptor.read(Kind.CREDIT)
            self.assertEqual((await acceptor.read(Kind.CANCEL)).flags, END | CHECKSUM)
            acceptor.stream(request, word("b" * 10))  # it had not seen the CANCEL
            acceptor.answer(request, Kind.DATA, MORE, (20_000).to_bytes(4, "big") + bytes(16_320))
            for size in (11, 20_000):
                credit = await acceptor.read(Kind.CREDIT)
                self.assertEqual((credit.stream, int.from_bytes(credit.payload, "big")), (0, size))
            acceptor.error(request, Code.CANCELLED)
            acceptor.reply(await acceptor.read(Kind.REQUEST), word("still here"))
            await acceptor.read(Kind.CLOSE)
        async with self.connection(script) as connection:
            call = await connection.open(MANY, word("Tux"), timeout=5)
            self.assertEqual(unword(await anext(call)), "a")
            call.cancel()
            self.assertEqual([m async for m in call], [])
            await connection.settle()
            self.assertEqual(unword(await connection.call(ONE, word("Tux"), timeout=5)), "still here")

    async def test_a_reader_who_doesnt_read_gives_nothing(self) -> None:
        quiet = asyncio.Event()

        async def script(acceptor: Acceptor) -> None:
            request = await acceptor.read(Kind.REQUEST)
            acceptor.stream(request, word("a" * 1000))
            acceptor.answer(request, Kind.DATA, MORE, (100_004).to_bytes(4, "big"))
            acceptor.write(Frame(Kind.PING, payload=bytes(8)))
            await acceptor.read(Kind.PONG)
            quiet.set()
            given = {0: 0, 1: 0}
            while given[1] < 100_004 - 65_536 + 1003:
                credit = await acceptor.read(Kind.CREDIT)
                given[credit.stream] += int.from_bytes(credit.payload, "big")
            self.assertEqual(given, {0: 100_004 - 65_536 + 1003, 1: 100_004 - 65_536 + 1003})
            acceptor.stream(request, word("b" * 99_999))
            acceptor.reply(request)
            while (await acceptor.read(Kind.CREDIT, Kind.CLOSE)).kind != Kind.CLOSE:
                pass
        async with self.connection(script) as connection:
            call = await connection.open(MANY, word("Tux"), timeout=5)
            await quiet.wait()
            self.assertEqual([len(unword(m)) async for m in call], [1000, 100_000 - 1])

    async def test_client_stream(self) -> None:
        async def script(acceptor: Acceptor) -> None:
            request = await acceptor.read(Kind.REQUEST)
            self.assertEqual((request.flags, len(request.payload)), (CHECKSUM, 6))
            first = await acceptor.read(Kind.DATA)
            self.assertEqual((first.flags, unword(first.payload)), (CHECKSUM, "a"))
            announced = await acceptor.read(Kind.DATA)
            size = len(word("b" * 70_000))
            self.assertEqual((announced.flags, announced.payload), (MORE | CHECKSUM, size.to_bytes(4, "big")))
            acceptor.answer(request, Kind.CREDIT, payload=size.to_bytes(4, "big"))
            message = b""
            for _ in range(5):
                piece = await acceptor.read(Kind.DATA)
                message += piece.payload if message else piece.payload[4:]
            self.assertEqual((len(message), piece.flags), (size, CONTINUED | CHECKSUM))
            end = await acceptor.read(Kind.DATA)
            self.assertEqual((end.flags, end.payload), (END | CHECKSUM, b""))
            acceptor.reply(request, word("two"))
            await acceptor.read(Kind.CLOSE)
        async with self.connection(script) as connection:
            call = await connection.open(GATHER, None, timeout=5)
            self.assertTrue(await call.say(word("a")))
            self.assertTrue(await call.say(word("b" * 70_000)))
            await call.end()
            self.assertEqual([unword(m) async for m in call], ["two"])

    async def test_connection_credit(self) -> None:
        """What lacks only the connection's credit isn't announced, and waits (SPEC 4.4, 4.5)."""
        generous = asyncio.Event()

        async def script(acceptor: Acceptor) -> None:
            request = await acceptor.read(Kind.REQUEST)
            acceptor.answer(request, Kind.CREDIT, payload=(60_000).to_bytes(4, "big"))
            acceptor.write(Frame(Kind.PING, payload=bytes(8)))
            await acceptor.read(Kind.PONG)
            generous.set()
            for _ in range(4):
                self.assertEqual((await acceptor.read(Kind.DATA)).flags & ~CONTINUED & ~MORE, CHECKSUM)
            acceptor.write(Frame(Kind.PING, payload=bytes(8)))
            await acceptor.read(Kind.PONG)
            acceptor.write(Frame(Kind.CREDIT, payload=(60_000).to_bytes(4, "big")))
            await acceptor.read(Kind.DATA)
            acceptor.error(request, Code.OVERLOADED)  # before all was said: the rest is in vain
            while (await acceptor.read(Kind.DATA, Kind.CLOSE)).kind != Kind.CLOSE:
                pass
        async with self.connection(script, entry(12, (65_536).to_bytes(4, "big"))) as connection:
            call = await connection.open(GATHER, None, timeout=5)
            await generous.wait()
            self.assertTrue(await call.say(word("a" * 60_000)))
            await call.say(word("b" * 60_000))
            with self.assertRaises(CallError):
                await anext(call)
            self.assertFalse(await call.say(word("c")))

    async def test_bidirectional(self) -> None:
        async def script(acceptor: Acceptor) -> None:
            request = await acceptor.read(Kind.REQUEST)
            while True:
                frame = await acceptor.read(Kind.DATA, Kind.CREDIT)
                if frame.flags & END:
                    break
                if frame.kind == Kind.DATA:
                    acceptor.stream(request, frame.payload)
            acceptor.reply(request)
            while (await acceptor.read(Kind.CREDIT, Kind.CLOSE)).kind != Kind.CLOSE:
                pass
        async with self.connection(script) as connection:
            call = await connection.open(CHAT, None, timeout=5)
            for text in ("a", "b", "c"):
                await call.say(word(text))
                self.assertEqual(unword(await anext(call)), text)
            await call.end()
            self.assertEqual([m async for m in call], [])


class Violations(Case):
    """A server that breaks a rule has its connection ended, with the right code (SPEC 1.6)."""

    async def test_in_a_call(self) -> None:
        reply = struct.pack(">IIII", 0, 0, 0, 0) + word("x")
        C, E, R = Code.PROTOCOL_ERROR, Code.CREDIT_EXCEEDED, Code.CHECKSUM_MISMATCH

        def raw(change: Callable[[bytearray], None]) -> Callable[[Acceptor, Frame], None]:
            def script(acceptor: Acceptor, request: Frame) -> None:
                data = bytearray(Frame(Kind.REPLY, END, reply, 1, request.stream, request.method).pack(True))
                change(data)
                acceptor.write_raw(bytes(data))
            return script

        def frame(*args: Any, **more: Any) -> Callable[[Acceptor, Frame], None]:
            return lambda acceptor, request: acceptor.write(Frame(*args, **more))

        def frames(*several: Frame) -> Callable[[Acceptor, Frame], None]:
            return lambda acceptor, request: [acceptor.write(each) for each in several] and None

        def answers(*frames: tuple[Kind, int, bytes]) -> Callable[[Acceptor, Frame], None]:
            return lambda acceptor, request: [acceptor.answer(request, *f) for f in frames] and None

        def length(size: int, rest: int = 0) -> bytes:
            return size.to_bytes(4, "big") + bytes(rest)
        cases: list[tuple[str, Code, Method, Callable[[Acceptor, Frame], None]]] = [
            ("a header's checksum", R, ONE, raw(lambda d: d.__setitem__(20, d[20] ^ 1))),
            ("a payload's checksum", R, ONE, raw(lambda d: d.__setitem__(-1, d[-1] ^ 1))),
            ("no checksum", C, ONE,
             lambda a, q: a.write_raw(Frame(Kind.REPLY, END, reply, 1, 1, q.method).pack(False))),
            ("a REQUEST", C, ONE, lambda a, q: a.write(q)),
            ("a BEACON of nothing", C, ONE, frame(Kind.BEACON, payload=b"\1" + bytes(16) + length(9, 4))),
            ("a BEACON that ends outside", C, ONE, frame(Kind.BEACON, payload=b"\1" + bytes(16) + length(9) + length(9, 1))),
            ("a second GOAWAY", C, ONE, frames(*[Frame(Kind.GOAWAY, payload=length(9))] * 2)),
            ("a second HELLO", C, ONE, frame(Kind.HELLO, payload=b"\1\1" + entry(4, bytes(16)))),
            ("a PING of 7 bytes", C, ONE, frame(Kind.PING, payload=bytes(7))),
            ("a PING on a stream", C, ONE, frame(Kind.PING, payload=bytes(8), stream=1, method=1)),
            ("a PONG without PING", C, ONE, frame(Kind.PONG, payload=bytes(32) + b"\1\0\0")),
            ("a REPLY without call", C, ONE, frame(Kind.REPLY, END, reply, 1, 9, ONE.id)),
            ("a REPLY of another method", C, ONE, frame(Kind.REPLY, END, reply, 1, 1, MANY.id)),
            ("a REPLY in another encoding", C, ONE, frame(Kind.REPLY, END, reply, 2, 1, ONE.id)),
            ("a REPLY without END", C, ONE, answers((Kind.REPLY, 0, reply))),
            ("a short REPLY", C, ONE, answers((Kind.REPLY, END, bytes(15)))),
            ("an ERROR with fault 0", C, ONE, answers((Kind.ERROR, END, bytes(26)))),
            ("a REPLY that goes on with nothing", C, ONE, answers((Kind.REPLY, END | CONTINUED, reply))),
            ("DATA that ends a unary reply", C, ONE, answers((Kind.DATA, 0, b"x"))),
            ("DATA with END", C, MANY, answers((Kind.DATA, END, b"x"))),
            ("a message of nothing", C, MANY, answers((Kind.DATA, 0, b""))),
            ("a REPLY with a message after a stream", C, MANY, answers((Kind.REPLY, END, reply))),
            ("CONTINUED of nothing", C, MANY, answers((Kind.DATA, CONTINUED, b"x"))),
            ("a message within another", C, MANY, answers((Kind.DATA, MORE, length(20_000, 9)), (Kind.DATA, 0, b"x"))),
            ("pieces that are too many", C, MANY, answers((Kind.DATA, MORE, length(20, 9)),
                                                          (Kind.DATA, CONTINUED, bytes(12)))),
            ("pieces that are too few", C, MANY, answers((Kind.DATA, MORE, length(20, 9)),
                                                         (Kind.DATA, CONTINUED, bytes(10)))),
            ("a piece that is too long", C, MANY, answers((Kind.DATA, MORE, length(30_000, 16_321)))),
            ("another message than announced", C, MANY, answers((Kind.DATA, MORE, length(70_000)),
                                                                (Kind.DATA, 0, b"x"))),
            ("an announcement of nothing", C, MANY, answers((Kind.DATA, MORE, length(0)))),
            ("more than the stream's credit", E, MANY, answers((Kind.DATA, MORE, length(65_537, 16_320)))),
            ("more than the stream's credit, in many", E, MANY, answers(*[(Kind.DATA, 0, bytes(16_320))] * 5)),
            ("CREDIT of 0", C, ONE, answers((Kind.CREDIT, 0, length(0)))),
            ("CREDIT for a stream never opened", C, ONE, frame(Kind.CREDIT, 0, length(1), 0, 7, ONE.id)),
            ("CREDIT beyond what there can be", E, ONE, answers((Kind.CREDIT, 0, length(1_073_741_824)))),
            ("ANNOUNCE of a cluster", C, ONE, frame(Kind.ANNOUNCE, payload=entry(1, b"a"))),
            ("ANNOUNCE of what isn't known", Code.CAPABILITY_UNSUPPORTED, ONE,
             frame(Kind.ANNOUNCE, payload=entry(99, b""))),
            ("a frame too large", Code.FRAME_TOO_LARGE, ONE, answers((Kind.REPLY, END, bytes(65_537)))),
        ]
        for name, code, method_, act in cases:
            with self.subTest(name):
                async def script(acceptor: Acceptor) -> None:
                    act(acceptor, await acceptor.read(Kind.REQUEST))
                # a reader who doesn't read, for the streams' credit: the call is heard only after the end
                await self.ends(script, code, method_)

    async def test_in_the_handshake(self) -> None:
        nonce = entry(4, bytes(16))
        cases = [("another preface", b"HTTP/1.1 400 no", Code.PROTOCOL_ERROR)] + [
            (name, PREFACE + frame.pack(checksum), code) for name, frame, checksum, code in (
                ("no nonce", Frame(Kind.HELLO, payload=b"\1\1"), True, Code.PROTOCOL_ERROR),
                ("version 2", Frame(Kind.HELLO, payload=b"\2\3" + nonce), True, Code.VERSION_UNSUPPORTED),
                ("an unknown key", Frame(Kind.HELLO, payload=b"\1\1" + nonce + entry(99, b"")), True,
                 Code.CAPABILITY_UNSUPPORTED),
                ("out of order", Frame(Kind.HELLO, payload=b"\1\1" + nonce + entry(1, b"a")), True,
                 Code.PROTOCOL_ERROR),
                ("a stream's credit above the connection's", Frame(Kind.HELLO, payload=b"\1\1" + nonce + entry(
                    11, b"\0\2\0\0") + entry(12, b"\0\1\0\0")), True, Code.PROTOCOL_ERROR),
                ("without checksum", Frame(Kind.HELLO, payload=b"\1\1" + nonce), False, Code.PROTOCOL_ERROR),
                ("4097 bytes", Frame(Kind.HELLO, payload=bytes(4097)), True, Code.FRAME_TOO_LARGE),
                ("small credit", Frame(Kind.HELLO, payload=b"\1\1" + nonce + entry(11, b"\0\0\0\1")), True,
                 Code.PROTOCOL_ERROR),
                ("PING first", Frame(Kind.PING, payload=bytes(8)), True, Code.PROTOCOL_ERROR))]
        for name, data, code in cases:
            with self.subTest(name):
                async def script(acceptor: Acceptor) -> None:
                    await acceptor.reader.readexactly(8)
                    await acceptor.read(Kind.HELLO)
                    acceptor.write_raw(data)
                    self.assertEqual(int.from_bytes((await acceptor.read(Kind.CLOSE)).payload[:2], "big"), code)
                async with self.server(script) as port:
                    with self.assertRaises(ConnectionEnded) as caught:
                        await Connection.connect("127.0.0.1", port)
                    self.assertEqual(caught.exception.code, code)


if __name__ == "__main__":
    unittest.main()
