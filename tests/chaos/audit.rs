//! The auditor: what the buyers were told, against what the shop has written down.

use std::collections::BTreeMap;

use micronet_tests::http_client::HttpClient;
use micronet_tests::patience::until;
use serde_json::Value;

use crate::buyer::{Buyer, Purchase, TOYS};
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

/// Everything that buyers were told.
#[derive(Debug, Default)]
pub(crate) struct Books {
    orders: BTreeMap<u64, Purchase>,
    refused: usize,
}

impl Books {
    pub(crate) fn placed(&self) -> usize {
        self.orders.len()
    }

    pub(crate) fn refused(&self) -> usize {
        self.refused
    }

    /// Whether the buyers have got all that there was.
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

    /// Checks the shop against the books, while nobody buys.
    pub(crate) fn check(&self, shop: &Shop) {
        self.check_log(shop);
        self.check_orders(shop);
        self.check_stock(shop);
    }

    /// Checks that everything is sold, to the last piece, and not one more.
    pub(crate) fn check_sold_out(&self) {
        assert_eq!(self.sold(), INITIAL);
    }

    fn sold(&self) -> [u64; 4] {
        let of =
            |toy| self.orders.values().filter(|order| order.toy == toy).map(|order| order.quantity).sum();
        TOYS.map(of)
    }

    /// The log has each order once, numbered without a gap, and no order that nobody was told of.
    fn check_log(&self, shop: &Shop) {
        let (mut http, _) = shop.auditor();
        let log = http.get("/orders/log").check(200).text();
        let mut placed: Vec<(u64, &str)> = log
            .lines()
            .filter(|line| !line.starts_with("-1 "))
            .map(|line| {
                let (number, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line:?} in the log"));
                (number.parse().unwrap_or_else(|_| panic!("{line:?} in the log")), rest)
            })
            .collect();
        placed.sort_unstable();
        for (at, (number, _)) in placed.iter().enumerate() {
            assert_eq!(*number, at as u64 + 1, "the order log has a gap or a double:\n{log}");
        }
        for (number, what) in &placed {
            let told = self.orders.get(number);
            let told = told.unwrap_or_else(|| panic!("nobody was told of order {number}, {what}"));
            assert_eq!(*what, format!("{} {}", told.toy, told.quantity), "order {number}: {told:?}");
        }
        for (number, told) in &self.orders {
            assert!(*number <= placed.len() as u64, "order {number} is lost: {told:?}\n{log}");
        }
    }

    /// Each order can be read by its number.
    fn check_orders(&self, shop: &Shop) {
        let (mut http, _) = shop.auditor();
        for (number, told) in &self.orders {
            let order = http.get(&format!("/orders/{number}")).check(200);
            let read = (order.at("/data/name"), order.at("/data/quantity"), order.at("/data/order_num"));
            assert_eq!(read, (told.toy.into(), told.quantity.into(), (*number).into()), "{told:?}");
        }
        http.get(&format!("/orders/{}", self.orders.len() + 1)).check(404);
    }

    /// Nothing stays reserved, and what is sold is what the buyers have got.
    fn check_stock(&self, shop: &Shop) {
        check_conservation(shop);
        let (mut http, bearer) = shop.auditor();
        let stock = until("everything to be settled", || {
            let stock = inventory(&mut http, &bearer)?;
            if stock.iter().all(|toy| toy.reserved == 0) { Ok(stock) } else { Err(format!("{stock:?}")) }
        });
        for ((toy, initial), (stock, sold)) in TOYS.iter().zip(INITIAL).zip(stock.iter().zip(self.sold())) {
            let wanted = Stock { initial, quantity: initial - sold, reserved: 0, sold };
            assert_eq!(*stock, wanted, "{toy}: the buyers have got {sold}");
        }
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
