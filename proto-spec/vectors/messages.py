"""The cases of encoding.json, method_id.json and schema.json (SPEC.md sections 9 and 10)."""
import hashlib

from build import listed, string, u8, varint, x, zigzag

# ---- section 9 ----

TYPES = [
    {"as": name.lower(), "is": [name]}
    for name in (
        "Unit", "Bool", "U8", "U16", "U32", "U64", "I8", "I16", "I32", "I64", "String", "Bytes", "Timestamp",
    )
] + [
    {"as": "decimal 0", "is": ["Decimal", 0]},
    {"as": "decimal 2", "is": ["Decimal", 2]},
    {"as": "decimal 18", "is": ["Decimal", 18]},
    {"as": "option u8", "is": ["Option", "u8"]},
    {"as": "option string", "is": ["Option", "string"]},
    {"as": "list u16", "is": ["List", "u16"]},
    {"as": "list list u16", "is": ["List", "list u16"]},
    {"as": "map string u8", "is": ["Map", "string", "u8"]},
    {"as": "map i16 bool", "is": ["Map", "i16", "bool"]},
    {"as": "map bool u8", "is": ["Map", "bool", "u8"]},
    {"as": "nothing", "is": ["Struct", "Nothing", []]},
    {"as": "kind", "is": ["Enum", "Kind", [["Plush", []], ["Puzzle", [["pieces", "u32"], ["whole", "bool"]]]]]},
    {"as": "toy", "is": ["Struct", "Toy", [
        ["name", "string"], ["price", "decimal 2"], ["kind", "kind"], ["sizes", "list u16"], ["note", "option string"],
        ["stock", "map string u8"], ["picture", "bytes"], ["since", "timestamp"],
    ]]},
]


def good(of, hex_bytes, json_text, **more):
    return {"type": of, "hex": x(hex_bytes).hex(), "json": json_text} | more


def longer(of, hex_bytes, json_text):
    """A form that is accepted, but never written."""
    return good(of, hex_bytes, json_text, written=False)


def bad(of, hex_bytes, why):
    return {"type": of, "hex": x(hex_bytes).hex(), "refused": "BAD_REQUEST", "why": why}


ENCODING = [
    good("unit", "", "null"),
    good("bool", "00", "false"), good("bool", "01", "true"), bad("bool", "02", "neither 0 nor 1"),
    good("u8", "00", "0"), good("u8", "FA", "250"), good("u8", "FB", "251"), good("u8", "FF", "255"),
    good("u16", "00", "0"), good("u16", "FA", "250"), good("u16", "FB FB 00", "251"), good("u16", "FB 00 01", "256"),
    good("u16", "FB FF FF", "65535"),
    longer("u16", "FB 07 00", "7"), bad("u16", "FC 07 00 00 00", "wider than the type"), bad("u16", "FB 07", "cut"),
    good("u32", "FB FF FF", "65535"), good("u32", "FC 00 00 01 00", "65536"), good("u32", "FC FF FF FF FF", "4294967295"),
    longer("u32", "FC 07 00 00 00", "7"), bad("u32", "FD 07 00 00 00 00 00 00 00", "wider than the type"),
    good("u64", "FD 00 00 00 00 01 00 00 00", "4294967296"),
    good("u64", "FD FF FF FF FF FF FF 1F 00", "9007199254740991"),
    good("u64", "FD 00 00 00 00 00 00 20 00", '"9007199254740992"'),
    good("u64", "FD FF FF FF FF FF FF FF FF", '"18446744073709551615"'),
    longer("u64", "FD 07 00 00 00 00 00 00 00", "7"),
    bad("u64", "FE 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00", "marker FE"), bad("u64", "FF", "marker FF"),
    good("i8", "00", "0"), good("i8", "7F", "127"), good("i8", "80", "-128"), good("i8", "FF", "-1"),
    good("i16", "00", "0"), good("i16", "01", "-1"), good("i16", "02", "1"), good("i16", "FA", "125"),
    good("i16", "FB FB 00", "-126"), good("i16", "FB FE FF", "32767"), good("i16", "FB FF FF", "-32768"),
    good("i32", "03", "-2"), good("i32", "FC FE FF FF FF", "2147483647"), good("i32", "FC FF FF FF FF", "-2147483648"),
    good("i64", "FD FE FF FF FF FF FF 3F 00", "9007199254740991"),
    good("i64", "FD FD FF FF FF FF FF 3F 00", "-9007199254740991"),
    good("i64", "FD FF FF FF FF FF FF 3F 00", '"-9007199254740992"'),
    good("i64", "FD FF FF FF FF FF FF FF FF", '"-9223372036854775808"'),
    good("string", "00", '""'), good("string", "03 54 75 78", '"Tux"'), good("string", "04 F0 9F 90 A7", '"🐧"'),
    bad("string", "01 FF", "not UTF-8"), bad("string", "04 54 75 78", "cut"),
    bad("string", "FD FF FF FF FF FF FF FF FF 61", "an absurd length"),
    good("bytes", "00", '""'), good("bytes", "02 00 FF", '"AP8="'),
    good("timestamp", "00", '"1970-01-01T00:00:00.000000Z"'), good("timestamp", "02", '"1970-01-01T00:00:00.000001Z"'),
    good("timestamp", "01", '"1969-12-31T23:59:59.999999Z"'),
    good("timestamp", zigzag(1_795_145_478_000_123).hex(), '"2026-11-20T03:31:18.000123Z"'),
    good("decimal 0", "0E", "7"), good("decimal 2", "FB 4E 14", "25.99"), good("decimal 2", "0A", "0.05"),
    good("decimal 2", "09", "-0.05"), good("decimal 2", "00", "0.00"),
    good("decimal 18", "FD FE FF FF FF FF FF FF FF", "9.223372036854775807"),
    good("option u8", "00", "null"), good("option u8", "01 07", "7"), bad("option u8", "02 07", "neither 0 nor 1"),
    good("option string", "01 00", '""'),
    good("list u16", "00", "[]"), good("list u16", "02 01 FB 2C 01", "[1,300]"),
    longer("list u16", "FB 02 00 01 02", "[1,2]"),
    bad("list u16", "02 01", "cut"), bad("list u16", "FD FF FF FF FF FF FF FF 00 01", "an absurd count"),
    good("list list u16", "02 00 01 05", "[[],[5]]"),
    good("map string u8", "01 01 61 01", '{"a":1}'),
    good("map string u8", "03 01 42 02 01 61 01 02 61 61 03", '{"B":2,"a":1,"aa":3}'),
    good("map i16 bool", "03 03 00 00 01 02 00", '{"-2":false,"0":true,"1":false}'),
    good("map bool u8", "02 00 07 01 08", '{"false":7,"true":8}'),
    {"type": "map string u8", "hex": "02016201016102", "refused": "BAD_REQUEST", "why": "keys that don't ascend", "may": True},
    {"type": "map string u8", "hex": "02016101016102", "refused": "BAD_REQUEST", "why": "a key twice", "may": True},
    good("nothing", "", "{}"),
    good("kind", "00", '"Plush"'), good("kind", "01 FB F4 01 01", '{"Puzzle":{"pieces":500,"whole":true}}'),
    bad("kind", "02", "no such variant"), bad("kind", "FD 00 00 00 00 01 00 00 00", "an index wider than 32 bits"),
    good("toy", "03 54 75 78  FB 4E 14  01 FB F4 01 00  02 01 FB 2C 01  00  01 01 61 01  02 00 FF  00",
         '{"name":"Tux","price":25.99,"kind":{"Puzzle":{"pieces":500,"whole":false}},"sizes":[1,300],"note":null,'
         '"stock":{"a":1},"picture":"AP8=","since":"1970-01-01T00:00:00.000000Z"}'),
    bad("toy", "03 54 75 78", "cut"), bad("u8", "07 00", "left over"), bad("unit", "00", "left over"),
]

# ---- section 10 ----

METHOD_IDS = [
    {"name": "", "id": 0x811C9DC5},  # The first three are test vectors of FNV-1a itself (Noll's test_fnv.c).
    {"name": "a", "id": 0xE40C292C},
    {"name": "foobar", "id": 0xBF9CF968},
    {"name": "product.query", "id": 0xA45FA70A},
    {"name": "micronet.schema", "id": 0xB2DB646B},
    {"name": "micronet.instance", "id": 0x9191E20B},
    {"name": "micronet.outcome", "id": 0xA63C61D4},
]

UNIT, STRING, U32, OPTION, LIST, MAP, DECIMAL, QUERY, TOY, FAULT, TOYS, PAGINATION, PAGE = range(13)


def plain(index):
    return varint(index)


def limit(value):
    return u8(0) if value is None else u8(1) + zigzag(value)


def field(name, of, doc="", least=None, most=None, form="", example=""):
    return string(name) + string(doc) + varint(of) + limit(least) + limit(most) + string(form) + string(example)


def structure(name, *fields, doc=""):
    return varint(17) + string(name) + string(doc) + listed(*fields)


def variant(name, *fields, status=0, doc=""):
    return string(name) + string(doc) + listed(*fields) + varint(status)


def enumeration(name, *variants, doc=""):
    return varint(18) + string(name) + string(doc) + listed(*variants)


def binding(method, path):
    return string(method) + string(path)


PUBLIC, SERVICE = varint(0), varint(2)
IDEMPOTENT, SAFE = 1, 2


def permission(name):
    return varint(1) + string(name)


def services(*names):
    return varint(3) + listed(*(string(name) for name in names))


def method(method_id, name, request, reply, error=None, shape=0, idempotency=0, access=PUBLIC, rate="api", http=(),
           status=200, media=0, doc="", cache="", errors=()):
    return (
        varint(method_id) + string(name) + string(doc) + varint(request) + varint(reply)
        + (u8(0) if error is None else u8(1) + varint(error)) + varint(shape) + varint(idempotency) + access + string(rate)
        + listed(*http) + varint(status) + varint(media) + string(cache) + listed(*map(string, errors))
    )


GOOD_TYPES = [
    plain(0), plain(10), plain(4), varint(14) + varint(STRING), varint(15) + varint(U32),
    varint(16) + varint(STRING) + varint(U32), varint(13) + u8(2),
    structure("Query", field("name", STRING, "As `Tux`.", least=1, most=200, example='"Tux"'), field("limit", OPTION)),
    structure("Toy", field("name", STRING), field("price", DECIMAL), field("sizes", LIST), field("stock", MAP), doc="One toy."),
    enumeration("ToyError", variant("NotFound", status=404), variant("OutOfStock", field("left", U32), status=409)),
    varint(15) + varint(TOY), structure("Pagination", field("total", U32, least=0, example="41")),
    structure("Toys", field("items", TOYS), field("pagination", PAGINATION)),
]
PRODUCT_QUERY, PRODUCT_LOG, PRODUCT_LIST = 0xA45FA70A, 0x5886B62C, 0x35F00E32
NOTES_ADD, NOTES_WATCH = 0x948C7E77, 0x63C8AC7F
GET = binding("GET", "/api/v1/products/{name}")
GOOD_METHODS = [
    method(PRODUCT_QUERY, "query", QUERY, TOY, FAULT, idempotency=IDEMPOTENT, http=[GET], errors=["NotFound"],
           doc="Looks a toy up."),
    method(PRODUCT_LOG, "log", UNIT, STRING, idempotency=IDEMPOTENT, access=permission("products:read"), rate="monitoring",
           http=[binding("GET", "/log"), binding("POST", "/")], media=1),
    method(PRODUCT_LIST, "list", UNIT, PAGE, idempotency=IDEMPOTENT, http=[binding("GET", "/products")], media=2),
]


def schema(types=GOOD_TYPES, methods=GOOD_METHODS, name="product", doc="Toys."):
    return string(name) + string(doc) + listed(*types) + listed(*methods)


def sound(name, data, means):
    return {"name": name, "hex": data.hex(), "fingerprint": hashlib.sha256(data).hexdigest()[:32], "json": means}


def broken(why, types=None, methods=None, data=None, **more):
    """A good schema with some types added, or with other methods."""
    if data is None:
        data = schema(GOOD_TYPES + (types or []), GOOD_METHODS if methods is None else methods, **more)
    return {"name": why, "hex": data.hex(), "refused": "BAD_REQUEST"}


def query(**changes):
    return [method(**({"method_id": PRODUCT_QUERY, "name": "query", "request": QUERY, "reply": TOY} | changes))]


def at_path(verb, path):
    return query(idempotency=IDEMPOTENT, http=[binding(verb, path)])


LOG_STREAM = [method(PRODUCT_LOG, "log", UNIT, TOY, shape=1)]
NEXT = len(GOOD_TYPES)
EMPTY = structure("Empty")
SCHEMA = [
    sound("a service", schema(), (
        '{"name":"product","doc":"Toys.","types":["Unit","String","U32",{"Option":{"item":1}},{"List":{"item":2}},'
        '{"Map":{"key":1,"value":2}},{"Decimal":{"scale":2}},'
        '{"Struct":{"name":"Query","doc":"","fields":[{"name":"name","doc":"As `Tux`.","of":1,"min":1,"max":200,"format":"","example":"\\"Tux\\""},'
        '{"name":"limit","doc":"","of":3@}]}},'
        '{"Struct":{"name":"Toy","doc":"One toy.","fields":[{"name":"name","doc":"","of":1@},{"name":"price","doc":"","of":6@},'
        '{"name":"sizes","doc":"","of":4@},{"name":"stock","doc":"","of":5@}]}},'
        '{"Enum":{"name":"ToyError","doc":"","variants":[{"name":"NotFound","doc":"","fields":[],"http_status":404},'
        '{"name":"OutOfStock","doc":"","fields":[{"name":"left","doc":"","of":2@}],"http_status":409}]}},{"List":{"item":8}},'
        '{"Struct":{"name":"Pagination","doc":"","fields":[{"name":"total","doc":"","of":2,"min":0,"max":null,"format":"",'
        '"example":"41"}]}},'
        '{"Struct":{"name":"Toys","doc":"","fields":[{"name":"items","doc":"","of":10@},{"name":"pagination","doc":"","of":11@}]}}],'
        '"methods":[{"id":2757732106,"name":"query","doc":"Looks a toy up.","request":7,"reply":8,"error":9,'
        '"shape":"Unary","idempotency":"Idempotent","access":"Public","rate_class":"api",'
        '"http":[{"method":"GET","path":"/api/v1/products/{name}"}],"http_status":200,"media":"Json","cache":"","errors":["NotFound"]},'
        '{"id":1485223468,"name":"log","doc":"","request":0,"reply":1,"error":null,"shape":"Unary","idempotency":"Idempotent",'
        '"access":{"Permission":{"name":"products:read"}},"rate_class":"monitoring",'
        '"http":[{"method":"GET","path":"/log"},{"method":"POST","path":"/"}],"http_status":200,"media":"Text","cache":"","errors":[]},'
        '{"id":904924722,"name":"list","doc":"","request":0,"reply":12,"error":null,"shape":"Unary","idempotency":"Idempotent",'
        '"access":"Public","rate_class":"api","http":[{"method":"GET","path":"/products"}],"http_status":200,"media":"Page","cache":"","errors":[]}]}'
    ).replace("@", ',"min":null,"max":null,"format":"","example":""')),  # A field without constraints.
    sound("a one-way method", schema([plain(0)], [method(NOTES_ADD, "add", 0, 0, shape=4)], "notes", ""), (
        '{"name":"notes","doc":"","types":["Unit"],"methods":[{"id":%d,"name":"add","doc":"","request":0,"reply":0,'
        '"error":null,"shape":"OneWay","idempotency":"No","access":"Public","rate_class":"api","http":[],"http_status":200,'
        '"media":"Json","cache":"","errors":[]}]}' % NOTES_ADD
    )),
    sound("a method for two services", schema(
        [plain(0)], [method(NOTES_ADD, "add", 0, 0, access=services("order", "cart-2"))], "notes", ""), (
        '{"name":"notes","doc":"","types":["Unit"],"methods":[{"id":%d,"name":"add","doc":"","request":0,"reply":0,'
        '"error":null,"shape":"Unary","idempotency":"No","access":{"Services":{"names":["order","cart-2"]}},'
        '"rate_class":"api","http":[],"http_status":200,"media":"Json","cache":"","errors":[]}]}' % NOTES_ADD
    )),
    sound("a method for whoever has signed in, shown bare", schema(
        [plain(0)], [method(NOTES_ADD, "add", 0, 0, access=varint(4), media=3)], "notes", ""), (
        '{"name":"notes","doc":"","types":["Unit"],"methods":[{"id":%d,"name":"add","doc":"","request":0,"reply":0,'
        '"error":null,"shape":"Unary","idempotency":"No","access":"SignedIn","rate_class":"api","http":[],'
        '"http_status":200,"media":"Bare","cache":"","errors":[]}]}' % NOTES_ADD
    )),
    sound("a safe method", schema([plain(0)], [method(NOTES_ADD, "add", 0, 0, idempotency=SAFE, http=[binding("POST", "/notes")])], "notes", ""), (
        '{"name":"notes","doc":"","types":["Unit"],"methods":[{"id":%d,"name":"add","doc":"","request":0,"reply":0,'
        '"error":null,"shape":"Unary","idempotency":"Safe","access":"Public","rate_class":"api",'
        '"http":[{"method":"POST","path":"/notes"}],"http_status":200,"media":"Json","cache":"","errors":[]}]}' % NOTES_ADD
    )),
    sound("a method whose replies are kept", schema([plain(0), plain(1)], [
        method(NOTES_ADD, "add", 0, 0, idempotency=IDEMPOTENT, cache="watch"),
        method(NOTES_WATCH, "watch", 0, 1, shape=1, access=varint(2))], "notes", ""), (
        '{"name":"notes","doc":"","types":["Unit","Bool"],"methods":[{"id":%d,"name":"add","doc":"","request":0,"reply":0,'
        '"error":null,"shape":"Unary","idempotency":"Idempotent","access":"Public","rate_class":"api","http":[],'
        '"http_status":200,"media":"Json","cache":"watch","errors":[]},{"id":%d,"name":"watch","doc":"","request":0,"reply":1,'
        '"error":null,"shape":"ServerStream","idempotency":"No","access":"Service","rate_class":"api","http":[],'
        '"http_status":200,"media":"Json","cache":"","errors":[]}]}' % (NOTES_ADD, NOTES_WATCH)
    )),
    sound("nothing at all", schema([], [], "empty", ""), '{"name":"empty","doc":"","types":[],"methods":[]}'),
    broken("cut", data=schema()[:-1]),
    broken("left over", data=schema() + b"!"),
    broken("no name", name=""),
    broken("a name that starts with a digit", name="1st"),
    broken("a name with a dot", name="a.b"),
    broken("type 19", [plain(19)]),
    broken("a type that refers to itself", [varint(15) + varint(NEXT)]),
    broken("a type that refers to a later one", [varint(15) + varint(NEXT + 1), plain(1)]),
    broken("an option of an option", [varint(14) + varint(OPTION)]),
    broken("an option of nothing", [varint(14) + varint(UNIT)]),
    broken("a list of nothing", [varint(15) + varint(UNIT)]),
    broken("a list of an empty struct", [EMPTY, varint(15) + varint(NEXT)]),
    broken("a map to nothing", [varint(16) + varint(STRING) + varint(UNIT)]),
    broken("a map by decimals", [varint(16) + varint(DECIMAL) + varint(STRING)]),
    broken("a field of nothing", [structure("A", field("a", UNIT))]),
    broken("a decimal of 19 digits", [varint(13) + u8(19)]),
    broken("65 levels", [plain(1)] + [varint(15) + varint(NEXT + level) for level in range(64)]),
    broken("a min above the max", [structure("A", field("a", U32, least=2, most=1))]),
    broken("a limit of bools", [plain(1), structure("A", field("a", NEXT, least=0))]),
    broken("a limit of structs", [structure("A", field("a", TOY, most=1))]),
    broken("a limit that a U32 can't reach", [structure("A", field("a", U32, most=2**32))]),
    broken("a negative length", [structure("A", field("a", STRING, least=-1))]),
    broken("a negative length within an option", [structure("A", field("a", OPTION, least=-1))]),
    broken("an unknown format", [structure("A", field("a", STRING, form="phone"))]),
    broken("a format of integers", [structure("A", field("a", U32, form="email"))]),
    broken("a limit in a variant", [enumeration("A", variant("B", field("a", U32, least=-1)))]),
    broken("two types of one name", [structure("Toy")]),
    broken("a field twice", [structure("A", field("a", U32), field("a", U32))]),
    broken("an enum without variants", [enumeration("A")]),
    broken("257 fields", [structure("A", *(field(f"f{n}", U32) for n in range(257)))]),
    broken("an id that is not the hash", methods=query(method_id=PRODUCT_QUERY + 1)),
    broken("a method twice", methods=query() + query()),
    broken("a request that is no struct", methods=query(request=STRING)),
    broken("a reply of no type", methods=query(reply=NEXT)),
    broken("an error that is no enum", methods=query(error=TOY)),
    broken("text that is no string", methods=query(media=1)),
    broken("a page that is no struct", methods=query(reply=TOYS, media=2)),
    broken("a page of other fields", methods=query(reply=TOY, media=2)),
    broken("a page that ends with its items", [
        structure("Half", field("pagination", PAGINATION), field("items", TOYS))], query(reply=NEXT, media=2)),
    broken("an error that the type doesn't have", methods=query(error=FAULT, errors=["Sold"])),
    broken("an error twice", methods=query(error=FAULT, errors=["NotFound", "NotFound"])),
    broken("errors without a type", methods=query(errors=["NotFound"])),
    broken("media 4", methods=query(media=4)),
    broken("a reply kept until what is no method says so", methods=query(idempotency=IDEMPOTENT, cache="watch")),
    broken("a reply kept until what is no stream says so", methods=query(idempotency=IDEMPOTENT, cache="query")),
    broken("a reply kept of who isn't public", methods=query(idempotency=IDEMPOTENT, access=varint(4), cache="log") + LOG_STREAM),
    broken("a reply kept of what isn't idempotent", methods=query(cache="log") + LOG_STREAM),
    broken("a reply kept until a stream that asks for more", methods=query(idempotency=IDEMPOTENT, cache="log") + [
        method(PRODUCT_LOG, "log", QUERY, TOY, shape=1)]),
    broken("a success of 404", methods=query(status=404)),
    broken("a path for streams of requests", methods=query(shape=2, idempotency=IDEMPOTENT, http=[GET])),
    broken("a one-way method with a reply", methods=query(shape=4)),
    broken("a one-way method with errors", methods=query(shape=4, reply=UNIT, error=FAULT)),
    broken("a path for a one-way method", methods=query(shape=4, reply=UNIT, idempotency=IDEMPOTENT, http=[GET])),
    broken("an unknown shape", methods=query(shape=5)),
    broken("an unknown idempotency", methods=query(idempotency=3)),
    broken("access 5", methods=query(access=varint(5))),
    broken("a method for no service", methods=query(access=services())),
    broken("a method for a service without a name", methods=query(access=services("order", ""))),
    broken("a method for a service with a space", methods=query(access=services("an order"))),
    broken("a method for one service twice", methods=query(access=services("order", "order"))),
    broken("a method for 257 services", methods=query(access=services(*(f"s{n}" for n in range(257))))),
    broken("HTTP method get", methods=at_path("get", "/")),
    broken("a GET that is not idempotent", methods=query(http=[GET])),
    broken("a path without slash", methods=at_path("GET", "products")),
    broken("a path with an unknown field", methods=at_path("GET", "/{id}")),
    broken("a path with a field that may be absent", methods=at_path("GET", "/{limit}")),
    broken("a path with a field twice", methods=at_path("GET", "/{name}/{name}")),
    broken("a path with a space", methods=at_path("GET", "/a b")),
    broken("a path with half a field", methods=at_path("GET", "/x{name}")),
]
