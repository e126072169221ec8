//! The steps of the order service, and of its customers.

use super::Who::{Anyone, Operator};
use super::{Step, done, refused};

pub(super) fn orders() -> Vec<Step> {
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

pub(super) fn customers() -> Vec<Step> {
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
