#!/usr/bin/env python3
"""Runs every file of ../vectors (or of the folder given) through the independent decoder. One line a file, then the sum;
the exit code is 1 when anything failed, or when a file is missing or not known."""
import json
import pathlib
import re
import sys

import decode
import values
from decode import Refused
from session import Session

RAW = bytes.fromhex


def by_decoder(decoder):
    """For files whose cases are bytes, and what they mean or why they are refused."""

    def run(case, _):
        try:
            found = decoder(RAW(case["hex"]), case)
        except Refused as refused:
            return expect(case.get("refused"), refused.code, refused)
        return expect(case.get("means"), found)

    return run


def expanded(value):
    """`(61*300)` in a text of bytes stands for 300 bytes 61."""
    if isinstance(value, str):
        return re.sub(r"\(([0-9a-f]{2})\*(\d+)\)", lambda run: run[1] * int(run[2]), value)
    if isinstance(value, list):
        return [expanded(one) for one in value]
    return {key: expanded(one) for key, one in value.items()} if isinstance(value, dict) else value


def expect(wanted, found, words=""):
    return None if wanted == found else f"wanted {wanted}, found {found} {words}"


def whole_frame(raw, _):
    meaning, size = decode.frame(raw)
    assert size == len(raw)
    return meaning


def head_of(raw, case):
    head = decode.header(raw, case.get("payload_max", 65536))
    return head


def proof(case, _):
    names = {"node": case["node"] or None, "instance": case["instance"] or None}
    dialler, acceptor = names | {"nonce": case["dialler_nonce"]}, {"nonce": case["acceptor_nonce"]}
    try:
        said = decode.proof(RAW(case["hex"]))
    except Refused as refused:
        return expect(case.get("refused"), refused.code)
    number = RAW(case["hex"])[0]
    matches = decode.proof_hmac(RAW(case["secret"]), number, dialler, acceptor).hex() == said["hmac"]
    found = None if matches else "BAD_PROOF"
    return expect(case.get("refused"), found) or (matches and expect(case["means"]["credential"], said["credential"]))


def table_of(described):
    """The types of encoding.json as a table in which types refer to each other by index."""
    index = {one["as"]: at for at, one in enumerate(described)}

    def members(fields):
        return [(name, "", index[of]) for name, of in fields]

    def resolved(kind, *parts):
        if kind in ("Option", "List", "Map"):
            return (kind, *(index[part] for part in parts))
        if kind == "Struct":
            return (kind, parts[0], "", members(parts[1]))
        if kind == "Enum":
            return (kind, parts[0], "", [(name, "", members(fields), 0) for name, fields in parts[1]])
        return (kind, *parts)

    return [resolved(*one["is"]) for one in described], index


def encoding(case, content):
    types, index = table_of(content["types"])
    values.check_types(types)
    try:
        found = values.message(types, index[case["type"]], RAW(case["hex"]))
    except Refused as refused:
        return expect(case.get("refused"), refused.code, refused)
    return expect(case.get("json"), found)


def method_id(case, _):
    return expect(case["id"], values.method_id(case["name"]))


# SPEC 10.4 as a table of types: a schema is itself a message, and so has a JSON form.
I64, LIMIT, STRING, U32, U16, U8, IDEMPOTENCY, FIELD, FIELDS, VARIANT, VARIANTS, TYPE = range(12)
TYPES, BINDING, BINDINGS, SHAPE, STRINGS, ACCESS, MEDIA, ERROR, METHOD, METHODS, SCHEMA = range(12, 23)


def fields(**described):
    return [(name, "", of) for name, of in described.items()]


def variants(*names, **with_fields):
    return [(name, "", [], 0) for name in names] + [(name, "", of, 0) for name, of in with_fields.items()]


SCHEMA_TYPES = [
    ("I64",), ("Option", I64), ("String",), ("U32",), ("U16",), ("U8",),
    ("Enum", "Idempotency", "", variants(*values.IDEMPOTENCY)),
    ("Struct", "Field", "", fields(
        name=STRING, doc=STRING, of=U32, min=LIMIT, max=LIMIT, format=STRING, example=STRING)), ("List", FIELD),
    ("Struct", "Variant", "", fields(name=STRING, doc=STRING, fields=FIELDS, http_status=U16)), ("List", VARIANT),
    ("Enum", "Type", "", variants(
        *values.PLAIN, Decimal=fields(scale=U8), Option=fields(item=U32), List=fields(item=U32),
        Map=fields(key=U32, value=U32), Struct=fields(name=STRING, doc=STRING, fields=FIELDS),
        Enum=fields(name=STRING, doc=STRING, variants=VARIANTS))),
    ("List", TYPE), ("Struct", "HttpBinding", "", fields(method=STRING, path=STRING)), ("List", BINDING),
    ("Enum", "CallShape", "", variants(*values.SHAPES)),
    ("List", STRING),
    ("Enum", "Access", "", variants("Public", Permission=fields(name=STRING))
        + variants("Service", Services=fields(names=STRINGS)) + variants("SignedIn")),
    ("Enum", "Media", "", variants(*values.MEDIA)), ("Option", U32),
    ("Struct", "Method", "", fields(
        id=U32, name=STRING, doc=STRING, request=U32, reply=U32, error=ERROR, shape=SHAPE, idempotency=IDEMPOTENCY,
        access=ACCESS, rate_class=STRING, http=BINDINGS, http_status=U16, media=MEDIA,
        cache=STRING, errors=STRINGS)),
    ("List", METHOD), ("Struct", "ServiceSchema", "", fields(name=STRING, doc=STRING, types=TYPES, methods=METHODS)),
]


def schema(case, _):
    raw = RAW(case["hex"])
    try:
        values.schema(raw)
        found = values.message(SCHEMA_TYPES, SCHEMA, raw)
    except Refused as refused:
        return expect(case.get("refused"), refused.code, refused)
    return expect(case.get("json"), found) or expect(case["fingerprint"], values.fingerprint(raw))


def transcript(case, _):
    session = Session(RAW(case["secret"]) if "secret" in case else None)
    found = None
    for step in case["steps"]:
        # How many replies a call gets is known to who makes it, and to nobody who sees only its REQUEST.
        session.replies = {"call": "one", "open": step["does"][3] if len(step["does"]) > 3 else None}.get(step["does"][0])
        try:
            session.sent(step["by"], RAW(step["hex"]))
        except Refused as refused:
            # Whether two HELLOs go together is known when the second has come, be it the honest one.
            mutual = refused.code in ("VERSION_UNSUPPORTED", "WRONG_CLUSTER")
            if step["does"] != ["bytes"] and not mutual:
                return f"an honest step is refused: {refused}"
            found = refused.code
    if case.get("answers") and found is None:
        return answers(case, session)
    return expect(case.get("refused"), found)


def answers(case, session):
    """Some call was answered with the code that the case names, or is a NOTICE, which is dropped."""
    wanted = CODES[case["answers"]]
    return None if session.notices or any(call["end"] == wanted for call in session.calls.values()) else f"no call ends with {wanted}"


CODES = {  # SPEC 16.5
    "BAD_REQUEST": 34, "UNKNOWN_ENCODING": 33, "MESSAGE_TOO_LARGE": 36, "UNAUTHENTICATED": 48, "DEADLINE_EXCEEDED": 64,
    "CANCELLED": 65, "OVERLOADED": 66, "DRAINING": 67,
}
RUNNERS = {
    "header": by_decoder(head_of), "frames": by_decoder(whole_frame),
    "hello": by_decoder(lambda raw, _: decode.hello(raw)), "request": by_decoder(lambda raw, _: decode.request(raw)),
    "error": by_decoder(lambda raw, _: decode.error(raw)), "proof": proof, "encoding": encoding,
    "method_id": method_id, "schema": schema, "transcript": transcript,
}


def main(folder):
    passed = failed = 0
    found = {path.stem: path for path in sorted(folder.glob("*.json"))}
    for odd in sorted(found.keys() ^ RUNNERS.keys()):
        print(f"{odd}.json: missing, or not known here")
        failed += 1
    for name in sorted(found.keys() & RUNNERS.keys()):
        content = expanded(json.loads(found[name].read_text(encoding="utf-8")))
        wrong = []
        for at, case in enumerate(content["cases"]):
            trouble = RUNNERS[name](case, content)
            if trouble:
                wrong.append(f"  {case.get('name') or case.get('why') or at}: {trouble}")
        print(f"{name}.json: {len(content['cases']) - len(wrong)} passed, {len(wrong)} failed", *wrong, sep="\n")
        passed, failed = passed + len(content["cases"]) - len(wrong), failed + len(wrong)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent
    sys.exit(main(pathlib.Path(sys.argv[1]) if len(sys.argv) == 2 else here.parent / "vectors"))
