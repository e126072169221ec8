//! The demonstration data: what a fresh database holds before anybody has used it.
//!
//! This module owns the data only. Each store inserts what concerns it, and only into an empty table.

use std::fmt;
use std::str::FromStr;

use crate::order::api::OrderStatus;

/// Which demonstration data a fresh database gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Demo {
    /// The shop: a laptop as product 1, the four toys as products 2 to 5, four users, and two orders.
    Shop,
    /// The toy store: the four toys as products 1 to 4, and no orders.
    ToyStore,
    /// Nothing.
    #[default]
    None,
}

/// A product of the demonstration data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoProduct {
    /// Its name.
    pub name: &'static str,
    /// Its price in minor units (cents).
    pub price_minor: i64,
    /// How many there are at the start.
    pub quantity: i64,
}

/// An order of the demonstration data: paid, and already taken out of the stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoOrder {
    /// The product's name, as it was when it was bought.
    pub product: &'static str,
    /// How many were bought.
    pub quantity: i64,
    /// The price of one, in minor units (cents).
    pub price_minor: i64,
    /// Where the order is on its way.
    pub status: OrderStatus,
}

/// A user of the demonstration data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoUser {
    /// The number.
    pub id: i64,
    /// The name.
    pub name: &'static str,
    /// The e-mail address; of a domain that nobody has (RFC 2606).
    pub email: &'static str,
}

/// The organization of the demonstration, whose admin may do everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoOrganization {
    /// Its name.
    pub name: &'static str,
    /// Its short name.
    pub slug: &'static str,
    /// Who may sign in.
    pub accounts: &'static [DemoAccount],
}

/// An account of the demonstration. Its password is no secret: whoever reads this knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoAccount {
    /// The e-mail address; of a domain that nobody has (RFC 2606).
    pub email: &'static str,
    /// The password.
    pub password: &'static str,
    /// Its hash: Argon2id, as a PHC string.
    pub hashed_password: &'static str,
    /// The name.
    pub full_name: &'static str,
    /// The role.
    pub role: &'static str,
}

/// The demonstration's organization: a manager and a client.
const ORGANIZATION: DemoOrganization = DemoOrganization {
    name: "Demo",
    slug: "demo",
    accounts: &[
        DemoAccount {
            email: "manager@demo.example",
            password: "manager-demo",
            hashed_password: "$argon2id$v=19$m=19456,t=2,p=1$qa6hUDTiKTJe4R0gaT3TlA$4J361rWK2NUgzJlpo0hsXGhCfuc29Qx9ao17HkH9CVg",
            full_name: "Demo Manager",
            role: "admin",
        },
        DemoAccount {
            email: "client@demo.example",
            password: "client-demo",
            hashed_password: "$argon2id$v=19$m=19456,t=2,p=1$T2OjNkCLvACXgMg1Al7ugQ$p4tKWntnJj4fOfP07NhN8xf29OCYjqzpA6Rwx+Acmbw",
            full_name: "Demo Client",
            role: "viewer",
        },
    ],
};

/// The shop's users.
const USERS: [DemoUser; 4] = [
    DemoUser { id: 1, name: "Ada Lovelace", email: "ada@example.com" },
    DemoUser { id: 2, name: "Grace Hopper", email: "grace@example.com" },
    DemoUser { id: 3, name: "Edsger Dijkstra", email: "edsger@example.org" },
    DemoUser { id: 123, name: "Barbara Liskov", email: "barbara@example.org" },
];

/// Product 1 of the shop.
const LAPTOP: DemoProduct = DemoProduct { name: "Laptop", price_minor: 99_900, quantity: 50 };

/// The toy store's catalog.
const TOYS: [DemoProduct; 4] = [
    DemoProduct { name: "Tux", price_minor: 2_599, quantity: 80 },
    DemoProduct { name: "Whale", price_minor: 3_499, quantity: 94 },
    DemoProduct { name: "Elephant", price_minor: 2_999, quantity: 87 },
    DemoProduct { name: "Bird", price_minor: 3_999, quantity: 98 },
];

/// The shop's orders. The second was of something that the catalog no longer has, as happens in a real shop.
const SHOP_ORDERS: [DemoOrder; 2] = [
    DemoOrder { product: "Laptop", quantity: 1, price_minor: 99_900, status: OrderStatus::Delivered },
    DemoOrder { product: "Toy Bundle", quantity: 1, price_minor: 5_999, status: OrderStatus::Processing },
];

impl Demo {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Shop, Self::ToyStore, Self::None];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Shop => "shop",
            Self::ToyStore => "toystore",
            Self::None => "none",
        }
    }

    /// The products, in the order of their ids.
    #[must_use]
    pub fn products(self) -> Vec<DemoProduct> {
        match self {
            Self::Shop => std::iter::once(LAPTOP).chain(TOYS).collect(),
            Self::ToyStore => TOYS.to_vec(),
            Self::None => Vec::new(),
        }
    }

    /// The users.
    #[must_use]
    pub fn users(self) -> &'static [DemoUser] {
        match self {
            Self::Shop => &USERS,
            Self::ToyStore | Self::None => &[],
        }
    }

    /// The organization and its accounts.
    #[must_use]
    pub fn organization(self) -> Option<&'static DemoOrganization> {
        match self {
            Self::Shop | Self::ToyStore => Some(&ORGANIZATION),
            Self::None => None,
        }
    }

    /// The token under which the pieces of a demonstration order were reserved, as the order service names it.
    #[must_use]
    pub fn reservation(order_num: i64) -> String {
        format!("demo:{order_num}")
    }

    /// The orders, in the order of their numbers.
    #[must_use]
    pub fn orders(self) -> &'static [DemoOrder] {
        match self {
            Self::Shop => &SHOP_ORDERS,
            Self::ToyStore | Self::None => &[],
        }
    }
}

impl fmt::Display for Demo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Demo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|demo| demo.name() == text);
        found.ok_or_else(|| format!("no demonstration data is called {text:?}: use shop, toystore or none"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_is_read_back_from_its_name() {
        for demo in [Demo::Shop, Demo::ToyStore, Demo::None] {
            assert_eq!(demo.to_string().parse(), Ok(demo));
        }
        assert!("toys".parse::<Demo>().is_err());
    }
}
