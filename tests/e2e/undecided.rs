//! Pieces that order has set aside and on which nothing was decided, as when it stops in between: they come back, and nothing else does.

use micronet_services::product::api::{HeldFor, Pieces, ProductClient};
use micronet_tests::http_client::HttpClient;
use micronet_tests::patience::until;
use micronet_tests::rpc::{Caller, call};
use micronet_wire::error::Code;
use micronet_wire::service::CallOptions;

use crate::outcomes::Shop;

#[test]
fn what_was_set_aside_for_no_order_comes_back() {
    let shop = Shop::start(1);
    let mut http = HttpClient::connect(shop.orders[0].address());
    http.post_once("order", "/orders", r#"{"name":"Whale","quantity":3}"#).check(201);
    until("the order to be settled", || match shop.whales() {
        [_, 0, 3] => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let before = shop.whales();

    // As an instance of order does that is killed before it decides, and as the operator does by hand.
    let pieces = |quantity| Pieces { name: "Whale".into(), quantity };
    let reserve = |caller: Caller, quantity| {
        call(shop.product.address(), &caller.identity(&shop.folder), async |client| {
            let options = CallOptions::default().token("forgotten");
            ProductClient::new(client).reserve(&pieces(quantity), options).await
        })
    };
    reserve(Caller::Operator, 4).expect("four whales for the operator");
    reserve(Caller::Member("order"), 2).expect("two whales for an order");
    until("the two to come back", || match shop.whales() {
        now if now == [before[0] - 4, before[1] + 4, before[2]] => Ok(()),
        other => Err(format!("{before:?}, then {other:?}")),
    });
    assert_eq!(http.get("/orders/log").check(200).text(), "1 Whale 3\n-1 Whale 2\n");
    let late = reserve(Caller::Member("order"), 2).expect_err("it was released");
    assert!(late.to_string().contains("released"), "{late}");

    // Each sees what it holds itself, and others nothing.
    let held = |caller: Caller| {
        call(shop.product.address(), &caller.identity(&shop.folder), async |client| {
            let all = HeldFor { at_least_ms: 0, limit: 9 };
            ProductClient::new(client).held(&all, CallOptions::default()).await
        })
    };
    let of_operator = held(Caller::Operator).expect("the operator may ask").reservations;
    let of_operator: Vec<_> = of_operator.iter().map(|held| (held.token.as_str(), held.quantity)).collect();
    assert_eq!(of_operator, [("forgotten", 4)]);
    assert_eq!(held(Caller::Member("order")).expect("order may ask").reservations, []);
    assert_eq!(held(Caller::Stranger).expect_err("a stranger may not").code, Code::Unauthenticated);
}
