//! The steps: each operation of the shop, what it comes to, and every way in which it says no.

use self::Who::{Anyone, Operator};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Anyone,
    Operator,
}

/// One operation, asked for once.
pub(super) struct Step {
    pub(super) who: Who,
    /// As `product.create`.
    pub(super) method: &'static str,
    /// The whole request as JSON.
    pub(super) request: &'static str,
    /// As `POST /api/v1/products`.
    pub(super) http: &'static str,
    /// The body by HTTP; what stands in the path or the query is not in it.
    pub(super) body: &'static str,
    /// The idempotency token; empty for none.
    pub(super) token: &'static str,
    /// The HTTP status.
    pub(super) status: u16,
    /// The error's code; empty for a success.
    pub(super) code: &'static str,
    /// Places in the answer or in the error's details, and the JSON that stands there.
    pub(super) holds: &'static [(&'static str, &'static str)],
    /// The fields with faults: all of them.
    pub(super) faults: &'static [&'static str],
}

/// A step that succeeds.
fn done(
    who: Who,
    method: &'static str,
    request: &'static str,
    http: &'static str,
    status: u16,
    holds: &'static [(&'static str, &'static str)],
) -> Step {
    Step { who, method, request, http, body: "", token: "", status, code: "", holds, faults: &[] }
}

/// A step that is refused.
fn refused(
    who: Who,
    method: &'static str,
    request: &'static str,
    http: &'static str,
    status: u16,
    code: &'static str,
) -> Step {
    Step { who, method, request, http, body: "", token: "", status, code, holds: &[], faults: &[] }
}

impl Step {
    /// The request's fields stand in the body by HTTP too.
    fn all_in_body(self) -> Self {
        Self { body: self.request, ..self }
    }

    fn body(self, body: &'static str) -> Self {
        Self { body, ..self }
    }

    fn token(self, token: &'static str) -> Self {
        Self { token, ..self }
    }

    fn holds(self, holds: &'static [(&'static str, &'static str)]) -> Self {
        Self { holds, ..self }
    }

    fn faults(self, faults: &'static [&'static str]) -> Self {
        Self { faults, ..self }
    }
}

pub(super) fn steps() -> Vec<Step> {
    [users(), catalog(), stock(), orders(), customers(), feeds()].into_iter().flatten().collect()
}

const ADA: &str = r#"{"name":"Ada King","email":"king@example.com"}"#;

fn users() -> Vec<Step> {
    let (get, list, create) = ("user.get", "user.list", "user.create");
    let (update, remove, all) = ("user.update", "user.remove", "GET /api/v1/users");
    let somebody = r#"{"id":123}"#;
    let nobody = r#"{"id":999}"#;
    vec![
        done(
            Anyone,
            get,
            somebody,
            "GET /users/123",
            200,
            &[("/name", "\"Barbara Liskov\""), ("/email", "null")],
        ),
        done(Operator, get, somebody, "GET /api/v1/users/123", 200, &[("/email", "\"barbara@example.org\"")]),
        refused(Anyone, get, nobody, "GET /users/999", 404, "USER_NOT_FOUND").holds(&[("/id", "999")]),
        refused(Anyone, get, r#"{"id":"x"}"#, "GET /users/x", 422, "INVALID_INPUT").faults(&["id"]),
        refused(Anyone, list, "", all, 401, "UNAUTHENTICATED"),
        done(
            Operator,
            list,
            "",
            all,
            200,
            &[("/items/3/id", "123"), ("/pagination/total", "4"), ("/pagination/has_next", "false")],
        ),
        done(
            Operator,
            list,
            r#"{"page":2,"per_page":3}"#,
            "GET /users?page=2&per_page=3",
            200,
            &[("/items/0/id", "123"), ("/pagination/total_pages", "2"), ("/pagination/has_prev", "true")],
        ),
        done(
            Operator,
            list,
            r#"{"search":"EXAMPLE.ORG","sort":"-name"}"#,
            "GET /users?search=EXAMPLE.ORG&sort=-name",
            200,
            &[("/items/0/name", "\"Edsger Dijkstra\""), ("/items/1/id", "123"), ("/pagination/total", "2")],
        ),
        refused(Operator, list, r#"{"sort":"age"}"#, "GET /users?sort=age", 422, "INVALID_INPUT")
            .faults(&["sort"]),
        refused(
            Operator,
            list,
            r#"{"page":0,"per_page":1000}"#,
            "GET /users?page=0&per_page=1000",
            422,
            "INVALID_INPUT",
        )
        .faults(&["page", "per_page"]),
        refused(Anyone, create, ADA, "POST /users", 401, "UNAUTHENTICATED").all_in_body(),
        done(Operator, create, ADA, "POST /api/v1/users", 201, &[("/id", "124"), ("/orders", "0")])
            .all_in_body()
            .token("ada"),
        done(Operator, create, ADA, "POST /users", 201, &[("/id", "124")]).all_in_body().token("ada"),
        refused(
            Operator,
            create,
            r#"{"name":"Eve","email":"eve@example.com"}"#,
            "POST /users",
            422,
            "TOKEN_REUSED",
        )
        .all_in_body()
        .token("ada"),
        refused(
            Operator,
            create,
            r#"{"name":"Another","email":"KING@example.com"}"#,
            "POST /users",
            409,
            "USER_ALREADY_EXISTS",
        )
        .all_in_body()
        .holds(&[("/email", "\"KING@example.com\"")]),
        refused(Operator, create, "{}", "POST /users", 422, "MISSING_REQUIRED_FIELD")
            .all_in_body()
            .faults(&["name", "email"]),
        refused(
            Operator,
            create,
            r#"{"name":"","email":"nobody","age":7}"#,
            "POST /users",
            422,
            "INVALID_INPUT",
        )
        .all_in_body()
        .faults(&["name", "email", "age"]),
        refused(Anyone, update, r#"{"id":124,"name":"Eve"}"#, "PUT /users/124", 401, "UNAUTHENTICATED")
            .body(r#"{"name":"Eve"}"#),
        done(
            Operator,
            update,
            r#"{"id":124,"name":"Ada, Countess of Lovelace"}"#,
            "PUT /users/124",
            200,
            &[("/name", "\"Ada, Countess of Lovelace\""), ("/email", "\"king@example.com\"")],
        )
        .body(r#"{"name":"Ada, Countess of Lovelace"}"#),
        refused(
            Operator,
            update,
            r#"{"id":124,"email":"grace@example.com"}"#,
            "PUT /api/v1/users/124",
            409,
            "USER_ALREADY_EXISTS",
        )
        .body(r#"{"email":"grace@example.com"}"#),
        refused(Operator, update, r#"{"id":999,"name":"Eve"}"#, "PUT /users/999", 404, "USER_NOT_FOUND")
            .body(r#"{"name":"Eve"}"#),
        refused(Anyone, remove, r#"{"id":124}"#, "DELETE /users/124", 401, "UNAUTHENTICATED"),
        done(Operator, remove, r#"{"id":124}"#, "DELETE /users/124", 200, &[("/id", "124")]).token("goodbye"),
        done(Operator, remove, r#"{"id":124}"#, "DELETE /api/v1/users/124", 200, &[("/id", "124")])
            .token("goodbye"),
        refused(Operator, remove, r#"{"id":124}"#, "DELETE /users/124", 404, "USER_NOT_FOUND"),
    ]
}

const PENGUIN: &str = r#"{"name":"Penguin","price":12.50,"quantity":10}"#;

fn catalog() -> Vec<Step> {
    let (query, list, create) = ("product.query", "product.list", "product.create");
    let (update, remove, import) = ("product.update", "product.remove", "product.import");
    let tux: &[(&str, &str)] =
        &[("/id", "2"), ("/name", "\"Tux\""), ("/price", "25.99"), ("/quantity", "80")];
    vec![
        done(Anyone, query, r#"{"name":"Tux"}"#, "GET /products/Tux", 200, tux),
        done(Anyone, query, r#"{"name":"2"}"#, "GET /api/v1/products/2", 200, tux),
        refused(Anyone, query, r#"{"name":"Unicorn"}"#, "GET /products/Unicorn", 404, "PRODUCT_NOT_FOUND")
            .holds(&[("/name", "\"Unicorn\"")]),
        refused(Anyone, query, r#"{"name":"77"}"#, "GET /products/77", 404, "PRODUCT_NOT_FOUND"),
        done(
            Anyone,
            list,
            "",
            "GET /products",
            200,
            &[("/items/0/name", "\"Laptop\""), ("/items/0/price", "999.00"), ("/pagination/total", "5")],
        ),
        done(
            Anyone,
            list,
            r#"{"sort":"-price","max_price":40,"search":"b","per_page":1}"#,
            "GET /api/v1/products?sort=-price&max_price=40&search=b&per_page=1",
            200,
            &[("/items/0/name", "\"Bird\""), ("/pagination/total", "1")],
        ),
        done(
            Anyone,
            list,
            r#"{"in_stock":false}"#,
            "GET /products?in_stock=false",
            200,
            &[("/items", "[]"), ("/pagination/total_pages", "0")],
        ),
        refused(
            Anyone,
            list,
            r#"{"min_price":-1,"colour":"red"}"#,
            "GET /products?min_price=-1&colour=red",
            422,
            "INVALID_INPUT",
        )
        .faults(&["min_price", "colour"]),
        refused(Anyone, create, PENGUIN, "POST /products", 401, "UNAUTHENTICATED").all_in_body(),
        done(Operator, create, PENGUIN, "POST /products", 201, &[("/id", "6"), ("/price", "12.50")])
            .all_in_body()
            .token("penguin"),
        done(Operator, create, PENGUIN, "POST /api/v1/products", 201, &[("/id", "6")])
            .all_in_body()
            .token("penguin"),
        refused(Operator, create, PENGUIN, "POST /products", 409, "PRODUCT_ALREADY_EXISTS")
            .all_in_body()
            .holds(&[("/name", "\"Penguin\"")]),
        refused(
            Operator,
            create,
            r#"{"name":"","price":-1,"quantity":"many"}"#,
            "POST /products",
            422,
            "INVALID_INPUT",
        )
        .all_in_body()
        .faults(&["name", "price", "quantity"]),
        refused(Operator, create, r#"{"name":"42","price":1}"#, "POST /products", 422, "INVALID_INPUT")
            .all_in_body()
            .faults(&["name"]),
        refused(
            Anyone,
            import,
            r#"{"products":[{"name":"Ox","price":1}]}"#,
            "POST /api/v1/products/import",
            401,
            "UNAUTHENTICATED",
        )
        .all_in_body(),
        refused(
            Operator,
            import,
            r#"{"products":[{"name":"Ox","price":1},{"name":"Tux","price":1},{"name":"Bird","price":1}]}"#,
            "POST /api/v1/products/import",
            409,
            "PRODUCTS_ALREADY_EXIST",
        )
        .all_in_body()
        .holds(&[("/names", r#"["Tux","Bird"]"#)]),
        refused(
            Operator,
            import,
            r#"{"products":[{"name":"Ox","price":-1},{"name":"","price":1},{"name":"Ox","price":2}]}"#,
            "POST /api/v1/products/import",
            422,
            "INVALID_INPUT",
        )
        .all_in_body()
        .faults(&["products[0].price", "products[1].name"]),
        refused(
            Operator,
            import,
            r#"{"products":[{"name":"Ox","price":1},{"name":"Owl","price":1},{"name":"Ox","price":2}]}"#,
            "POST /api/v1/products/import",
            422,
            "INVALID_INPUT",
        )
        .all_in_body()
        .faults(&["products[2].name"]),
        refused(Anyone, query, r#"{"name":"Ox"}"#, "GET /products/Ox", 404, "PRODUCT_NOT_FOUND"),
        done(
            Operator,
            import,
            r#"{"products":[{"name":"Ox","price":1,"quantity":3},{"name":"Owl","price":2.5}]}"#,
            "POST /api/v1/products/import",
            201,
            &[("/products/0/id", "7"), ("/products/1/name", "\"Owl\""), ("/products/1/quantity", "0")],
        )
        .all_in_body(),
        refused(Anyone, update, r#"{"product":"Ox","price":2}"#, "PUT /products/Ox", 401, "UNAUTHENTICATED")
            .body(r#"{"price":2}"#),
        done(
            Operator,
            update,
            r#"{"product":"7","name":"Yak","price":2}"#,
            "PUT /products/7",
            200,
            &[("/name", "\"Yak\""), ("/price", "2.00"), ("/quantity", "3")],
        )
        .body(r#"{"name":"Yak","price":2}"#),
        refused(
            Operator,
            update,
            r#"{"product":"Yak","name":"Owl"}"#,
            "PUT /api/v1/products/Yak",
            409,
            "PRODUCT_ALREADY_EXISTS",
        )
        .body(r#"{"name":"Owl"}"#),
        refused(Operator, update, r#"{"product":"Ox"}"#, "PUT /products/Ox", 404, "PRODUCT_NOT_FOUND")
            .body("{}"),
        refused(Anyone, remove, r#"{"name":"Yak"}"#, "DELETE /products/Yak", 401, "UNAUTHENTICATED"),
        done(Operator, remove, r#"{"name":"Yak"}"#, "DELETE /products/Yak", 200, &[("/id", "7")])
            .token("yak"),
        done(Operator, remove, r#"{"name":"Yak"}"#, "DELETE /products/Yak", 200, &[("/id", "7")])
            .token("yak"),
        refused(Operator, remove, r#"{"name":"Yak"}"#, "DELETE /products/Yak", 404, "PRODUCT_NOT_FOUND"),
    ]
}

fn stock() -> Vec<Step> {
    let (restock, purchase, inventory) = ("product.restock", "product.purchase", "product.inventory");
    let owls = r#"{"name":"Owl","quantity":5}"#;
    let five = r#"{"quantity":5}"#;
    vec![
        refused(Anyone, restock, owls, "POST /api/v1/products/Owl/restock", 401, "UNAUTHENTICATED")
            .body(five),
        done(Operator, restock, owls, "POST /api/v1/products/Owl/restock", 200, &[("/quantity", "5")])
            .body(five)
            .token("owls"),
        done(Operator, restock, owls, "POST /api/v1/products/Owl/restock", 200, &[("/quantity", "5")])
            .body(five)
            .token("owls"),
        refused(
            Operator,
            restock,
            r#"{"name":"Unicorn","quantity":5}"#,
            "POST /api/v1/products/Unicorn/restock",
            404,
            "PRODUCT_NOT_FOUND",
        )
        .body(five),
        done(
            Anyone,
            purchase,
            owls,
            "POST /api/v1/products/Owl/purchase",
            200,
            &[("/name", "\"Owl\""), ("/quantity", "5"), ("/price", "2.50")],
        )
        .body(five)
        .token("my-owls"),
        refused(Anyone, purchase, owls, "POST /api/v1/products/Owl/purchase", 409, "OUT_OF_STOCK")
            .body(five)
            .holds(&[("/requested", "5"), ("/available", "0")]),
        refused(
            Anyone,
            purchase,
            r#"{"name":"Owl","quantity":0}"#,
            "POST /api/v1/products/Owl/purchase",
            422,
            "INVALID_INPUT",
        )
        .body(r#"{"quantity":0}"#)
        .faults(&["quantity"]),
        refused(Anyone, inventory, "", "GET /api/v1/inventory", 401, "UNAUTHENTICATED"),
        done(
            Operator,
            inventory,
            "",
            "GET /api/v1/inventory",
            200,
            &[
                ("/products/0/name", "\"Laptop\""),
                ("/products/0/sold", "1"),
                ("/products/6/initial", "5"),
                ("/products/6/sold", "5"),
            ],
        ),
    ]
}

fn orders() -> Vec<Step> {
    let (buy, get, list) = ("order.buy", "order.get", "order.list");
    let (update, cancel) = ("order.update", "order.cancel");
    let whales = r#"{"name":"Whale","quantity":2}"#;
    vec![
        done(
            Anyone,
            get,
            r#"{"order_num":2}"#,
            "GET /orders/2",
            200,
            &[("/status", "\"Processing\""), ("/total", "59.99")],
        ),
        refused(Anyone, get, r#"{"order_num":77}"#, "GET /api/v1/orders/77", 404, "ORDER_NOT_FOUND")
            .holds(&[("/order_num", "77")]),
        done(Anyone, buy, whales, "POST /orders", 201, &[("/order_num", "3")]).all_in_body().token("whales"),
        done(Anyone, buy, whales, "POST /api/v1/orders", 201, &[("/order_num", "3")])
            .all_in_body()
            .token("whales"),
        refused(Anyone, buy, r#"{"name":"Whale","quantity":1}"#, "POST /orders", 422, "TOKEN_REUSED")
            .all_in_body()
            .token("whales"),
        refused(Anyone, buy, r#"{"name":"Whale","quantity":1000}"#, "POST /orders", 409, "OUT_OF_STOCK")
            .all_in_body()
            .holds(&[("/order_num", "-1"), ("/available", "92")]),
        refused(Anyone, buy, r#"{"name":"Unicorn","quantity":1}"#, "POST /orders", 404, "PRODUCT_NOT_FOUND")
            .all_in_body()
            .holds(&[("/order_num", "-1"), ("/name", "\"Unicorn\"")]),
        refused(
            Anyone,
            buy,
            r#"{"name":"","quantity":0,"customer":0}"#,
            "POST /orders",
            422,
            "INVALID_INPUT",
        )
        .all_in_body()
        .faults(&["name", "quantity", "customer"]),
        refused(Anyone, list, "", "GET /orders", 401, "UNAUTHENTICATED"),
        done(
            Operator,
            list,
            "",
            "GET /api/v1/orders",
            200,
            &[("/items/0/order_num", "3"), ("/items/0/total", "69.98"), ("/pagination/total", "3")],
        ),
        done(
            Operator,
            list,
            r#"{"status":"Delivered","sort":"total"}"#,
            "GET /orders?status=Delivered&sort=total",
            200,
            &[("/items/0/order_num", "1"), ("/pagination/total", "1")],
        ),
        refused(Operator, list, r#"{"status":"Lost"}"#, "GET /orders?status=Lost", 422, "INVALID_INPUT")
            .faults(&["status"]),
        refused(
            Anyone,
            update,
            r#"{"order_num":2,"status":"Shipped"}"#,
            "PUT /orders/2",
            401,
            "UNAUTHENTICATED",
        )
        .body(r#"{"status":"Shipped"}"#),
        done(
            Operator,
            update,
            r#"{"order_num":2,"status":"Shipped"}"#,
            "PUT /orders/2",
            200,
            &[("/status", "\"Shipped\"")],
        )
        .body(r#"{"status":"Shipped"}"#),
        refused(
            Operator,
            update,
            r#"{"order_num":2,"status":"Processing"}"#,
            "PUT /api/v1/orders/2",
            409,
            "INVALID_TRANSITION",
        )
        .body(r#"{"status":"Processing"}"#)
        .holds(&[("/from", "\"Shipped\""), ("/allowed", r#"["Delivered"]"#)]),
        refused(Operator, cancel, r#"{"order_num":2}"#, "DELETE /orders/2", 409, "INVALID_TRANSITION"),
        refused(Anyone, cancel, r#"{"order_num":3}"#, "DELETE /orders/3", 401, "UNAUTHENTICATED"),
        done(
            Operator,
            cancel,
            r#"{"order_num":3}"#,
            "DELETE /orders/3",
            200,
            &[("/status", "\"Cancelled\"")],
        ),
        done(
            Operator,
            cancel,
            r#"{"order_num":3}"#,
            "DELETE /api/v1/orders/3",
            200,
            &[("/status", "\"Cancelled\"")],
        ),
        refused(Anyone, "order.log", "", "GET /orders/log", 401, "UNAUTHENTICATED"),
        done(
            Operator,
            "order.log",
            r#"{"after":2}"#,
            "GET /api/v1/orders/log?after=2",
            200,
            &[("", r#""3 Whale 2\n-1 Whale 1000\n-1 Unicorn 1""#)],
        ),
        refused(Operator, cancel, r#"{"order_num":77}"#, "DELETE /orders/77", 404, "ORDER_NOT_FOUND"),
    ]
}

fn customers() -> Vec<Step> {
    let buy = "order.buy";
    vec![
        done(
            Anyone,
            buy,
            r#"{"name":"Bird","quantity":1,"customer":123}"#,
            "POST /orders",
            201,
            &[("/order_num", "4")],
        )
        .all_in_body(),
        refused(
            Anyone,
            buy,
            r#"{"name":"Bird","quantity":1,"customer":999}"#,
            "POST /orders",
            404,
            "CUSTOMER_NOT_FOUND",
        )
        .all_in_body()
        .holds(&[("/order_num", "-1"), ("/customer", "999")]),
        done(
            Operator,
            "order.list",
            r#"{"customer":123}"#,
            "GET /orders?customer=123",
            200,
            &[("/items/0/name", "\"Bird\""), ("/pagination/total", "1")],
        ),
    ]
}

fn feeds() -> Vec<Step> {
    let (users, products, orders) = ("user.events", "product.events", "order.events");
    vec![
        refused(Anyone, users, "", "GET /api/v1/users/events", 401, "UNAUTHENTICATED"),
        done(
            Operator,
            users,
            "",
            "GET /api/v1/users/events",
            200,
            &[
                ("/events/0/change/Created/user", "124"),
                ("/events/2/change/Removed/user", "124"),
                ("/oldest", "1"),
            ],
        ),
        done(
            Operator,
            products,
            r#"{"limit":1}"#,
            "GET /api/v1/products/events?limit=1",
            200,
            &[("/events/0/change/Created/name", "\"Laptop\"")],
        ),
        done(
            Operator,
            orders,
            r#"{"after":1,"limit":2}"#,
            "GET /api/v1/orders/events?after=1&limit=2",
            200,
            &[("/events/0/change/Moved/to", "\"Shipped\""), ("/events/1/change/Cancelled/order_num", "3")],
        ),
    ]
}
