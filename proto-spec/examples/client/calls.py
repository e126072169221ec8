"""A call of any shape, as its caller sees it (SPEC 4, 5), and the credit for messages (SPEC 4.5 to 4.7)."""
from __future__ import annotations

import asyncio
import struct
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, AsyncIterator

from frames import CONTINUED, END, MORE, CallError, Code, Frame, Kind, Violation
from schema import Method

if TYPE_CHECKING:
    from connection import Connection

MESSAGE_MAX, PIECE_MAX = 16_777_216, 16_320
STREAM_CREDIT = 65_536  # what this side gives each stream at first
STREAM_IDLE_S, STREAM_LIFETIME_S = 60.0, 3600.0  # SPEC 4.8


@dataclass(frozen=True)
class Ledger:
    """Where the acceptor spent the call's time, in microseconds (SPEC 7.5)."""
    receive_queue: int
    handler: int
    credit_wait: int
    write_queue: int

    def __str__(self) -> str:
        return (f"ledger: queued {self.receive_queue} µs, handled {self.handler} µs, waited for credit "
                f"{self.credit_wait} µs, written after {self.write_queue} µs")


@dataclass
class Account:
    """What the peer may still send us (SPEC 4.5, 4.7), of a stream or of the connection. What it holds and what is
    unused never exceeds what it had at first and what is reserved for announced messages."""
    first: int
    held: int
    unused: int = 0
    reserved: int = 0

    def take(self, size: int) -> None:
        if size > self.held:
            raise Violation(f"a message of {size} bytes, with credit for {self.held}", Code.CREDIT_EXCEEDED)
        self.held -= size
        self.unused += size

    def due(self) -> int:
        """The credit that is to be given now; giving it is on the caller."""
        due = max(0, self.first + self.reserved - self.held - self.unused)
        self.held += due
        return due


class Call:
    """A call in flight (SPEC 4, 5): `say` and `end` speak on its stream of requests, iteration hears its replies."""

    def __init__(self, connection: Connection, stream: int, method: Method, timeout: float):
        self.connection, self.stream, self.method = connection, stream, method
        self.ledger: Ledger | None = None
        self.error: CallError | None = None
        self.over = False       # nothing more is said or heard: by the terminal frame, or given up here
        self.said_all = not method.says_stream
        self.credit = connection.peer.stream_credit
        self.account = Account(STREAM_CREDIT, STREAM_CREDIT)
        self._heard: deque[tuple[bytes, int]] = deque()   # messages, and what each took of the credit
        self._partial: bytearray | None = None
        self._whole = self._announced = self._reserved = 0
        self._waiting = False
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._expires = self._loop.time() + timeout
        self._dies = self._loop.time() + STREAM_LIFETIME_S
        self._timer = self._loop.call_at(self._expires, self._tick)

    def frame(self, kind: Kind, flags: int = 0, payload: bytes = b"") -> Frame:
        return Frame(kind, flags, payload, 0 if kind in (Kind.CANCEL, Kind.CREDIT) else 1, self.stream, self.method.id)

    # Time (SPEC 4.8, 6.1)

    def _tick(self) -> None:
        if self._loop.time() < self._expires:
            self._timer = self._loop.call_at(self._expires, self._tick)
        elif not self.over:
            self.cancel(CallError(Code.DEADLINE_EXCEEDED, "the deadline passed", "maybe_executed", "callee"))

    def _alive(self) -> None:
        """A message of its streams, or a piece of one, was sent or received."""
        if self.method.says_stream or self.method.hears_stream:
            self._expires = min(self._loop.time() + STREAM_IDLE_S, self._dies)
            self._timer.cancel()
            self._timer = self._loop.call_at(self._expires, self._tick)

    # Speaking

    async def say(self, message: bytes, *, announced: bool = False, last: bool = False) -> bool:
        """Sends a message in DATA when there is credit for the whole of it; False when the call is over before."""
        if len(message) > MESSAGE_MAX:
            raise CallError(Code.MESSAGE_TOO_LARGE, f"a message of {len(message)} bytes; at most {MESSAGE_MAX}")
        length = len(message).to_bytes(4, "big")
        if self.credit < len(message) and not announced and not self.over:
            await self.connection.send(self.frame(Kind.DATA, MORE, length))  # SPEC 4.4
        if not await self.connection.take_credit(self, len(message)):
            return False
        for at in range(0, len(message), PIECE_MAX):
            piece, more = message[at:at + PIECE_MAX], at + PIECE_MAX < len(message)
            flags = (CONTINUED if at else 0) | (MORE if more else END if last else 0)
            payload = (length if more and not at else b"") + piece
            if not await self.connection.send(self.frame(Kind.DATA, flags, payload), self):
                return False
            self._alive()
        return True

    async def end(self) -> None:
        """Ends the stream of requests (SPEC 4.2)."""
        if not self.said_all and not self.over:
            self.said_all = True
            await self.connection.send(self.frame(Kind.DATA, END), self)

    def cancel(self, error: CallError | None = None) -> None:
        """Gives the call up (SPEC 5.4). Without an error, as one that has heard enough."""
        if not self.over:
            self.connection.write(self.frame(Kind.CANCEL, END))
            self.finish(error)

    # Hearing

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._heard:
            if self.over and self.error:
                raise self.error
            if self.over:
                raise StopAsyncIteration
            self._waiting = True
            self._reserve()
            self._news.clear()
            await self._news.wait()
        self._waiting = False
        message, took = self._heard.popleft()
        self._used_up(took)
        return message

    def _reserve(self) -> None:
        """Gives what an announced message lacks, to a reader who waits for it (SPEC 4.7)."""
        if self._announced and self._waiting and not self._reserved and not self.over:
            self._reserved = max(0, self._announced - STREAM_CREDIT)
            self.account.reserved += self._reserved
            self.connection.account.reserved += self._reserved
            self._give_back()

    def _used_up(self, took: int) -> None:
        self.account.unused -= took
        self.connection.account.unused -= took
        self._give_back()

    def _give_back(self) -> None:
        connection_due = self.connection.account.due()
        if connection_due:
            self.connection.write(Frame(Kind.CREDIT, payload=connection_due.to_bytes(4, "big")))
        stream_due = 0 if self.over else self.account.due()
        if stream_due:
            self.connection.write(self.frame(Kind.CREDIT, payload=stream_due.to_bytes(4, "big")))

    def on_data(self, frame: Frame) -> None:
        """A message, a piece of one, or an announcement (SPEC 4.3, 4.4); also the last piece, in a REPLY."""
        more, body = frame.flags & MORE, frame.payload
        if frame.encoding != 1:
            raise Violation("DATA in another encoding than its call's")
        if frame.kind == Kind.DATA and not more and not self.method.hears_stream:
            raise Violation("DATA that ends the only reply, which a REPLY does")
        if not frame.flags & CONTINUED:
            if more and len(body) < 4 or not body:
                raise Violation("DATA without a length, or without a message")
            whole = int.from_bytes(body[:4], "big") if more else len(body)
            if more and len(body) == 4:
                return self._on_announcement(whole)
            if self._partial is not None or self._announced not in (0, whole):
                raise Violation("a message begins before another was sent")
            if whole > MESSAGE_MAX:
                raise Violation(f"a message of {whole} bytes")
            self.connection.account.take(whole)
            self.account.take(whole)
            self._partial, self._whole, self._announced = bytearray(), whole, 0
            body = body[4:] if more else body
        elif self._partial is None and not self.over:
            raise Violation("a message goes on that was not begun")
        if self.over:  # what was given up is ignored, but counted (SPEC 4.3, 4.7)
            self._drop()
            return
        self._alive()
        self._partial += body
        have = len(self._partial)
        if not 1 <= len(body) <= PIECE_MAX or have > self._whole or (have == self._whole) == bool(more):
            raise Violation("the pieces of a message don't make up its length")
        if not more:
            self.hear(bytes(self._partial), self._whole)
            self._partial = None
            if self._reserved:  # the message was let in by a reservation, which is over
                self.account.reserved -= self._reserved
                self.connection.account.reserved -= self._reserved
                self._reserved = 0

    def _on_announcement(self, whole: int) -> None:
        if self._partial is not None or self._announced or not whole:
            raise Violation("an announcement within a message, after another, or of nothing")
        if self.over:
            return
        if whole > MESSAGE_MAX:
            return self.cancel(CallError(Code.MESSAGE_TOO_LARGE, f"a reply of {whole} bytes was announced"))
        self._announced = whole
        self._reserve()

    def on_reply(self, frame: Frame, message: bytes) -> None:
        if frame.encoding != 1:
            raise Violation("a REPLY in another encoding than its request")
        if self.over:
            if frame.flags & CONTINUED and self.method.hears_stream:
                raise Violation("a REPLY with a message after a stream of them")
            return
        if self.method.hears_stream:
            if message or frame.flags & CONTINUED or self._partial is not None or self._announced:
                raise Violation("a REPLY with a message, or amid one, after a stream of them")
        elif frame.flags & CONTINUED:
            self.on_data(Frame(Kind.REPLY, CONTINUED, message, 1))
        elif self._partial is not None or self._announced or len(message) > PIECE_MAX:
            raise Violation("a REPLY amid the pieces of another, or too long for one frame")
        else:
            self.hear(message, 0)
        self.finish(None)

    def hear(self, message: bytes, took: int) -> None:
        self._heard.append((message, took))
        self._news.set()

    def _drop(self) -> None:
        """Returns what a message took that is lost with its call, and what was reserved for it (SPEC 4.7)."""
        if self._partial is not None:
            self.connection.account.unused -= self._whole
            self._partial = None
        self.connection.account.reserved -= self._reserved
        self._announced = self._reserved = 0
        self._give_back()

    def finish(self, error: CallError | None) -> None:
        """The call is over for its caller. Messages that came before are still heard, unless it was given up."""
        if not self.over:
            self.over, self.error = True, error
            self._timer.cancel()
            self._drop()
            self._news.set()
            self.connection.feed()

    def discard(self) -> None:
        """Forgets messages that nobody will hear."""
        while self._heard:
            self._used_up(self._heard.popleft()[1])


def request_head(method: Method, timeout: float, token: str | None) -> bytes:
    """The head of a REQUEST or NOTICE (SPEC 6.1 to 6.3, 6.7)."""
    tags = struct.pack(">BH", 3, len(token)) + token.encode("ascii") if token else b""
    if method.rate_class == "bulk":
        tags += struct.pack(">BHB", 6, 1, 1)
    return struct.pack(">HI", 4 + len(tags), int(timeout * 1_000_000)) + tags
