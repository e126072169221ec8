//! `micronet lab compare`: algorithms on the same load, as ratios of one run.

use micronet_tests::folder::Folder;
use micronet_tests::process::{Process, micronet, run};
use rustix::process::Signal;
use serde_json::Value;

use super::{lab, loads};
use micronet_tests::network::Network;
use micronet_tests::patience::until;

/// What it says as JSON, by algorithm.
struct Compared(Value);

impl Compared {
    #[track_caller]
    fn read(stdout: &str) -> Self {
        let json: Value = serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"));
        assert_eq!(json["complete"], true, "{json}");
        Self(json)
    }

    #[track_caller]
    fn of(&self, algorithm: &str) -> &Value {
        let rows = self.0["algorithms"].as_array().expect("a list");
        rows.iter().find(|row| row["algorithm"] == algorithm).unwrap_or_else(|| panic!("{}", self.0))
    }
}

fn algorithm(network: &Network) -> Value {
    network.http().get("/api/v1/balancer/node").check(200).at("/data/algorithm")
}

#[test]
fn two_choices_beat_turns_where_one_node_is_ten_times_slower() {
    let folder = Folder::new();
    let svg = std::env::temp_dir().join(format!("micronet-compare-{}.svg", std::process::id()));
    let svg = svg.to_str().expect("a path");
    let flags = ["--algorithms", "round_robin,p2c_ewma", "--rate", "100", "--duration", "4", "--json"];
    let arguments = [&["lab", "compare", "--own", "--svg", svg], &flags[..]].concat();
    let compared = Compared::read(&run(micronet(folder.path(), &arguments)).check(0).stdout);
    let drawn = std::fs::read_to_string(svg).expect("a drawing");
    std::fs::remove_file(svg).expect("it can be removed");
    assert!(drawn.contains("p2c_ewma") && drawn.contains("<polyline"), "{drawn}");
    assert!(!folder.path().join("network.json").exists(), "its lab is in a folder of its own");

    let (turns, choices) = (compared.of("round_robin"), compared.of("p2c_ewma"));
    for row in [turns, choices] {
        assert_eq!(row["requests"], row["good"], "a request failed: {row}");
        assert!(row["requests"].as_u64() > Some(600), "{row}");
    }
    // Turns are even, whatever it costs.
    assert!(turns["evenness"].as_f64() > Some(0.99), "{turns}");
    let share = |row: &Value| row["shares"]["node-2"].as_f64().expect("a share");
    assert!(share(choices) < share(turns) / 2.0, "the slow node is spared: {choices}");
    let ratio = choices["p99_to_round_robin"].as_f64().expect("a ratio");
    assert!(ratio < 0.8, "P99 by p2c_ewma is {ratio} of P99 by round_robin: {turns} {choices}");
}

#[test]
fn a_running_lab_is_as_it_was_afterwards() {
    let network = lab();
    loads(&network, &["node-3", "--slower", "7"]);
    let (load, picks) = (loads(&network, &[])[2]["load"].clone(), algorithm(&network));
    let flags =
        ["--scenario", "even", "--duration", "0.5", "--warm-up", "0.1", "--rounds", "1", "--rate", "50"];
    let said = network.command(&[&["lab", "compare"], &flags[..]].concat()).check(0).stdout;
    for word in ["round_robin", "ip_hash", "adaptive", "P99 TO RR", "all nodes alike", "█"] {
        assert!(said.contains(word), "{word:?} is missing in: {said}");
    }
    assert_eq!((&loads(&network, &[])[2]["load"], &algorithm(&network)), (&load, &picks));

    // Also where it was stopped in between.
    let arguments = ["lab", "compare", "--duration", "60", "--algorithms", "p2c_ewma"];
    let mut compare = Process::start("compare", &mut micronet(network.folder().path(), &arguments));
    until("the comparison to be under way", || {
        if algorithm(&network) == "p2c_ewma" { Ok(()) } else { Err(compare.said()) }
    });
    compare.signal(Signal::INT);
    assert_eq!(compare.wait().code(), Some(130), "{}", compare.said());
    assert_eq!((&loads(&network, &[])[2]["load"], &algorithm(&network)), (&load, &picks));
}

#[test]
fn a_lab_of_its_own_goes_with_the_comparison() {
    let folder = Folder::new();
    let arguments = ["lab", "compare", "--own", "--duration", "60"];
    let mut command = micronet(folder.path(), &arguments);
    // Its lab is made there, so that what it leaves behind is seen.
    let scratch = folder.path().join("scratch");
    std::fs::create_dir_all(&scratch).expect("a folder can be made");
    command.env("TMPDIR", &scratch);
    let left = || std::fs::read_dir(&scratch).expect("a folder").count();
    let mut compare = Process::start("compare", &mut command);
    until("its lab to start", || if left() == 1 { Ok(()) } else { Err(compare.said()) });
    compare.signal(Signal::INT);
    assert_eq!(compare.wait().code(), Some(130), "{}", compare.said());
    assert_eq!(left(), 0, "its folder is left");
}
