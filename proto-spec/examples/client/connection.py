"""The dialler's side of a connection (SPEC 1 to 8): the handshake, calls, heartbeats, and the end.

    connection = await Connection.connect("localhost", 8002)
    service = await connection.service(timeout=5)
    method = service.methods["product.query"]
    reply = await connection.call(method, method.request.encode({"name": "Tux"}), timeout=5)
    print(method.reply.decode(reply))
    await connection.close()
"""
from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import struct
from collections import deque

from calls import MESSAGE_MAX, PIECE_MAX, STREAM_CREDIT, Account, Call, Ledger, request_head
from frames import (CHECKSUM, CREDIT_MAX, END, FAULT, MORE, PREFACE, RETRY, CallError, Code, ConnectionEnded, Frame,
                    Hello, Kind, Violation, code_name, crc32c, entry, is_beacon, text_of)
from messages import Malformed, Source
from schema import MICRONET, Method, Service, fingerprint

PAYLOAD_MAX, CONNECTION_CREDIT = 65_536, 33_554_432  # what this side accepts
HANDSHAKE_S, CLOSING_S = 5.0, 1.0
STREAM_ID_MAX = 0xFFFF_FFFE
# A CLOSE with one of these refuses the handshake: no call was started (SPEC 5.8).
REFUSALS = (Code.VERSION_UNSUPPORTED, Code.WRONG_CLUSTER, Code.BAD_PROOF, Code.TLS_REQUIRED, Code.WRONG_IDENTITY)

class Connection:
    """The dialler's side of a connection. One task reads, one watches the silence; callers write."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cluster: str, node: str):
        self._reader, self._writer = reader, writer
        writer.transport.set_write_buffer_limits(high=0)  # so that `drain` waits for an empty buffer (SPEC 4.9)
        self._turn = asyncio.Lock()
        self.cluster, self.node, self.nonce = cluster, node, os.urandom(16)
        self.peer = Hello()
        self.ended: ConnectionEnded | None = None
        self.account = Account(CONNECTION_CREDIT, CONNECTION_CREDIT)
        self.credit = 0
        self.calls: dict[int, Call] = {}
        self._hungry: list[tuple[Call, int, asyncio.Future[bool]]] = []
        self._last_stream = 0
        self._goaway: int | None = None
        self._buffer, self._received, self._last_heard = bytearray(), 0, 0.0
        self._pings: deque[bytes] = deque()
        self._answered = asyncio.Event()
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def connect(cls, host: str, port: int, *, cluster: str = "", node: str = "",
                      credential: tuple[int, bytes] | None = None) -> Connection:
        """Connects, greets, and offers the proof of a secret, if there is one (SPEC 3)."""
        async with asyncio.timeout(HANDSHAKE_S):
            reader, writer = await asyncio.open_connection(host, port)
        self = cls(reader, writer, cluster, node)
        hello = b"\1\1" + (entry(1, cluster.encode()) if cluster else b"") + (entry(2, node.encode()) if node else b"")
        hello += entry(4, self.nonce) + entry(5, PAYLOAD_MAX.to_bytes(4, "big"))
        hello += entry(0x800A, b"client.py")
        hello += entry(11, STREAM_CREDIT.to_bytes(4, "big")) + entry(12, CONNECTION_CREDIT.to_bytes(4, "big"))
        writer.write(PREFACE)
        self.write(Frame(Kind.HELLO, payload=hello))
        self._tasks.append(asyncio.create_task(self._read()))
        try:
            await asyncio.wait_for(asyncio.shield(self._ready), HANDSHAKE_S)
        except TimeoutError:
            self.end(Code.PEER_SILENT, "no HELLO within 5 seconds")  # SPEC 3.9
        if self.ended:
            await self.close()
            raise self.ended
        if credential:
            self.write(Frame(Kind.PROOF, payload=self._proof(*credential)))
        self._tasks.append(asyncio.create_task(self._watch()))
        return self

    def _proof(self, kind: int, secret: bytes) -> bytes:
        """SPEC 3.7. This dialler has no INSTANCE."""
        told = (b"micronet proof 1" + bytes([kind]) + self.peer.nonce + self.nonce
                + bytes([len(self.node)]) + self.node.encode() + b"\0")
        return bytes([kind]) + hmac.digest(secret, told, hashlib.sha256)

    # Writing

    def write(self, frame: Frame) -> None:
        """Writes a frame now, before what waits for its turn: control frames and CREDIT pass (SPEC 4.9)."""
        if not self.ended:
            self._writer.write(frame.pack(checksum=True))

    async def send(self, frame: Frame, call: Call | None = None) -> bool:
        """Writes a frame in its turn, when all before it has left; not if its call is over then."""
        async with self._turn:
            try:
                await self._writer.drain()
            except OSError:
                return False  # the reading side finds that out, and tells
            if self.ended or call and call.over:
                return False
            self.write(frame)
            return True

    async def take_credit(self, call: Call, size: int) -> bool:
        """Takes the credit for a whole message, as soon as there is enough (SPEC 4.5)."""
        granted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._hungry.append((call, size, granted))
        self.feed()
        return await granted

    def feed(self) -> None:
        """Of messages that lack only the connection's credit, the one that waits longest goes first (SPEC 4.5)."""
        short = False
        for waiting in self._hungry[:]:
            call, size, granted = waiting
            if call.over or granted.cancelled():
                taken = False
            elif call.credit < size or short:
                continue
            elif self.credit < size:
                short = True
                continue
            else:
                call.credit -= size
                self.credit -= size
                taken = True
            self._hungry.remove(waiting)
            if not granted.done():
                granted.set_result(taken)

    # Calls

    async def open(self, method: Method, request: bytes | None, *, timeout: float, token: str | None = None) -> Call:
        """Opens a call (SPEC 4.2, 5.1). A stream of requests begins without one."""
        head = request_head(method, timeout, token)
        if self.ended:
            raise CallError(Code.SERVICE_UNAVAILABLE, "the connection has ended", "never_started", "network")
        if self._goaway is not None:
            raise CallError(Code.DRAINING, "the server drains this connection", "never_started", "callee")
        if len(self.calls) >= self.peer.calls_in_flight_max or self._last_stream >= STREAM_ID_MAX:
            raise CallError(Code.OVERLOADED, "too many calls on this connection", "never_started", "callee")
        one_way = method.shape == "OneWay"
        if request is not None and len(request) > (PIECE_MAX if one_way else MESSAGE_MAX):
            raise CallError(Code.MESSAGE_TOO_LARGE, f"a request of {len(request)} bytes")
        self._last_stream += 1
        call = Call(self, self._last_stream, method, timeout)
        if one_way:  # SPEC 5.9: it is over when it is sent
            self.write(call.frame(Kind.NOTICE, END, head + (request or b"")))
            call.finish(None)
            return call
        self.calls[call.stream] = call
        if request is None:
            self.write(call.frame(Kind.REQUEST, 0, head))
        elif len(request) <= PIECE_MAX:
            self.write(call.frame(Kind.REQUEST, END, head + request))
        else:
            self.write(call.frame(Kind.REQUEST, MORE, head + len(request).to_bytes(4, "big")))
            await call.say(request, announced=True, last=True)
        return call

    async def call(self, method: Method, request: bytes, *, timeout: float, token: str | None = None) -> bytes:
        return await anext(await self.open(method, request, timeout=timeout, token=token))

    async def service(self, timeout: float) -> Service:
        """Fetches the schema, and checks it (SPEC 10.2, 10.3, 10.8)."""
        method = MICRONET.methods["micronet.schema"]
        answer = Source(await self.call(method, b"", timeout=timeout))
        told, schema = answer.take(answer.count()), answer.take(answer.count())
        if answer.at != len(answer.data) or fingerprint(schema) != told or self.peer.schema not in (b"", told):
            raise Malformed("the schema isn't the one whose fingerprint was told")
        return Service.parse(schema)

    # Reading

    async def _bytes(self, count: int) -> bytes:
        while len(self._buffer) < count:
            data = await self._reader.read(65_536)
            if not data:
                raise EOFError
            self._received += len(data)
            self._last_heard = asyncio.get_running_loop().time()
            self._buffer += data
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    async def _frame(self) -> Frame:
        hello = self._ready.done()
        header = await self._bytes(24)
        length, checksum, frame = Frame.check_header(header, PAYLOAD_MAX if hello else 4096)
        payload = await self._bytes(length)
        if not frame.flags & CHECKSUM:  # this side always wants them (SPEC 3.8)
            raise Violation("a frame without a payload checksum")
        if crc32c(payload) != checksum:
            raise Violation("a payload's checksum doesn't match", Code.CHECKSUM_MISMATCH)
        return Frame(frame.kind, frame.flags, payload, frame.encoding, frame.stream, frame.method)

    async def _read(self) -> None:
        try:
            if await self._bytes(8) != PREFACE:
                raise Violation("the peer doesn't speak micronet")
            while not self.ended:
                frame = await self._frame()
                if frame.kind == Kind.CLOSE:
                    self._on_close(frame.payload)
                elif not self._ready.done():
                    self._on_hello(frame)
                elif not self.ended:
                    self._on_frame(frame)
        except Violation as violation:
            self.end(violation.code, str(violation))
        except (EOFError, OSError) as error:
            return self._over(ConnectionEnded(0, f"the connection was lost {error}".rstrip()))
        try:  # reads on, so that the last bytes aren't lost to a reset (SPEC 5.7); close() says when it's enough
            while await self._reader.read(65_536):
                pass
        except OSError:
            pass

    def _on_close(self, payload: bytes) -> None:
        code = int.from_bytes(payload[:2], "big")
        words, end = text_of(payload, 2)
        if end != len(payload):
            raise Violation("CLOSE is malformed")
        self._over(ConnectionEnded(code, words or "the server closed the connection"))

    def _on_hello(self, frame: Frame) -> None:
        if frame.kind != Kind.HELLO:
            raise Violation("a frame before HELLO")
        self.peer = Hello.parse(frame.payload)
        if self.cluster and self.peer.cluster and self.cluster != self.peer.cluster:
            raise Violation(f"the cluster is {self.peer.cluster}", Code.WRONG_CLUSTER)
        self.credit = self.peer.connection_credit
        self._ready.set_result(None)

    def _on_frame(self, frame: Frame) -> None:
        payload = frame.payload
        match frame.kind:
            case Kind.ANNOUNCE:
                self.peer.announce(payload)
            case Kind.PING if len(payload) == 8:
                self.write(Frame(Kind.PONG, payload=payload + struct.pack(
                    ">QIIIIBH", self._received - len(self._buffer), len(self.calls), 0, 0, 0, 1, 0)))
            case Kind.PONG if len(payload) == 35 and payload[32] in (1, 2):
                if not self._pings or self._pings.popleft() != payload[:8]:
                    raise Violation("a PONG that answers no PING")
            case Kind.GOAWAY if len(payload) == 4 and self._goaway is None:
                self._goaway = int.from_bytes(payload, "big")
                for call in list(self.calls.values()):
                    if call.stream > self._goaway:
                        call.finish(CallError(Code.DRAINING, "the server drains", "never_started", "callee"))
                self._leave()
            case Kind.BEACON if is_beacon(payload):
                pass  # for captures that begin in mid-connection (SPEC 4.10)
            case Kind.CREDIT if len(payload) == 4 and any(payload):
                self._on_credit(frame, int.from_bytes(payload, "big"))
            case Kind.DATA:
                self._call_of(frame).on_data(frame)
            case Kind.REPLY | Kind.ERROR if len(payload) >= 16:
                self._on_terminal(frame)
            case _:
                raise Violation(f"a second HELLO, or a malformed {Kind(frame.kind).name}")

    def _call_of(self, frame: Frame) -> Call:
        call = self.calls.get(frame.stream)
        if call is None or call.method.id != frame.method:
            raise Violation(f"a {Kind(frame.kind).name} for no call in flight, or of another method")
        return call

    def _on_credit(self, frame: Frame, amount: int) -> None:
        if frame.stream > self._last_stream:
            raise Violation("CREDIT for a stream that was never opened")
        if frame.stream and frame.stream not in self.calls:
            return  # its call is over
        purse = self._call_of(frame) if frame.stream else self
        purse.credit += amount
        if purse.credit > CREDIT_MAX:
            raise Violation("more credit than there can be", Code.CREDIT_EXCEEDED)
        self.feed()

    def _on_terminal(self, frame: Frame) -> None:
        call, payload = self._call_of(frame), frame.payload
        ledger = Ledger(*struct.unpack_from(">IIII", payload))
        if frame.kind == Kind.REPLY:
            call.on_reply(frame, payload[16:])
        else:
            if len(payload) < 26 or payload[18] not in (1, 2, 3) or payload[19] > 2:
                raise Violation("a malformed ERROR")
            code, fault, retry, after = struct.unpack_from(">HBBI", payload, 16)
            words, end = text_of(payload, 24)
            if len(payload) - end > 16_384:
                raise Violation("an ERROR's detail is too long")
            call.finish(CallError(code, words, RETRY[retry], FAULT[fault], after, payload[end:], here=False))
        call.ledger = ledger
        del self.calls[call.stream]
        self._answered.set()
        self._leave()

    # Silence (SPEC 7)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        since, silent = loop.time(), 0
        while not self.ended:
            interval = max(self.peer.heartbeat_interval_ms, 1000) / 1000
            if self._last_heard > since:
                since, silent = self._last_heard, 0
            await asyncio.sleep(max(0.0, since + interval - loop.time()))
            if loop.time() > since + 2 * interval:  # this side is late: the silence is its own (SPEC 7.4)
                silent = 0
            elif self._last_heard > since:
                continue
            since, silent = loop.time(), silent + 1
            if silent > 3:
                self.end(Code.PEER_SILENT, "nothing was heard for four heartbeats")
            elif len(self._pings) < 12:
                self._pings.append(os.urandom(8))
                self.write(Frame(Kind.PING, payload=self._pings[-1]))

    # The end

    def end(self, code: int, words: str) -> None:
        """Ends the connection with a code (SPEC 1.6, 5.7)."""
        text = words.encode()[:1024].decode(errors="ignore").encode()  # cut at the end of a character (SPEC 1.5)
        self._over(ConnectionEnded(code, words if not code else f"ended here: {words}"), code, text)

    def _over(self, why: ConnectionEnded, code: int | None = None, text: bytes = b"") -> None:
        if self.ended:
            return
        if code is not None:
            self.write(Frame(Kind.CLOSE, payload=struct.pack(">HH", code, len(text)) + text))
        self.ended = why
        if self._writer.can_write_eof() and not self._writer.is_closing():
            self._writer.write_eof()
        lost = CallError(Code.CONNECTION_LOST, f"{code_name(why.code) + ': ' if why.code else ''}{why.words}",
                         "never_started" if why.code in REFUSALS else "maybe_executed", "network")
        for call in self.calls.values():
            call.finish(lost)
        self._answered.set()
        if not self._ready.done():
            self._ready.set_result(None)

    def _leave(self) -> None:
        """After a GOAWAY, the connection ends as soon as no call is in flight (SPEC 5.6)."""
        if self._goaway is not None and not self.calls:
            self.end(0, "drained")

    async def settle(self) -> None:
        """Waits shortly until no call is in flight: one that was given up still has its answer (SPEC 5.4)."""
        try:
            async with asyncio.timeout(CLOSING_S):
                while self.calls and not self.ended:
                    self._answered.clear()
                    await self._answered.wait()
        except TimeoutError:
            pass

    async def close(self) -> None:
        """Gives up what is in flight, waits shortly for the answers to that, and ends the connection plainly."""
        for call in list(self.calls.values()):
            call.cancel()
        await self.settle()
        self.end(0, "")
        await asyncio.wait(self._tasks[:1], timeout=CLOSING_S)
        for task in self._tasks:
            task.cancel()
        self._writer.close()
