"""What a service can be called for (SPEC 10), as its schema tells."""
from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field as default
from typing import Any, Iterable

from messages import INTEGERS, Decimal, Enum, Field, List, Malformed, Map, Option, Scalar, Struct, Type, Variant


def struct(name: str, /, **fields: Type) -> Struct:
    return Struct(name, tuple(Field(key, value) for key, value in fields.items()))


def enum(name: str, *variants: str | Struct) -> Enum:
    return Enum(name, tuple(Variant(struct(v) if isinstance(v, str) else v) for v in variants))


UNIT, BOOL, STRING, BYTES, TIMESTAMP = map(Scalar, ("Unit", "Bool", "String", "Bytes", "Timestamp"))
U8, U16, U32 = map(Scalar, ("U8", "U16", "U32"))
SCALARS = {kind: Scalar(kind) for kind in
           ("Unit", "Bool", "U8", "U16", "U32", "U64", "I8", "I16", "I32", "I64", "String", "Bytes", "Timestamp")}
LIMIT = Option(SCALARS["I64"])
FIELDS = List(struct("Field", name=STRING, doc=STRING, of=U32, min=LIMIT, max=LIMIT, format=STRING, example=STRING))
TYPE = enum("Type", *SCALARS, struct("Decimal", scale=U8), struct("Option", item=U32), struct("List", item=U32),
            struct("Map", key=U32, value=U32), struct("Struct", name=STRING, doc=STRING, fields=FIELDS),
            struct("Enum", name=STRING, doc=STRING, variants=List(
                struct("Variant", name=STRING, doc=STRING, fields=FIELDS, http_status=U16))))
METHOD = struct(
    "Method", id=U32, name=STRING, doc=STRING, request=U32, reply=U32, error=Option(U32),
    shape=enum("CallShape", "Unary", "ServerStream", "ClientStream", "Bidirectional", "OneWay"),
    idempotency=enum("Idempotency", "No", "Idempotent", "Safe"),
    access=enum("Access", "Public", struct("Permission", name=STRING), "Service", struct("Services", names=List(STRING)), "SignedIn"),
    rate_class=STRING, http=List(struct("HttpBinding", method=STRING, path=STRING)), http_status=U16,
    media=enum("Media", "Json", "Text", "Page", "Bare"), cache=STRING, errors=List(STRING))
SCHEMA = struct("ServiceSchema", name=STRING, doc=STRING, types=List(TYPE), methods=List(METHOD))  # SPEC 10.4
FAULTS = List(struct("Fault", field=STRING, code=STRING, message=STRING))  # SPEC 8.6


NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def method_id(name: str) -> int:
    """FNV-1a of `service.method` (SPEC 10.5)."""
    value = 0x811C9DC5
    for byte in name.encode("ascii"):
        value = (value ^ byte) * 0x01000193 % 2**32
    return value


def fingerprint(schema: bytes) -> bytes:
    return hashlib.sha256(schema).digest()[:16]  # SPEC 10.3


@dataclass(frozen=True)
class Method:
    name: str
    request: Type
    reply: Type
    error: Enum | None = None
    shape: str = "Unary"
    idempotent: bool = True
    access: str = "public"
    rate_class: str = ""
    doc: str = ""

    @property
    def id(self) -> int:
        return method_id(self.name)

    @property
    def says_stream(self) -> bool:
        return self.shape in ("ClientStream", "Bidirectional")

    @property
    def hears_stream(self) -> bool:
        return self.shape in ("ServerStream", "Bidirectional")


@dataclass(frozen=True)
class Service:
    """A schema that was checked (SPEC 10.2)."""
    name: str
    doc: str = ""
    methods: dict[str, Method] = default(default_factory=dict)

    @classmethod
    def parse(cls, data: bytes) -> Service:
        if len(data) > 1_048_576:
            raise Malformed("the schema has more than 1048576 bytes")
        schema = SCHEMA.decode(data)
        require(NAME.fullmatch(schema["name"]), f"the service's name {schema['name']!r}")
        require(len(schema["types"]) <= 1024 and len(schema["methods"]) <= 1024, "at most 1024 types and methods")
        types: list[Type] = []
        for described in schema["types"]:
            types.append(resolve(described, types))
            require(types[-1].levels <= 64, "types are nested more than 64 levels deep")
        unique((t.name for t in types if isinstance(t, (Struct, Enum))), "type")
        unique((m["name"] for m in schema["methods"]), "method")
        methods = [cls._method(schema["name"], m, types) for m in schema["methods"]]
        kept = {m["name"]: m["cache"] for m in schema["methods"] if m["cache"]}
        streams = {m.name.split(".")[1] for m in methods if m.shape == "ServerStream" and all_optional(m.request)}
        for name, told_by in kept.items():  # SPEC 10.4
            one = next(m for m in methods if m.name.endswith(f".{name}"))
            require(one.shape == "Unary" and one.idempotent and one.access == "public" and told_by in streams,
                    f"the method {one.name}: its replies can't be kept until {told_by} says otherwise")
        require(len({m.id for m in methods}) == len(methods), "two methods have the same id")
        require(not {m.id for m in methods} & {m.id for m in MICRONET.methods.values()}, "a method's id is built in")
        return cls(schema["name"], schema["doc"], {m.name: m for m in methods})

    @staticmethod
    def _method(service: str, m: dict[str, Any], types: list[Type]) -> Method:
        method = Method(f"{service}.{m['name']}", pick(types, m["request"]), pick(types, m["reply"]),
                        None if m["error"] is None else pick(types, m["error"]), m["shape"], m["idempotency"] != "No",
                        access_words(m["access"]), m["rate_class"], m["doc"])
        what = f"the method {method.name}: "
        require(method.id == m["id"] != 0, what + "its id isn't its name's")
        require(isinstance(method.request, Struct) or method.request == UNIT, what + "its request is no struct")
        require(method.error is None or isinstance(method.error, Enum), what + "its error is no enum")
        require(not (method.says_stream and method.request.empty or method.hears_stream and method.reply.empty),
                what + "the messages of its stream are empty")
        require(m["shape"] != "OneWay" or method.reply == UNIT and method.error is None and not m["http"],
                what + "a one-way method with a reply, an error or a path")
        require(200 <= m["http_status"] <= 299, what + "its HTTP status is no success")
        require(m["media"] != "Text" or method.reply == STRING, what + "its text is no string")
        if m["media"] == "Page":
            fields = method.reply.fields if isinstance(method.reply, Struct) else ()
            require([f.name for f in fields] == ["items", "pagination"] and isinstance(fields[0].type, List)
                    and isinstance(fields[1].type, Struct), what + "its page isn't one (SPEC 10.4)")
        return method


def all_optional(request: Type) -> bool:
    """Whether a request can be empty (SPEC 10.4)."""
    return request == UNIT or isinstance(request, Struct) and all(isinstance(f.type, Option) for f in request.fields)


def access_words(access: Any) -> str:
    """Who may call a method (SPEC 10.7), for people."""
    match access:
        case {"Permission": {"name": name}}:
            return f"permission {name}"
        case {"Services": {"names": names}}:
            require(1 <= len(names) == len(set(names)) <= 256, "the services that may call a method")
            return f"for {', '.join(names)}"
    return {"Public": "public", "Service": "for services", "SignedIn": "for whoever has signed in"}[access]


def require(holds: Any, words: str) -> None:
    if not holds:
        raise Malformed(f"schema: {words}")


def unique(names: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        require(NAME.fullmatch(name) and name not in seen, f"the {what} name {name!r} is malformed, or there twice")
        seen.add(name)


def pick(types: list[Type], index: int) -> Any:
    """A type refers only to types that stand before it."""
    require(index < len(types), f"type {index} isn't there, or stands later")
    return types[index]


def resolve(described: Any, types: list[Type]) -> Type:
    """The type that an entry of the type table describes (SPEC 10.2, 10.4)."""
    if isinstance(described, str):
        return SCALARS[described]
    kind, body = next(iter(described.items()))
    if kind == "Decimal":
        require(body["scale"] <= 18, "a Decimal's scale is at most 18")
        return Decimal(body["scale"])
    if kind == "Map":
        key, value = pick(types, body["key"]), pick(types, body["value"])
        require(isinstance(key, Scalar) and key.kind in ("Bool", "String", *INTEGERS), "a Map's key type")
        require(not value.empty, "a Map's values are empty")
        return Map(key, value)
    if kind in ("Option", "List"):
        item = pick(types, body["item"])
        require(item != UNIT and not isinstance(item, Option) if kind == "Option" else not item.empty,
                f"the item of {kind}")
        return Option(item) if kind == "Option" else List(item)
    if kind == "Struct":
        return Struct(body["name"], resolve_fields(body["fields"], types))
    variants = body["variants"]
    require(1 <= len(variants) <= 256, "an enum has 1 to 256 variants")
    unique((variant["name"] for variant in variants), "variant")
    return Enum(body["name"], tuple(
        Variant(Struct(v["name"], resolve_fields(v["fields"], types)), v["http_status"]) for v in variants))


def resolve_fields(fields: list[dict[str, Any]], types: list[Type]) -> tuple[Field, ...]:
    require(len(fields) <= 256, "at most 256 fields")
    unique((field["name"] for field in fields), "field")
    result = tuple(Field(field["name"], pick(types, field["of"]), field["doc"]) for field in fields)
    require(not any(field.type.empty for field in result), "a field takes no bytes")
    return result


# The built-in service, which is the same everywhere (SPEC 10.8).
MICRONET = Service("micronet", "Every instance answers this.", {m.name: m for m in (
    Method("micronet.schema", UNIT, struct("Schema", fingerprint=BYTES, schema=BYTES), doc="The instance's schema."),
    Method("micronet.instance", UNIT, struct("Instance", service=STRING, instance=STRING, version=STRING,
                                             started=TIMESTAMP), doc="Who answers."),
    Method("micronet.outcome", struct("Ask", method=U32, token=STRING, principal=Option(STRING)),
           enum("Outcome", "NeverStarted", "Running", struct("Done", reply=BYTES),
                struct("Failed", code=U16, message=STRING, detail=BYTES)), doc="What became of a write (SPEC 6.8)."))})
