//! One broken schema a rule, each made from a good one by a single change.

use super::*;
use crate::schema::{Access, HttpBinding, Idempotency};

const UNIT: TypeRef = 0;
const STRING: TypeRef = 1;
const U32: TypeRef = 2;
const OPTION: TypeRef = 3;
const QUERY: TypeRef = 6;
const TOY: TypeRef = 7;
const ERROR: TypeRef = 8;

fn field(name: &str, of: TypeRef) -> Field {
    Field { name: name.into(), of, ..Field::default() }
}

fn variant(name: &str, fields: Vec<Field>) -> Variant {
    Variant { name: name.into(), doc: String::new(), fields, http_status: 404 }
}

fn structure(name: &str, fields: Vec<Field>) -> Type {
    Type::Struct { name: name.into(), doc: String::new(), fields }
}

fn enumeration(name: &str, variants: Vec<Variant>) -> Type {
    Type::Enum { name: name.into(), doc: String::new(), variants }
}

fn method(name: &str, request: TypeRef, reply: TypeRef) -> Method {
    Method {
        id: method_id(&format!("product.{name}")),
        name: name.into(),
        doc: String::new(),
        request,
        reply,
        error: Some(ERROR),
        shape: CallShape::Unary,
        idempotency: Idempotency::Idempotent,
        access: Access::Public,
        rate_class: "api".into(),
        http: vec![HttpBinding { method: "GET".into(), path: "/api/v1/products/{name}".into() }],
        http_status: 200,
        media: Media::Json,
        cache: String::new(),
        errors: Vec::new(),
    }
}

fn good() -> ServiceSchema {
    ServiceSchema {
        name: "product".into(),
        doc: String::new(),
        types: vec![
            Type::Unit,
            Type::String,
            Type::U32,
            Type::Option { item: STRING },
            Type::List { item: U32 },
            Type::Map { key: STRING, value: U32 },
            structure("Query", vec![field("name", STRING), field("limit", OPTION)]),
            structure("Toy", vec![field("sizes", 4), field("stock", 5)]),
            enumeration(
                "ProductError",
                vec![variant("NotFound", vec![]), variant("Odd", vec![field("a", U32)])],
            ),
        ],
        methods: vec![
            method("query", QUERY, TOY),
            Method { http: vec![], error: None, ..method("list", UNIT, UNIT) },
            Method { media: Media::Text, http_status: 201, ..method("log", QUERY, STRING) },
        ],
    }
}

/// Adds a type that nothing refers to.
fn with_type(described: Type) -> ServiceSchema {
    let mut schema = good();
    schema.types.push(described);
    schema
}

/// Adds two types, where the second refers to the first.
fn with_types(first: Type, second: impl FnOnce(TypeRef) -> Type) -> ServiceSchema {
    let mut schema = with_type(first);
    schema.types.push(second(ERROR + 1));
    schema
}

/// Changes the first method.
fn with_method(change: impl FnOnce(&mut Method)) -> ServiceSchema {
    let mut schema = good();
    change(&mut schema.methods[0]);
    schema
}

fn with_path(method: &str, path: &str) -> ServiceSchema {
    with_method(|changed| changed.http = vec![HttpBinding { method: method.into(), path: path.into() }])
}

fn lists(levels: u32) -> ServiceSchema {
    let mut schema = good();
    schema.types = vec![Type::U32];
    schema.types.extend((0..levels).map(|item| Type::List { item }));
    schema.methods.clear();
    schema
}

/// The good schema, but its method is for these services.
fn for_services(names: &[&str]) -> ServiceSchema {
    let mut schema = good();
    schema.methods[0].access = Access::Services { names: names.iter().map(ToString::to_string).collect() };
    schema
}

#[test]
fn the_services_that_may_call_are_named_once() {
    assert_eq!(for_services(&["order", "cart-2"]).validate(), Ok(()));
    check(vec![
        ("is for no service", for_services(&[])),
        ("no name", for_services(&[""])),
        ("no name", for_services(&["order", "a b"])),
        ("stands there twice", for_services(&["order", "order"])),
    ]);
}

/// The good schema, but its method is one-way.
fn one_way(change: impl FnOnce(&mut Method)) -> ServiceSchema {
    with_method(|method| {
        (method.shape, method.reply, method.error) = (CallShape::OneWay, UNIT, None);
        method.http.clear();
        change(method);
    })
}

fn check(cases: Vec<(&str, ServiceSchema)>) {
    for (words, schema) in cases {
        match schema.validate() {
            Err(SchemaError::Invalid(said)) => assert!(said.contains(words), "{said:?} instead of {words:?}"),
            other => panic!("{other:?} instead of {words:?}"),
        }
    }
}

#[test]
fn a_good_schema_is_taken() {
    assert_eq!(good().validate(), Ok(()));
    assert_eq!(lists(63).validate(), Ok(()));
    // An option of nothing takes a byte.
    assert_eq!(with_types(structure("Empty", vec![]), |item| Type::Option { item }).validate(), Ok(()));
    assert_eq!(with_path("DELETE", "/").validate(), Ok(()));
    assert_eq!(one_way(|_| {}).validate(), Ok(()));
}

#[test]
fn rules_of_names_and_sizes() {
    let named = |name: &str| ServiceSchema { name: name.into(), ..good() };
    let many_types = ServiceSchema { types: vec![Type::Unit; SCHEMA_TYPES_MAX + 1], ..good() };
    let many_methods =
        ServiceSchema { methods: vec![method("a", QUERY, TOY); SCHEMA_METHODS_MAX + 1], ..good() };
    let many_fields = (0..=SCHEMA_MEMBERS_MAX).map(|at| field(&format!("f{at}"), U32)).collect();
    let many_variants = (0..=SCHEMA_MEMBERS_MAX).map(|at| variant(&format!("V{at}"), vec![])).collect();
    check(vec![
        ("no name for a service", named("")),
        ("no name for a service", named("a.b")),
        ("no name for a service", named("1st")),
        ("no name for a service", named(&"a".repeat(NAME_BYTES_MAX + 1))),
        ("no name for a method", with_method(|method| method.name = "two words".into())),
        ("no name for a type", with_type(structure("Töy", vec![]))),
        ("no name for a field", with_type(structure("A", vec![field("", U32)]))),
        ("no name for a variant", with_type(enumeration("A", vec![variant("a-b", vec![])]))),
        ("more than 1024 types", many_types),
        ("1024 methods", many_methods),
        ("more than 256 fields", with_type(structure("A", many_fields))),
        ("has 257 variants", with_type(enumeration("A", many_variants))),
        ("has 0 variants", with_type(enumeration("A", vec![]))),
        ("two types are named Toy", with_type(enumeration("Toy", vec![variant("A", vec![])]))),
        ("A has a twice", with_type(structure("A", vec![field("a", U32), field("a", U32)]))),
        ("enum A has B twice", with_type(enumeration("A", vec![variant("B", vec![]), variant("B", vec![])]))),
    ]);
}

#[test]
fn rules_of_types() {
    let empty = || structure("Empty", vec![]);
    let list = |item| Type::List { item };
    let map = |value| Type::Map { key: STRING, value };
    check(vec![
        ("doesn't stand before it", with_type(list(ERROR + 1))),
        ("doesn't stand before it", with_type(map(ERROR + 2))),
        ("doesn't stand before it", with_type(Type::Option { item: TypeRef::MAX })),
        ("doesn't stand before it", with_type(structure("A", vec![field("a", ERROR + 1)]))),
        ("doesn't stand before it", with_type(enumeration("A", vec![variant("B", vec![field("a", 99)])]))),
        ("an option of an option", with_type(Type::Option { item: OPTION })),
        ("an option of an option or of nothing", with_type(Type::Option { item: UNIT })),
        ("the key of a map", with_type(Type::Map { key: OPTION, value: U32 })),
        ("the key of a map", with_type(Type::Map { key: 99, value: U32 })),
        ("more than 18 digits", with_type(Type::Decimal { scale: 19 })),
        ("nest deeper than 64", lists(64)),
        ("the item of a list has a type of zero bytes", with_type(list(UNIT))),
        ("the item of a list has the type Empty of zero bytes", with_types(empty(), list)),
        ("the value of a map has a type of zero bytes", with_type(map(UNIT))),
        ("the value of a map has the type Empty of zero bytes", with_types(empty(), map)),
        ("A.a has a type of zero bytes", with_type(structure("A", vec![field("a", UNIT)]))),
        ("A.a has the type Empty", with_types(empty(), |at| structure("A", vec![field("a", at)]))),
        (
            "A.b has a type of zero bytes",
            with_type(enumeration("A", vec![variant("B", vec![field("b", UNIT)])])),
        ),
    ]);
}

#[test]
fn rules_of_constraints() {
    let of = |of: TypeRef| Field { of, ..field("a", of) };
    let with = |field: Field| with_type(structure("A", vec![field]));
    let min = |at, min| with(Field { min: Some(min), ..of(at) });
    let example = |at, json: &str| with(Field { example: json.into(), ..of(at) });
    let format = |at, format: &str| with(Field { format: format.into(), ..of(at) });
    check(vec![
        ("A.a takes nothing", with(Field { min: Some(3), max: Some(2), ..of(U32) })),
        ("A.a has a min or max, but nothing", min(QUERY, 0)),
        ("A.a has a min or max, but nothing", min(ERROR, 0)),
        ("A.a has the limit -1,", min(U32, -1)),
        ("A.a has the limit 4294967296,", min(U32, 1 << 32)),
        ("A.a has the limit -1,", min(STRING, -1)),
        ("A.a has the limit -1,", min(OPTION, -1)),
        ("A.a has the limit -1,", min(4, -1)),
        ("A.a has the unknown format", format(STRING, "phone")),
        ("A.a has a format, but is no string", format(U32, "email")),
        ("A.a has a format, but is no string", format(U32, "password")),
        ("A.a has an example that it doesn't take: ", example(U32, "\"one\"")),
        ("A.a has an example that it doesn't take: line 1", example(STRING, "Tux")),
        (
            "A.B.a takes nothing",
            with_type(enumeration(
                "A",
                vec![variant("B", vec![Field { min: Some(3), max: Some(2), ..of(U32) }])],
            )),
        ),
    ]);
    for good in [
        min(U32, u32::MAX.into()),
        min(OPTION, 3),
        min(5, 3),
        format(OPTION, "email"),
        example(QUERY, r#"{"name":"Tux"}"#),
        example(OPTION, "null"),
    ] {
        assert_eq!(good.validate(), Ok(()));
    }
}

#[test]
fn a_parameter_of_a_path_is_one_piece_of_text() {
    let plain = with_type(enumeration("Size", vec![variant("Small", vec![]), variant("Large", vec![])]));
    let ask = |mut schema: ServiceSchema, of| {
        schema.types.push(structure("Ask", vec![field("name", of)]));
        schema.methods[0].request = TypeRef::try_from(schema.types.len()).unwrap() - 1;
        schema
    };
    for good in
        [ask(plain, ERROR + 1), ask(good(), U32), ask(with_type(Type::Decimal { scale: 2 }), ERROR + 1)]
    {
        assert_eq!(good.validate(), Ok(()));
    }
    for (described, at) in [(Type::Bytes, ERROR + 1), (Type::Bool, ERROR), (Type::Bool, TOY), (Type::Bool, 4)]
    {
        check(vec![("can't be written as text", ask(with_type(described), at))]);
    }
}

#[test]
fn a_page_is_items_and_pagination() {
    let page = |fields: Vec<Field>| {
        let mut schema = with_type(structure("Page", fields));
        schema.methods[0] = Method { media: Media::Page, ..method("query", QUERY, ERROR + 1) };
        schema
    };
    assert_eq!(page(vec![field("items", 4), field("pagination", TOY)]).validate(), Ok(()));
    let words = "its reply is no struct of `items`";
    check(vec![
        (words, page(vec![field("pagination", TOY), field("items", 4)])),
        (words, page(vec![field("items", STRING), field("pagination", TOY)])),
        (words, page(vec![field("items", 4), field("pagination", U32)])),
        (words, page(vec![field("items", 4)])),
        (words, page(vec![field("items", 4), field("pagination", TOY), field("more", U32)])),
    ]);
}

#[test]
fn rules_of_methods() {
    let mut doubled = good();
    doubled.methods.push(doubled.methods[0].clone());
    check(vec![
        ("is not the hash of its name", with_method(|method| method.id += 1)),
        ("two methods share", doubled),
        ("is no struct", with_method(|method| method.request = STRING)),
        ("is no struct", with_method(|method| method.request = 99)),
        ("has no reply type", with_method(|method| method.reply = 99)),
        ("its reply is no struct of `items`", with_method(|method| method.media = Media::Page)),
        ("its reply is no string", with_method(|method| method.media = Media::Text)),
        ("is no enum", with_method(|method| method.error = Some(TOY))),
        ("is one-way, but has a reply", one_way(|method| method.reply = TOY)),
        ("is one-way, but has a reply or an error", one_way(|method| method.error = Some(ERROR))),
        ("HTTP can't reach it", one_way(|method| method.http = good().methods[0].http.clone())),
        ("can't carry its shape", with_method(|method| method.shape = CallShape::ClientStream)),
        ("can't carry its shape", with_method(|method| method.http[0].method = "WS".into())),
        ("answers a success with 404", with_method(|method| method.http_status = 404)),
        ("unknown HTTP method get", with_path("get", "/")),
        ("doesn't start with a slash", with_path("GET", "products")),
        ("is no field of its request", with_path("GET", "/{id}")),
        ("{limit} in the path of query can't be written as text", with_path("GET", "/{limit}")),
        ("stands twice", with_path("GET", "/{name}/{name}")),
        ("characters that a path can't have", with_path("GET", "/a b")),
        ("characters that a path can't have", with_path("GET", "/x{name}")),
    ]);
}
