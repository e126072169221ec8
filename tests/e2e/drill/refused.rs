//! What a drill must not take.

use micronet_tests::network::Network;
use micronet_tests::patience::until;
use serde_json::json;

use super::{DRILLS, begin, check_mended, control};

/// What `micronet drill` says that is refused.
#[track_caller]
fn refused(network: &Network, arguments: &[&str]) -> String {
    let said = network.command(&[&["drill"], arguments].concat()).check(1);
    assert_eq!(said.stdout, "", "{said:?}");
    said.stderr
}

#[test]
fn more_than_can_be_spared_is_refused_and_it_is_said_what_would_be_lost() {
    let network = Network::start("shop");
    let check = |arguments: &[&str], wanted: &[&str]| {
        let said = refused(&network, arguments);
        for words in wanted {
            assert!(said.contains(words), "{words:?} is missing in: {said}");
        }
    };
    let user = ["user would have no healthy instance without user-1", "order", "--force"];
    check(&["kill-instance", "--service", "user"], &user);
    check(&["slow", "--service", "user"], &["no instance that is not slow", "--force"]);
    let product = ["without product-1, product-2", "--force"];
    check(&["dependency-down", "--service", "product"], &product);
    check(&["dependency-down", "--service", "order", "--force"], &["no service calls order"]);
    check(&["stall", "--service", "gateway", "--force"], &["the load of a drill goes through the gateway"]);
    check(&["stall", "--service", "nobody"], &["is called \"nobody\"", "product-1"]);
    network.command(&["drain", "node-1"]).check(0);
    check(
        &["stall", "--service", "node"],
        &["node would be left with 1 of its 3 instances", "more than half"],
    );
    // Over HTTP it is a conflict.
    let request = json!({ "kind": "Stall", "service": "user" }).to_string();
    let answer = control(&network, "POST", DRILLS, &request).check(409);
    assert_eq!(answer.at("/error/code"), "BEYOND_BLAST_RADIUS", "{}", answer.shown());
    // Nobody may who may only look.
    network.http().post(DRILLS, &request).check(401);
    assert_eq!(network.command(&["drills"]).check(0).stdout.lines().count(), 1);
}

#[test]
fn one_thing_is_broken_at_a_time() {
    let network = Network::start("toystore");
    let id = begin(&network);
    let node = ["kill-instance", "--service", "node", "--force"];
    let said = refused(&network, &node);
    assert!(said.contains(&format!("drill {id} is under way (product-2 is stalled)")), "{said}");
    control(&network, "DELETE", &format!("{DRILLS}/{id}"), "").check(200);
    network.command(&["fault", "fail", "node-1", "--for", "1h"]).check(0);
    let said = refused(&network, &node);
    assert!(said.contains("node-1 is failed") && said.contains("micronet fault clear 2"), "{said}");
    network.command(&["fault", "clear", "all"]).check(0);
    check_mended(&network);
}

#[test]
fn a_network_that_is_not_well_is_left_alone() {
    let network = Network::start_to_kill("toystore");
    network.kill("product-1");
    until("the supervisor to notice", || {
        let said = network.command(&["ps", "product-1"]).check(0).stdout;
        if said.contains("died") { Ok(()) } else { Err(said) }
    });
    let said = refused(&network, &["stall", "--service", "node", "--force"]);
    for words in ["the network is not well: product-1 doesn't run: died", "node-3"] {
        assert!(said.contains(words), "{words:?} is missing in: {said}");
    }
}
