#!/usr/bin/env python3
"""Writes the vectors: `python3 generate.py` beside this file, or into the folder that is given.

Every case is a name, bytes put together by hand with build.py, and what they mean, or the code that refuses them
(SPEC 8.2), as literals written from SPEC.md. Nothing here asks a codec what it thinks. The secrets are examples.
"""
import json
import pathlib
import sys

from build import *
from messages import ENCODING, METHOD_IDS, SCHEMA, TYPES
from refusals import REFUSALS
from streams import STREAMS
from transcripts import TRANSCRIPTS

QUERY = 0xA45FA70A  # product.query, SPEC 10.5
LEDGER = u32(15) + u32(1200) + u32(0) + u32(7)
NONCE = bytes(range(16))


def good(name, data, means, **more):
    return {"name": name, "hex": shown(data), "means": means} | more


def bad(clause, name, data, code="PROTOCOL_ERROR", **more):
    """`clause` is the row of SPEC 16.4 or 16.5 that the case stands for, together with the code."""
    return {"name": name, "hex": shown(data), "refused": code, "clause": clause} | more


def means(kind, payload, end=False, checksum=True, encoding=0, stream=0, method=0, more=False, continued=False):
    return {
        "kind": kind, "end": end, "more": more, "continued": continued, "checksum": checksum, "encoding": encoding,
        "stream": stream, "method": method, "payload": payload,
    }


def head_means(kind, length, end=False, checksum=True, encoding=0, stream=0, method=0, payload_checksum=0, **flags):
    said = means(kind, None, end, checksum, encoding, stream, method, **flags)
    del said["payload"]
    return said | {"length": length, "payload_checksum": payload_checksum}


HEADER = [
    good("a ping", header(8, PING, payload_sum=0x12345678), head_means("PING", 8, payload_checksum=0x12345678)),
    good("without checksum", header(8, PING, 0), head_means("PING", 8, checksum=False)),
    good("a request", header(300, REQUEST, END, 1, stream=7, method=QUERY),
         head_means("REQUEST", 300, True, False, 1, 7, QUERY)),
    good("the last stream", header(0, CANCEL, END, stream=0xFFFFFFFE, method=1),
         head_means("CANCEL", 0, True, False, 0, 0xFFFFFFFE, 1)),
    good("a request that opens a stream of requests", header(7, REQUEST, 0, 1, stream=1, method=1),
         head_means("REQUEST", 7, False, False, 1, 1, 1)),
    good("a request that is announced", header(10, REQUEST, MORE, 1, stream=1, method=1),
         head_means("REQUEST", 10, False, False, 1, 1, 1, more=True)),
    good("a notice", header(6, NOTICE, END, 1, stream=7, method=QUERY), head_means("NOTICE", 6, True, False, 1, 7, QUERY)),
    *(good(f"DATA: {name}", header(9, DATA, flags, 1, stream=1, method=1),
           head_means("DATA", 9, bool(flags & END), False, 1, 1, 1, more=bool(flags & MORE), continued=bool(flags & CONTINUED)))
      for name, flags in (("a message", 0), ("the last message", END), ("a first piece, or an announcement", MORE),
                          ("a piece in the middle", MORE | CONTINUED), ("a last piece", CONTINUED),
                          ("the last piece of the last message", CONTINUED | END))),
    good("a reply that is a last piece", header(17, REPLY, END | CONTINUED, 1, stream=1, method=1),
         head_means("REPLY", 17, True, False, 1, 1, 1, continued=True)),
    good("credit of a stream", header(4, CREDIT, 0, stream=1, method=1),
         head_means("CREDIT", 4, checksum=False, stream=1, method=1)),
    good("credit of the connection", header(4, CREDIT, 0), head_means("CREDIT", 4, checksum=False)),
    good("the longest payload that is agreed", header(65536, REPLY, END, 1, stream=1, method=1),
         head_means("REPLY", 65536, True, False, 1, 1, 1)),
    bad("2.3", "header checksum", header(8, PING, header_sum=0xDEADBEEF), "CHECKSUM_MISMATCH"),
    bad("2.3", "a corrupt length is found by the header checksum",
        u32(0x7FFFFFFF) + header(8, PING)[4:], "CHECKSUM_MISMATCH"),
    bad("2.3", "the checksum comes before the kind", header(8, 99, header_sum=0), "CHECKSUM_MISMATCH"),
    bad("2.2", "kind 0", header(8, 0)),
    bad("2.2", "kind 9", header(8, 9)),
    bad("2.2", "kind 23", header(8, 23, stream=1, method=1)),
    bad("2.4", "an unknown flag", header(8, PING, 0x10)),
    bad("2.4", "the highest flag", header(8, PING, 0x80 | CHECKSUM)),
    bad("2.4", "the zero byte", header(8, PING, zero=1)),
    bad("2.4", "a payload checksum without its flag", header(8, PING, 0, payload_sum=1)),
    bad("2.5", "a ping on a stream", header(8, PING, stream=1)),
    bad("2.5", "a ping with a method", header(8, PING, method=1)),
    bad("2.5", "a ping with an encoding", header(8, PING, encoding=1)),
    bad("2.7", "a ping that ends something", header(8, PING, END)),
    bad("2.5", "a request on no stream", header(8, REQUEST, END, 1, stream=0, method=1)),
    bad("2.5", "a reply of no method", header(8, REPLY, END, 1, stream=1, method=0)),
    bad("2.7", "an error that is not the end", header(26, ERROR, 0, 1, stream=1, method=1)),
    bad("2.7", "a cancel that is not the end", header(0, CANCEL, 0, stream=1, method=1)),
    bad("2.7", "a notice that is not the end", header(6, NOTICE, 0, 1, stream=1, method=1)),
    bad("2.5", "a notice on no stream", header(6, NOTICE, END, 1, stream=0, method=1)),
    bad("2.5", "a notice of no method", header(6, NOTICE, END, 1, stream=1, method=0)),
    *(bad("2.7", f"{name} with {of_flags}", header(9, kind, flags, 1, stream=1, method=1))
      for name, kind, of_flags, flags in (
          ("a request", REQUEST, "END and MORE", END | MORE), ("a request", REQUEST, "CONTINUED", CONTINUED | END),
          ("a reply", REPLY, "nothing", 0), ("a reply", REPLY, "MORE", MORE), ("a reply", REPLY, "END and MORE", END | MORE),
          ("DATA", DATA, "END and MORE", END | MORE), ("DATA", DATA, "all flags", END | MORE | CONTINUED),
          ("an error", ERROR, "CONTINUED", END | CONTINUED), ("a notice", NOTICE, "MORE", MORE),
          ("a notice", NOTICE, "CONTINUED", END | CONTINUED))),
    bad("2.7", "a cancel with MORE", header(0, CANCEL, END | MORE, stream=1, method=1)),
    bad("2.7", "credit with END", header(4, CREDIT, END, stream=1, method=1)),
    bad("2.7", "credit with MORE", header(4, CREDIT, MORE)),
    bad("2.7", "a ping with MORE", header(8, PING, MORE)),
    bad("2.7", "a close with CONTINUED", header(8, CLOSE, CONTINUED)),
    bad("2.5", "DATA on no stream", header(8, DATA, 0, 1, method=1)),
    bad("2.5", "DATA of no method", header(8, DATA, 0, 1, stream=1)),
    bad("2.5", "credit of a stream without method", header(4, CREDIT, 0, stream=1)),
    bad("2.5", "credit of a method without stream", header(4, CREDIT, 0, method=1)),
    bad("2.5", "credit with an encoding", header(4, CREDIT, 0, 1, stream=1, method=1)),
    bad("2.5", "a cancel with an encoding", header(0, CANCEL, END, 1, stream=1, method=1)),
    bad("2.8", "one byte more than agreed", header(65537, REPLY, END, 1, stream=1, method=1), "FRAME_TOO_LARGE"),
    bad("2.8", "before HELLO", header(4097, HELLO), "FRAME_TOO_LARGE", payload_max=4096),
    bad("2.8", "more than any version allows", header(16777217, REPLY, END, 1, stream=1, method=1), "FRAME_TOO_LARGE",
        payload_max=4294967295),
]

NO_HEAD = {"deadline_us": 1, "trace": None, "request_id": None, "token": None, "principal": None,
           "metadata": {}, "bulk": False, "message": ""}
FRAMES = [
    good("HELLO", frame(HELLO, x("01 01") + entry(4, NONCE)),
         means("HELLO", {
             "versions": [1, 1], "cluster": None, "node": None, "instance": None,
             "nonce": "000102030405060708090a0b0c0d0e0f", "frame_payload_max": 65536, "calls_in_flight_max": 4096,
             "heartbeat_interval_ms": 1000, "schema": None, "checksums": True, "software": None,
             "stream_credit": 65536, "connection_credit": 33554432,
         })),
    good("PROOF", frame(PROOF, u8(2) + bytes(32)), means("PROOF", {"credential": "OPERATOR", "hmac": "00" * 32})),
    good("ANNOUNCE of everything, and one to skip",
         frame(ANNOUNCE, entry(6, u32(100)) + entry(7, u32(50)) + entry(0x8010, u8(2)) + entry(0x9000, b"?")),
         means("ANNOUNCE", {"calls_in_flight_max": 100, "heartbeat_interval_ms": 50, "health": "DRAINING"})),
    good("ANNOUNCE of nothing", frame(ANNOUNCE, b""),
         means("ANNOUNCE", {"calls_in_flight_max": None, "heartbeat_interval_ms": None, "health": None})),
    good("PING", frame(PING, x("0102030405060708")), means("PING", {"opaque": "0102030405060708"})),
    good("PING without checksum", frame(PING, x("0102030405060708"), 0),
         means("PING", {"opaque": "0102030405060708"}, checksum=False)),
    good("PONG", frame(PONG, x("0102030405060708") + u64(10_000_000_000) + u32(3) + u32(12) + u32(250)
                       + u32(90) + u8(2) + u16(750)),
         means("PONG", {
             "opaque": "0102030405060708", "bytes_received": 10_000_000_000, "calls_in_flight": 3,
             "instance_calls_in_flight": 12, "queue_delay_us": 250, "scheduler_lag_us": 90, "health": "DRAINING", "load_permille": 750,
         })),
    good("GOAWAY", frame(GOAWAY, u32(41)), means("GOAWAY", {"last_stream": 41})),
    good("CLOSE, a plain end", frame(CLOSE, u16(0) + text("")), means("CLOSE", {"code": 0, "message": ""})),
    good("CLOSE with a code", frame(CLOSE, u16(20) + text("this is cluster “b”")),
         means("CLOSE", {"code": 20, "message": "this is cluster “b”"})),
    good("CLOSE with a code of a later version", frame(CLOSE, u16(9999) + text("?")),
         means("CLOSE", {"code": 9999, "message": "?"})),
    good("BEACON", beacon(b"a schema", 2, 7),
         means("BEACON", {"version": 1, "fingerprint": "b4a619942a519afe17bab577af09d667", "length": 8, "offset": 2, "piece": b"schem".hex()})),
    good("BEACON at its longest, of a later version", beacon(bytes(1048576), 1044480, version=2),
         means("BEACON", {"version": 2, "fingerprint": "30e14955ebf1352266dc2ff8067e6810", "length": 1048576, "offset": 1044480, "piece": shown(bytes(4096))})),
    good("REQUEST", of_call(REQUEST, 1, QUERY, head(15_000_000) + string("Tux")),
         means("REQUEST", {
             "deadline_us": 15_000_000, "trace": None, "request_id": None, "token": None, "principal": None, "metadata": {}, "bulk": False,
             "message": "03547578",
         }, True, True, 1, 1, QUERY)),
    good("REPLY", of_call(REPLY, 1, QUERY, LEDGER + x("2a")),
         means("REPLY", {"ledger": [15, 1200, 0, 7], "message": "2a"}, True, True, 1, 1, QUERY)),
    good("REPLY without message", of_call(REPLY, 1, QUERY, LEDGER),
         means("REPLY", {"ledger": [15, 1200, 0, 7], "message": ""}, True, True, 1, 1, QUERY)),
    good("ERROR", of_call(ERROR, 1, QUERY, LEDGER + u16(64) + u8(2) + u8(2) + u32(0) + text("too late")),
         means("ERROR", {
             "ledger": [15, 1200, 0, 7], "code": 64, "fault": "callee", "retry": "maybe_executed", "retry_after_ms": 0,
             "message": "too late", "detail": "",
         }, True, True, 1, 1, QUERY)),
    good("CANCEL", of_call(CANCEL, 1, QUERY, b"", 0), means("CANCEL", {}, True, True, 0, 1, QUERY)),
    good("NOTICE", of_call(NOTICE, 2, QUERY, head(15_000_000, head_entry(2, b"req-7")) + string("Tux")),
         means("NOTICE", {
             "deadline_us": 15_000_000, "trace": None, "request_id": "req-7", "token": None, "principal": None, "metadata": {}, "bulk": False,
             "message": "03547578",
         }, True, True, 1, 2, QUERY)),
    good("REQUEST that opens a stream of requests", of_call(REQUEST, 3, QUERY, head(1), flags=CHECKSUM),
         means("REQUEST", NO_HEAD, False, True, 1, 3, QUERY)),
    good("REQUEST whose message is announced", of_call(REQUEST, 3, QUERY, head(1) + u32(20000), flags=MORE | CHECKSUM),
         means("REQUEST", NO_HEAD | {"message": "00004e20"}, False, True, 1, 3, QUERY, more=True)),
    good("DATA: a message", data(3, QUERY, x("03547578")),
         means("DATA", {"length": None, "bytes": "03547578"}, False, True, 1, 3, QUERY)),
    good("DATA: the last message", data(3, QUERY, x("03547578"), END),
         means("DATA", {"length": None, "bytes": "03547578"}, True, True, 1, 3, QUERY)),
    good("DATA: the end alone", data(3, QUERY, b"", END),
         means("DATA", {"length": None, "bytes": ""}, True, True, 1, 3, QUERY)),
    good("DATA: a first piece", data(3, QUERY, u32(5) + x("0354"), MORE),
         means("DATA", {"length": 5, "bytes": "0354"}, False, True, 1, 3, QUERY, more=True)),
    good("DATA: a piece in the middle", data(3, QUERY, x("7578"), MORE | CONTINUED),
         means("DATA", {"length": None, "bytes": "7578"}, False, True, 1, 3, QUERY, more=True, continued=True)),
    good("DATA: a last piece", data(3, QUERY, x("79"), CONTINUED),
         means("DATA", {"length": None, "bytes": "79"}, False, True, 1, 3, QUERY, continued=True)),
    good("DATA: a last piece, and the end", data(3, QUERY, x("79"), CONTINUED | END),
         means("DATA", {"length": None, "bytes": "79"}, True, True, 1, 3, QUERY, continued=True)),
    good("DATA: an announcement", data(3, QUERY, u32(16777216), MORE),
         means("DATA", {"length": 16777216, "bytes": ""}, False, True, 1, 3, QUERY, more=True)),
    good("DATA: a message of 16320 bytes", data(3, QUERY, bytes(16320)),
         means("DATA", {"length": None, "bytes": "(00*16320)"}, False, True, 1, 3, QUERY)),
    good("REPLY with the last piece of a message", of_call(REPLY, 3, QUERY, LEDGER + x("79"), flags=END | CONTINUED | CHECKSUM),
         means("REPLY", {"ledger": [15, 1200, 0, 7], "message": "79"}, True, True, 1, 3, QUERY, continued=True)),
    good("CREDIT of a stream", credit(65536, 3, QUERY), means("CREDIT", {"bytes": 65536}, stream=3, method=QUERY)),
    good("CREDIT of the connection", credit(1073741824), means("CREDIT", {"bytes": 1073741824})),
    bad("2.6", "a corrupt payload", frame(PING, bytes(8), payload_sum=1), "CHECKSUM_MISMATCH"),
    bad("7.2", "a PING of 7 bytes", frame(PING, bytes(7))),
    bad("7.2", "a PONG of 34 bytes", frame(PONG, bytes(34))),
    bad("7.2", "a PONG with health 0", frame(PONG, bytes(35))),
    bad("5.6", "a GOAWAY of 3 bytes", frame(GOAWAY, bytes(3))),
    bad("5.7", "a CLOSE that ends in its text", frame(CLOSE, u16(16) + u16(5) + b"four")),
    bad("5.7", "a CLOSE that goes on after its text", frame(CLOSE, u16(16) + text("four") + b"!")),
    bad("5.7", "a CLOSE that is not UTF-8", frame(CLOSE, u16(16) + u16(1) + x("FF"))),
    bad("5.7", "a CLOSE of 1025 bytes", frame(CLOSE, u16(16) + text("a" * 1025))),
    bad("3.7", "a PROOF of 32 bytes", frame(PROOF, u8(1) + bytes(31))),
    bad("3.7", "a PROOF of credential 3", frame(PROOF, u8(3) + bytes(32))),
    bad("5.3", "a REPLY shorter than its ledger", of_call(REPLY, 1, QUERY, bytes(15))),
    bad("2.7", "a REPLY that goes on", of_call(REPLY, 1, QUERY, LEDGER, flags=0)),
    bad("2.7", "a NOTICE that goes on", of_call(NOTICE, 1, QUERY, head(1), flags=0)),
    bad("5.4", "a CANCEL with a payload", of_call(CANCEL, 1, QUERY, b"!", 0)),
    bad("3.4", "an ANNOUNCE of no calls", frame(ANNOUNCE, entry(6, u32(0)))),
    bad("3.10", "an ANNOUNCE of 3 bytes of calls", frame(ANNOUNCE, entry(6, bytes(3)))),
    bad("3.4", "an ANNOUNCE of a heartbeat of 49 ms", frame(ANNOUNCE, entry(7, u32(49)))),
    bad("3.4", "an ANNOUNCE of a heartbeat of 0 ms", frame(ANNOUNCE, entry(7, u32(0)))),
    bad("3.4", "an ANNOUNCE of a heartbeat of 60001 ms", frame(ANNOUNCE, entry(7, u32(60001)))),
    bad("3.10", "an ANNOUNCE of health 3", frame(ANNOUNCE, entry(0x8010, u8(3)))),
    bad("3.10", "an ANNOUNCE of health without value", frame(ANNOUNCE, entry(0x8010, b""))),
    bad("3.10", "an ANNOUNCE of what can't be changed", frame(ANNOUNCE, entry(1, b"shop"))),
    bad("3.10", "an ANNOUNCE of another credit for streams", frame(ANNOUNCE, entry(11, u32(65536)))),
    bad("3.10", "an ANNOUNCE of another credit for the connection", frame(ANNOUNCE, entry(12, u32(65536)))),
    bad("3.10", "an ANNOUNCE of other software", frame(ANNOUNCE, entry(0x800A, b"shop"))),
    bad("3.10", "an ANNOUNCE out of order", frame(ANNOUNCE, entry(7, u32(50)) + entry(6, u32(1)))),
    bad("3.10", "an ANNOUNCE that says it twice", frame(ANNOUNCE, entry(6, u32(1)) + entry(6, u32(1)))),
    bad("3.10", "an ANNOUNCE that ends within an entry", frame(ANNOUNCE, entry(6, u32(1))[:-1])),
    bad("3.3", "an ANNOUNCE of an unknown key that can't be ignored", frame(ANNOUNCE, entry(4096, b"")),
        "CAPABILITY_UNSUPPORTED"),
    bad("4.10", "a BEACON of nothing", beacon(b"schema", 6)),
    bad("4.10", "a BEACON that ends in its offset", frame(BEACON, u8(1) + bytes(16) + u32(6) + bytes(3))),
    bad("4.10", "a BEACON of 4097 bytes", beacon(bytes(5000), 0, 4097)),
    bad("4.10", "a BEACON that ends outside its schema", beacon(b"schema", 1, length=4)),
    bad("4.10", "a BEACON whose end is beyond all numbers", frame(BEACON, u8(1) + bytes(16) + u32(6) + u32(0xFFFFFFFF) + b"!")),
    bad("4.10", "a BEACON of too long a schema", beacon(b"schema", length=1048577)),
    bad("4.10", "a BEACON of version 0", beacon(b"schema", version=0)),
    bad("4.3", "a first piece that ends in its length", data(1, QUERY, bytes(3), MORE)),
    bad("4.3", "a message of 16321 bytes in one frame", data(1, QUERY, bytes(16321))),
    bad("4.3", "a first piece of 16321 bytes", data(1, QUERY, u32(20000) + bytes(16321), MORE)),
    bad("4.3", "a last piece of 16321 bytes", data(1, QUERY, bytes(16321), CONTINUED)),
    bad("4.3", "a REPLY with 16321 bytes of a message", of_call(REPLY, 1, QUERY, LEDGER + bytes(16321))),
    bad("4.6", "CREDIT of nothing", credit(0)),
    bad("4.6", "CREDIT of 3 bytes", frame(CREDIT, bytes(3))),
    bad("4.6", "CREDIT of 8 bytes", frame(CREDIT, bytes(8))),
]

NONCE_ENTRY = entry(4, NONCE)
HELLO_DEFAULTS = FRAMES[0]["means"]["payload"]
FULL = (
    x("01 03") + entry(1, b"shop") + entry(2, b"order") + entry(3, b"order-1") + NONCE_ENTRY + entry(5, u32(40000))
    + entry(6, u32(100)) + entry(7, u32(2500)) + entry(8, bytes(range(16, 32))) + entry(9, u8(0))
    + entry(0x800A, b"example/1.0") + entry(11, u32(20000)) + entry(12, u32(100000)) + entry(0xFFFF, b"?")
)


def hello_with(*entries):
    return x("01 01") + b"".join(entries)


HELLOS = [
    good("every entry, and one to skip", FULL, {
        "versions": [1, 3], "cluster": "shop", "node": "order", "instance": "order-1",
        "nonce": "000102030405060708090a0b0c0d0e0f", "frame_payload_max": 40000, "calls_in_flight_max": 100,
        "heartbeat_interval_ms": 2500, "schema": "101112131415161718191a1b1c1d1e1f", "checksums": False,
        "software": "example/1.0", "stream_credit": 20000, "connection_credit": 100000,
    }),
    good("only the nonce", hello_with(NONCE_ENTRY), HELLO_DEFAULTS),
    good("ignorable keys among the others", hello_with(entry(0x8000, b""), NONCE_ENTRY, entry(0x8005, b"not a limit")),
         HELLO_DEFAULTS),
    good("the limits at their least", hello_with(NONCE_ENTRY, entry(5, u32(32768)), entry(6, u32(1)), entry(7, u32(50)),
                                                 entry(11, u32(16384)), entry(12, u32(65536))),
         HELLO_DEFAULTS | {"frame_payload_max": 32768, "calls_in_flight_max": 1, "heartbeat_interval_ms": 50,
                           "stream_credit": 16384, "connection_credit": 65536}),
    good("the limits at their greatest",
         hello_with(NONCE_ENTRY, entry(5, u32(16777216)), entry(6, u32(2**32 - 1)), entry(7, u32(60000)),
                    entry(11, u32(1073741824)), entry(12, u32(1073741824))),
         HELLO_DEFAULTS | {
             "stream_credit": 1073741824, "connection_credit": 1073741824,
             "frame_payload_max": 16777216, "calls_in_flight_max": 2**32 - 1, "heartbeat_interval_ms": 60000}),
    good("software that is not UTF-8", hello_with(NONCE_ENTRY, entry(0x800A, x("61 FF 62"))),
         HELLO_DEFAULTS | {"software": "a\ufffdb"}),
    good("versions of the future are read all the same", x("02 09") + NONCE_ENTRY, HELLO_DEFAULTS | {"versions": [2, 9]}),
    bad("3.2", "empty", b""),
    bad("3.2", "no nonce", hello_with()),
    bad("3.2", "a nonce of 15 bytes", hello_with(entry(4, bytes(15)))),
    bad("3.2", "ends within an entry's head", hello_with(NONCE_ENTRY, x("80 0A 00"))),
    bad("3.2", "ends within an entry", hello_with(NONCE_ENTRY, x("80 0A 00 02 61"))),
    bad("3.2", "out of order", hello_with(entry(2, b"a"), entry(1, b"b"), NONCE_ENTRY)),
    bad("3.2", "twice", hello_with(NONCE_ENTRY, NONCE_ENTRY)),
    bad("3.2", "twice, once ignorable", hello_with(NONCE_ENTRY, entry(0x8004, b""))),
    bad("3.2", "an empty name", hello_with(entry(1, b""), NONCE_ENTRY)),
    bad("3.2", "a name of 65 bytes", hello_with(entry(1, b"a" * 65), NONCE_ENTRY)),
    bad("3.2", "a name with a space", hello_with(entry(2, b"a b"), NONCE_ENTRY)),
    bad("3.2", "a name that is not ASCII", hello_with(entry(3, "ä".encode()), NONCE_ENTRY)),
    bad("3.4", "a frame limit of 32767", hello_with(NONCE_ENTRY, entry(5, u32(32767)))),
    bad("3.4", "a frame limit of 16777217", hello_with(NONCE_ENTRY, entry(5, u32(16777217)))),
    bad("3.2", "a frame limit of 3 bytes", hello_with(NONCE_ENTRY, entry(5, bytes(3)))),
    bad("3.4", "a stream credit of 16383", hello_with(NONCE_ENTRY, entry(11, u32(16383)))),
    bad("3.4", "a stream credit of 1073741825", hello_with(NONCE_ENTRY, entry(11, u32(1073741825)))),
    bad("3.2", "a stream credit of 2 bytes", hello_with(NONCE_ENTRY, entry(11, bytes(2)))),
    bad("3.4", "more credit for a stream than for all", hello_with(NONCE_ENTRY, entry(11, u32(65537)), entry(12, u32(65536)))),
    bad("3.4", "a connection credit of 65535", hello_with(NONCE_ENTRY, entry(12, u32(65535)))),
    bad("3.4", "a connection credit of 1073741825", hello_with(NONCE_ENTRY, entry(12, u32(1073741825)))),
    bad("3.2", "credits out of order", hello_with(NONCE_ENTRY, entry(12, u32(65536)), entry(11, u32(65536)))),
    bad("3.4", "no calls", hello_with(NONCE_ENTRY, entry(6, u32(0)))),
    bad("3.4", "a heartbeat of 49 ms", hello_with(NONCE_ENTRY, entry(7, u32(49)))),
    bad("3.4", "a heartbeat of 60001 ms", hello_with(NONCE_ENTRY, entry(7, u32(60001)))),
    bad("3.2", "a fingerprint of 17 bytes", hello_with(NONCE_ENTRY, entry(8, bytes(17)))),
    bad("3.2", "checksums: 2", hello_with(NONCE_ENTRY, entry(9, u8(2)))),
    bad("3.2", "software of 1025 bytes", hello_with(NONCE_ENTRY, entry(0x800A, b"a" * 1025))),
    bad("3.3", "an unknown key that can't be ignored", hello_with(NONCE_ENTRY, entry(13, b"")), "CAPABILITY_UNSUPPORTED"),
    bad("3.3", "SOFTWARE without the bit is unknown", hello_with(NONCE_ENTRY, entry(10, b"a")), "CAPABILITY_UNSUPPORTED"),
]

TRACE = x("4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7 01")
PLAIN_HEAD = NO_HEAD


def principal(*parts):
    return head(1, head_entry(4, b"".join(parts)))


def by(kind, *all_names):
    return PLAIN_HEAD | {"principal": {"kind": kind, "names": list(all_names)}}


def with_metadata(*pairs):
    return head(1, head_entry(5, metadata(*pairs)))


PAIRS = [(f"k{n:02}", str(n)) for n in range(17)]
MANY = [f"p{n}" for n in range(64)]
REQUESTS = [
    good("the least", head(1), PLAIN_HEAD),
    good("everything",
         head(250_000, head_entry(1, TRACE) + head_entry(2, b"req-7") + head_entry(3, b"order:42")
              + head_entry(4, u8(3) + names("ann", "7", "s1", "orders:read", "orders:write"))
              + head_entry(5, metadata(("tenant", "Zoë's shop"), ("x-debug", ""))) + head_entry(6, u8(1))) + x("00 01"),
         {
             "deadline_us": 250_000,
             "trace": {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7", "flags": 1},
             "request_id": "req-7", "token": "order:42",
             "principal": {"kind": "USER", "names": ["ann", "7", "s1", "orders:read", "orders:write"]},
             "metadata": {"tenant": "Zoë's shop", "x-debug": ""}, "bulk": True, "message": "0001",
         }),
    good("a trace id of zero is none", head(1, head_entry(1, bytes(16) + TRACE[16:])), PLAIN_HEAD),
    good("an entry to skip", head(1, head_entry(0x85, b"?")) + b"!", PLAIN_HEAD | {"message": "21"}),
    good("more than an hour is an hour", head(3_600_000_001), PLAIN_HEAD | {"deadline_us": 3_600_000_000}),
    good("for nobody", principal(u8(0)), by("ANONYMOUS")),
    good("for the operator", principal(u8(1)), by("OPERATOR")),
    good("for a service", principal(u8(2), names("order")), by("SERVICE", "order")),
    good("for a user without permissions", principal(u8(3), names("ann", "7", "s1")), by("USER", "ann", "7", "s1")),
    good("for a user of no organization", principal(u8(3), names("ann", "", "s1", "p")), by("USER", "ann", "", "s1", "p")),
    good("for a user with 64 permissions", principal(u8(3), names("ann", "7", "", *MANY)), by("USER", "ann", "7", "", *MANY)),
    good("16 pairs of metadata", with_metadata(*PAIRS[:16]), PLAIN_HEAD | {"metadata": dict(PAIRS[:16])}),
    good("metadata of 2048 bytes", with_metadata(("k", "v" * 2044)), PLAIN_HEAD | {"metadata": {"k": "v" * 2044}}),
    good("a bulk call", head(1, head_entry(6, u8(1))), PLAIN_HEAD | {"bulk": True}),
    bad("6.7", "class 0", head(1, head_entry(6, u8(0))), "BAD_REQUEST"),
    bad("6.7", "class 2", head(1, head_entry(6, u8(2))), "BAD_REQUEST"),
    bad("6.7", "a class without value", head(1, head_entry(6, b"")), "BAD_REQUEST"),
    bad("6.6", "metadata without pairs", with_metadata(), "BAD_REQUEST"),
    bad("6.6", "17 pairs of metadata", with_metadata(*PAIRS), "BAD_REQUEST"),
    bad("6.6", "metadata of 2049 bytes", with_metadata(("k", "v" * 2045)), "BAD_REQUEST"),
    bad("6.6", "metadata twice", with_metadata(("k", "a"), ("k", "b")), "BAD_REQUEST"),
    bad("6.6", "metadata out of order", with_metadata(("l", ""), ("k", "")), "BAD_REQUEST"),
    bad("6.6", "metadata with a capital letter", with_metadata(("Key", "")), "BAD_REQUEST"),
    bad("6.6", "metadata with an empty key", with_metadata(("", "v")), "BAD_REQUEST"),
    bad("6.6", "metadata with a key of 65 bytes", with_metadata(("k" * 65, "")), "BAD_REQUEST"),
    bad("6.6", "metadata with a line break", with_metadata(("k", "a\nb")), "BAD_REQUEST"),
    bad("6.6", "metadata that is not UTF-8", head(1, head_entry(5, x("01 6B 0001 FF"))), "BAD_REQUEST"),
    bad("6.6", "metadata that ends early", head(1, head_entry(5, x("01 6B 0002 61"))), "BAD_REQUEST"),
    bad("6.6", "metadata that ends before a value", head(1, head_entry(5, x("01 6B 00"))), "BAD_REQUEST"),
    good("a token of 64 bytes", head(1, head_entry(3, b"~" * 64)), PLAIN_HEAD | {"token": "~" * 64}),
    bad("6.1", "empty", b"", "BAD_REQUEST"),
    bad("6.1", "no deadline", u16(3) + bytes(3), "BAD_REQUEST"),
    bad("6.1", "a deadline of zero", head(0), "BAD_REQUEST"),
    bad("6.1", "longer than the payload", head(1, length=5), "BAD_REQUEST"),
    bad("6.1", "longer than 8192 bytes", head(1, head_entry(0x85, bytes(8189))), "BAD_REQUEST"),
    bad("6.2", "ends within an entry's head", head(1, x("85 00")), "BAD_REQUEST"),
    bad("6.2", "ends within an entry", head(1, x("85 00 02 61")) + b"b", "BAD_REQUEST"),
    bad("6.2", "tag 0", head(1, head_entry(0, b"")), "BAD_REQUEST"),
    bad("6.2", "tag 80", head(1, head_entry(0x80, b"")), "BAD_REQUEST"),
    bad("6.2", "out of order", head(1, head_entry(3, b"t") + head_entry(2, b"r")), "BAD_REQUEST"),
    bad("6.2", "twice", head(1, head_entry(3, b"t") + head_entry(3, b"t")), "BAD_REQUEST"),
    bad("6.2", "an unknown entry that can't be ignored", head(1, head_entry(7, b"")), "BAD_REQUEST"),
    bad("6.3", "a trace of 24 bytes", head(1, head_entry(1, bytes(24))), "BAD_REQUEST"),
    bad("6.3", "an empty request id", head(1, head_entry(2, b"")), "BAD_REQUEST"),
    bad("6.3", "a token of 65 bytes", head(1, head_entry(3, b"~" * 65)), "BAD_REQUEST"),
    bad("6.3", "a token with a space", head(1, head_entry(3, b"a b")), "BAD_REQUEST"),
    bad("6.5", "a principal of no kind", principal(), "BAD_REQUEST"),
    bad("6.5", "a principal of kind 4", principal(u8(4)), "BAD_REQUEST"),
    bad("6.5", "an operator with a name", principal(u8(1), names("ann")), "BAD_REQUEST"),
    bad("6.5", "a service without name", principal(u8(2)), "BAD_REQUEST"),
    bad("6.5", "a service with two names", principal(u8(2), names("a", "b")), "BAD_REQUEST"),
    bad("6.5", "a user without id", principal(u8(3)), "BAD_REQUEST"),
    bad("6.5", "a user with an empty id", principal(u8(3), names("", "7", "s1")), "BAD_REQUEST"),
    bad("6.5", "a user without session", principal(u8(3), names("ann", "7")), "BAD_REQUEST"),
    bad("6.5", "a user with an empty permission", principal(u8(3), names("ann", "7", "s1", "")), "BAD_REQUEST"),
    bad("6.5", "a user with 65 permissions", principal(u8(3), names("ann", "7", "s1", *MANY, "p64")), "BAD_REQUEST"),
    bad("6.5", "a name that ends early", principal(u8(2), u8(5), b"four"), "BAD_REQUEST"),
]


def error(code, fault, retry, after_ms, words, detail=b""):
    return bytes(16) + u16(code) + u8(fault) + u8(retry) + u32(after_ms) + text(words) + detail


def error_means(code, fault, retry, after_ms, words, detail=""):
    return {
        "ledger": [0, 0, 0, 0], "code": code, "fault": fault, "retry": retry, "retry_after_ms": after_ms,
        "message": words, "detail": detail,
    }


ERRORS = [
    good("overloaded, with a delay", error(66, 2, 1, 250, "busy"),
         error_means(66, "callee", "never_started", 250, "busy")),
    good("the service's own, with its detail", error(1, 1, 0, 0, "out of stock", x("01 03")),
         error_means(1, "caller", "never", 0, "out of stock", "0103")),
    good("a lost connection", error(69, 3, 2, 0, ""), error_means(69, "network", "maybe_executed", 0, "")),
    good("a code of a later version", error(4000, 2, 2, 5, "new"),
         error_means(4000, "callee", "maybe_executed", 5, "new")),
    good("other advice than the registry's", error(80, 2, 1, 0, "the store was closed"),
         error_means(80, "callee", "never_started", 0, "the store was closed")),
    bad("8.1", "shorter than its ledger", bytes(15)),
    bad("8.1", "ends in its head", bytes(25)),
    bad("8.1", "fault 0", error(81, 0, 2, 0, "")),
    bad("8.1", "fault 4", error(81, 4, 2, 0, "")),
    bad("8.1", "retry 3", error(81, 2, 3, 0, "")),
    bad("8.1", "ends in its words", error(81, 2, 2, 0, "word")[:-1]),
    bad("8.1", "words that are not UTF-8", bytes(16) + x("0051 02 02 00000000 0001 FF")),
    bad("8.1", "words of 1025 bytes", error(81, 2, 2, 0, "a" * 1025)),
    bad("8.1", "a detail of 16385 bytes", error(1, 1, 0, 0, "", bytes(16385))),
]


def proof_case(name, credential, secret, node, instance, presented=None, refused=None):
    dialler, acceptor = NONCE, bytes(range(16, 32))
    payload = presented or proof(secret, credential, dialler, acceptor, node, instance)
    case = {
        "name": name, "secret": secret.hex(), "dialler_nonce": dialler.hex(), "acceptor_nonce": acceptor.hex(),
        "node": node, "instance": instance, "hex": payload.hex(),
    }
    return case | ({"refused": refused, "clause": "3.7"} if refused else {"means": {"credential": ["", "CLUSTER", "OPERATOR"][credential]}})


def other(credential, secret, **changes):
    parts = {"dialler_nonce": NONCE, "acceptor_nonce": bytes(range(16, 32)), "node": "order", "instance": "order-1"}
    return proof(secret, credential, **(parts | changes))


EXAMPLE = b"an example of a secret, not one!"
SWAPPED = {"dialler_nonce": bytes(range(16, 32)), "acceptor_nonce": NONCE}
PROOFS = [
    proof_case("a part of the cluster", 1, EXAMPLE, "order", "order-1"),
    proof_case("the operator", 2, EXAMPLE, "order", "order-1"),
    proof_case("without names", 2, EXAMPLE, "", ""),
    proof_case("an empty secret", 1, b"", "order", "order-1"),
    proof_case("a secret longer than a block of SHA-256", 1, EXAMPLE * 3, "order", "order-1"),
    proof_case("another secret", 1, EXAMPLE, "order", "order-1", other(1, b"another"), "BAD_PROOF"),
    proof_case("another credential's", 1, EXAMPLE, "order", "order-1",
               u8(1) + other(2, EXAMPLE)[1:], "BAD_PROOF"),
    proof_case("another connection's", 1, EXAMPLE, "order", "order-1",
               other(1, EXAMPLE, acceptor_nonce=bytes(16)), "BAD_PROOF"),
    proof_case("the nonces the other way round", 1, EXAMPLE, "order", "order-1", other(1, EXAMPLE, **SWAPPED), "BAD_PROOF"),
    proof_case("another node's", 1, EXAMPLE, "order", "order-1", other(1, EXAMPLE, node="user"), "BAD_PROOF"),
    proof_case("a letter moved from node to instance", 1, EXAMPLE, "order", "order-1",
               other(1, EXAMPLE, node="orde", instance="rorder-1"), "BAD_PROOF"),
    proof_case("its last bit", 1, EXAMPLE, "order", "order-1",
               other(1, EXAMPLE)[:-1] + u8(other(1, EXAMPLE)[-1] ^ 1), "BAD_PROOF"),
    proof_case("too short", 1, EXAMPLE, "order", "order-1", other(1, EXAMPLE)[:-1], "PROTOCOL_ERROR"),
    proof_case("credential 0", 1, EXAMPLE, "order", "order-1", u8(0) + bytes(32), "PROTOCOL_ERROR"),
]

FILES = {
    "header": ("Headers of 24 bytes; payload_max is 65536 where none is given (SPEC 2).", {"cases": HEADER}),
    "frames": ("Whole frames of every kind (SPEC 2.2).", {"cases": FRAMES}),
    "hello": ("Payloads of HELLO (SPEC 3.2 to 3.4).", {"cases": HELLOS}),
    "request": ("Payloads of REQUEST (SPEC 6).", {"cases": REQUESTS}),
    "error": ("Payloads of ERROR (SPEC 8.1).", {"cases": ERRORS}),
    "proof": ("PROOF against a secret, both nonces and the dialler's names (SPEC 3.7).", {"cases": PROOFS}),
    "encoding": ("Messages by type, as the JSON text of SPEC 9.4; types refer to each other by the name in `as`.",
                 {"types": TYPES, "cases": ENCODING}),
    "method_id": ("FNV-1a of method names (SPEC 10.5).", {"cases": METHOD_IDS}),
    "schema": ("Schemas, with fingerprint (SPEC 10).", {"cases": SCHEMA}),
    "transcript": ("Whole connections, a step at a time: who sends, by what command, which bytes, and what the other side "
                   "makes of them.", {"cases": TRANSCRIPTS + STREAMS + REFUSALS}),
}

if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) == 2 else pathlib.Path(__file__).parent
    for file, (about, content) in FILES.items():
        path = folder / f"{file}.json"
        # One case a line, so that a change is one line of a diff.
        lists = (f' "{key}": [\n  ' + ",\n  ".join(json.dumps(one, ensure_ascii=False) for one in cases) + "\n ]"
                 for key, cases in content.items())
        path.write_text("{\n" + f' "about": {json.dumps(about)},\n' + ",\n".join(lists) + "\n}\n", encoding="utf-8")
        print(f"{path.name}: {len(content['cases'])} cases")
