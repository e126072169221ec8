//! What stands encoded in databases: feeds and stored replies. Later versions have to read it, so these bytes never change; a type
//! may get further variants, at its end.

use micronet_wire::encoding;
use micronet_wire::schema::{Decimal, Message, Timestamp};

use crate::order::api::{OrderChange, OrderStatus};
use crate::product::api::{Imported, ProductChange, ProductInfo};
use crate::user::api::{Forgotten, UserChange};

#[track_caller]
fn stands(value: &impl Message, hex: &str) {
    let bytes = encoding::encode(value).unwrap();
    let found: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found, hex, "what databases hold could not be read any more");
}

#[test]
fn the_feeds_are_written_as_they_always_were() {
    let (name, total) = (|| "Tux".to_owned(), Decimal(2_599));
    let changes = [
        OrderChange::Placed { order_num: 3, name: name(), quantity: 1, total, customer: Some(123) },
        OrderChange::Abandoned { name: name(), quantity: 1 },
        OrderChange::Moved { order_num: 3, from: OrderStatus::Processing, to: OrderStatus::Shipped },
        OrderChange::Cancelled { order_num: 3, name: name(), quantity: 1, total, customer: None },
    ];
    let hex = ["00030354757801fb4e14017b", "010354757801", "02030001", "03030354757801fb4e1400"];
    for (change, hex) in changes.iter().zip(hex) {
        stands(change, hex);
    }
    let changes = [
        ProductChange::Created { product: 2, name: name(), price: total, quantity: 80 },
        ProductChange::Updated { product: 2, name: name(), price: total },
        ProductChange::Removed { product: 2, name: name() },
        ProductChange::Stock { product: 2, quantity: 79, reserved: 1, sold: 0 },
    ];
    let hex = ["000203547578fb4e1450", "010203547578fb4e14", "020203547578", "03024f0100"];
    for (change, hex) in changes.iter().zip(hex) {
        stands(change, hex);
    }
    let changes = [
        UserChange::Created { user: 123 },
        UserChange::Updated { user: 123 },
        UserChange::Removed { user: 123 },
    ];
    for (change, hex) in changes.iter().zip(["007b", "017b", "027b"]) {
        stands(change, hex);
    }
}

#[test]
fn replies_are_stored_as_they_always_were() {
    let info = ProductInfo {
        id: 2,
        name: "Tux".into(),
        price: Decimal(2_599),
        quantity: 80,
        created_at: Timestamp(1_763_721_000_000_000),
        updated_at: Timestamp(1_763_721_000_000_001),
    };
    let hex = "0203547578fb4e1450fd0034609730880c00fd0234609730880c00";
    stands(&info, hex);
    let listed = vec![info];
    stands(&listed, &format!("01{hex}"));
    // What outcomes tell as it is stored.
    stands(&Imported { products: listed }, &format!("01{hex}"));
    // A user's number.
    stands(&124_u64, "7c");
    stands(&Forgotten { id: 124 }, "7c");
}
