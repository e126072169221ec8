"""What client.py does as a command, against an acceptor that is played here."""
from __future__ import annotations

import asyncio
import sys
import unittest
from typing import Awaitable, Callable

import client
from acceptor import SCHEMA_BYTES, Acceptor, Case, word
from frames import END, Code, Frame, Kind
from messages import varint
from schema import MICRONET, fingerprint


class CommandLine(Case):
    async def run_client(self, *args: str, stdin: str = "",
                         play: Callable[[Acceptor, Frame], Awaitable[None]] | None = None) -> tuple[int, str, str]:
        """Runs client.py against a server of the toys; `play` answers the call."""
        async def script(acceptor: Acceptor) -> None:
            told = MICRONET.methods["micronet.schema"]
            await acceptor.greet()
            request = await acceptor.read(Kind.REQUEST)
            self.assertEqual(request.method, told.id)
            put = lambda data: varint(len(data)) + data  # noqa: E731
            acceptor.reply(request, put(fingerprint(SCHEMA_BYTES)) + put(SCHEMA_BYTES))
            if play:
                await play(acceptor, await acceptor.read(Kind.REQUEST))
            while (await acceptor.read()).kind != Kind.CLOSE:
                pass
        async with self.server(script) as port:
            process = await asyncio.create_subprocess_exec(
                sys.executable, client.__file__, f"127.0.0.1:{port}", *args, stdin=-1, stdout=-1, stderr=-1)
            out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 10)
        return process.returncode or 0, out.decode(), err.decode()

    async def test_list(self) -> None:
        code, out, _ = await self.run_client()
        self.assertEqual(code, 0)
        for expected in ("toys.chat (stream Word) -> stream Word", "ServerStream; public; idempotent", "One word.",
                         "micronet.schema"):
            self.assertIn(expected, out)

    async def test_unary(self) -> None:
        async def play(acceptor: Acceptor, request: Frame) -> None:
            self.assertEqual(request.payload[6:12], b"\3\0\3abc")
            acceptor.reply(request, word("hello"))
        code, out, err = await self.run_client("toys.one", '{"text":"Tux"}', "--token", "abc", "-v", play=play)
        self.assertEqual((code, out), (0, '{"text":"hello"}\n'))
        self.assertIn("handled 2", err)

    async def test_count(self) -> None:
        async def play(acceptor: Acceptor, request: Frame) -> None:
            for text in "abcde":
                acceptor.stream(request, word(text))
            while (await acceptor.read()).kind != Kind.CANCEL:
                pass
            acceptor.error(request, Code.CANCELLED)
        code, out, _ = await self.run_client("toys.many", '{"text":""}', "--count", "2", play=play)
        self.assertEqual((code, out), (0, '{"text":"a"}\n{"text":"b"}\n'))

    async def test_stdin(self) -> None:
        async def play(acceptor: Acceptor, request: Frame) -> None:
            while not (frame := await acceptor.read(Kind.DATA, Kind.CREDIT)).flags & END:
                if frame.kind == Kind.DATA:
                    acceptor.stream(request, frame.payload)
            acceptor.reply(request)
        code, out, _ = await self.run_client("toys.chat", stdin='{"text":"a"}\n\n{"text":"b"}', play=play)
        self.assertEqual((code, out), (0, '{"text":"a"}\n{"text":"b"}\n'))

    async def test_bad_input(self) -> None:
        for args in (["toys.one", "nonsense"], ["toys.one", '{"word":1}'], ["toys.none"], ["toys.chat", "{}"]):
            with self.subTest(args):
                code, out, err = await self.run_client(*args)
                self.assertEqual((code, out), (2, ""))
                self.assertNotIn("Traceback", err)

    async def test_bad_line(self) -> None:
        async def play(acceptor: Acceptor, request: Frame) -> None:
            await acceptor.read(Kind.CANCEL)
            acceptor.error(request, Code.CANCELLED)
        code, out, err = await self.run_client("toys.gather", stdin="nonsense\n", play=play)
        self.assertEqual((code, out), (2, ""))
        self.assertIn("not JSON", err)


if __name__ == "__main__":
    unittest.main()
