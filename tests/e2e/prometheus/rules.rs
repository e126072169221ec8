//! The rules by which Prometheus raises alerts.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::process::run;
use micronet_tests::program::root;

use super::server::Prometheus;
use crate::external::has;

fn file(name: &str) -> PathBuf {
    root().join("tools/deploy/prometheus").join(name)
}

/// What stands behind this word on lines of a file that begin with it, but for a list's dash.
fn named(path: PathBuf, word: &str) -> Vec<String> {
    let text = fs::read_to_string(path).expect("a file of the rules");
    let lines = text.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix(word));
    lines.map(|name| name.trim().to_owned()).collect()
}

#[test]
fn each_rule_has_been_seen_firing_by_promtool() {
    let rules: BTreeSet<String> = named(file("rules.yml"), "alert:").into_iter().collect();
    let tried: BTreeSet<String> = named(file("rules_test.yml"), "alertname:").into_iter().collect();
    assert!(rules.len() > 10 && rules == tried, "{rules:?} are the rules, and tried are {tried:?}");
    // Each is tried where it fires, too.
    let summaries = named(file("rules_test.yml"), "summary:").len();
    assert!(summaries >= rules.len(), "{summaries} of {} fire", rules.len());
    if !has("promtool") {
        return;
    }
    for arguments in [["check", "rules"], ["test", "rules"]] {
        let mut promtool = Command::new("promtool");
        promtool.args(arguments).arg(file(if arguments[0] == "test" {
            "rules_test.yml"
        } else {
            "rules.yml"
        }));
        let _ = run(promtool).check(0);
    }
}

#[test]
fn promtool_would_say_if_a_rule_did_not_fire() {
    if !has("promtool") {
        return;
    }
    let folder = Folder::new();
    fs::create_dir_all(folder.path()).expect("the folder can be made");
    let rules = fs::read_to_string(file("rules.yml")).expect("the rules");
    let broken = rules.replace("> 0.85", "> 1.85");
    assert_ne!(rules, broken);
    fs::write(folder.path().join("rules.yml"), broken).expect("the folder can be written");
    fs::copy(file("rules_test.yml"), folder.path().join("rules_test.yml"))
        .expect("the folder can be written");
    let mut promtool = Command::new("promtool");
    promtool.args(["test", "rules"]).arg(folder.path().join("rules_test.yml"));
    let said = run(promtool).check(1);
    assert!(said.stderr.contains("CpuHigh"), "{said:?}");
}

#[test]
fn an_instance_that_is_failed_raises_an_alert_in_a_real_prometheus() {
    if !has("prometheus") || !has("curl") {
        return;
    }
    let network = Network::start("shop");
    // Nobody waits for a quarter of a minute here.
    let prometheus = Prometheus::start_with(&network, |rules| rules.replace("for: 15s", "for: 2s"));
    let firing = || {
        let alerts = prometheus.ask("/api/v1/alerts", "")?;
        let all = alerts["data"]["alerts"].as_array().cloned().ok_or_else(|| alerts.to_string())?;
        let fires = |alert: &&serde_json::Value| {
            alert["state"] == "firing" && alert["labels"]["alertname"] == "InstanceUnhealthy"
        };
        Ok::<_, String>(all.iter().filter(fires).cloned().collect::<Vec<_>>())
    };
    until("all instances to be up in Prometheus", || {
        let up = prometheus.value("count(micronet_instance_state{job=\"gateway\", state=\"up\"})")?;
        if up >= 8.0 && firing()?.is_empty() { Ok(()) } else { Err(up.to_string()) }
    });
    network.command(&["fault", "fail", "node-1", "--for", "1h"]).check(0);
    let alert = until("the alert", || firing()?.pop().ok_or_else(|| "none fires".to_owned()));
    assert_eq!(
        (&alert["labels"]["peer"], &alert["labels"]["state"]),
        (&"node-1".into(), &"blocked".into()),
        "{alert}"
    );
    assert_eq!(alert["annotations"]["summary"], "node-1 is blocked", "{alert}");
    network.command(&["fault", "recover", "node-1"]).check(0);
    until("the alert to end", || if firing()?.is_empty() { Ok(()) } else { Err("it fires".to_owned()) });
}
