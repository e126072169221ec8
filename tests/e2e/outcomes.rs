//! What became of a write is told by its token, truly, also after `kill -9`; and copies of it do it once.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use micronet_tests::folder::Folder;
use micronet_tests::http_client::{Answer, HttpClient};
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::random::Random;
use micronet_tests::server::Server;
use serde_json::{Value, json};

use crate::envelope::check_envelope;

const WHALE: &str = r#"{"name":"Whale","quantity":3}"#;
const PURCHASE: &str = "/api/v1/products/Whale/purchase";

/// How often a service is killed in the middle of what it does.
const KILLS: u64 = 16;

/// Asks what became of a write.
#[track_caller]
fn ask(http: &mut HttpClient, method: &str, key: &str) -> Answer {
    http.post(&format!("/api/v1/outcomes/{method}/{key}"), "")
}

/// What became of it.
#[track_caller]
fn outcome(http: &mut HttpClient, method: &str, key: &str) -> Value {
    let answer = ask(http, method, key).check(200);
    check_envelope(&answer);
    answer.at("/data")
}

fn never() -> Value {
    json!({ "outcome": "never_started" })
}

#[test]
fn what_became_of_a_write_is_told_as_it_was_answered() {
    let network = Network::start("toystore");
    let (mut gateway, mut order) = (network.http(), HttpClient::connect(network.address("order-1")));
    let bought = gateway.post_once("bought", "/orders", WHALE).check(201).at("/data");
    let refused =
        gateway.post_once("many", "/orders", r#"{"name":"Whale","quantity":1000}"#).check(409).at("/error");
    let unknown =
        gateway.post_once("none", "/orders", r#"{"name":"Kraken","quantity":1}"#).check(404).at("/error");
    for http in [&mut gateway, &mut order] {
        assert_eq!(outcome(http, "order.buy", "bought"), json!({ "outcome": "done", "reply": bought }));
        assert_eq!(outcome(http, "order.buy", "many"), json!({ "outcome": "failed", "error": refused }));
        assert_eq!(outcome(http, "order.buy", "none"), json!({ "outcome": "failed", "error": unknown }));
        assert_eq!(outcome(http, "order.buy", "late"), never());
    }
    // What was said to be never started never is.
    let late = gateway.post_once("late", "/orders", WHALE).check(409);
    check_envelope(&late);
    assert_eq!(late.at("/error/code"), "TOKEN_WITHDRAWN", "{}", late.shown());
    assert_eq!(outcome(&mut gateway, "order.buy", "late"), never());

    let sold = gateway.post_once("sold", PURCHASE, r#"{"quantity":2}"#).check(200).at("/data");
    let short = gateway.post_once("short", PURCHASE, r#"{"quantity":99}"#).check(409).at("/error");
    assert_eq!(
        outcome(&mut gateway, "product.purchase", "sold"),
        json!({ "outcome": "done", "reply": sold })
    );
    assert_eq!(
        outcome(&mut gateway, "product.purchase", "short"),
        json!({ "outcome": "failed", "error": short })
    );
    assert_eq!(outcome(&mut gateway, "product.purchase", "gone"), never());
    assert_eq!(
        gateway.post_once("gone", PURCHASE, r#"{"quantity":2}"#).check(409).at("/error/code"),
        "TOKEN_WITHDRAWN"
    );
    assert_eq!(gateway.get("/products/Whale").at("/data/quantity"), 94 - 3 - 2);
}

#[test]
fn what_became_of_a_write_is_for_whoever_may_make_it() {
    let network = Network::start("toystore");
    let mut http = network.http();
    let bearer = format!("Bearer {}", network.folder().operator_token());
    let operator =
        [("Authorization", &*bearer), ("Content-Type", "application/json"), ("Idempotency-Key", "key")];
    let (toy, created) =
        (br#"{"name":"Kraken","price":9.99,"quantity":7}"#, "/api/v1/outcomes/product.create/key");
    let kraken = http.request("POST", "/products", &operator, toy).check(201).at("/data");
    let mut asked = |target: &str, as_operator: bool| {
        http.request("POST", target, &operator[..usize::from(as_operator)], b"")
    };
    assert_eq!(asked(created, true).check(200).at("/data"), json!({ "outcome": "done", "reply": kraken }));
    assert_eq!(asked(created, false).check(401).at("/error/code"), "UNAUTHENTICATED");
    // The same key of somebody else is another one, which the operator may ask for, and others not.
    assert_eq!(asked(&format!("{created}?principal=user/7"), true).check(200).at("/data"), never());
    let buy = "/api/v1/outcomes/order.buy/key";
    assert_eq!(
        asked(&format!("{buy}?principal=operator"), false).check(403).at("/error/code"),
        "INSUFFICIENT_PERMISSIONS"
    );
    assert_eq!(asked(&format!("{buy}?principal=nobody"), true).check(422).at("/error/code"), "INVALID_INPUT");
    // Other paths of this kind.
    assert_eq!(
        asked("/api/v1/outcomes/product.query/key", false).check(422).at("/error/code"),
        "INVALID_INPUT"
    );
    assert_eq!(
        asked("/api/v1/outcomes/product.juggle/key", false).check(404).at("/error/code"),
        "ROUTE_NOT_FOUND"
    );
    let long = format!("/api/v1/outcomes/order.buy/{}", "k".repeat(65));
    assert_eq!(asked(&long, false).check(422).at("/error/code"), "INVALID_INPUT");
    assert_eq!(http.get(buy).check(405).header("Allow"), Some("OPTIONS, POST"));

    // The same by the command.
    let told =
        |arguments: &[&str], code: i32| network.command(&[&["outcome"], arguments].concat()).check(code);
    let said =
        |arguments: &[&str]| -> Value { serde_json::from_str(&told(arguments, 0).stdout).expect("JSON") };
    assert_eq!(said(&["product.create", "key"]), json!({ "outcome": "done", "reply": kraken }));
    assert_eq!(said(&["order.buy", "key", "--anonymous"]), never());
    assert_eq!(said(&["order.buy", "key", "--principal", "anonymous"]), never());
    assert!(told(&["product.create", "key", "--anonymous"], 5).stderr.contains("UNAUTHENTICATED"));
    assert!(told(&["product"], 2).stderr.contains("TOKEN"));
}

/// A shop whose services are started by hand.
pub(crate) struct Shop {
    pub(crate) folder: Folder,
    pub(crate) product: Server,
    pub(crate) orders: Vec<Server>,
}

impl Shop {
    pub(crate) fn start(orders: usize) -> Self {
        let folder = Folder::new();
        let product =
            Server::start(folder.path(), "product-1", &["service", "product", "--demo", "toystore"]);
        let at_product = format!("product={}", product.address());
        let arguments = ["service", "order", "--demo", "toystore", "--peer", &at_product];
        let order = |number| Server::start(folder.path(), &format!("order-{number}"), &arguments);
        let orders = (1..=orders).map(order).collect();
        Self { folder, product, orders }
    }

    /// Pieces of whales on sale, reserved and sold.
    pub(crate) fn whales(&self) -> [i64; 3] {
        let mut http = HttpClient::connect(self.product.address());
        let bearer = format!("Bearer {}", self.folder.operator_token());
        let stock = http.request("GET", "/api/v1/inventory", &[("Authorization", &bearer)], b"").check(200);
        let products = stock.at("/data/products");
        let whale = products.as_array().expect("products").iter().find(|product| product["name"] == "Whale");
        let whale = whale.expect("whales");
        ["quantity", "reserved", "sold"].map(|place| whale[place].as_i64().expect("a number"))
    }
}

#[test]
fn of_copies_at_once_on_two_instances_one_buys() {
    let shop = Shop::start(2);
    for round in 1..=5_i64 {
        let key = format!("round-{round}");
        let addresses: Vec<SocketAddr> = shop.orders.iter().map(Server::address).collect();
        let barrier = Barrier::new(8);
        let numbers: Vec<Value> = thread::scope(|scope| {
            let (key, barrier) = (&key, &barrier);
            let buyers: Vec<_> = (0..8)
                .map(|buyer| {
                    let address = addresses[buyer % addresses.len()];
                    scope.spawn(move || {
                        let mut http = HttpClient::connect(address);
                        barrier.wait();
                        http.post_once(key, "/orders", WHALE).check(201).at("/data/order_num")
                    })
                })
                .collect();
            buyers.into_iter().map(|buyer| buyer.join().expect("a buyer")).collect()
        });
        assert!(numbers.iter().all(|number| *number == round), "round {round}: {numbers:?}");
    }
    until("all pieces to be sold", || match shop.whales() {
        [79, 0, 15] => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// What somebody has heard of a write: the status of its answer and its body, if there was one.
type Heard = Option<(u16, Value)>;

/// Writes while somebody kills the service, and says what was heard.
fn write(address: SocketAddr, key: &str, target: &str, body: &str) -> Heard {
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
    let answer = HttpClient::connect(address).try_request("POST", target, &headers, body.as_bytes()).ok()?;
    Some((answer.status(), answer.json()))
}

/// Checks that what is told of a write agrees with what was heard of it, and with what a repeat hears. Whether it was done.
#[track_caller]
fn check_truth(
    address: SocketAddr,
    method: &str,
    key: &str,
    target: &str,
    body: &str,
    heard: &Heard,
) -> bool {
    let mut http = HttpClient::connect(address);
    let told = until("the write to be decided", || match outcome(&mut http, method, key) {
        told if told["outcome"] == "running" => Err(told.to_string()),
        told => Ok(told),
    });
    let repeated = http.post_once(key, target, body);
    match told["outcome"].as_str() {
        Some("done") => {
            assert_eq!(repeated.at("/data"), told["reply"], "{key}: {}", repeated.shown());
            if let Some((200 | 201, body)) = heard {
                assert_eq!(body["data"], told["reply"], "{key}");
            }
            true
        }
        Some("never_started") => {
            assert!(!matches!(heard, Some((200 | 201, _))), "{key} was heard to be done: {heard:?}");
            assert_eq!(repeated.check(409).at("/error/code"), "TOKEN_WITHDRAWN", "{key}");
            false
        }
        _ => panic!("{key}: {told}"),
    }
}

#[test]
fn through_any_kill_what_is_told_is_the_truth() {
    let seed = std::env::var("MICRONET_SEED").map_or(0x5EED, |seed| seed.parse().expect("a number"));
    eprintln!("MICRONET_SEED={seed} repeats these moments of {KILLS} kills");
    let mut random = Random::new(seed);
    let mut shop = Shop::start(1);
    let (mut bought, mut lost) = (0, 0);
    for round in 0..KILLS {
        let kills_order = round % 2 == 0;
        let [order, product] = [shop.orders[0].address(), shop.product.address()];
        let (address, method, target, body) = if kills_order {
            (order, "order.buy", "/orders", r#"{"name":"Whale","quantity":1}"#)
        } else {
            (product, "product.purchase", PURCHASE, r#"{"quantity":1}"#)
        };
        let keys: Vec<String> = (0..3).map(|number| format!("{round}-{number}")).collect();
        let moment = Duration::from_micros(random.below(12_000));
        let victim = if kills_order { &mut shop.orders[0] } else { &mut shop.product };
        let heard: Vec<Heard> = thread::scope(|scope| {
            let writing = |key: &String| {
                let key = key.clone();
                scope.spawn(move || write(address, &key, target, body))
            };
            let writers: Vec<_> = keys.iter().map(writing).collect();
            // The moment of the kill is what is random here, and nothing waits for it.
            thread::sleep(moment);
            victim.process().kill();
            writers.into_iter().map(|writer| writer.join().unwrap_or(None)).collect()
        });
        victim.restart(shop.folder.path());
        for (key, heard) in keys.iter().zip(&heard) {
            lost += i32::from(heard.is_none());
            bought += i64::from(check_truth(address, method, key, target, body, heard));
        }
    }
    eprintln!("{bought} of {} writes were done, {lost} without an answer", KILLS * 3);
    // Orders and stock agree: nothing was sold twice, and nothing stays reserved.
    until("the stock to agree with what was told", || match shop.whales() {
        [on_sale, 0, sold] if sold == bought && on_sale == 94 - bought => Ok(()),
        other => Err(format!("{other:?} with {bought} bought")),
    });
}
