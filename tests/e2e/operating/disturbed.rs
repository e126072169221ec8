//! Faults that the processes themselves commit: slow and failing calls, and links that are cut.

use std::time::{Duration, Instant};

use micronet_tests::network::Network;
use micronet_tests::patience::until;

use super::answering;
use super::load::Load;

/// Waits until these instances answer, and no others.
#[track_caller]
fn until_answering(network: &Network, wanted: &[&str]) {
    until(&format!("only {} to answer", wanted.join(" and ")), || {
        let names = answering(network);
        if names == wanted { Ok(()) } else { Err(names.join(", ")) }
    });
}

/// The longest of some requests for a product.
fn longest(network: &Network) -> Duration {
    let mut http = network.http();
    let took = (0..6).map(|_| {
        let asked = Instant::now();
        http.get("/products/Tux").check(200);
        asked.elapsed()
    });
    took.max().unwrap_or_default()
}

#[test]
fn one_that_is_slow_answers_late_until_it_recovers() {
    let network = Network::start("toystore");
    let delay = Duration::from_millis(150);
    network.command(&["fault", "latency", "product", "150ms", "--for", "1h"]).check(0);
    assert!(longest(&network) >= delay);
    network.command(&["fault", "recover", "product"]).check(0);
    until("products to be answered at once", || match longest(&network) {
        took if took < delay => Ok(()),
        took => Err(format!("{took:?}")),
    });
}

/// How some requests for a product are answered.
fn statuses(network: &Network) -> Vec<u16> {
    let mut http = network.http();
    (0..20).map(|_| http.get("/products/Tux").status()).collect()
}

#[test]
fn one_that_fails_its_calls_is_left() {
    let network = Network::start("toystore");
    network.command(&["fault", "errors", "product-1", "100%", "--for", "1h"]).check(0);
    // Its failures are its own, and no reason to ask another. But its caller soon asks it no more.
    assert!(statuses(&network).iter().all(|status| [200, 500].contains(status)));
    until("products to be answered by the other", || {
        let seen = statuses(&network);
        if seen.iter().all(|status| *status == 200) { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    network.command(&["fault", "recover", "product-1"]).check(0);
    until_answering(&network, &["product-1", "product-2"]);
}

#[test]
fn one_that_is_cut_off_is_left_in_silence_and_found_again() {
    let network = Network::start("toystore");
    let load = Load::start(&network);
    network.command(&["fault", "partition", "product-1", "--for", "1h"]).check(0);
    until_answering(&network, &["product-2"]);
    network.command(&["fault", "clear", "all"]).check(0);
    until_answering(&network, &["product-1", "product-2"]);
    load.check_none_failed();
}
