//! A shop with users, whose servers can be killed, frozen and started again, and what is to be seen of it from outside.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use micronet_tests::folder::Folder;
use micronet_tests::http_client::{Answer, HttpClient};
use micronet_tests::patience::until;
use micronet_tests::server::Server;
use serde_json::Value;

/// The customer who is counted.
pub(super) const CUSTOMER: u64 = 123;

/// The customer whose orders tell how far counting has come: whoever is counted has heard all before it.
const MARKER: u64 = 1;

/// The price of a Tux, in cents.
pub(super) const TUX_CENTS: i64 = 2_599;

/// Two kinds of servers that others tell what has changed, those that tell, and a gateway.
pub(super) struct Shop {
    pub(super) user: Server,
    pub(super) product: Server,
    pub(super) orders: Vec<Server>,
    gateway: Server,
    pub(super) folder: Folder,
}

/// The stock of a toy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stock {
    pub(super) quantity: u64,
    pub(super) reserved: u64,
    pub(super) sold: u64,
}

impl Stock {
    /// Of a toy of which nothing is reserved.
    pub(super) fn settled(quantity: u64, sold: u64) -> Self {
        Self { quantity, reserved: 0, sold }
    }
}

impl Shop {
    /// Opens one with so many instances of order.
    #[track_caller]
    pub(super) fn open(orders: usize) -> Self {
        let folder = Folder::new();
        let data = folder.path();
        let user = Server::start(data, "user-1", &["service", "user", "--demo", "shop"]);
        let product = Server::start(data, "product-1", &["service", "product", "--demo", "shop"]);
        let peers = [format!("user={}", user.address()), format!("product={}", product.address())];
        let order = ["service", "order", "--demo", "shop", "--peer", &peers[0], "--peer", &peers[1]];
        let orders: Vec<Server> =
            (1..=orders).map(|number| Server::start(data, &format!("order-{number}"), &order)).collect();
        let addresses: Vec<String> = orders.iter().map(|order| order.address().to_string()).collect();
        let at_order = format!("order={}", addresses.join(","));
        let gateway = ["gateway", "--peer", &peers[0], "--peer", &peers[1], "--peer", &at_order];
        let gateway = Server::start(data, "gateway-1", &gateway);
        let shop = Self { user, product, orders, gateway, folder };
        shop.until_all_answer();
        shop
    }

    /// Starts the user service again after its end.
    #[track_caller]
    pub(super) fn restart_user(&mut self) {
        self.user.restart(self.folder.path());
        self.until_all_answer();
    }

    /// Where the gateway is.
    pub(super) fn gateway(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// Starts the first instance of order again after its end.
    #[track_caller]
    pub(super) fn restart_order(&mut self) {
        self.orders[0].restart(self.folder.path());
        self.until_all_answer();
    }

    /// Waits until the gateway reaches every service, and order its customers.
    #[track_caller]
    fn until_all_answer(&self) {
        for target in ["/users/123", "/products/Tux", "/orders/1"] {
            until("the gateway to reach everybody", || {
                let answer = self.get(target);
                if answer.status() == 200 { Ok(()) } else { Err(answer.shown()) }
            });
        }
        let nobody = r#"{"name":"Tux","quantity":1,"customer":9999}"#;
        for order in &self.orders {
            until("order to reach the customers", || {
                let answer = HttpClient::connect(order.address()).post("/orders", nobody);
                if answer.status() == 404 { Ok(()) } else { Err(answer.shown()) }
            });
        }
    }

    /// Asks the gateway as the operator.
    #[track_caller]
    pub(super) fn get(&self, target: &str) -> Answer {
        self.as_operator("GET", target)
    }

    #[track_caller]
    fn as_operator(&self, method: &str, target: &str) -> Answer {
        let bearer = format!("Bearer {}", self.folder.operator_token());
        let mut http = HttpClient::connect(self.gateway.address());
        http.request(method, target, &[("Authorization", &bearer)], b"")
    }

    /// Asks the gateway as the operator with a body of JSON.
    #[track_caller]
    pub(super) fn send(&self, method: &str, target: &str, json: &str) -> Answer {
        let bearer = format!("Bearer {}", self.folder.operator_token());
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        HttpClient::connect(self.gateway.address()).request(method, target, &headers, json.as_bytes())
    }

    /// Asks to buy Tuxes, for somebody or for nobody.
    #[track_caller]
    pub(super) fn buy(&self, quantity: u64, customer: Option<u64>) -> Answer {
        let customer = customer.map_or_else(String::new, |id| format!(r#","customer":{id}"#));
        let json = format!(r#"{{"name":"Tux","quantity":{quantity}{customer}}}"#);
        HttpClient::connect(self.gateway.address()).post("/orders", &json)
    }

    /// Buys Tuxes; the order's number.
    #[track_caller]
    pub(super) fn bought(&self, quantity: u64, customer: Option<u64>) -> u64 {
        let answer = self.buy(quantity, customer).check(201);
        answer.at("/data/order_num").as_u64().expect("a number")
    }

    /// Cancels an order.
    #[track_caller]
    pub(super) fn cancel(&self, order_num: u64) {
        self.as_operator("DELETE", &format!("/orders/{order_num}")).check(200);
    }

    /// How many orders of a user count, and what they cost together, in cents.
    #[track_caller]
    pub(super) fn counted(&self, user: u64) -> (u64, i64) {
        let answer = self.get(&format!("/users/{user}")).check(200);
        (answer.at("/data/orders").as_u64().expect("a number"), cents(&answer.at("/data/spent")))
    }

    /// Waits until a user's orders count as they should.
    #[track_caller]
    pub(super) fn until_counted(&self, user: u64, orders: u64, spent_cents: i64) {
        until(&format!("user {user} to have {orders} orders of {spent_cents} cents"), || {
            let counted = self.counted(user);
            if counted == (orders, spent_cents) { Ok(()) } else { Err(format!("{counted:?}")) }
        });
    }

    /// Checks that a user's orders count as they should when everything until now has been told.
    #[track_caller]
    pub(super) fn check_counted(&self, user: u64, orders: u64, spent_cents: i64) {
        let (marks, spent) = self.counted(MARKER);
        self.bought(1, Some(MARKER));
        // The feed is told in order, so what was told twice before has been counted twice by now, or never will be.
        self.until_counted(MARKER, marks + 1, spent + TUX_CENTS);
        assert_eq!(self.counted(user), (orders, spent_cents));
    }

    /// The stock of all toys, by name.
    #[track_caller]
    pub(super) fn inventory(&self) -> BTreeMap<String, Stock> {
        let answer = self.get("/api/v1/inventory").check(200);
        let products = answer.at("/data/products");
        let number = |value: &Value| value.as_u64().expect("a number");
        let stock = |line: &Value| Stock {
            quantity: number(&line["quantity"]),
            reserved: number(&line["reserved"]),
            sold: number(&line["sold"]),
        };
        let lines = products.as_array().expect("the products").iter();
        lines.map(|line| (line["name"].as_str().expect("a name").to_owned(), stock(line))).collect()
    }

    /// Waits until the stock of the Tuxes is this.
    #[track_caller]
    pub(super) fn until_stock(&self, wanted: Stock) {
        until(&format!("the stock of Tux to be {wanted:?}"), || {
            let stock = self.inventory()["Tux"];
            if stock == wanted { Ok(()) } else { Err(format!("{stock:?}")) }
        });
    }
}

/// An amount of money in cents.
fn cents(amount: &Value) -> i64 {
    let text = format!("{:.2}", amount.as_f64().expect("an amount"));
    text.replace('.', "").parse().expect("cents")
}
