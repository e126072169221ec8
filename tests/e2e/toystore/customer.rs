//! The toy store, and everybody who asks it for something, each way.

use std::cell::RefCell;

use micronet_services::order::api::{Buy, OrderClient, OrderError};
use micronet_services::product::api::{Pieces, ProductClient, ProductError, Query, Reservation};
use micronet_tests::http_client::{Answer, HttpClient};
use micronet_tests::network::Network;
use micronet_tests::process::Finished;
use micronet_tests::rpc::{Caller, call};
use micronet_transport::client::Client;
use micronet_transport::identity::random_bytes;
use micronet_wire::principal::Principal;
use micronet_wire::service::{CallError, CallOptions};
use serde_json::Value;

/// How a service is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// HTTP/1.1, through the gateway.
    Http,
    /// The binary RPC, straight to an instance.
    Rpc,
}

/// What the store said, whichever way it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// This is the toy.
    Toy { name: String, price: String, quantity: u64 },
    /// The order has this number.
    Ordered(u64),
    /// The stock was taken, at this price a piece.
    Taken(String),
    /// There is no such toy.
    NoSuchToy,
    /// There are not enough of it.
    OutOfStock { available: u64 },
}

impl Said {
    pub(crate) fn toy(name: &str, price: &str, quantity: u64) -> Self {
        Self::Toy { name: name.into(), price: price.into(), quantity }
    }
}

/// A toy store with its demonstration data.
pub(crate) struct Store {
    pub(crate) way: Way,
    pub(crate) network: Network,
    http: RefCell<HttpClient>,
}

impl Store {
    pub(crate) fn start(way: Way) -> Self {
        let network = Network::start("toystore");
        let http = RefCell::new(network.http());
        Self { way, network, http }
    }

    /// A customer's program asks for a toy: `micronet shop`, or `micronet call`.
    pub(crate) fn app_client_query(&self, toy: &str) -> Said {
        match self.way {
            Way::Http => shop_said(self.network.command(&["shop", "query", toy])),
            Way::Rpc => {
                let request = serde_json::json!({ "name": toy }).to_string();
                call_said(&self.network.command(&["call", "product.query", &request, "--anonymous"]), None)
            }
        }
    }

    /// A customer's program buys a toy.
    pub(crate) fn app_client_buy(&self, toy: &str, quantity: u32) -> Said {
        match self.way {
            Way::Http => shop_said(self.network.command(&["shop", "buy", toy, &quantity.to_string()])),
            Way::Rpc => {
                let request = serde_json::json!({ "name": toy, "quantity": quantity }).to_string();
                call_said(&self.network.command(&["call", "order.buy", &request, "--anonymous"]), NO_ORDER)
            }
        }
    }

    /// The front-end asks the catalog.
    pub(crate) fn frontend_catalog(&self, toy: &str) -> Said {
        if self.way == Way::Http {
            return http_said(&self.get(&format!("/products/{toy}")), None);
        }
        let request = Query { name: toy.into() };
        self.call("gateway", "product-2", async |client| {
            let found = ProductClient::new(client).query(&request, for_a_customer()).await;
            product_said(found.map(|toy| Said::Toy {
                name: toy.name,
                price: toy.price.to_string(),
                quantity: toy.quantity,
            }))
        })
    }

    /// The front-end asks the order server.
    pub(crate) fn frontend_order(&self, toy: &str, quantity: u32) -> Said {
        if self.way == Way::Http {
            let body = serde_json::json!({ "name": toy, "quantity": quantity }).to_string();
            return http_said(&self.post("/orders", &body), NO_ORDER);
        }
        let request = Buy { name: toy.into(), quantity, customer: None };
        self.call("gateway", "order-1", async |client| {
            let bought = OrderClient::new(client).buy(&request, for_a_customer().token(fresh_token())).await;
            order_said(bought.map(|placed| Said::Ordered(placed.order_num)))
        })
    }

    /// The order server takes stock from the catalog: over HTTP by the one call that does it, over RPC as it does for an order.
    pub(crate) fn order_cata(&self, toy: &str, quantity: u32) -> Said {
        if self.way == Way::Http {
            let body = serde_json::json!({ "quantity": quantity }).to_string();
            return http_said(&self.post(&format!("/api/v1/products/{toy}/purchase"), &body), None);
        }
        let request = Pieces { name: toy.into(), quantity };
        self.call("order", "product-1", async |client| {
            let product = ProductClient::new(client);
            let token = fresh_token();
            let options = CallOptions::default().token(token.clone());
            let reserved = match product.reserve(&request, options).await {
                Ok(reserved) => reserved,
                refused => return product_said(refused.map(|_| unreachable!("it was refused"))),
            };
            let settled = Reservation { token };
            product.settle(&settled, CallOptions::default()).await.expect("what is reserved can be settled");
            Said::Taken(reserved.price.to_string())
        })
    }

    /// Asks the gateway with GET, as a customer who has not signed in.
    pub(crate) fn get(&self, target: &str) -> Answer {
        self.http.borrow_mut().get(target)
    }

    fn post(&self, target: &str, json: &str) -> Answer {
        self.http.borrow_mut().post(target, json)
    }

    /// How many of a toy can be bought now.
    pub(crate) fn stock(&self, toy: &str) -> u64 {
        let answer = self.get(&format!("/products/{toy}")).check(200);
        answer.at("/data/quantity").as_u64().expect("a quantity")
    }

    /// The lines of the order log.
    pub(crate) fn log(&self) -> Vec<String> {
        let answer = self.get("/orders/log").check(200);
        answer.text().lines().map(str::to_owned).collect()
    }

    /// How many orders there are.
    pub(crate) fn orders_placed(&self) -> u64 {
        self.log().iter().filter(|line| !line.starts_with("-1 ")).count() as u64
    }

    /// Calls an instance as a part of the cluster.
    fn call<T>(&self, caller: &'static str, instance: &str, work: impl AsyncFnOnce(Client) -> T) -> T {
        let identity = Caller::Member(caller).identity(self.network.folder());
        call(self.network.address(instance), &identity, work)
    }
}

/// A token for one intention.
fn fresh_token() -> String {
    format!("{:032x}", u128::from_ne_bytes(random_bytes()))
}

/// As the gateway calls on behalf of somebody who has not signed in.
fn for_a_customer() -> CallOptions {
    CallOptions { principal: Some(Principal::Anonymous), ..CallOptions::default() }
}

/// What the order server gives for a number when it has placed no order. The catalog gives none.
const NO_ORDER: Option<i64> = Some(-1);

fn http_said(answer: &Answer, no_order: Option<i64>) -> Said {
    let details = &answer.at("/error/details");
    match (answer.status(), answer.at("/success").as_bool(), answer.at("/error/code").as_str()) {
        (200 | 201, Some(true), None) => data_said(&answer.at("/data")),
        (404, Some(false), Some("PRODUCT_NOT_FOUND")) => no_such_toy(details, no_order),
        (409, Some(false), Some("OUT_OF_STOCK")) => out_of_stock(details, no_order),
        _ => panic!("neither yes nor no: {}", answer.shown()),
    }
}

/// What stands in an answer's data, told apart by its fields.
fn data_said(data: &Value) -> Said {
    let price = || data["price"].to_string();
    match (&data["order_num"], &data["name"], &data["quantity"]) {
        (Value::Number(number), _, _) => Said::Ordered(number.as_u64().expect("an order's number")),
        // What was sold has a quantity too, but not that of the stock: the purchase of one piece.
        (_, Value::String(_), quantity) if *quantity == 1 => Said::Taken(price()),
        (_, Value::String(name), quantity) => {
            Said::toy(name, &price(), quantity.as_u64().expect("a quantity"))
        }
        _ => panic!("no answer of the store: {data}"),
    }
}

fn no_such_toy(details: &Value, no_order: Option<i64>) -> Said {
    assert_eq!((&details["name"], details["order_num"].as_i64()), (&"invalid".into(), no_order), "{details}");
    Said::NoSuchToy
}

fn out_of_stock(details: &Value, no_order: Option<i64>) -> Said {
    assert_eq!((&details["requested"], details["order_num"].as_i64()), (&1000.into(), no_order), "{details}");
    Said::OutOfStock { available: details["available"].as_u64().expect("how many there are") }
}

fn product_said(result: Result<Said, CallError<ProductError>>) -> Said {
    match result {
        Ok(said) => said,
        Err(CallError::Service(ProductError::ProductNotFound { .. })) => Said::NoSuchToy,
        Err(CallError::Service(ProductError::OutOfStock { requested: 1000, available, .. })) => {
            Said::OutOfStock { available }
        }
        Err(error) => panic!("neither yes nor no: {error:?}"),
    }
}

fn order_said(result: Result<Said, CallError<OrderError>>) -> Said {
    match result {
        Ok(said) => said,
        Err(CallError::Service(OrderError::ProductNotFound { order_num: -1, .. })) => Said::NoSuchToy,
        Err(CallError::Service(OrderError::OutOfStock {
            order_num: -1, requested: 1000, available, ..
        })) => Said::OutOfStock { available },
        Err(error) => panic!("neither yes nor no: {error:?}"),
    }
}

/// The first line that `micronet shop` prints: `Tux: 25.99, 80 in stock  [product-1, 0.40 ms]` and its like.
fn shop_said(finished: Finished) -> Said {
    // The shop's own "no" is no failure of the command.
    let stdout = finished.check(0).stdout;
    let line = stdout.lines().next().unwrap_or_default();
    let line = line.split_once("  [").map_or(line, |(said, _)| said);
    let said = if line.contains("unknown toy (there is no product named \"invalid\")") {
        Some(Said::NoSuchToy)
    } else if let Some((_, why)) = line.split_once("out of stock (1000 of ") {
        let available = why.split_once("but ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        available.map(|available| Said::OutOfStock { available })
    } else if let Some(order) = line.strip_prefix("order ") {
        let number = order.split_once(": 1 x ").and_then(|(number, _)| number.parse().ok());
        number.map(Said::Ordered)
    } else {
        line.split_once(": ").and_then(|(name, rest)| {
            let (price, rest) = rest.split_once(", ")?;
            Some(Said::toy(name, price, rest.strip_suffix(" in stock")?.parse().ok()?))
        })
    };
    said.unwrap_or_else(|| panic!("no answer of the shop: {stdout}"))
}

/// What `micronet call` prints: JSON on stdout, or after the first line on stderr.
fn call_said(finished: &Finished, no_order: Option<i64>) -> Said {
    if finished.code == Some(0) {
        let data: Value = serde_json::from_str(&finished.stdout).expect("JSON on stdout");
        return data_said(&data);
    }
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(3), ""), "{}", finished.stderr);
    let json = finished.stderr.lines().nth(1).expect("the error's fields stand on a line of their own");
    let error: Value = serde_json::from_str(json).expect("JSON on stderr");
    match (&error["ProductNotFound"], &error["OutOfStock"]) {
        (details @ Value::Object(_), Value::Null) => no_such_toy(details, no_order),
        (Value::Null, details @ Value::Object(_)) => out_of_stock(details, no_order),
        _ => panic!("neither yes nor no: {}", finished.stderr),
    }
}
