#!/usr/bin/env python3
"""Wraps every vector of ../../vectors into captures, has tshark dissect them with micronet.lua, and compares what it says.

One line a file of vectors; the exit code is 1 when anything differs. It wants tshark 4.
"""
import json
import pathlib
import struct
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1] / "vectors")]

import decode  # noqa: E402
import run_vectors  # noqa: E402
import steps as told  # noqa: E402
from build import frame, of_call, string, u8, u16, u32  # noqa: E402
from capture import Capture, packets  # noqa: E402
from run_vectors import expanded  # noqa: E402

RAW = bytes.fromhex
NUMBERS = {name: number for number, name in decode.KINDS.items()}
PAIR = [(one["by"], RAW(one["hex"])) for one in told.GREETING]
LEDGER = bytes(16)


def checked(kind, payload, stream=0, method=0, flags=0, encoding=0):
    """A frame whatever its payload is."""
    head = struct.pack(">IBBBBIII", len(payload), NUMBERS[kind], flags | 2, encoding, 0, stream, method, decode.crc32c(payload))
    return head + u32(decode.crc32c(head)) + payload


class Run:
    """The cases of one file: each has a connection, and what its packets have to say."""

    flags = ("-d", "tcp.port==9,micronet")

    def __init__(self, schemas=""):
        self.capture, self.checks, self.schemas, self.others = Capture(), [], schemas, []

    def add(self, name, steps, check, start=True, segment=16000):
        self.checks.append((name, self.capture.connection(steps, segment, start), check))

    def wrong(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "vectors.pcap"
            self.capture.write(path)
            exported = pathlib.Path(folder) / "schemas.lua"
            exported.write_text(self.schemas, encoding="utf-8")
            found = {}
            for packet in packets(path, *self.flags, scripts=[exported]):
                port = next(int(one) for one in packet["tcp.srcport"] + packet["tcp.dstport"] if one != "9")
                found.setdefault(port, []).append(packet)
        wrong = []
        for name, port, check in self.checks:
            trouble = check(found[port])
            if trouble:
                wrong.append(f"  {name}: {trouble}")
        return wrong + [one for other in self.others for one in other.wrong()]


def every(said, name):
    return [text for packet in said for text in packet.get(name, [])]


def differs(said, name, wanted):
    """`wanted` is what the field says last, or None when it must not be there."""
    texts = every(said, name)
    found = texts[-1] if texts else None
    if isinstance(wanted, bool):
        wanted = str(int(wanted))
    return None if found == (None if wanted is None else str(wanted)) else f"{name}: {found!r} instead of {wanted!r}"


def first(troubles):
    return next((one for one in troubles if one), None)


def refused(code, clause=None):
    def check(said):
        codes, clauses = every(said, "violation"), every(said, "violation.clause")
        if code not in codes:
            return f"wanted {code}, found {codes} {every(said, '_ws.expert.message')}"
        if not every(said, "_ws.expert.message"):
            return "no expert item"
        # A malformed ERROR is 5.3 for its call, and 8.1 for itself.
        return None if clause is None or clause in clauses or (clause == "5.3" and "8.1" in clauses) else f"wanted SPEC {clause}, found {clauses}"

    return check


def clean(said):
    found = every(said, "violation") + every(said, "_ws.malformed")
    return f"refused: {every(said, '_ws.expert.message')}" if found else None


# ---- what frames mean, as fields --------------------------------------------------------------------------------------

PRINCIPAL_NAMES = ["principal.user", "principal.organization", "principal.session"]


def number_of(table, name):
    return next(number for number, one in table.items() if one == name)


def head_means(means):
    trace, principal = means["trace"] or {}, means["principal"]
    wanted = {
        "head.deadline_us": None, "request_id": means["request_id"], "token": means["token"],
        "class": 1 if means["bulk"] else None,
    }
    if trace:
        wanted |= {"trace.id": trace["trace_id"], "trace.span": trace["span_id"], "trace.flags": f"0x{trace['flags']:02x}"}
    if principal:
        wanted["principal.kind"] = number_of(decode.PRINCIPALS, principal["kind"])
        if principal["kind"] == "USER":
            wanted |= dict(zip(PRINCIPAL_NAMES, principal["names"]))
        if principal["kind"] == "SERVICE":
            wanted["principal.service"] = principal["names"][0]
    del wanted["head.deadline_us"]  # Shown as it stands, and not as it is taken.
    return wanted


def hello_means(means):
    wanted = {"hello.version_min": means["versions"][0], "hello.version_max": means["versions"][1]}
    for name in ("cluster", "node", "instance", "nonce", "schema", "software"):
        wanted["hello." + name] = means[name]
    defaults = {"frame_payload_max": 65536, "calls_in_flight_max": 4096, "heartbeat_interval_ms": 1000, "checksums": True,
                "stream_credit": 65536, "connection_credit": 33554432}
    for name, usual in defaults.items():
        if means[name] != usual:
            wanted["hello." + name] = means[name]
    return wanted


def ledger_means(ledger):
    return dict(zip(["ledger.receive_queue_us", "ledger.handler_us", "ledger.credit_wait_us", "ledger.write_queue_us"], ledger))


def error_means(means):
    return ledger_means(means["ledger"]) | {
        "error.code": means["code"], "error.fault": number_of(decode.FAULTS, means["fault"]),
        "error.retry": number_of(decode.RETRIES, means["retry"]), "error.retry_after_ms": means["retry_after_ms"],
        "error.detail": means["detail"] or None,
    }


def payload_means(kind, means):
    if kind == "HELLO":
        return hello_means(means)
    if kind == "PROOF":
        return {"proof.credential": number_of(decode.CREDENTIALS, means["credential"]), "proof.hmac": means["hmac"]}
    if kind == "ANNOUNCE":
        health = means["health"] and number_of(decode.HEALTH, means["health"])
        return {"hello.calls_in_flight_max": means["calls_in_flight_max"],
                "hello.heartbeat_interval_ms": means["heartbeat_interval_ms"], "announce.health": health}
    if kind == "PING":
        return {"ping.opaque": means["opaque"]}
    if kind == "PONG":
        wanted = {"pong." + name: value for name, value in means.items()}
        wanted["ping.opaque"] = wanted.pop("pong.opaque")
        return wanted | {"pong.health": number_of(decode.HEALTH, means["health"])}
    if kind == "GOAWAY":
        return {"goaway.last_stream": means["last_stream"]}
    if kind == "CLOSE":
        return {"close.code": means["code"]}
    if kind in ("REQUEST", "NOTICE"):
        return head_means(means)
    if kind == "REPLY":
        return ledger_means(means["ledger"])
    if kind == "ERROR":
        return error_means(means)
    if kind == "BEACON":
        wanted = {"beacon." + name: value for name, value in means.items()}
        wanted["beacon.schema"] = wanted.pop("beacon.fingerprint")
        return wanted
    if kind == "CREDIT":
        return {"credit.bytes": means["bytes"]}
    if kind == "DATA":
        return {"message.length": means["length"]}
    assert kind == "CANCEL", kind
    return {}


def header_means(means):
    return {
        "kind": NUMBERS[means["kind"]], "flags.end": means["end"], "flags.more": means["more"],
        "flags.continued": means["continued"], "flags.checksum": means["checksum"], "encoding": means["encoding"],
        "stream": means["stream"], "method": f"0x{means['method']:08x}", "header_checksum.status": 1,
    }


def shows(wanted, also=clean):
    return lambda said: first([differs(said, name, value) for name, value in wanted.items()] + [also(said)])


def sender(kind):
    return decode.SENT_BY.get(kind, "dialler")


# ---- the files ----------------------------------------------------------------------------------------------------------


def header(run, case, _):
    raw = RAW(case["hex"])
    kind = decode.KINDS.get(raw[4], "?")
    if "refused" in case:
        limit = case.get("payload_max", 65536)
        before = PAIR if limit == 65536 else [(PAIR[0][0], told.PREFACE)] if limit == 4096 else []
        return run.add(case["name"], [*before, (sender(kind), raw)], refused(case["refused"], case["clause"]), start=bool(before))
    # The payload isn't a part of the vector, so its checksum doesn't match.
    wanted = header_means(case["means"]) | {"length": case["means"]["length"], "payload_checksum": f"0x{case['means']['payload_checksum']:08x}"}
    return run.add(case["name"], [(sender(kind), raw + bytes(case["means"]["length"]))], shows(wanted, also=lambda _: None), start=False)


def frames(run, case, _):
    raw = RAW(case["hex"])
    if "refused" in case:
        return run.add(case["name"], [(sender(decode.KINDS.get(raw[4])), raw)], refused(case["refused"], case["clause"]), start=False)
    means = case["means"]
    wanted = header_means(means) | payload_means(means["kind"], means["payload"])
    # In mid-connection, and in segments of seven bytes after a beginning that makes nothing of a half header.
    run.add(case["name"], [(sender(means["kind"]), raw)], shows(wanted), start=False)
    if len(raw) > 4096:
        return None
    opened = [("dialler", told.PREFACE), ("acceptor", told.PREFACE)]
    return run.add(case["name"] + ", in segments", [*opened, (sender(means["kind"]), raw)],
                   shows(wanted, also=lambda _: None), segment=7)


def payloads(kind, stream=0, method=0, flags=0, encoding=0):
    def add(run, case, _):
        raw = checked(kind, RAW(case["hex"]), stream, method, flags, encoding)
        expected = refused(case["refused"], case["clause"]) if "refused" in case else shows(payload_means(kind, case["means"]))
        run.add(case["name"], [(sender(kind), raw)], expected, start=False)

    return add


def proof(run, case, _):
    raw = checked("PROOF", RAW(case["hex"]))
    if case.get("refused") == "BAD_PROOF":  # Who doesn't have the secret can't tell.
        return run.add(case["name"], [*PAIR, ("dialler", raw)], shows({"proof.credential": RAW(case["hex"])[0]}))
    expected = refused(case["refused"], case["clause"]) if "refused" in case else shows({"proof.credential": number_of(decode.CREDENTIALS, case["means"]["credential"])})
    return run.add(case["name"], [*PAIR, ("dialler", raw)], expected)


def described(types, index):
    """The types of encoding.json as a schema's table, encoded by hand (SPEC 10.4)."""
    def members(fields):
        return bytes([len(fields)]) + b"".join(string(name) + string("") + varint(index[of]) + bytes(4) for name, of in fields)

    order = run_vectors.values.PLAIN + ["Decimal", "Option", "List", "Map", "Struct", "Enum"]
    out = b""
    for one in types:
        kind, *parts = one["is"]
        out += u8(order.index(kind))
        if kind == "Decimal":
            out += u8(parts[0])
        elif kind in ("Option", "List", "Map"):
            out += b"".join(varint(index[part]) for part in parts)
        elif kind == "Struct":
            out += string(parts[0]) + string("") + members(parts[1])
        elif kind == "Enum":
            out += string(parts[0]) + string("") + bytes([len(parts[1])])
            out += b"".join(string(name) + string("") + members(fields) + b"\0" for name, fields in parts[1])
    return varint(len(types)) + out


def varint(number):
    return u8(number) if number <= 250 else b"\xfb" + struct.pack("<H", number) if number < 65536 else b"\xfc" + struct.pack("<I", number)


def method_of(name):
    return run_vectors.values.method_id("vectors." + name)


def called(of):
    """The method that replies with this type."""
    return "of_" + of.replace(" ", "_")


def schema_of(content):
    """A service that has a method for each type, which replies with it."""
    index = {one["as"]: at for at, one in enumerate(content["types"])}
    methods = b""
    for name, at in index.items():
        methods += varint(method_of(called(name))) + string(called(name)) + string("") + varint(index["unit"]) + varint(at)
        methods += bytes(4) + string("api") + b"\0" + varint(200) + bytes(3)
    return string("vectors") + string("") + described(content["types"], index) + varint(len(index)) + methods


def teaching(schema, stream=1):
    """A call of micronet.schema, and its reply."""
    fingerprint = RAW(run_vectors.values.fingerprint(schema))
    reply = LEDGER + b"\x10" + fingerprint + varint(len(schema)) + schema
    asked = of_call(told.REQUEST, stream, 0xB2DB646B, told.head(1_000_000))
    return [("dialler", asked), ("acceptor", of_call(told.REPLY, stream, 0xB2DB646B, reply))]


def secret(run):
    """SPEC 10.9: a field of the format password is masked, what stands behind it isn't."""
    field = string("") + varint(0) + b"\0\0"
    types = [u8(10), u8(17) + string("Login") + string("") + b"\2"]
    types[1] += string("word") + field + string("password") + b"\0" + string("name") + field + bytes(2)
    method = run_vectors.values.method_id("door.open")
    told_of = varint(method) + string("open") + string("") + varint(1) + varint(1) + bytes(4) + string("api") + b"\0" + varint(200) + bytes(3)
    schema = string("door") + string("") + b"\2" + b"".join(types) + b"\1" + told_of
    asked = of_call(told.REQUEST, 2, method, told.head(1_000_000) + string("sesame") + string("Ali"))
    expected = shows({"message": '{"word":"***","name":"Ali"}', "field": "name=Ali"})
    run.add("a secret", [*PAIR, *teaching(schema), ("dialler", asked)], expected)


def encoding(run, case, content):
    if not run.checks:
        secret(run)
        run.add("the schema", [*PAIR, *teaching(schema_of(content))], clean)
    method = method_of(called(case["type"]))
    asked = of_call(told.REQUEST, 1, method, told.head(1_000_000))
    answered = of_call(told.REPLY, 1, method, LEDGER + RAW(case["hex"]))
    steps = [*PAIR, ("dialler", asked), ("acceptor", answered)]
    if "refused" in case:
        return run.add(case["why"], steps, refused(case["refused"]))
    return run.add(f"{case['type']} {case['hex'][:40]}", steps, shows({"message": case["json"]}))


def schema(run, case, _):
    raw = RAW(case["hex"])
    if len(raw) > 16000:
        return None  # Longer than a piece: long messages are held by transcripts.
    steps = [*PAIR, *teaching(raw)]
    if "refused" not in case:
        return run.add(case["name"], steps, clean)
    return run.add(case["name"], steps, refused("BAD_REQUEST"))


# That a message comes where one reply is due is known by the method's schema.
ONE_REPLY = {"a message where one reply is due", "a reply that is whole before its REPLY"}
UNARY = """_G.micronet_schemas = { ["00"] = { name = "product", types = { [0] = { "Unit" } }, methods = {
    [0xA45FA70A] = { name = "query", request = 0, reply = 0, shape = "Unary" } } } }"""


def transcript(run, case, _):
    steps = [(one["by"], RAW(one["hex"])) for one in case["steps"] if one["hex"]]
    if case["name"] in ONE_REPLY:
        alone = Run(UNARY)
        alone.add(case["name"], steps, refused(case["refused"], case["clause"]))
        run.others.append(alone)
        return None
    if steps[0][1].startswith(b"HTTP"):
        return run.add(case["name"], steps, lambda said: None if any("400" in one for one in every(said, "_ws.col.Info")) else "no HTTP")
    if "refused" in case:
        code = case["refused"]
        expected = refused(code, case["clause"])
        if code == "BAD_PROOF":
            expected = lambda said: differs(said, "close.code", 22)  # Who doesn't have the secret hears it from CLOSE.
    elif "answers" in case and any(one["does"] == ["bytes"] for one in case["steps"]):
        expected = refused(case["answers"], case["clause"])
    else:
        expected = clean
    return run.add(case["name"], steps, expected)


def method_id(run, case, _):
    return None  # A table of names, without bytes; a schema with a wrong id is refused.


ADD = {
    "header": header, "frames": frames, "hello": payloads("HELLO"), "request": payloads("REQUEST", 1, 1, 1, 1),
    "error": payloads("ERROR", 1, 1, 1, 1), "proof": proof, "encoding": encoding, "schema": schema,
    "transcript": transcript, "method_id": method_id,
}


def content_of(name):
    return expanded(json.loads((HERE.parents[1] / f"vectors/{name}.json").read_text(encoding="utf-8")))


def encoding_content():
    return content_of("encoding")


def vectors_of(name):
    return content_of(name)["cases"]


def main():
    failed = 0
    for path in sorted((HERE.parents[1] / "vectors").glob("*.json")):
        content = content_of(path.stem)
        run = Run()
        for case in content["cases"]:
            ADD[path.stem](run, case, content)
        wrong = run.wrong() if run.checks else []
        failed += len(wrong)
        print(f"{path.name}: {len(run.checks) - len(wrong)} passed, {len(wrong)} failed", *wrong, sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
