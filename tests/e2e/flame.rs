//! `micronet profile`: a flame graph of a real process, by Linux perf; and what it says where that can't be.

use micronet_tests::folder::Folder;
use micronet_tests::process::{Process, micronet, run};
use micronet_tests::server::Server;

use crate::external;

#[test]
fn a_process_at_work_is_drawn() {
    if !external::has("perf") {
        return;
    }
    let folder = Folder::new();
    let mut server = Server::start(folder.path(), "bench-1", &["bench", "serve"]);
    let address = server.address().to_string();
    let load = ["bench", "rpc", &address, "--duration", "1h", "--warm-up", "0"];
    let _load = Process::start("load", &mut micronet(folder.path(), &load));
    let (svg, folded) = (folder.path().join("served.svg"), folder.path().join("served.txt"));
    let pid = server.process().id().to_string();
    let mut profile = micronet(folder.path(), &["profile", &pid, "--seconds", "1", "--frequency", "999"]);
    profile.arg("--svg").arg(&svg).arg("--folded").arg(&folded);
    let said = run(profile).check(0);
    assert!(said.stdout.contains("ITSELF %") && said.stdout.contains("served.svg"), "{said:?}");

    // What it does is to serve calls, in the functions that do so. The kernel has its part.
    let folded = folder.read("served.txt");
    let samples =
        |line: &str| line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok()).expect("a count");
    let serving = |line: &&str| line.contains("micronet_transport::server::rpc");
    let all: u64 = folded.lines().map(samples).sum();
    let in_it: u64 = folded.lines().filter(serving).map(samples).sum();
    assert!(all > 10 && 5 * in_it > all, "{in_it} of {all} samples:\n{folded}");
    let svg = folder.read("served.svg");
    for words in [
        "<svg ",
        &format!("process-{pid}: {all} samples in 1 s"),
        "micronet_transport::server::rpc",
        "</svg>",
    ] {
        assert!(svg.contains(words), "{words:?} is missing");
    }
}

#[test]
fn what_can_not_be_watched_is_said_with_what_to_do() {
    let folder = Folder::new();
    let own = std::process::id().to_string();
    for (arguments, code, words) in [
        (&["profile", &own, "--perf", "/nowhere/perf"][..], 1, "there is no program /nowhere/perf"),
        (&["profile", &own, "--perf", "/nowhere/perf"], 1, "Debian: linux-perf"),
        (&["profile", &own, "--perf", "/bin/false"], 1, "perf_event_paranoid"),
        (&["profile", "product-1"], 2, "no network runs on"),
        (&["profile", &own, "--seconds", "0"], 2, "--seconds"),
    ] {
        let said = run(micronet(folder.path(), arguments));
        assert!(said.code == Some(code) && said.stderr.contains(words), "{arguments:?}: {said:?}");
    }
}
