//! Customers who ask and buy through the gateway while something happens to the network.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use micronet_tests::http_client::HttpClient;
use micronet_tests::network::Network;
use micronet_tests::patience::until;

/// Half of the customers ask, half of them buy.
const CUSTOMERS: usize = 4;

/// A load that goes on until it is stopped.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    seen: Arc<Seen>,
    customers: Vec<JoinHandle<()>>,
}

/// What the customers saw.
#[derive(Default)]
pub(super) struct Seen {
    asked: AtomicU64,
    bought: AtomicU64,
    /// Answers that were none of those that a shop should give.
    failed: Mutex<Vec<String>>,
    /// Who has answered how often.
    by: Mutex<BTreeMap<String, u64>>,
}

impl Load {
    /// Sends the customers in, and waits until each has been served.
    pub(super) fn start(network: &Network) -> Self {
        let (stop, seen) = (Arc::<AtomicBool>::default(), Arc::<Seen>::default());
        let customers = (0..CUSTOMERS).map(|number| {
            let (stop, seen, gateway) = (Arc::clone(&stop), Arc::clone(&seen), network.gateway());
            thread::spawn(move || customer(gateway, number % 2 == 0, &stop, &seen))
        });
        let load = Self { customers: customers.collect(), stop, seen };
        load.goes_on();
        load
    }

    /// Waits until some more have been served from now on.
    pub(super) fn goes_on(&self) {
        let served = || (self.seen.asked.load(Ordering::Relaxed), self.seen.bought.load(Ordering::Relaxed));
        let before = served();
        until("customers to be served", || {
            let now = served();
            if now.0 > before.0 + 20 && now.1 > before.1 + 20 { Ok(()) } else { Err(format!("{now:?}")) }
        });
    }

    /// Who has answered so far, and how often.
    pub(super) fn by(&self) -> BTreeMap<String, u64> {
        self.seen.by.lock().expect("no customer panics").clone()
    }

    /// Sends the customers home, and checks that no request has failed. Says how many were made.
    #[track_caller]
    pub(super) fn check_none_failed(self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        for customer in self.customers {
            customer.join().expect("a customer");
        }
        let failed = self.seen.failed.lock().expect("no customer panics");
        let (asked, bought) =
            (self.seen.asked.load(Ordering::Relaxed), self.seen.bought.load(Ordering::Relaxed));
        assert!(failed.is_empty(), "{} of {asked} + {bought} failed, as: {}", failed.len(), failed[0]);
        (asked, bought)
    }
}

fn customer(gateway: SocketAddr, buys: bool, stop: &AtomicBool, seen: &Seen) {
    let mut http = HttpClient::connect(gateway);
    while !stop.load(Ordering::Relaxed) {
        let answer = if buys {
            http.post("/orders", r#"{"name":"Tux","quantity":1}"#)
        } else {
            http.get("/products/Tux")
        };
        // When the shop is sold out it says so.
        let is_good = answer.status() < 300 || answer.status() == 409;
        if !is_good {
            seen.failed.lock().expect("no customer panics").push(answer.shown());
        }
        if let Some(instance) = answer.header("X-Micronet-Instance") {
            *seen.by.lock().expect("no customer panics").entry(instance.to_owned()).or_default() += 1;
        }
        let counter = if buys { &seen.bought } else { &seen.asked };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
