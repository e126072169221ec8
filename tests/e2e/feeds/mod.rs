//! What one service has others know: each change is told until it was heard, and counts once, whoever dies or sleeps meanwhile.

mod replay;
mod shop;

use std::net::SocketAddr;

use micronet_tests::http_client::HttpClient;
use micronet_tests::patience::until;
use micronet_tests::process::{micronet, run};
use micronet_tests::server::Server;
use rustix::process::Signal;

use self::shop::{CUSTOMER, Shop, Stock, TUX_CENTS};

#[test]
fn an_order_counts_for_its_customer_until_it_is_cancelled() {
    let shop = Shop::open(1);
    let last_seen = || shop.get("/users/123").check(200).at("/data/last_seen");
    assert!(last_seen().is_null());
    let order = shop.bought(2, Some(CUSTOMER));
    shop.until_counted(CUSTOMER, 1, 2 * TUX_CENTS);
    shop.until_stock(Stock::settled(78, 2));
    // Nobody waits for this to be noticed.
    until("the customer to be seen", || if last_seen().is_string() { Ok(()) } else { Err("null".into()) });
    shop.bought(1, None);
    shop.check_counted(CUSTOMER, 1, 2 * TUX_CENTS);
    shop.cancel(order);
    shop.until_counted(CUSTOMER, 0, 0);
    // One without a customer, and the marker's.
    shop.until_stock(Stock::settled(78, 2));
    // Twice is once.
    shop.cancel(order);
    shop.check_counted(CUSTOMER, 0, 0);
    shop.until_stock(Stock::settled(77, 3));
}

#[test]
fn a_user_who_is_seen_is_called_and_not_waited_for() {
    let shop = Shop::open(1);
    let data = shop.folder.path();
    let to = shop.user.address().to_string();
    let said = run(micronet(data, &["call", "user.seen", r#"{"id":2}"#, "--to", &to])).check(0);
    assert_eq!(said.stdout, "sent to user-1: the method is one-way, so no answer follows\n");
    until("the user to be seen", || {
        let user = shop.get("/users/2").check(200);
        if user.at("/data/last_seen").is_string() { Ok(()) } else { Err(user.shown()) }
    });
    // A stranger is told the same, and nothing comes of it.
    let call = ["call", "user.seen", r#"{"id":3}"#, "--to", &to, "--anonymous"];
    let said = run(micronet(data, &call)).check(0);
    assert!(said.stdout.starts_with("sent to user-1"), "{}", said.stdout);
    assert!(shop.get("/users/3").check(200).at("/data/last_seen").is_null());
}

#[test]
fn what_happens_while_users_are_away_counts_once_when_they_are_back() {
    let mut shop = Shop::open(1);
    let orders: Vec<u64> = (0..3).map(|_| shop.bought(1, Some(CUSTOMER))).collect();
    shop.until_counted(CUSTOMER, 3, 3 * TUX_CENTS);
    shop.until_stock(Stock::settled(77, 3));
    shop.user.process().kill();

    let lines = || shop.get("/orders").check(200).at("/pagination/total");
    let before = lines();
    let refused = shop.buy(5, Some(CUSTOMER)).check(503);
    assert!(refused.text().contains("user"), "{}", refused.shown());
    assert_eq!(lines(), before);
    let free: Vec<u64> = (0..3).map(|_| shop.bought(2, None)).collect();
    shop.cancel(orders[0]);
    shop.cancel(free[0]);
    // Product hears all of it meanwhile: a consumer that is away delays nobody else.
    shop.until_stock(Stock::settled(74, 6));

    shop.restart_user();
    shop.until_counted(CUSTOMER, 2, 2 * TUX_CENTS);
    shop.check_counted(CUSTOMER, 2, 2 * TUX_CENTS);
    shop.until_stock(Stock::settled(73, 7));
}

#[test]
fn a_service_that_dies_while_it_counts_counts_once() {
    let mut shop = Shop::open(1);
    let orders: Vec<u64> = (0..70).map(|_| shop.bought(1, Some(CUSTOMER))).collect();
    shop.until_counted(CUSTOMER, 70, 70 * TUX_CENTS);
    for (round, some) in orders.chunks(20).enumerate() {
        shop.user.process().kill();
        for order in some {
            shop.cancel(*order);
        }
        shop.user.restart(shop.folder.path());
        let left = 70 - 20 * u64::try_from(round).expect("few");
        // It is killed when it has begun to count, whether or not order has heard that.
        until("some to be counted", || {
            let answer = shop.get("/users/123");
            let counted = answer.at("/data/orders").as_u64();
            if counted.is_some_and(|counted| counted < left) { Ok(()) } else { Err(answer.shown()) }
        });
    }
    shop.user.process().kill();
    shop.restart_user();
    shop.until_counted(CUSTOMER, 0, 0);
    shop.check_counted(CUSTOMER, 0, 0);
    shop.until_stock(Stock::settled(79, 1));
}

#[test]
fn what_was_counted_but_not_noted_is_told_again_and_counts_once() {
    let mut shop = Shop::open(1);
    let order = shop.bought(1, Some(CUSTOMER));
    shop.bought(1, Some(CUSTOMER));
    shop.until_counted(CUSTOMER, 2, 2 * TUX_CENTS);
    // Order tells both of them at once. By the time at which product has done as it was told, users have it to read.
    shop.user.process().signal(Signal::STOP);
    shop.cancel(order);
    shop.until_stock(Stock::settled(79, 1));
    // Order never reads that it was counted: it dies first.
    shop.orders[0].process().signal(Signal::STOP);
    shop.user.process().signal(Signal::CONT);
    shop.until_counted(CUSTOMER, 1, TUX_CENTS);
    shop.orders[0].process().kill();
    shop.restart_order();
    shop.check_counted(CUSTOMER, 1, TUX_CENTS);
}

#[test]
fn a_consumer_that_hangs_delays_nobody_else() {
    let mut shop = Shop::open(1);
    let order = shop.bought(1, Some(CUSTOMER));
    shop.until_counted(CUSTOMER, 1, TUX_CENTS);
    shop.user.process().signal(Signal::STOP);
    shop.cancel(order);
    for _ in 0..10 {
        shop.bought(1, None);
    }
    shop.until_stock(Stock::settled(70, 10));
    shop.user.process().signal(Signal::CONT);
    shop.until_counted(CUSTOMER, 0, 0);

    // And the other way round: product hangs, and users hear all.
    let order = shop.bought(2, Some(CUSTOMER));
    shop.until_counted(CUSTOMER, 1, 2 * TUX_CENTS);
    shop.until_stock(Stock::settled(68, 12));
    shop.product.process().signal(Signal::STOP);
    shop.cancel(order);
    shop.until_counted(CUSTOMER, 0, 0);
    shop.product.process().signal(Signal::CONT);
    shop.until_stock(Stock::settled(70, 10));
    shop.check_counted(CUSTOMER, 0, 0);
}

#[test]
fn an_order_service_that_dies_before_it_has_told_tells_it_after() {
    let mut shop = Shop::open(1);
    let kept = shop.bought(1, Some(CUSTOMER));
    let orders: Vec<u64> = (0..4).map(|_| shop.bought(1, Some(CUSTOMER))).collect();
    shop.until_counted(CUSTOMER, 5, 5 * TUX_CENTS);
    shop.until_stock(Stock::settled(75, 5));

    // Decided while there is nobody who could be told.
    shop.user.process().kill();
    shop.product.process().kill();
    for order in &orders {
        shop.cancel(*order);
    }
    shop.orders[0].process().kill();
    shop.user.restart(shop.folder.path());
    shop.product.restart(shop.folder.path());
    shop.restart_order();
    shop.until_counted(CUSTOMER, 1, TUX_CENTS);
    shop.until_stock(Stock::settled(79, 1));

    // Killed with the answer: whatever of the telling was done is not done twice, and the rest is.
    for round in 1..=5 {
        shop.bought(1, Some(CUSTOMER));
        shop.orders[0].process().kill();
        shop.restart_order();
        let orders = 1 + round;
        shop.until_counted(CUSTOMER, orders, i64::try_from(orders).expect("few") * TUX_CENTS);
        shop.until_stock(Stock::settled(79 - round, 1 + round));
    }
    shop.check_counted(CUSTOMER, 6, 6 * TUX_CENTS);
    let order = shop.get(&format!("/orders/{kept}")).check(200);
    assert_eq!(order.at("/data/status"), "Processing", "{}", order.shown());
}

#[test]
fn two_instances_on_one_database_count_once() {
    let mut shop = Shop::open(2);
    let buy = |server: SocketAddr| -> Vec<u64> {
        let mut http = HttpClient::connect(server);
        let json = format!(r#"{{"name":"Tux","quantity":1,"customer":{CUSTOMER}}}"#);
        let mut bought =
            || http.post("/orders", &json).check(201).at("/data/order_num").as_u64().expect("a number");
        (0..12).map(|_| bought()).collect()
    };
    let addresses: Vec<_> = shop.orders.iter().map(Server::address).collect();
    let orders: Vec<u64> = std::thread::scope(|scope| {
        let buyers: Vec<_> = addresses.iter().map(|address| scope.spawn(|| buy(*address))).collect();
        buyers.into_iter().flat_map(|buyer| buyer.join().expect("a buyer")).collect()
    });
    assert_eq!(orders.len(), 24);
    shop.until_counted(CUSTOMER, 24, 24 * TUX_CENTS);
    // Both cancel, by turns, as the gateway has it; and one of them dies, whose part the other one tells.
    for order in &orders[..4] {
        shop.cancel(*order);
    }
    shop.orders[1].process().kill();
    shop.until_counted(CUSTOMER, 20, 20 * TUX_CENTS);
    shop.check_counted(CUSTOMER, 20, 20 * TUX_CENTS);
    shop.until_stock(Stock::settled(59, 21));
}
