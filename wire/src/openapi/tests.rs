//! The document about services that use all that schemas can say.

mod constraints;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

use super::document;
use crate::error::RpcError;
use crate::schema::{Blob, Decimal, Message, Timestamp};
use crate::service::{CallContext, CallError, service};

#[derive(Message, Debug, Clone)]
enum Colour {
    /// As the sky.
    Blue,
    Red,
}

#[derive(Message, Debug, Clone)]
enum Wrapping {
    None,
    Paper { colour: Colour },
}

/// A thing of all sorts.
#[derive(Message, Debug, Clone)]
struct Everything {
    id: u64,
    small: i8,
    balance: i64,
    ratio: Decimal<3>,
    whole: Decimal<0>,
    /// When.
    at: Timestamp,
    raw: Blob,
    flag: bool,
    note: Option<String>,
    large: Option<u64>,
    wrapping: Option<Wrapping>,
    colour: Colour,
    tags: Vec<String>,
    prices: BTreeMap<String, Decimal<2>>,
    counts: BTreeMap<i32, u16>,
}

#[derive(Message, Debug, Clone)]
struct Find {
    id: u64,
    colour: Option<Colour>,
    text: Option<String>,
}

#[derive(Message, Debug, Clone)]
struct Put {
    shelf: String,
    id: u64,
    what: Everything,
}

#[derive(Message, Debug, Clone)]
enum ShelfError {
    /// Nothing is there.
    #[status(404)]
    NotThere { id: u64 },
    /// It can't be understood.
    #[status(400)]
    Unclear,
    /// A mistake.
    Broken,
}

impl fmt::Display for ShelfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no")
    }
}

/// Things on shelves.
#[service(name = "shelf")]
#[allow(dead_code)] // Only its schema is looked at.
trait Shelf {
    /// One of them. It has a second sentence.
    #[rpc(http("GET /api/v1/things/{id}", "GET /things/{id}"), public, idempotent, rate = "shop")]
    async fn find(&self, context: &CallContext, request: Find) -> Result<Everything, CallError<ShelfError>>;
    /// Puts one.
    #[rpc(
        http("POST /shelves/{shelf}/{id}"),
        permission = "things:write",
        status = 201,
        errors(NotThere, Unclear)
    )]
    async fn put(&self, context: &CallContext, request: Put) -> Result<Find, CallError<ShelfError>>;
    /// Takes one away.
    #[rpc(http("DELETE /things/{number}"), service("order", "cart"), status = 204)]
    async fn take(&self, context: &CallContext, request: Number) -> Result<(), RpcError>;
    /// All of them.
    #[rpc(http("GET /things"), public, idempotent, text)]
    async fn list(&self, context: &CallContext) -> Result<String, RpcError>;
    /// Not for HTTP.
    #[rpc(service)]
    async fn hidden(&self, context: &CallContext, request: Hidden) -> Result<(), RpcError>;
}

#[derive(Message, Debug, Clone)]
struct Number {
    number: u32,
}

#[derive(Message, Debug, Clone)]
struct Hidden {
    secret: String,
}

/// Another service with types and paths of the same names.
#[service(name = "other")]
#[allow(dead_code)] // Only its schema is looked at.
trait Other {
    /// Its own.
    #[rpc(http("GET /other/{number}", "GET /things/{number}"), public, idempotent)]
    async fn find(&self, context: &CallContext, request: Number) -> Result<Number, RpcError>;
}

fn both() -> Value {
    let text = document("both", [&shelf_schema(), &other_schema()], &[]);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn check(document: &Value, pointer: &str, expected: Value) {
    let found = document.pointer(pointer).cloned();
    assert_eq!(found, Some(expected), "{pointer} in {document:#}");
}

#[test]
fn the_same_schemas_give_the_same_text() {
    let (shelf, other) = (shelf_schema(), other_schema());
    let text = document("both", [&shelf, &other], &[]);
    assert_eq!(text, document("both", [&shelf.clone(), &other.clone()], &[]));
    assert!(
        text.starts_with("{\n  \"openapi\": \"3.1.0\",\n  \"info\": {\n    \"title\": \"both\""),
        "{text}"
    );
    // Without a service there are the pages that every process has.
    let empty: Value = serde_json::from_str(&document("none", [], &[])).unwrap();
    let paths: Vec<&String> = empty["paths"].as_object().unwrap().keys().collect();
    let outcomes = "/api/v1/outcomes/{method}/{token}";
    assert_eq!(paths, ["/alive", outcomes, "/docs", "/health", "/metrics", "/openapi.json", "/ready"]);
}

#[test]
fn references_resolve_and_names_are_unique() {
    let document = both();
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (verb, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(operations.insert(id.to_owned()), "{id} is there twice");
            let declared = operation["parameters"].as_array().into_iter().flatten();
            let in_path = declared.filter(|one| one["in"] == "path").map(|one| one["name"].as_str().unwrap());
            let segments = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
            assert_eq!(in_path.collect::<Vec<_>>(), segments.collect::<Vec<_>>(), "{verb} {path}");
        }
    }
    operations.retain(|id| !id.starts_with("operation."));
    let expected = ["other.find", "shelf.find", "shelf.find-2", "shelf.list", "shelf.put", "shelf.take"];
    assert_eq!(operations.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    let mut values = vec![&document];
    let mut references = 0;
    while let Some(value) = values.pop() {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            assert!(document.pointer(&reference[1..]).is_some(), "{reference} leads nowhere");
            references += 1;
        }
        values.extend(value.as_object().into_iter().flat_map(|object| object.values()));
        values.extend(value.as_array().into_iter().flatten());
    }
    assert!(references > 50, "{references}");
    assert!(!document.to_string().contains("Hidden"), "what HTTP doesn't reach isn't described");
}

#[test]
fn types_are_written_by_the_rules_of_transcoding() {
    let document = both();
    let field = |name: &str| format!("/components/schemas/shelf.Everything/properties/{name}");
    let large = "A string beyond 9007199254740991 either way; a request may always use one.";
    let cases = [
        (
            "id",
            json!({ "type": ["integer", "string"], "format": "uint64", "minimum": 0, "maximum": u64::MAX,
                "pattern": "^(0|[1-9][0-9]{0,19})$", "description": large }),
        ),
        ("small", json!({ "type": "integer", "format": "int8", "minimum": -128, "maximum": 127 })),
        ("ratio", json!({ "type": "number", "format": "decimal", "x-scale": 3, "multipleOf": 0.001 })),
        ("whole", json!({ "type": "number", "format": "decimal", "x-scale": 0, "multipleOf": 1 })),
        ("at", json!({ "type": "string", "format": "date-time", "description": "When." })),
        ("raw", json!({ "type": "string", "contentEncoding": "base64" })),
        ("flag", json!({ "type": "boolean" })),
        ("note", json!({ "type": ["string", "null"] })),
        (
            "wrapping",
            json!({ "anyOf": [{ "$ref": "#/components/schemas/shelf.Wrapping" }, { "type": "null" }] }),
        ),
        ("colour", json!({ "$ref": "#/components/schemas/shelf.Colour" })),
        ("tags", json!({ "type": "array", "items": { "type": "string" } })),
        (
            "counts",
            json!({ "type": "object", "propertyNames": { "pattern": "^-?[0-9]+$" },
                "additionalProperties": { "type": "integer", "format": "uint16", "minimum": 0, "maximum": 65535 } }),
        ),
    ];
    for (name, expected) in cases {
        check(&document, &field(name), expected);
    }
    check(&document, &field("large/type"), json!(["integer", "string", "null"]));
    let required = [
        "id", "small", "balance", "ratio", "whole", "at", "raw", "flag", "colour", "tags", "prices", "counts",
    ];
    check(&document, "/components/schemas/shelf.Everything/required", json!(required));
    check(
        &document,
        "/components/schemas/shelf.Colour",
        json!({ "type": "string", "enum": ["Blue", "Red"], "description": "- `Blue`: As the sky." }),
    );
    check(
        &document,
        "/components/schemas/shelf.Wrapping/oneOf/0",
        json!({ "type": "string", "const": "None" }),
    );
    check(&document, "/components/schemas/shelf.Wrapping/oneOf/1/required", json!(["Paper"]));
    // What stands in a request takes no further fields; what is only shown may get some.
    check(&document, "/components/schemas/shelf.Everything/additionalProperties", json!(false));
    check(&document, "/components/schemas/other.Number/additionalProperties", json!(false));
}

#[test]
fn operations_say_what_rest_does() {
    let document = both();
    let find = "/paths/~1api~1v1~1things~1{id}/get";
    check(&document, &format!("{find}/summary"), json!("One of them"));
    check(&document, &format!("{find}/description"), json!("One of them. It has a second sentence."));
    check(&document, &format!("{find}/x-rate-class"), json!("shop"));
    check(&document, "/paths/~1things~1{id}/get/x-alias-of", json!("shelf.find"));
    let parameters = |pointer: &str| {
        let all = document.pointer(&format!("{pointer}/parameters")).and_then(Value::as_array).unwrap();
        all.iter()
            .map(|one| (one["name"].clone(), one["in"].clone(), one["required"].clone()))
            .collect::<Vec<_>>()
    };
    let expected = [("id", "path", true), ("colour", "query", false), ("text", "query", false)];
    assert_eq!(
        parameters(find),
        expected.map(|(name, place, required)| (json!(name), json!(place), json!(required)))
    );
    assert!(document.pointer(&format!("{find}/security")).is_none());
    // Two paths that differ in the names of their parameters alone are one.
    check(&document, "/paths/~1things~1{id}/delete/parameters/0/name", json!("id"));
    check(
        &document,
        "/paths/~1things~1{id}/delete/parameters/1/$ref",
        json!("#/components/parameters/IdempotencyKey"),
    );
    check(&document, "/paths/~1things~1{id}/delete/x-access", json!("service: order, cart"));
    check(&document, "/paths/~1things~1{id}/delete/security", json!([{ "bearer": [] }]));
    assert!(document["paths"].get("/things/{number}").is_none());
    check(&document, "/paths/~1things~1{id}/get/tags", json!(["shelf"]));

    let put = "/paths/~1shelves~1{shelf}~1{id}/post";
    check(&document, &format!("{put}/x-permission"), json!("things:write"));
    check(&document, &format!("{put}/security"), json!([{ "bearer": ["things:write"] }]));
    check(&document, &format!("{put}/requestBody/required"), json!(true));
    let body = "shelf.Put-without-shelf-id";
    let schema = format!("{put}/requestBody/content/application~1json/schema/$ref");
    check(&document, &schema, json!(format!("#/components/schemas/{body}")));
    check(&document, &format!("/components/schemas/{body}/required"), json!(["what"]));
    check(&document, &format!("{put}/parameters/0/schema"), json!({ "type": "string", "minLength": 1 }));
    let statuses = |pointer: &str| {
        let all = document.pointer(&format!("{pointer}/responses")).and_then(Value::as_object).unwrap();
        all.keys().cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(statuses(find), "200 304 400 401 404 406 414 422 429 431 500 502 503 504");
    assert_eq!(statuses(put), "201 400 401 403 404 406 409 412 413 414 415 422 429 431 500 502 503 504");
    assert_eq!(statuses("/paths/~1things/get"), "200 304 400 401 406 414 422 429 431 500 502 503 504");
    let take = "/paths/~1things~1{id}/delete";
    assert_eq!(statuses(take), "204 400 401 403 406 409 412 414 422 429 431 500 502 503 504");
    assert!(document.pointer("/paths/~1things~1{id}/delete/responses/204/content").is_none());
    check(
        &document,
        "/paths/~1things/get/responses/200/content",
        json!({ "text/plain": { "schema": { "type": "string" } } }),
    );

    // What it names is all that it answers with.
    let mut schema = shelf_schema();
    let find_500 = format!("{find}/responses/500/content/application~1json/schema/anyOf/0");
    check(&document, &find_500, json!({ "$ref": "#/components/schemas/shelf.ShelfError.Broken" }));
    schema.methods[0].errors = vec!["NotThere".into()];
    let named: Value = serde_json::from_str(&super::document("one", [&schema], &[])).unwrap();
    check(
        &named,
        &format!("{find}/responses/500"),
        json!({ "$ref": "#/components/responses/InternalError" }),
    );
    check(&named, &format!("{find}/responses/400"), json!({ "$ref": "#/components/responses/BadRequest" }));

    let of_404 = format!("{find}/responses/404/content/application~1json/schema");
    check(&document, &of_404, json!({ "$ref": "#/components/schemas/shelf.ShelfError.NotThere" }));
    check(
        &document,
        "/components/schemas/shelf.ShelfError.NotThere/properties/error/properties/code",
        json!({ "const": "NOT_THERE" }),
    );
    let of_400 = format!("{find}/responses/400/content/application~1json/schema/anyOf");
    let references = ["shelf.ShelfError.Unclear", "Error"]
        .map(|name| json!({ "$ref": format!("#/components/schemas/{name}") }));
    check(&document, &of_400, json!(references));
    check(
        &document,
        &format!("{find}/responses/422"),
        json!({ "$ref": "#/components/responses/InvalidInput" }),
    );
    let faults = "/components/responses/InvalidInput/content/application~1json/schema";
    check(&document, faults, json!({ "$ref": "#/components/schemas/Faults" }));
}

#[test]
fn a_service_that_is_being_replaced_is_described_once_and_what_is_new_beside_it() {
    let older = other_schema();
    let mut newer = older.clone();
    newer.methods[0].http[1].path = "/newest/{number}".into();
    let document: Value = serde_json::from_str(&document("both", [&older, &newer], &[])).unwrap();
    let paths = document["paths"].as_object().unwrap().keys().filter(|path| path.ends_with("{number}"));
    assert_eq!(paths.collect::<Vec<_>>(), ["/newest/{number}", "/other/{number}", "/things/{number}"]);
    check(&document, "/paths/~1newest~1{number}/get/operationId", json!("other-2.find-2"));
    assert!(document.pointer("/paths/~1newest~1{number}/get/x-alias-of").is_none());
    assert_eq!(document["tags"].as_array().unwrap().len(), 2);
}

#[test]
fn a_stream_of_replies_is_one_of_events_and_a_websocket() {
    use crate::rest::Routes;
    use crate::schema::{Access, CallShape, EncodedSchema, ServiceSchema};

    let mut schema = other_schema();
    let routes = |schema: &ServiceSchema| {
        let encoded = EncodedSchema::new(schema.clone()).unwrap();
        Routes::from_schemas("one", [(0, std::rc::Rc::new(encoded))]).to_string()
    };
    assert!(!routes(&schema).contains("/ws/"), "{}", routes(&schema));
    schema.methods[0].shape = CallShape::ServerStream;
    schema.methods[0].http.truncate(1);
    let path = schema.methods[0].http[0].path.clone();
    assert_eq!(routes(&schema), format!("GET {path}\nGET /ws{path}\n"));
    let described: Value = serde_json::from_str(&document("one", [&schema], &[])).unwrap();
    let answer =
        &described["paths"][&path]["get"]["responses"]["200"]["content"]["text/event-stream"]["schema"];
    assert_eq!(answer["type"], json!("string"));
    assert!(
        answer["x-event-data"]["$ref"].is_string() || answer["x-event-data"]["type"].is_string(),
        "{answer}"
    );
    // Its replies don't say where they stand, so nothing says where it goes on.
    let named = |schema: &ServiceSchema| {
        let described: Value = serde_json::from_str(&document("one", [schema], &[])).unwrap();
        let parameters =
            described["paths"][&path]["get"]["parameters"].as_array().cloned().unwrap_or_default();
        parameters
            .into_iter()
            .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(
        !named(&schema).iter().any(|name| name == "ticket" || name == "last_event_id"),
        "{:?}",
        named(&schema)
    );
    schema.methods[0].access = Access::SignedIn;
    assert!(named(&schema).iter().any(|name| name == "ticket"), "{:?}", named(&schema));
    // What is a WebSocket alone isn't described.
    schema.methods[0].http[0].method = "WS".into();
    assert_eq!(routes(&schema), format!("GET /ws{path}\n"));
    assert!(!document("one", [&schema], &[]).contains("other.find"));
}
