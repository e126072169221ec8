//! The steps of the product service: the catalog, and its stock.

use super::Who::{Anyone, Operator};
use super::{Step, done, refused};

const PENGUIN: &str = r#"{"name":"Penguin","price":12.50,"quantity":10}"#;

pub(super) fn catalog() -> Vec<Step> {
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
            409,
            "PRODUCTS_ALREADY_EXIST",
        )
        .all_in_body()
        .holds(&[("/names", r#"["Ox"]"#)]),
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

pub(super) fn stock() -> Vec<Step> {
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
