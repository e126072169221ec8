#!/usr/bin/env python3
"""A client of the micronet protocol, version 1, written from SPEC.md alone.

    client.py HOST:PORT                                 what the server can be called for
    client.py HOST:PORT product.query '{"name":"Tux"}'  call a method: JSON in, JSON out
    client.py HOST:PORT SERVICE.METHOD '{…}' --count 5  the first five messages of a stream of replies
    client.py HOST:PORT SERVICE.METHOD < messages       a stream of requests: a line of JSON each, from stdin

It knows no service: how messages are encoded, it learns from the server (SPEC 10). It speaks no TLS (SPEC 15). The exit
code is 0, or 1 for a call or a connection that failed, or 2 for a request that can't be sent.
"""
from __future__ import annotations

import argparse
import asyncio
import re
import sys
import threading
from pathlib import Path
from typing import AsyncIterator, NoReturn

from calls import Call
from connection import Connection
from frames import CallError, Code, ConnectionEnded, code_name
from messages import Fault, InvalidInput, Malformed, Struct, from_json, to_json
from schema import FAULTS, MICRONET, UNIT, Method, Service


class Usage(Exception):
    """A request that can't be sent."""


async def stdin_lines() -> AsyncIterator[str]:
    """Lines of stdin, read by a thread of its own as they are wanted: not every stdin can be awaited."""
    lines: asyncio.Queue[str] = asyncio.Queue(1)
    loop = asyncio.get_running_loop()

    def read() -> None:
        with open(0, encoding="utf-8", errors="surrogateescape", closefd=False) as stdin:
            try:
                for line in stdin:
                    asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()
                asyncio.run_coroutine_threadsafe(lines.put(""), loop).result()
            except RuntimeError:
                pass  # nobody wants them any more
    threading.Thread(target=read, daemon=True).start()
    while line := await lines.get():
        yield line


def encode(method: Method, text: str) -> bytes:
    try:
        return method.request.encode(from_json(text))
    except InvalidInput as error:
        raise Usage("\n".join(["INVALID_INPUT: the request doesn't fit the schema", *map(fault_line, error.faults)]))
    except (ValueError, RecursionError) as error:
        raise Usage(f"BAD_REQUEST: not JSON: {error}")


def fault_line(fault: Fault) -> str:
    return f"  {fault.field or 'request'}: {fault.code}: {fault.message}"


def explain(error: CallError, method: Method | None) -> str:
    """An error with code, words and what its detail says (SPEC 8.1, 8.5, 8.6)."""
    lines = [f"{code_name(error.code)} ({error.code}): {error.words}",
             f"  retry: {error.retry}, fault: {error.fault}, said by {'this client' if error.here else 'the server'}"]
    if error.retry_after_ms:
        lines.append(f"  retry after {error.retry_after_ms} ms")
    try:
        if error.detail and error.code == Code.INVALID_INPUT:
            lines += [fault_line(Fault(**fault)) for fault in FAULTS.decode(error.detail)]
        elif error.detail and error.code == Code.APPLICATION and method and method.error:
            lines.append("  detail: " + to_json(method.error.decode(error.detail)))
    except Malformed as malformed:
        lines.append(f"  its detail is malformed ({malformed}): {error.detail.hex()}")
    return "\n".join(lines)


def describe(service: Service, verbose: bool) -> None:
    """What a service can be called for."""
    print(f"{service.name}: {service.doc}" if service.doc else service.name)
    for method in service.methods.values():
        says, hears = "stream " * method.says_stream, "stream " * method.hears_stream
        print(f"\n  {method.name} ({says}{method.request}) -> {hears}{method.reply}"
              + (f", or {method.error}" if method.error else ""))
        print(f"      {method.shape}; {method.access}" + "; idempotent" * method.idempotent)
        for line in method.doc.splitlines():
            print(f"      {line}")
        for type_ in {str(t): t for t in (method.request, method.reply)}.values() if verbose else ():
            if isinstance(type_, Struct):
                print(f"      {type_.brief()}")


async def speak(call: Call) -> None:
    """Says what stdin has, a line a message; a line that is none gives the call up."""
    try:
        async for line in stdin_lines():
            if line.strip() and not await call.say(encode(call.method, line)):
                return
        await call.end()
    except (Usage, CallError):
        call.cancel()
        raise


async def talk(connection: Connection, method: Method, args: argparse.Namespace) -> None:
    """One call of any shape: prints its replies, a line each, and gives up after --count of them."""
    if method.says_stream and args.json is not None:
        raise Usage(f"{method.name} takes a stream of requests: say them on stdin, a line of JSON each")
    request = None if method.says_stream else encode(
        method, args.json if args.json is not None else "null" if method.request == UNIT else "{}")
    call = await connection.open(method, request, timeout=args.timeout, token=args.token)
    speaker = asyncio.create_task(speak(call)) if method.says_stream else None
    heard = 0
    try:
        async for message in call:
            print(to_json(method.reply.decode(message)), flush=True)
            heard += 1
            if heard == args.count and method.hears_stream:
                call.cancel()
                call.discard()
    finally:
        if speaker and not speaker.done():
            speaker.cancel()
        if args.verbose:
            await connection.settle()
            print(call.ledger or "no ledger came", file=sys.stderr)
    if speaker and speaker.done():
        speaker.result()


async def run(args: argparse.Namespace) -> int:
    host, port = args.address
    method: Method | None = None
    connection: Connection | None = None
    try:
        connection = await Connection.connect(host, port, cluster=args.cluster, node=args.node,
                                              credential=args.credential)
        wanted = args.method or ""
        service = MICRONET if wanted.startswith("micronet.") else await connection.service(args.timeout)
        if not wanted:
            describe(service, args.verbose)
            print()
            describe(MICRONET, args.verbose)
            return 0
        method = service.methods.get(wanted)
        if method is None:
            raise Usage(f"UNKNOWN_METHOD: there is no {wanted}; there are {', '.join(service.methods) or 'none'}")
        await talk(connection, method, args)
        return 0
    except Usage as error:
        print(error, file=sys.stderr)
        return 2
    except CallError as error:
        print(explain(error, method), file=sys.stderr)
    except ConnectionEnded as error:
        print(f"{code_name(error.code)} ({error.code}): {error.words}" if error.code else error, file=sys.stderr)
    except Malformed as error:
        print(f"what the server sent is malformed: {error}", file=sys.stderr)
    except (OSError, TimeoutError) as error:
        print(f"can't reach {host}:{port}: {error or 'no connection in time'}", file=sys.stderr)
    finally:
        if connection:
            await connection.close()
    return 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", metavar="HOST:PORT")
    parser.add_argument("method", nargs="?", metavar="SERVICE.METHOD")
    parser.add_argument("json", nargs="?", metavar="JSON", help="the request")
    parser.add_argument("--count", type=int, metavar="N", help="give up after so many messages of a stream of replies")
    parser.add_argument("--token", help="the idempotency token of a write")
    parser.add_argument("--timeout", type=float, default=15.0, metavar="SECONDS", help="the call's deadline")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="prove the operator's token")
    parser.add_argument("--secret-file", type=Path, metavar="FILE", help="prove the cluster's secret")
    parser.add_argument("--cluster", default="", metavar="NAME", help="the cluster to be a part of")
    parser.add_argument("--node", default="", metavar="NAME", help="the node to be")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the ledger, on stderr; list fields")
    args = parser.parse_args()
    host, _, port = args.address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        parser.error(f"{args.address!r} isn't HOST:PORT")
    args.address = host.strip("[]"), int(port)
    if args.token is not None and not re.fullmatch(r"[!-~]{1,64}", args.token):
        parser.error("a token has 1 to 64 characters of printable ASCII, and no space")
    if not 1e-6 <= args.timeout <= 3600:
        parser.error("a timeout is more than 0 and at most 3600 seconds")
    if args.count is not None and args.count < 1:
        parser.error("--count is at least 1")
    if any(name and not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name) for name in (args.cluster, args.node)):
        parser.error("a name has 1 to 64 letters, digits, '-', '_' or '.'")
    if args.token_file and args.secret_file:
        parser.error("only one of --token-file and --secret-file can be proved")
    try:
        file = args.token_file or args.secret_file
        secret = file.read_text("ascii").strip() if file else ""
        # The operator's token is its text; the cluster's secret stands in its file in hexadecimal.
        args.credential = ((2, secret.encode()) if args.token_file else (1, bytes.fromhex(secret))) if file else None
    except (OSError, ValueError) as error:
        parser.error(f"can't read the secret: {error}")
    return args


def main() -> NoReturn:
    try:
        sys.exit(asyncio.run(run(arguments())))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
