#!/usr/bin/env python3
"""What isn't a well-kept connection from its start: captures with gaps or without a beginning, and what else speaks on the port.

One line for what is wrong, then the sum; the exit code is 1 when anything is. It wants tshark 4.
"""
import random
import sys

from capture import HEURISTICS
from vectors import (PAIR, Run, called, checked, clean, differs, encoding_content, every, first, method_of, of_call, schema_of,
                     shows, teaching, told, vectors_of)
from decode import KINDS

CONTENT = encoding_content()
METHOD = method_of(called("toy"))
TOY = bytes.fromhex(next(one["hex"] for one in CONTENT["cases"] if one["type"] == "toy" and "json" in one))
JSON = next(one["json"] for one in CONTENT["cases"] if one["type"] == "toy" and "json" in one)
CALL = 'CALL product.query {"name":"Tux"}'


def call(stream):
    asked = of_call(told.REQUEST, stream, METHOD, told.head(1_000_000))
    return [("dialler", asked), ("acceptor", of_call(told.REPLY, stream, METHOD, bytes(16) + TOY))]


def text(run):
    """SPEC 17, on any port."""
    answer = b'+OK product.query 0.412 ms\r\n{"id":2,"name":"Tux"}\r\n\r\n'
    failed = b"-ERR PRODUCT_NOT_FOUND there is no product Nobody\n{}\n\n"
    # Somebody who types is found by the port; a whole line, by itself.
    by_port = Run()
    run.others.append(by_port)
    for one, segment in ((run, 1000), (by_port, 7)):
        steps = [("dialler", CALL.encode() + b"\r\n"), ("acceptor", answer)]
        wanted = {"text.command": "CALL", "text.answer": "+OK", "method.name": "product.query"}
        one.add("a call as text", steps, shows(wanted), segment=segment)
        steps = [("dialler", b"call product.query {}\n"), ("acceptor", failed)]
        one.add("one that fails", steps, shows({"text.code": "PRODUCT_NOT_FOUND", "text.answer": "-ERR"}), segment=segment)
    lines = "METHODS\nPING\nQUIT\n"
    run.add("commands at once", [("dialler", lines.encode())], lambda said: None if every(said, "text.command") == lines.split() else f"{said}")
    run.add("a mailbox", [("acceptor", b"+OK POP3 ready\r\n"), ("dialler", b"QUIT\r\n")], shows({"text.line": None}))


def http(run):
    """SPEC 14.1."""
    steps = [("dialler", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"), ("acceptor", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")]

    def is_http(said):
        found = every(said, "_ws.col.Info")
        return first([None if any("GET /health" in one for one in found) else f"{found}", differs(said, "kind", None)])

    run.add("HTTP", steps, is_http)


def gaps(run):
    """Captures that lack something: what is there is shown, and nobody is blamed."""
    schema = teaching(schema_of(CONTENT))
    whole = [*PAIR, *schema, *call(2), *call(3)]
    run.add("a connection", whole, shows({"message": JSON, "replies": "1"}))
    run.add("in small segments", whole, shows({"message": JSON}), segment=11)
    run.add("without its beginning", [*schema, *call(2)], shows({"message": JSON}), start=False)
    half = call(2)[1][1][30:]
    run.add("from the middle of a frame on", [("acceptor", half), *call(3)], shows({"message": JSON}), start=False)
    run.add("in the middle of a packet", [("acceptor", half + call(3)[1][1])], shows({"skipped": half.hex(), "message": JSON}), start=False)
    run.add("with a gap", [*PAIR, *schema, ("acceptor", call(2)[1][1][40:]), *call(3)], shows({"message": JSON}))
    run.add("only requests", [one for one in whole if one[0] == "dialler"], clean)
    run.add("only answers", [one for one in whole if one[0] == "acceptor"], shows({"message": JSON}))


def noise(run, seed=1):
    """Payloads of every kind that are random, or right but for a byte, in frames that are right: whatever they mean, nothing breaks."""
    chance, schema = random.Random(seed), schema_of(CONTENT)
    frames = [bytes.fromhex(one["hex"]) for one in vectors_of("frames") if "means" in one]
    taught = [*PAIR, *teaching(schema)]

    def changed(data):
        at = chance.randrange(len(data)) if data else 0
        return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :] if data else data

    def whole(kind, flags, stream, method, payload):
        encoding = 1 if kind in ("REQUEST", "REPLY", "NOTICE", "DATA", "ERROR") else 0
        return checked(kind, payload, stream, method, flags, encoding)

    steps = []
    for number in range(400):
        raw = chance.choice(frames)
        kind, flags = KINDS[raw[4]], raw[5] & 13
        payload = bytes(chance.randrange(256) for _ in range(chance.randrange(60))) if number % 4 == 0 else changed(raw[24:])
        stream, method = (0, 0) if raw[4] < 16 else (number + 3, METHOD)
        steps.append((chance.choice(["dialler", "acceptor"]), whole(kind, flags, stream, method, payload)))
    run.add("noise in frames", [*taught, *steps], lambda _: None)
    answers = []
    for number in range(200):
        asked, answered = call(number + 3)
        answers += [asked, ("acceptor", whole("REPLY", 1, number + 3, METHOD, bytes(16) + changed(TOY)))]
    run.add("noise in messages", [*taught, *answers], lambda said: None if len(every(said, "message")) > 100 else "nothing was decoded")
    for _ in range(20):
        run.add("noise in a schema", [*PAIR, *teaching(changed(changed(schema)))], lambda _: None)


def main():
    run = Run()
    run.flags = HEURISTICS
    for cases in (text, http, gaps, noise):
        cases(run)
    wrong = run.wrong()
    print(*wrong, f"{len(run.checks) - len(wrong)} passed, {len(wrong)} failed", sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
