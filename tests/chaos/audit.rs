//! The auditor: what the buyers were told, against what the shop has written down.

use std::collections::BTreeMap;

use micronet_services::database::Database;
use micronet_services::once::Keeping;
use micronet_services::order::api::OrderError;
use micronet_services::order::store::OrderStore;
use micronet_services::store::{Store as _, StoreResult};
use micronet_tests::http_client::HttpClient;
use micronet_tests::patience::until;
use serde_json::Value;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use crate::buyer::{Buyer, Purchase, TOYS, WISH_QUANTITY};
use crate::shop::Shop;

/// What there was at the start, in the order of [`TOYS`].
const INITIAL: [u64; 4] = [80, 94, 87, 98];

/// The stock of one toy, as product counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stock {
    initial: u64,
    quantity: u64,
    reserved: u64,
    sold: u64,
}

/// Everything that buyers were told, and the wishes of those who left without an answer.
#[derive(Debug, Default)]
pub(crate) struct Books {
    orders: BTreeMap<u64, Purchase>,
    refused: usize,
    /// May or may not have become orders; each at most once.
    unanswered: Vec<Purchase>,
}

/// What the shop has written down, at a moment at which nothing was under way.
struct Snapshot {
    log: String,
    stock: Vec<Stock>,
}

impl Books {
    pub(crate) fn placed(&self) -> usize {
        self.orders.len()
    }

    pub(crate) fn refused(&self) -> usize {
        self.refused
    }

    /// Of the wishes that nobody waited for: how many there were, and how many have become orders.
    pub(crate) fn wishes(&self) -> (usize, usize) {
        let fulfilled = self.orders.values().filter(|order| order.quantity == WISH_QUANTITY).count();
        (self.unanswered.len() + fulfilled, fulfilled)
    }

    /// Whether all that there was is sold.
    pub(crate) fn is_sold_out(&self) -> bool {
        self.sold() == INITIAL
    }

    /// Enters what the buyers were told. No two of them can have the same order.
    pub(crate) fn enter(&mut self, buyers: &mut [Buyer]) {
        for purchase in buyers.iter_mut().flat_map(Buyer::new_purchases) {
            let Some(number) = purchase.order_num else {
                self.refused += 1;
                continue;
            };
            if let Some(other) = self.orders.insert(number, purchase.clone()) {
                panic!("order {number} was given to {other:?} and to {purchase:?}");
            }
        }
    }

    /// Enters what somebody wanted who did not wait for the answer.
    pub(crate) fn enter_unanswered(&mut self, wishes: Vec<Purchase>) {
        self.unanswered.extend(wishes);
    }

    /// Checks the shop against the books, while nobody buys.
    pub(crate) fn check(&mut self, shop: &Shop) {
        check_conservation(shop);
        let snapshot = snapshot(shop);
        self.check_log(&snapshot.log);
        self.check_orders(shop);
        for ((toy, initial), (stock, sold)) in
            TOYS.iter().zip(INITIAL).zip(snapshot.stock.iter().zip(self.sold()))
        {
            let wanted = Stock { initial, quantity: initial - sold, reserved: 0, sold };
            assert_eq!(*stock, wanted, "{toy}: the buyers have got {sold}; {}", snapshot.log);
        }
    }

    fn sold(&self) -> [u64; 4] {
        let of =
            |toy| self.orders.values().filter(|order| order.toy == toy).map(|order| order.quantity).sum();
        TOYS.map(of)
    }

    /// The log has each order once, numbered without a gap, and no order that nobody wanted.
    fn check_log(&mut self, log: &str) {
        let placed: BTreeMap<u64, &str> = log
            .lines()
            .filter(|line| !line.starts_with("-1 "))
            .map(|line| {
                let (number, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line:?} in the log"));
                (number.parse().unwrap_or_else(|_| panic!("{line:?} in the log")), rest)
            })
            .collect();
        let lines = log.lines().filter(|line| !line.starts_with("-1 ")).count();
        assert!(placed.keys().copied().eq(1..=lines as u64), "the order log has a gap or a double:\n{log}");
        for (number, what) in &placed {
            let told = match self.orders.get(number) {
                Some(told) => told.clone(),
                None => self.adopt(*number, what),
            };
            assert_eq!(*what, format!("{} {}", told.toy, told.quantity), "order {number}: {told:?}");
        }
        for (number, told) in &self.orders {
            assert!(placed.contains_key(number), "order {number} is lost: {told:?}\n{log}");
        }
    }

    /// An order that nobody was told of is that of somebody who did not wait.
    fn adopt(&mut self, number: u64, what: &str) -> Purchase {
        let is_it = |wish: &Purchase| what == format!("{} {}", wish.toy, wish.quantity);
        let at = self.unanswered.iter().position(is_it);
        let at = at.unwrap_or_else(|| panic!("nobody wanted order {number}, {what}"));
        let wish = Purchase { order_num: Some(number), ..self.unanswered.swap_remove(at) };
        self.orders.insert(number, wish.clone());
        wish
    }

    /// Each order can be read by its number.
    fn check_orders(&self, shop: &Shop) {
        let (mut http, _) = shop.auditor();
        for (number, told) in &self.orders {
            let order = http.get(&format!("/orders/{number}")).check(200);
            let read = (order.at("/data/name"), order.at("/data/quantity"), order.at("/data/order_num"));
            assert_eq!(read, (told.toy.into(), told.quantity.into(), (*number).into()), "{told:?}");
        }
    }
}

/// Waits until nothing is reserved, undecided or untold, and nothing changes: that is how a shop has to be when its servers are
/// there and nobody buys.
fn snapshot(shop: &Shop) -> Snapshot {
    let (mut http, bearer) = shop.auditor();
    let attempts = Attempts::open(shop);
    let snapshot = until("everything to be settled", || {
        let log = http.get("/orders/log").check(200).text();
        let stock = inventory(&mut http, &bearer)?;
        let left = attempts.left_over().map_err(|error| error.to_string())?;
        let at_rest = stock.iter().all(|toy| toy.reserved == 0) && left.is_empty();
        if at_rest && http.get("/orders/log").check(200).text() == log {
            Ok(Snapshot { log, stock })
        } else {
            Err(format!("{stock:?}, {left:?}"))
        }
    });
    attempts.close();
    snapshot
}

/// Order's own database, open as long as it is looked at: what kills find is what the servers themselves leave behind.
struct Attempts {
    runtime: LocalRuntime,
    store: OrderStore,
}

impl Attempts {
    fn open(shop: &Shop) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        let runtime = runtime.expect("the runtime starts");
        let place = shop.order_database();
        let database = runtime.block_on(Database::open(&place, OrderStore::MIGRATIONS));
        let database = database.unwrap_or_else(|error| panic!("order's database: {error}"));
        Self { runtime, store: OrderStore::over(database, Keeping::default()) }
    }

    /// Those of which product has not been told. Those that are not decided it holds reserved.
    fn left_over(&self) -> StoreResult<Vec<String>, OrderError> {
        let untold = self.runtime.block_on(self.store.untold("product", 100))?;
        Ok(untold.iter().map(|event| format!("{event:?}")).collect())
    }

    fn close(self) {
        self.runtime.block_on(self.store.database().close());
    }
}

/// Checks that each piece is in stock, reserved or sold, also while everybody buys.
pub(crate) fn check_conservation(shop: &Shop) {
    let (mut http, bearer) = shop.auditor();
    let stock = until("an inventory", || inventory(&mut http, &bearer));
    for ((toy, stock), initial) in TOYS.iter().zip(&stock).zip(INITIAL) {
        let counted = stock.quantity + stock.reserved + stock.sold;
        assert_eq!((stock.initial, counted), (initial, initial), "{toy}: {stock:?}");
    }
}

fn inventory(http: &mut HttpClient, bearer: &str) -> Result<Vec<Stock>, String> {
    let answer = http.request("GET", "/api/v1/inventory", &[("Authorization", bearer)], b"");
    if answer.status() != 200 {
        return Err(answer.shown());
    }
    let products = answer.at("/data/products");
    let stock_of = |toy: &str| -> Option<Stock> {
        let product: &Value = products.as_array()?.iter().find(|product| product["name"] == toy)?;
        let count = |name: &str| product[name].as_u64();
        Some(Stock {
            initial: count("initial")?,
            quantity: count("quantity")?,
            reserved: count("reserved")?,
            sold: count("sold")?,
        })
    };
    TOYS.iter().map(|toy| stock_of(toy).ok_or_else(|| answer.shown())).collect()
}
