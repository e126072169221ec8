//! Peers that are known by their certificates (SPEC.md section 15).

use super::*;
use crate::hello::Credential;
use crate::principal::Principal;
use crate::spiffe::SpiffeId;

const ORDER: &str = "spiffe://toys/service/order/order-1";
const PRODUCT: &str = "spiffe://toys/service/product/product-1";
const OPERATOR: &str = "spiffe://toys/operator";

/// A dialler with this certificate and these names at a product service.
fn certified(id: &str, names: [&str; 3], further: impl FnOnce(&mut [Config; 2])) -> Pair {
    Pair::with(|configs| {
        for config in configs.iter_mut() {
            config.hello.checksums = false;
            config.hello.cluster = "toys".into();
        }
        [configs[ACCEPTOR].hello.node, configs[ACCEPTOR].hello.instance] =
            ["product", "product-1"].map(Into::into);
        let hello = &mut configs[DIALLER].hello;
        [hello.cluster, hello.node, hello.instance] = names.map(Into::into);
        configs[ACCEPTOR].certified = Some(id.parse::<SpiffeId>().unwrap());
        configs[DIALLER].certified = Some(PRODUCT.parse::<SpiffeId>().unwrap());
        // What could be proved isn't: the certificate says it already.
        configs[DIALLER].credential = Some(Credential::Operator);
        further(configs);
    })
}

#[test]
fn the_certificate_says_who_the_dialler_is() {
    let check = |id: &str, names: [&str; 3], standing: Standing, principal: Principal| {
        let mut pair = certified(id, names, |_| {});
        pair.deliver();
        assert_eq!(pair.sides[ACCEPTOR].standing(), standing, "{id}");
        pair.call(1_000).unwrap();
        assert_eq!(pair.sides[DIALLER].output()[5] & flags::CHECKSUM, 0, "TLS protects the bytes already");
        pair.deliver();
        pair.events(ACCEPTOR);
        assert_eq!(pair.principals, [principal], "{id}");
    };
    let order = || Principal::Service { name: "order".into() };
    check(ORDER, ["toys", "order", "order-1"], Standing::Cluster, order());
    check(ORDER, ["", "", ""], Standing::Cluster, order());
    check(OPERATOR, ["", "", ""], Standing::Operator, Principal::Operator);
}

#[test]
fn the_right_certificate_with_another_name_is_refused() {
    let check = |id: &str, names: [&str; 3]| {
        let mut pair = certified(id, names, |_| {});
        pair.deliver();
        pair.check(ACCEPTOR, &["closed WRONG_IDENTITY by us"]);
        assert_eq!(pair.events(DIALLER).last().unwrap(), "closed WRONG_IDENTITY by peer");
        assert_eq!(pair.sides[ACCEPTOR].standing(), Standing::Anonymous);
    };
    check(ORDER, ["toys", "product", "order-1"]);
    check(ORDER, ["toys", "order", "order-2"]);
    check(OPERATOR, ["toys", "order", ""]);
    check(OPERATOR, ["toys", "", "order-1"]);
    check("spiffe://games/operator", ["", "", ""].map(|_| "toys"));
}

#[test]
fn the_acceptor_has_to_be_who_its_certificate_says() {
    let mut pair = certified(ORDER, ["toys", "order", "order-1"], |configs| {
        configs[ACCEPTOR].hello.instance = "product-2".into();
    });
    pair.deliver();
    pair.check(DIALLER, &["closed WRONG_IDENTITY by us"]);
}

#[test]
fn a_proof_beside_a_certificate_is_refused() {
    // This dialler believes that it is in plaintext, and so proves what it knows.
    let mut pair = certified(OPERATOR, ["", "", ""], |configs| configs[DIALLER].certified = None);
    pair.deliver();
    assert_eq!(pair.events(ACCEPTOR).last().unwrap(), "closed PROTOCOL_ERROR by us");
}
