//! The steps that read the feeds of changes.

use super::Who::{Anyone, Operator};
use super::{Step, done, refused};

pub(super) fn feeds() -> Vec<Step> {
    let (users, products, orders) = ("user.events", "product.events", "order.events");
    vec![
        refused(Anyone, users, "", "GET /api/v1/events/users", 401, "UNAUTHENTICATED"),
        done(
            Operator,
            users,
            "",
            "GET /api/v1/events/users",
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
            "GET /api/v1/events/products?limit=1",
            200,
            &[("/events/0/change/Created/name", "\"Laptop\"")],
        ),
        done(
            Operator,
            orders,
            r#"{"after":1,"limit":2}"#,
            "GET /api/v1/events/orders?after=1&limit=2",
            200,
            &[("/events/0/change/Moved/to", "\"Shipped\""), ("/events/1/change/Cancelled/order_num", "3")],
        ),
    ]
}
