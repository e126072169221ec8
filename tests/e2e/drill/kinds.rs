//! Each kind of drill, and its report.

use std::process::Command;

use micronet_tests::network::Network;
use micronet_tests::process::run;
use serde_json::Value;

use super::{check_mended, control, drill, drill_for};

fn count(of: &Value, name: &str) -> u64 {
    of[name].as_u64().unwrap_or_else(|| panic!("no {name} in {of}"))
}

/// What holds for each drill that has ended.
#[track_caller]
fn check(drill: &Value, kind: &str, what: &str) {
    assert_eq!(
        (&drill["kind"], &drill["what"], &drill["state"]),
        (&kind.into(), &what.into(), &"Done".into()),
        "{drill}"
    );
    let report = &drill["report"];
    // How it went is measured, and a machine with much to do may lose requests; that all came back is certain.
    assert!(report["grade"] != "Open" && report["recovered_after_ms"].is_u64(), "{drill}");
    let by_phase: u64 =
        ["before", "during", "after"].map(|phase| count(&report[phase], "requests")).iter().sum();
    assert!(by_phase > 0 && by_phase == count(report, "requests"), "{drill}");
    let by_kind: u64 =
        report["lost_by_kind"].as_array().expect("kinds").iter().map(|lost| count(lost, "count")).sum();
    assert_eq!(by_kind, count(report, "lost"), "{drill}");
    assert!(report["before"]["p99_us"].as_u64().is_some_and(|us| us > 0), "{drill}");
    // Whole seconds are told.
    let seconds = drill["seconds"].as_array().expect("seconds").len() as u64;
    assert!(seconds > 0 && seconds >= count(drill, "elapsed_ms") / 1_000, "{drill}");
    let timeline = drill["timeline"].as_array().expect("a timeline");
    let moments: Vec<&str> = timeline.iter().filter_map(|moment| moment["what"].as_str()).collect();
    for moment in ["Load", "Fault", "Mended", "End"] {
        assert!(moments.contains(&moment), "{moment} is missing in {drill}");
    }
    assert!(timeline.is_sorted_by_key(|moment| moment["at_ms"].as_u64()), "{drill}");
}

#[test]
fn one_that_is_killed_is_missed_and_comes_back() {
    let network = Network::start("toystore");
    let killed = drill(&network, &["kill-instance", "--service", "product"]);
    check(&killed, "KillInstance", "product-2 is killed");
    assert_eq!(killed["report"]["detected"]["by"], "gateway-1", "{killed}");
    assert!(killed["report"]["recovered_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{killed}");
    let ps = network.command(&["ps", "product-2", "--json"]).check(0).stdout;
    let ps: Value = serde_json::from_str(&ps).expect("JSON");
    assert_eq!(ps["processes"][0]["last_exit"], "signal: 9 (SIGKILL)", "{ps}");
    check_mended(&network);
}

#[test]
fn one_that_nobody_starts_again_is_started_by_the_drill() {
    let network = Network::start_to_kill("toystore");
    let killed = drill(&network, &["kill-instance", "--service", "product-1"]);
    check(&killed, "KillInstance", "product-1 is killed");
    // It was missing for all of the time that it may be.
    assert!(killed["report"]["recovered_after_ms"].as_u64().is_some_and(|ms| ms >= 2_000), "{killed}");
    network.command(&["ps", "product-1"]).check(0);
}

#[test]
fn one_that_stalls_is_left_by_its_callers() {
    let network = Network::start("toystore");
    let html = network.folder().path().join("report.html");
    let stalled =
        drill(&network, &["stall", "--service", "product", "--html", html.to_str().expect("a path")]);
    check(&stalled, "Stall", "product-2 is stalled");
    let detected = &stalled["report"]["detected"];
    assert_eq!(
        (&detected["by"], &detected["instance"]),
        (&"gateway-1".into(), &"product-2".into()),
        "{stalled}"
    );
    check_html(&html, &stalled);
    // It is remembered, and shown again.
    let listed = network.command(&["drills"]).check(0).stdout;
    assert!(listed.contains("product-2 is stalled") && listed.lines().count() == 2, "{listed}");
    let id = stalled["id"].to_string();
    let shown = network.command(&["drills", &id]).check(0).stdout;
    let verdict = stalled["report"]["verdict"].as_str().expect("a verdict");
    // It is wrapped.
    let shown = shown.split_whitespace().collect::<Vec<&str>>().join(" ");
    for words in [verdict, "PHASE", "during", "no more calls", "GET /api/v1/products"] {
        assert!(shown.contains(words), "{words} is missing in {shown}");
    }
    let listed = control(&network, "GET", super::DRILLS, "").check(200);
    assert_eq!(listed.at("/data/drills/0/seconds"), Value::Array(Vec::new()), "{}", listed.shown());
    let refused = network.command(&["drills", "77"]).check(1).stderr;
    assert!(refused.contains("there is no drill 77"), "{refused}");
    check_mended(&network);
}

/// Checks that a report is well-formed, as XML's rules have it, and that its plots have a point for each second.
#[track_caller]
fn check_html(path: &std::path::Path, drill: &Value) {
    const SCRIPT: &str = "\
import sys, xml.etree.ElementTree as tree
page = tree.parse(sys.argv[1]).getroot()
svg = '{http://www.w3.org/2000/svg}'
plots = page.findall('.//' + svg + 'svg')
points = [len(line.get('points').split()) for plot in plots for line in plot.iter(svg + 'polyline')]
print(len(plots), min(points), max(points), page.find('.//h1').text)
";
    let mut python = Command::new("python3");
    python.args(["-c", SCRIPT]).arg(path);
    let said = run(python).check(0).stdout;
    let seconds = drill["seconds"].as_array().expect("seconds").len();
    assert_eq!(
        said,
        format!(
            "2 {seconds} {seconds} drill {}: product-2 is stalled, under 40 requests a second\n",
            drill["id"]
        )
    );
}

#[test]
fn one_that_is_cut_off_is_left_and_found_again() {
    let network = Network::start("toystore");
    let cut = drill(&network, &["partition", "--service", "product-1"]);
    check(&cut, "Partition", "product-1 is cut off");
    assert_eq!(cut["report"]["detected"]["by"], "gateway-1", "{cut}");
    assert!(cut["report"]["recovered_after_ms"].is_u64(), "{cut}");
    check_mended(&network);
}

#[test]
fn one_that_is_slow_shows_in_the_latency() {
    let network = Network::start("toystore");
    let slow = drill(&network, &["slow", "--service", "node", "--delay", "700ms"]);
    check(&slow, "Slow", "node-3 takes 700 ms longer");
    // A third of the requests goes to it, at least at first.
    assert!(slow["report"]["during"]["max_us"].as_u64().is_some_and(|us| us >= 700_000), "{slow}");
    check_mended(&network);
}

#[test]
fn a_dependency_that_is_down_is_seen_from_those_who_depend_on_it() {
    let network = Network::start("shop");
    let down = drill_for(&network, "6s", &["dependency-down", "--service", "product", "--force"]);
    check(&down, "DependencyDown", "product is cut off as a whole");
    let routes = down["report"]["routes"].as_array().expect("routes");
    for service in ["product", "order"] {
        assert!(routes.iter().any(|route| route["service"] == service), "{service}: {down}");
    }
    let lost = |service: &str| -> u64 {
        let of = routes.iter().filter(|route| route["service"] == service);
        of.map(|route| count(route, "lost_during")).sum()
    };
    assert!(lost("product") > 0, "{down}");
    check_mended(&network);
}

#[test]
fn another_route_may_be_asked() {
    let network = Network::start("toystore");
    let named =
        ["stall", "--service", "product", "--route", "GET /products/Tux", "--route", "/products?per_page=1"];
    let stalled = drill(&network, &named);
    check(&stalled, "Stall", "product-2 is stalled");
    let routes = stalled["report"]["routes"].as_array().expect("routes");
    let names: Vec<&str> = routes.iter().filter_map(|route| route["route"].as_str()).collect();
    assert_eq!(names, ["GET /products/Tux", "GET /products?per_page=1"]);
    assert!(routes.iter().all(|route| count(route, "requests") > 0), "{stalled}");
    let refused =
        network.command(&["drill", "stall", "--service", "product", "--route", "products"]).check(1);
    assert!(refused.stderr.contains("\"products\" is no target"), "{refused:?}");
}
