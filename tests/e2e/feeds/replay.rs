//! Product's feed, from its first event on, makes the inventory.

use std::collections::BTreeMap;

use micronet_tests::http_client::HttpClient;
use micronet_tests::patience::until;
use serde_json::Value;

use super::shop::{Shop, Stock};

/// Events of one page: fewer than there are.
const PAGE: usize = 5;

#[test]
fn the_feed_of_product_replayed_is_the_inventory() {
    let shop = Shop::open(1);
    let product = |method: &str, target: &str, json: &str, status: u16| {
        shop.send(method, target, json).check(status);
    };
    product("POST", "/products", r#"{"name":"Penguin","price":12.50,"quantity":10}"#, 201);
    product("POST", "/products", r#"{"name":"Gone","price":1,"quantity":1}"#, 201);
    product("POST", "/api/v1/products/Penguin/restock", r#"{"quantity":7}"#, 200);
    product("POST", "/api/v1/products/Whale/purchase", r#"{"quantity":3}"#, 200);
    product("PUT", "/products/Penguin", r#"{"name":"King Penguin","price":99}"#, 200);
    shop.send("DELETE", "/products/Gone", "").check(200);
    let order = shop.bought(4, None);
    shop.bought(2, None);
    shop.cancel(order);
    shop.until_stock(Stock::settled(78, 2));

    let replayed = until("the feed to be that of the inventory", || {
        let replayed = replay(&events(&shop));
        let inventory = shop.inventory();
        if replayed == inventory { Ok(replayed) } else { Err(format!("{replayed:?}\nbut {inventory:?}")) }
    });
    assert_eq!(replayed["King Penguin"], Stock::settled(17, 0));
    assert_eq!(replayed["Whale"], Stock::settled(91, 3));
    // It is for the operator and for services.
    for server in [shop.product.address(), shop.gateway()] {
        HttpClient::connect(server).get("/api/v1/events/products").check(401);
    }
}

/// All events, page by page. Their ids ascend.
fn events(shop: &Shop) -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    loop {
        let after = events.last().map_or(0, |event| event["id"].as_u64().expect("an id"));
        let page = shop.get(&format!("/api/v1/events/products?after={after}&limit={PAGE}")).check(200);
        let found = page.at("/data/events").as_array().expect("events").clone();
        let ids: Vec<u64> = found.iter().filter_map(|event| event["id"].as_u64()).collect();
        assert!(ids.iter().all(|id| *id > after) && ids.is_sorted_by(|a, b| a < b), "{}", page.shown());
        assert!(found.len() <= PAGE, "{}", page.shown());
        if found.is_empty() {
            return events;
        }
        events.extend(found);
    }
}

/// What the events make of an empty catalog.
fn replay(events: &[Value]) -> BTreeMap<String, Stock> {
    let mut catalog: BTreeMap<u64, (String, Stock)> = BTreeMap::new();
    for event in events {
        let (kind, change) =
            event["change"].as_object().and_then(|kinds| kinds.iter().next()).expect("a change");
        let number = |field: &str| change[field].as_u64().expect("a number");
        let name = || change["name"].as_str().expect("a name").to_owned();
        let id = number("product");
        match kind.as_str() {
            "Created" => {
                let stock = Stock::settled(number("quantity"), 0);
                assert!(catalog.insert(id, (name(), stock)).is_none(), "{event}");
            }
            "Updated" => catalog.get_mut(&id).expect("a known product").0 = name(),
            "Removed" => assert_eq!(catalog.remove(&id).expect("a known product").0, name()),
            "Stock" => {
                let (quantity, reserved, sold) = (number("quantity"), number("reserved"), number("sold"));
                catalog.get_mut(&id).expect("a known product").1 = Stock { quantity, reserved, sold };
            }
            other => panic!("{other} is unknown"),
        }
    }
    catalog.into_values().collect()
}
