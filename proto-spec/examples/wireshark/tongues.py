#!/usr/bin/env python3
"""What isn't a well-kept connection from its start: captures with gaps or without a beginning, and what else speaks on the port.

One line for what is wrong, then the sum; the exit code is 1 when anything is. It wants tshark 4.
"""
import sys

from capture import HEURISTICS
from vectors import PAIR, Run, clean, differs, every, first, shows, teaching, told
from vectors import schema_of, encoding_content, called, method_of
from build import of_call

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


def main():
    run = Run()
    run.flags = HEURISTICS
    for cases in (text, http, gaps):
        cases(run)
    wrong = run.wrong()
    print(*wrong, f"{len(run.checks) - len(wrong)} passed, {len(wrong)} failed", sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
