//! However a drill ends, what it broke is mended.

use std::process::Command;

use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::process::{Process, micronet, run};
use rustix::process::Signal;
use serde_json::Value;

use super::{DRILLS, begin, check_mended, control, until_state};

/// Starts `micronet drill stall`, and waits until product-2 is stalled.
#[track_caller]
fn stalling(network: &Network) -> Process {
    let arguments =
        ["drill", "stall", "--service", "product-2", "--load", "40/s", "--duration", "5m", "--quiet", "1s"];
    let mut command = micronet(network.folder().path(), &arguments);
    let mut process = Process::start("drill", &mut command);
    until("product-2 to be stalled", || {
        let said = process.stderr();
        assert!(process.is_running(), "{}", process.said());
        if said.contains("s  product-2 is stalled") { Ok(()) } else { Err(said) }
    });
    process
}

#[test]
fn ctrl_c_mends_it() {
    let network = Network::start("toystore");
    let mut drill = stalling(&network);
    drill.signal(Signal::INT);
    assert_eq!(drill.wait().code(), Some(130), "{}", drill.said());
    // It is mended when the command ends.
    check_mended(&network);
    for words in ["No verdict: operator has aborted it; what was broken is mended.", "drill 1"] {
        assert!(drill.stdout().contains(words), "{words:?} is missing: {}", drill.said());
    }
}

#[test]
fn the_loss_of_its_caller_mends_it() {
    let network = Network::start("toystore");
    stalling(&network).kill();
    let drill = until_state(&network, "1", "Aborted");
    assert_eq!(drill["reason"], "whoever began it is gone", "{drill}");
    check_mended(&network);
}

#[test]
fn who_deletes_it_ends_it_when_it_is_mended() {
    let network = Network::start("toystore");
    let id = begin(&network);
    let ended = control(&network, "DELETE", &format!("{DRILLS}/{id}"), "").check(200);
    assert_eq!(ended.at("/data/state"), "Aborted", "{}", ended.shown());
    check_mended(&network);
    check_told(
        &network,
        &[
            &format!("drill {id}: product-2 is stalled"),
            &format!("drill {id}: No verdict: operator has aborted it"),
        ],
    );
    // Again it changes nothing.
    let again = control(&network, "DELETE", &format!("{DRILLS}/{id}"), "").check(200);
    assert_eq!(again.at("/data/elapsed_ms"), ended.at("/data/elapsed_ms"));
    control(&network, "DELETE", &format!("{DRILLS}/99"), "").check(404);
}

/// Checks that the feed of the dashboard has told this.
#[track_caller]
fn check_told(network: &Network, wanted: &[&str]) {
    let mut curl = Command::new("curl");
    curl.args(["-sN", "--max-time", "2", "-H", "Accept: text/event-stream"]);
    curl.args(["-H", &format!("Authorization: Bearer {}", network.folder().operator_token())]);
    curl.arg(format!("http://{}/api/v1/control/live?events_since=0", network.gateway()));
    let feed = run(curl).stdout;
    for words in wanted {
        assert!(feed.contains(words), "{words:?} is missing in {feed}");
    }
}

#[test]
fn who_ends_the_fault_ends_its_time_in_the_drill() {
    let network = Network::start("toystore");
    let id = begin(&network);
    let fault = until("the fault's number", || {
        let drill = control(&network, "GET", &format!("{DRILLS}/{id}"), "").check(200);
        drill.at("/data/fault").as_u64().ok_or_else(|| drill.shown())
    });
    network.command(&["fault", "clear", &fault.to_string()]).check(0);
    let drill = until_state(&network, &id, "Done");
    assert!(drill["report"]["during"]["lasted_ms"].as_u64().is_some_and(|ms| ms < 300_000), "{drill}");
    assert_eq!(drill["reason"], Value::Null);
}
