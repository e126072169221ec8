//! Restarts and changes of scale under load: no request fails.

use std::process::Command;

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::process::{Process, micronet};

use super::load::Load;
use super::{answering, process, processes};

/// The process ids of a service's instances.
fn pids(network: &Network, service: &str) -> Vec<Option<u64>> {
    processes(network, service).iter().map(|process| process["pid"].as_u64()).collect()
}

#[test]
fn a_restart_one_by_one_costs_no_request() {
    let network = Network::start("shop");
    let load = Load::start(&network);
    // Twice of product, and of services with one instance, for which another stands in.
    for service in ["product", "order", "user", "product"] {
        let before = pids(&network, service);
        network.command(&["restart", service]).check(0);
        let after = pids(&network, service);
        assert_eq!(before.len(), after.len(), "{service}");
        assert!(before.iter().all(|pid| !after.contains(pid)), "{service}: {before:?} {after:?}");
        load.goes_on();
    }
    let (asked, bought) = load.check_none_failed();
    assert!(asked > 100 && bought > 100, "{asked} {bought}");
    assert_eq!(process(&network, "product-1")["restarts"], 2);
}

#[test]
fn one_instance_is_restarted_alone() {
    let network = Network::start("shop");
    let load = Load::start(&network);
    let (of_product, of_order) = (pids(&network, "product"), pids(&network, "order"));
    network.command(&["restart", "product-2"]).check(0);
    network.command(&["restart", "order-1"]).check(0);
    let after = pids(&network, "product");
    assert!(after[0] == of_product[0] && after[1] != of_product[1], "{of_product:?} {after:?}");
    assert_ne!(pids(&network, "order"), of_order);
    load.goes_on();
    load.check_none_failed();
}

#[test]
fn more_instances_get_calls_and_fewer_lose_none() {
    let network = Network::start("shop");
    let load = Load::start(&network);
    let said = network.command(&["scale", "product", "4"]).check(0).stdout;
    assert!(said.contains("product-3") && said.contains("product-4"), "{said}");
    until("the new ones to answer", || {
        let by = load.by();
        if by.contains_key("product-3") && by.contains_key("product-4") {
            Ok(())
        } else {
            Err(format!("{by:?}"))
        }
    });
    network.command(&["scale", "order", "2"]).check(0);
    until("order-2 to answer", || {
        let by = load.by();
        if by.contains_key("order-2") { Ok(()) } else { Err(format!("{by:?}")) }
    });
    network.command(&["scale", "order", "1"]).check(0);
    let said = network.command(&["scale", "product", "1"]).check(0).stdout;
    assert!(said.contains("product-1") && !said.contains("product-2"), "{said}");
    load.goes_on();
    load.check_none_failed();
    assert_eq!(answering(&network), ["product-1"]);
    assert!(!network.folder().read("network.json").contains("product-2"));
    // A name that is free again is given again.
    network.command(&["scale", "product", "2"]).check(0);
    assert_eq!(process(&network, "product-2")["restarts"], 0);
}

#[test]
fn one_that_rests_gets_no_calls_but_stays() {
    let network = Network::start("shop");
    let load = Load::start(&network);
    let said = network.command(&["drain", "product-1"]).check(0).stdout;
    assert!(said.contains("rests by the operator's word"), "{said}");
    assert_eq!(answering(&network), ["product-2"]);
    // It still rests when it was started again, and callers were told of nothing else meanwhile.
    network.command(&["restart", "product-1"]).check(0);
    assert_eq!(answering(&network), ["product-2"]);
    assert_eq!(process(&network, "product-1")["state"], "Running");
    // Where there is no other, it is called all the same.
    network.command(&["drain", "product-2"]).check(0);
    load.goes_on();
    network.command(&["undrain", "product"]).check(0);
    until("both to be called", || {
        let names = answering(&network);
        if names == ["product-1", "product-2"] { Ok(()) } else { Err(names.join(", ")) }
    });
    load.check_none_failed();
}

#[test]
fn in_a_network_with_mtls_it_is_the_same() {
    let network = Network::start_in(Folder::new(), &["--demo", "shop", "--mtls"]);
    let load = Load::start(&network);
    network.command(&["restart", "product"]).check(0);
    network.command(&["scale", "product", "3"]).check(0);
    until("product-3 to answer", || {
        let by = load.by();
        if by.contains_key("product-3") { Ok(()) } else { Err(format!("{by:?}")) }
    });
    load.check_none_failed();
}

#[test]
fn a_restart_goes_on_when_nobody_waits_for_it() {
    let network = Network::start("shop");
    let before = pids(&network, "product");
    let mut command: Command = micronet(network.folder().path(), &["restart", "product"]);
    let mut restart = Process::start("restart", &mut command);
    until("the restart to have begun", || {
        let now = pids(&network, "product");
        if now == before { Err(format!("{now:?}")) } else { Ok(()) }
    });
    restart.kill();
    until("the restart to be done", || {
        let now = processes(&network, "product");
        let is_new = now.iter().all(|process| process["restarts"] == 1 && process["state"] == "Running");
        if is_new { Ok(()) } else { Err(format!("{now:?}")) }
    });
}
