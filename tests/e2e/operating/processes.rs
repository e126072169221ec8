//! Processes that die and are started again, by themselves and by the operator.

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::process::{has_ended, kill_child_of_ours, micronet, run};

use super::{answering, process, processes, until_state};

/// The process id of an instance that runs.
fn pid(network: &Network, name: &str) -> u32 {
    process(network, name)["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("it runs")
}

/// Waits until `up` has said all of these words.
fn until_said(network: &mut Network, words: &[&str]) {
    until("up to say so", || {
        let said = network.up().stderr();
        if words.iter().all(|each| said.contains(each)) { Ok(()) } else { Err(said) }
    });
}

#[test]
fn one_that_dies_is_started_again_on_its_port() {
    let mut network = Network::start("toystore");
    let before = pid(&network, "product-2");
    network.kill("product-2");
    let process = until("product-2 to be back", || {
        let process = process(&network, "product-2");
        let is_back = process["state"] == "Running" && process["pid"] != before;
        if is_back { Ok(process) } else { Err(process.to_string()) }
    });
    assert_eq!(process["restarts"], 1);
    assert_eq!(process["last_exit"], "signal: 9 (SIGKILL)");
    assert_eq!(process["address"], network.address("product-2").to_string());
    let words = ["product-2 has ended by itself (signal: 9 (SIGKILL))", "it is started again in 0."];
    until_said(&mut network, &words);
    until("product-2 to be called again", || {
        let names = answering(&network);
        if names == ["product-1", "product-2"] { Ok(()) } else { Err(names.join(", ")) }
    });
    // Other commands find the new process.
    assert!(network.folder().read("network.json").contains(&pid(&network, "product-2").to_string()));
    // The log goes on where it was.
    let log = network.folder().read("logs/product-2.log");
    assert!(log.contains("---- product-2: start 2: started again after it died ----"), "{log}");
    assert_eq!(log.matches("starting service").count(), 2, "{log}");
}

#[test]
fn one_that_dies_again_and_again_waits_for_the_operator() {
    let mut network = Network::start("toystore");
    let mut last = None;
    for _ in 0..5 {
        let pid = until("product-2 to run", || {
            let process = process(&network, "product-2");
            let pid =
                process["pid"].as_u64().filter(|pid| process["state"] == "Running" && Some(*pid) != last);
            pid.ok_or_else(|| process.to_string())
        });
        last = Some(pid);
        kill_child_of_ours(u32::try_from(pid).expect("a process id"), network.folder().path());
    }
    let process = until_state(&network, "product-2", "CrashLoop");
    let reason = process["reason"].as_str().expect("a reason");
    assert!(reason.starts_with("died 5 times within 60 s"), "{reason}");
    until_said(&mut network, &["product-2 is in a crash loop", "micronet start product-2", "product-2.log"]);
    assert!(network.command(&["ps"]).check(0).stdout.contains("crash-loop"));
    // The others go on.
    assert_eq!(answering(&network), ["product-1"]);
    network.command(&["start", "product-2"]).check(0);
    until_state(&network, "product-2", "Running");
}

#[test]
fn up_stays_while_all_are_away() {
    let mut network = Network::start_in(Folder::new(), &["--profile", "toystore", "--no-restart"]);
    for name in ["gateway-1", "order-1", "product-1"] {
        network.kill(name);
        let process = until_state(&network, name, "Stopped");
        assert_eq!(process["reason"], "died: signal: 9 (SIGKILL)");
    }
    assert!(network.up().is_running());
    network.command(&["start", "product"]).check(0);
    network.command(&["start", "order"]).check(0);
    network.command(&["start", "gateway-1"]).check(0);
    network.http().get("/products/Tux").check(200);
    network.stop();
}

#[test]
fn what_is_stopped_stays_so_until_it_is_started() {
    let network = Network::start("toystore");
    let before = pid(&network, "product-1");
    let said = network.command(&["stop", "product-1"]).check(0).stdout;
    assert!(said.contains("stopped by the operator"), "{said}");
    assert!(has_ended(before));
    assert_eq!(process(&network, "product-1")["last_exit"], "exit status: 0");
    assert_eq!(answering(&network), ["product-2"]);
    network.command(&["stop", "product"]).check(0);
    assert!(processes(&network, "product").iter().all(|process| process["state"] == "Stopped"));
    network.http().get("/products/Tux").check(503);
    let said = network.command(&["start", "product"]).check(0).stdout;
    assert_eq!(said.matches("running").count(), 2, "{said}");
    until("the shop to be open", || {
        let answer = network.http().get("/products/Tux");
        if answer.status() == 200 { Ok(()) } else { Err(answer.shown()) }
    });
}

#[test]
fn commands_say_what_to_do_next() {
    let folder = Folder::new();
    let finished = run(micronet(folder.path(), &["ps"])).check(1);
    for words in ["no network runs on", "micronet up"] {
        assert!(finished.stderr.contains(words), "{}", finished.stderr);
    }
    let network = Network::start("toystore");
    let finished = network.command(&["stop", "produce"]).check(1);
    for words in ["\"produce\"", "product-2", "micronet ps"] {
        assert!(finished.stderr.contains(words), "{}", finished.stderr);
    }
    let finished = network.command(&["scale", "gateway", "2"]).check(1);
    assert!(finished.stderr.contains("one gateway"), "{}", finished.stderr);
    network.command(&["fault", "report"]).check(1);
}

#[test]
fn who_may_not_operate_the_network_is_refused() {
    let network = Network::start("toystore");
    let mut http = network.http();
    http.get("/api/v1/control/processes").check(401);
    http.request("POST", "/api/v1/control/processes/product-1/stop", &[], b"").check(401);
    let called = network.command(&["call", "control.processes", "--anonymous"]).check(5);
    assert!(called.stderr.contains("UNAUTHENTICATED"), "{}", called.stderr);
    // The operator may, through the gateway too.
    let token = format!("Bearer {}", network.folder().operator_token());
    let operator = [("Authorization", &*token)];
    let listed = http.request("GET", "/api/v1/control/processes?name=product", &operator, b"").check(200);
    assert_eq!(listed.at("/data/processes/1/instance"), "product-2");
    let stopped = http.request("POST", "/api/v1/control/processes/product-2/stop", &operator, b"").check(200);
    assert_eq!(stopped.at("/data/processes/0/state"), "Stopped");
    assert_eq!(answering(&network), ["product-1"]);
}
