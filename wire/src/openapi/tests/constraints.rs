//! Constraints, examples and pages in the document.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::check;
use crate::error::RpcError;
use crate::openapi::document;
use crate::schema::{Blob, Decimal, Message};
use crate::service::{CallContext, service};

#[derive(Message, Debug, Clone)]
struct Place {
    #[field(example = "Zurich")]
    city: String,
}

#[derive(Message, Debug, Clone)]
struct Wish {
    /// Whose.
    #[field(min = 1, max = 200, example = "ann")]
    who: String,
    #[field(format = "email", example = "ann@example.org")]
    mail: Option<String>,
    #[field(min = 1, max = 1000, example = 2)]
    count: u64,
    #[field(min = -5)]
    offset: Option<i64>,
    #[field(min = 100, max = 2599, example = 25.99)]
    price: Decimal<2>,
    #[field(max = 4, example = "AQ==")]
    raw: Blob,
    #[field(min = 1, max = 3, example = "[1]")]
    days: Vec<u8>,
    #[field(max = 2, example = "{}")]
    sizes: BTreeMap<String, u8>,
    place: Place,
    #[field(format = "line")]
    line: Option<String>,
    #[field(format = "choice up -up")]
    order: Option<String>,
    #[field(secret)]
    word: Option<String>,
}

#[derive(Message, Debug, Clone)]
struct Unlock {
    #[field(secret, min = 8)]
    word: String,
}

#[derive(Message, Debug, Clone)]
struct Pick {
    #[field(min = 2, max = 9)]
    who: String,
    #[field(min = 1, max = 100)]
    limit: Option<u64>,
}

#[derive(Message, Debug, Clone)]
struct Pagination {
    next: Option<String>,
}

#[derive(Message, Debug, Clone)]
struct Wishes {
    items: Vec<Wish>,
    pagination: Pagination,
}

/// Wishes.
#[service(name = "wishes")]
#[allow(dead_code)] // Only its schema is looked at.
trait WishList {
    /// Makes one.
    #[rpc(http("POST /wishes/{who}", "POST /wishes"), public)]
    async fn make(&self, context: &CallContext, request: Wish) -> Result<Wish, RpcError>;
    /// Lets somebody in.
    #[rpc(http("POST /unlock"), public)]
    async fn unlock(&self, context: &CallContext, request: Unlock) -> Result<(), RpcError>;
    /// All of somebody's.
    #[rpc(http("GET /wishes/{who}"), public, idempotent, page)]
    async fn list(&self, context: &CallContext, request: Pick) -> Result<Wishes, RpcError>;
}

#[test]
fn constraints_are_keywords_and_examples_make_a_body() {
    let text = document("wishes", [&wish_list_schema()], &[]);
    let document: Value = serde_json::from_str(&text).unwrap();
    let cases = [
        (
            "who",
            json!({ "type": "string", "minLength": 1, "maxLength": 200, "description": "Whose.", "examples": ["ann"] }),
        ),
        ("mail", json!({ "type": ["string", "null"], "format": "email", "examples": ["ann@example.org"] })),
        (
            "count",
            json!({ "type": "integer", "format": "uint64", "minimum": 1, "maximum": 1000, "examples": [2] }),
        ),
        (
            "price",
            json!({ "type": "number", "format": "decimal", "x-scale": 2, "minimum": 1.00, "maximum": 25.99,
                "multipleOf": 0.01, "examples": [25.99] }),
        ),
        ("order", json!({ "type": ["string", "null"], "enum": ["up", "-up", null] })),
        (
            "raw",
            json!({ "type": "string", "contentEncoding": "base64", "maxLength": 8, "examples": ["AQ=="] }),
        ),
    ];
    for (name, expected) in cases {
        check(&document, &format!("/components/schemas/wishes.Wish/properties/{name}"), expected);
    }
    let field = |rest: &str| format!("/components/schemas/wishes.Wish/properties/{rest}");
    check(&document, &field("days/minItems"), json!(1));
    check(&document, &field("days/maxItems"), json!(3));
    check(&document, &field("sizes/maxProperties"), json!(2));
    check(&document, &field("offset/minimum"), json!(-5));
    check(&document, &field("offset/type"), json!(["integer", "string", "null"]));
    let line = document.pointer(&field("line/pattern")).and_then(Value::as_str).unwrap();
    assert!(line.starts_with("^[^") && line.contains(r"\u3000") && line.ends_with("]*$"), "{line}");
    // What is only asked for is never told.
    let secret = |of: &str| format!("/components/schemas/wishes.{of}/properties/word");
    let asked = json!({ "type": "string", "format": "password", "minLength": 8, "writeOnly": true });
    check(&document, &secret("Unlock"), asked);
    check(&document, &secret("Wish"), json!({ "type": ["string", "null"], "format": "password" }));
    // Exactly as many digits as its scale has.
    assert!(text.contains("\"minimum\": 1.00,"), "{text}");

    let example = json!({ "mail": "ann@example.org", "count": 2, "price": 25.99, "raw": "AQ==", "days": [1], "sizes": {},
        "place": { "city": "Zurich" } });
    check(
        &document,
        "/paths/~1wishes~1{who}/post/requestBody/content/application~1json/example",
        example.clone(),
    );
    let mut whole = example;
    whole["who"] = json!("ann");
    check(&document, "/paths/~1wishes/post/requestBody/content/application~1json/example", whole);

    check(
        &document,
        "/paths/~1wishes~1{who}/get/parameters/0/schema",
        json!({ "type": "string", "minLength": 2, "maxLength": 9 }),
    );
    check(
        &document,
        "/paths/~1wishes~1{who}/get/parameters/1/schema",
        json!({ "type": "integer", "format": "uint64", "minimum": 1, "maximum": 100 }),
    );
}

#[test]
fn a_pages_items_are_the_data_and_its_pagination_stands_beside_them() {
    let document: Value = serde_json::from_str(&document("wishes", [&wish_list_schema()], &[])).unwrap();
    let envelope = "/paths/~1wishes~1{who}/get/responses/200/content/application~1json/schema";
    let items = json!({ "type": "array", "items": { "$ref": "#/components/schemas/wishes.Wish" } });
    check(&document, &format!("{envelope}/properties/data"), items);
    let pagination = json!({ "$ref": "#/components/schemas/wishes.Pagination" });
    check(&document, &format!("{envelope}/properties/pagination"), pagination);
    check(&document, &format!("{envelope}/required"), json!(["success", "data", "pagination", "meta"]));
}
