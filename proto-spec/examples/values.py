"""Messages and schemas (SPEC.md sections 9 and 10), as decode.py: from the text alone, standard library only.

A type is a tuple: its name, then what it is made of, as ("List", 3) or ("Struct", "Toy", doc, [(field, doc, type), …]).
Types refer to each other by their index in a table, as in SPEC 10.2. Values come out as the JSON text of SPEC 9.4.
"""
import base64
import datetime
import hashlib
import json

from decode import Input, Refused

BITS = {"U16": 16, "U32": 32, "U64": 64, "I16": 16, "I32": 32, "I64": 64}
PLAIN = ["Unit", "Bool", "U8", "U16", "U32", "U64", "I8", "I16", "I32", "I64", "String", "Bytes", "Timestamp"]
SHAPES = ["Unary", "ServerStream", "ClientStream", "Bidirectional", "OneWay"]
IDEMPOTENCY = ["No", "Idempotent", "Safe"]
MEDIA = ["Json", "Text", "Page", "Bare"]
FORMATS = ["email", "password", "line", "name", "slug"]
KEY_TYPES = {"Bool", "String", "U8", "U16", "U32", "U64", "I8", "I16", "I32", "I64"}
EXACT_MAX = 2**53 - 1


def bad(words):
    raise Refused("BAD_REQUEST", words)


# ---- section 9: values ------------------------------------------------------------------------------------------


def varint(data, bits):
    """SPEC 9.1."""
    first = data.uint(1)
    if first <= 250:
        return first
    size = {251: 2, 252: 4, 253: 8}.get(first)
    if size is None or size * 8 > bits:
        bad(f"marker {first} for {bits} bits")
    return int.from_bytes(data.take(size), "little")


def zigzag(data, bits):
    number = varint(data, bits)
    return -(number + 1) // 2 if number & 1 else number // 2


def flag(data):
    byte = data.uint(1)
    if byte > 1:
        bad(f"{byte} is neither 0 nor 1")
    return byte == 1


def string(data):
    try:
        return data.take(varint(data, 64)).decode("utf-8")
    except UnicodeDecodeError:
        bad("a string that is not UTF-8")


def count(data):
    number = varint(data, 64)
    if number > data.left():
        bad(f"{number} values in {data.left()} bytes")  # SPEC 9.3
    return number


def quoted(value):
    return json.dumps(value, ensure_ascii=False)


def timestamp(microseconds):
    try:
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=microseconds)
    except OverflowError:
        bad("a timestamp outside the years that JSON can show")
    return moment.isoformat(timespec="microseconds") + "Z"


def decimal(units, scale):
    digits = str(abs(units)).rjust(scale + 1, "0")
    sign = "-" if units < 0 else ""
    return sign + (f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits)


def integer(kind, data):
    if kind == "U8":
        return data.uint(1)
    if kind == "I8":
        return int.from_bytes(data.take(1), "big", signed=True)
    return varint(data, BITS[kind]) if kind[0] == "U" else zigzag(data, BITS[kind])


def key(kind, data):
    if kind == "Bool":
        return flag(data)
    return string(data) if kind == "String" else integer(kind, data)


def key_order(value):
    return value.encode() if isinstance(value, str) else value


def value(types, at, data):
    """The JSON text of one value (SPEC 9.2, 9.4)."""
    kind, *parts = types[at]
    if kind == "Unit":
        return "null"
    if kind == "Bool":
        return json.dumps(flag(data))
    if kind[1:].isdigit():
        number = integer(kind, data)
        return f'"{number}"' if abs(number) > EXACT_MAX else str(number)
    if kind == "String":
        return quoted(string(data))
    if kind == "Bytes":
        return quoted(base64.b64encode(data.take(varint(data, 64))).decode())
    if kind == "Timestamp":
        return quoted(timestamp(zigzag(data, 64)))
    if kind == "Decimal":
        return decimal(zigzag(data, 64), parts[0])
    if kind == "Option":
        return value(types, parts[0], data) if flag(data) else "null"
    if kind == "List":
        return "[" + ",".join(value(types, parts[0], data) for _ in range(count(data))) + "]"
    if kind == "Map":
        return map_value(types, parts, data)
    if kind == "Struct":
        return fields(types, parts[2], data)
    return enum_value(types, parts[2], data)


def map_value(types, parts, data):
    entries, last = [], None
    for _ in range(count(data)):
        name = key(types[parts[0]][0], data)
        if last is not None and key_order(last) >= key_order(name):
            bad("the keys of a map don't ascend")
        last = name
        written = name if isinstance(name, str) else json.dumps(name)
        entries.append(quoted(written) + ":" + value(types, parts[1], data))
    return "{" + ",".join(entries) + "}"


def fields(types, described, data):
    return "{" + ",".join(quoted(name) + ":" + value(types, of, data) for name, _, of, *_ in described) + "}"


def enum_value(types, variants, data):
    index = varint(data, 32)
    if index >= len(variants):
        bad(f"no variant {index}")
    name, _, described, _ = variants[index]
    return "{" + quoted(name) + ":" + fields(types, described, data) + "}" if described else quoted(name)


def message(types, at, raw):
    """SPEC 9.3: a message fills its place exactly."""
    data = Input(raw, "BAD_REQUEST")
    text = value(types, at, data)
    data.end()
    return text


# ---- section 10: schemas ----------------------------------------------------------------------------------------


def listed(data, read):
    return [read(data) for _ in range(count(data))]


def option(data, read):
    return read(data) if flag(data) else None


def field(data):
    limit = lambda data: zigzag(data, 64)
    return (
        string(data), string(data), varint(data, 32), option(data, limit), option(data, limit), string(data), string(data),
    )


def variant(data):
    return (string(data), string(data), listed(data, field), varint(data, 16))


def type_of(data):
    """SPEC 10.4."""
    index = varint(data, 32)
    if index < len(PLAIN):
        return (PLAIN[index],)
    if index == 13:
        return ("Decimal", data.uint(1))
    if index in (14, 15):
        return ("Option" if index == 14 else "List", varint(data, 32))
    if index == 16:
        return ("Map", varint(data, 32), varint(data, 32))
    if index == 17:
        return ("Struct", string(data), string(data), listed(data, field))
    if index == 18:
        return ("Enum", string(data), string(data), listed(data, variant))
    return bad(f"no type {index}")


def one_of(data, names):
    index = varint(data, 32)
    if index >= len(names):
        bad(f"no variant {index}")
    return names[index]


def access(data):
    kind = one_of(data, ["Public", "Permission", "Service", "Services", "SignedIn"])
    if kind == "Permission":
        return {"Permission": {"name": string(data)}}
    return {"Services": {"names": listed(data, string)}} if kind == "Services" else kind


def method(data):
    return {
        "id": varint(data, 32), "name": string(data), "doc": string(data), "request": varint(data, 32),
        "reply": varint(data, 32), "error": option(data, lambda data: varint(data, 32)), "shape": one_of(data, SHAPES),
        "idempotency": one_of(data, IDEMPOTENCY), "access": access(data), "rate_class": string(data),
        "http": listed(data, lambda data: {"method": string(data), "path": string(data)}),
        "http_status": varint(data, 16), "media": one_of(data, MEDIA), "cache": string(data), "errors": listed(data, string),
    }


def schema(raw):
    """A schema that keeps the rules of SPEC 10.2, 10.5 and 10.6."""
    data = Input(raw, "BAD_REQUEST")
    said = {"name": string(data), "doc": string(data), "types": listed(data, type_of), "methods": listed(data, method)}
    data.end()
    check_types(said["types"])
    check_constraints(said["types"])
    check_name(said["name"])
    check_methods(said)
    return said


def method_id(name):
    """SPEC 10.5."""
    hashed = 0x811C9DC5
    for byte in name.encode("ascii"):
        hashed = ((hashed ^ byte) * 0x01000193) % 2**32
    return hashed


def fingerprint(raw):
    return hashlib.sha256(raw).digest()[:16].hex()  # SPEC 10.3


def rule(kept, words):
    if not kept:
        bad(f"schema: {words}")


def check_name(name):
    plain = all(c.isascii() and (c.isalnum() or c == "_") for c in name)
    rule(plain and 1 <= len(name) <= 64 and not name[0].isdigit(), f"{name!r} is no name")


def check_unique(names):
    for name in names:
        check_name(name)
    rule(len(names) == len(set(names)), "a name stands twice")


def check_types(types):
    """SPEC 10.2."""
    rule(len(types) <= 1024, "too many types")
    depths = []

    def depth(at, held=False):
        rule(at < len(depths), "a type refers to one that doesn't stand before it")
        rule(not held or not (types[at][0] == "Unit" or (types[at][0] == "Struct" and not types[at][3])), "zero bytes")
        return depths[at]

    def depth_of_fields(described):
        rule(len(described) <= 256, "too many fields")
        check_unique([name for name, *_ in described])
        return max((depth(of, held=True) for _, _, of, *_ in described), default=0)

    for kind, *parts in types:
        below = 0
        if kind == "Decimal":
            rule(parts[0] <= 18, "scale")
        elif kind == "Option":
            below = depth(parts[0])
            rule(types[parts[0]][0] not in ("Option", "Unit"), "an option of an option or of Unit")
        elif kind == "List":
            below = depth(parts[0], held=True)
        elif kind == "Map":
            below = max(depth(parts[0]), depth(parts[1], held=True))
            rule(types[parts[0]][0] in KEY_TYPES, "the key of a map")
        elif kind == "Struct":
            below = depth_of_fields(parts[2])
        elif kind == "Enum":
            rule(1 <= len(parts[2]) <= 256, "too many variants, or none")
            check_unique([name for name, _, _, _ in parts[2]])
            below = 1 + max(depth_of_fields(described) for _, _, described, _ in parts[2])
        rule(below + 1 <= 64, "nested too deep")
        depths.append(below + 1)
    check_unique([parts[0] for kind, *parts in types if kind in ("Struct", "Enum")])


def check_constraints(types):
    """SPEC 10.9, but for the examples: this decoder doesn't read JSON."""
    for kind, *parts in types:
        members = parts[2] if kind == "Struct" else [one for variant in parts[2] for one in variant[2]] if kind == "Enum" else []
        for name, _, of, *said in members:
            least, greatest, form, _ = said or (None, None, "", "")
            of = types[of]
            kind_within = (types[of[1]] if of[0] == "Option" else of)[0]
            reach = limits_of(kind_within)
            given = [limit for limit in (least, greatest) if limit is not None]
            rule(given == sorted(given), f"{name} takes nothing")
            rule(not given or reach and all(reach[0] <= limit <= reach[1] for limit in given), f"a limit of {name}")
            rule(form == "" or is_format(form) and kind_within == "String", f"the format of {name}")


def is_format(form):
    """Whether a string can have this format: a known one, or a choice of words."""
    kind, *words = form.split(" ")
    graphic = all(word and all("!" <= letter <= "~" for letter in word) for word in words)
    return form in FORMATS or kind == "choice" and bool(words) and graphic and len(set(words)) == len(words)


def limits_of(kind):
    """The least and the greatest limit that a type can have; none when there is nothing to limit."""
    if kind in ("String", "Bytes", "List", "Map", "U64"):
        return 0, 2**63 - 1
    if kind in ("I64", "Decimal"):
        return -(2**63), 2**63 - 1
    if not kind[1:].isdigit():
        return None
    bits = int(kind[1:])
    return (0, 2**bits - 1) if kind[0] == "U" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def is_page(types, reply):
    """SPEC 10.4."""
    shape = [(name, types[of][0]) for name, _, of, *_ in reply[3]] if reply[0] == "Struct" else []
    return shape == [("items", "List"), ("pagination", "Struct")]


def check_callers(access):
    """SPEC 10.7: each service once, by a name of SPEC 3.2."""
    if isinstance(access, dict) and "Services" in access:
        names = access["Services"]["names"]
        plain = all(all(c.isascii() and (c.isalnum() or c in "-_.") for c in name) for name in names)
        rule(plain and all(1 <= len(name) <= 64 for name in names), "a service that is no name")
        rule(1 <= len(names) <= 256 and len(names) == len(set(names)), "no service, too many, or one twice")


def check_cache(one, types, methods):
    """SPEC 10.4: whose replies may be kept, and until when."""
    rule(one["shape"] == "Unary" and one["idempotency"] != "No" and one["access"] == "Public", "a reply that nobody may keep")
    told_by = methods.get(one["cache"])
    rule(told_by is not None and told_by["shape"] == "ServerStream", "what ends a kept reply is no stream")
    request = types[told_by["request"]]
    rule(request[0] == "Unit" or all(types[of][0] == "Option" for _, _, of, *_ in request[3]), "a stream that asks for more")


def check_methods(said):
    """SPEC 10.2, 10.4, 10.5, 10.6, 10.7."""
    types, methods = said["types"], said["methods"]
    rule(len(methods) <= 1024, "too many methods")
    check_unique([one["name"] for one in methods])
    ids = [one["id"] for one in methods]
    rule(len(ids) == len(set(ids)) and 0 not in ids, "ids")
    for one in methods:
        check_callers(one["access"])
        rule(one["id"] == method_id(f"{said['name']}.{one['name']}"), "an id is not the hash of its name")
        for at in (one["request"], one["reply"], one["error"] or 0):
            rule(at < len(types), "no such type")
        rule(types[one["request"]][0] in ("Struct", "Unit"), "a request is no struct")
        rule(one["error"] is None or types[one["error"]][0] == "Enum", "an error type is no enum")
        known = [] if one["error"] is None else [variant[0] for variant in types[one["error"]][3]]
        check_unique(one["errors"])
        rule(all(name in known for name in one["errors"]), "an error that its type doesn't have")
        rule(one["media"] != "Text" or types[one["reply"]][0] == "String", "text without string")
        rule(one["media"] != "Page" or is_page(types, types[one["reply"]]), "a page of another shape")
        rule(200 <= one["http_status"] <= 299, "the status of a success")
        if one["cache"]:
            check_cache(one, types, {other["name"]: other for other in methods})
        if one["shape"] == "OneWay":
            rule(types[one["reply"]][0] == "Unit" and one["error"] is None, "a one-way method has no answer")
            rule(not one["http"], "a one-way method has no path")
        request = types[one["request"]]
        names = [name for name, _, of, *_ in request[3] if is_text(types[of])] if request[0] == "Struct" else []
        for binding in one["http"]:
            rule(binding["method"] != "GET" or one["idempotency"] != "No", "a GET that is not idempotent")
            rule(carries(binding["method"], one["shape"]), "the binding can't carry the shape")
            check_binding(binding, names)


def is_text(of):
    """SPEC 10.6."""
    if of[0] == "Enum":
        return not any(described for _, _, described, _ in of[3])
    return of[0] not in ("Unit", "Bytes", "Option", "List", "Map", "Struct")


def carries(http_method, shape):
    """SPEC 10.6."""
    if shape == "ServerStream":
        return http_method in ("GET", "WS")
    return (http_method == "WS") == (shape in ("ClientStream", "Bidirectional"))


def check_binding(binding, names):
    rule(binding["method"] in ("GET", "POST", "PUT", "PATCH", "DELETE", "WS"), "HTTP method")
    rule(binding["path"].startswith("/"), "the path doesn't start with /")
    named = []
    for segment in binding["path"][1:].split("/"):
        if segment.startswith("{") and segment.endswith("}"):
            named.append(segment[1:-1])
        else:
            rule(all(c.isascii() and (c.isalnum() or c in "-._~") for c in segment), "characters of a path")
    rule(all(name in names for name in named) and len(named) == len(set(named)), "fields in a path")
