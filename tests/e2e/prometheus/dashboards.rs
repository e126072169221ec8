//! The dashboards of Grafana: what they ask is answered by a real Prometheus, and named by a real network.

use std::collections::BTreeSet;
use std::fs;

use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::program::root;
use serde_json::Value;

use super::server::Prometheus;
use super::traffic;
use crate::external::has;

/// Words of PromQL that are no metrics, with or without a bracket behind them.
const WORDS: [&str; 15] = [
    "and", "or", "unless", "on", "by", "without", "ignoring", "bool", "offset", "sum", "avg", "count", "min",
    "max", "stddev",
];
/// Words behind which labels stand in brackets.
const LABELS: [&str; 6] = ["by", "on", "without", "ignoring", "group_left", "group_right"];

/// The dashboards, with their files' names.
fn dashboards() -> Vec<(String, Value)> {
    let folder = root().join("tools/deploy/grafana/dashboards");
    let files =
        fs::read_dir(folder).expect("the folder of the dashboards").map(|file| file.expect("a file").path());
    let read = |path: std::path::PathBuf| {
        let text = fs::read_to_string(&path).expect("a dashboard");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, json)
    };
    files.map(read).collect()
}

/// The panels of a dashboard.
fn panels(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().expect("panels")
}

/// All that is asked of Prometheus in a dashboard.
fn queries(dashboard: &Value) -> Vec<String> {
    let targets = panels(dashboard).iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries = targets.map(|target| target["expr"].as_str().expect("a query").to_owned());
    queries.map(|query| query.replace("$__rate_interval", "10s")).collect()
}

/// The metrics that a query names: what is left without texts, selectors, lists of labels, and functions.
fn metrics(query: &str) -> BTreeSet<String> {
    let (mut plain, mut nested) = (String::new(), 0);
    for character in query.chars() {
        nested += i32::from("{[".contains(character)) - i32::from("}]".contains(character));
        if nested == 0 {
            plain.push(character);
        }
    }
    let mut metrics = BTreeSet::new();
    let is_of_word = |each: char| each.is_ascii_alphanumeric() || each == '_';
    let mut rest = plain.as_str();
    while let Some(begin) = rest.find(is_of_word) {
        let (_, from) = rest.split_at(begin);
        let (word, after) = from.split_at(from.find(|each| !is_of_word(each)).unwrap_or(from.len()));
        let behind = after.trim_start().strip_prefix('(');
        rest = match behind.filter(|_| LABELS.contains(&word)) {
            Some(labels) => labels.split_once(')').expect("a bracket").1,
            None => after,
        };
        let is_number = word.starts_with(|first: char| first.is_ascii_digit());
        if behind.is_none() && !is_number && !WORDS.contains(&word) {
            metrics.insert(word.to_owned());
        }
    }
    metrics
}

#[test]
fn metrics_are_found_in_queries() {
    let query = "sum by (le, x) (rate(a_total{job=\"b\", c=~\"d|e\"}[10s])) / on (service) group_left () avg(f) and topk(10, g) or vector(0) > 1e+06 and stddev by (x) (h offset 1m)";
    assert_eq!(metrics(query).into_iter().collect::<Vec<_>>(), ["a_total", "f", "g", "h"]);
}

#[test]
fn the_four_views_are_there_and_whole() {
    let dashboards = dashboards();
    let titles: BTreeSet<&str> =
        dashboards.iter().map(|(_, dashboard)| dashboard["title"].as_str().expect("a title")).collect();
    let wanted = ["Load Balancer Analytics", "Network Overview", "Server Performance", "Traffic Analysis"];
    assert_eq!(titles.into_iter().collect::<Vec<_>>(), wanted);
    let provisioned =
        fs::read_to_string(root().join("tools/deploy/grafana/provisioning/datasources/micronet.yml"));
    assert!(provisioned.expect("the data source").contains("uid: micronet-prometheus"));
    for (name, dashboard) in &dashboards {
        let mut ids = BTreeSet::new();
        for panel in panels(dashboard) {
            assert!(ids.insert(panel["id"].as_u64()), "{name}: an id twice: {panel}");
            let place = |side: &str| panel["gridPos"][side].as_u64().expect("a place");
            assert!(place("x") + place("w") <= 24, "{name}: {panel}");
            let overlaps = panels(dashboard).iter().filter(|other| {
                let of_other = |side: &str| other["gridPos"][side].as_u64().expect("a place");
                let meet = |at: &str, size: &str| {
                    place(at) < of_other(at) + of_other(size) && of_other(at) < place(at) + place(size)
                };
                meet("x", "w") && meet("y", "h")
            });
            // Each panel meets itself.
            assert_eq!(overlaps.count(), 1, "{name}: {panel}");
            if let Some(source) = panel["datasource"]["uid"].as_str() {
                assert_eq!(source, "micronet-prometheus", "{name}: {panel}");
            }
        }
        assert!(queries(dashboard).len() >= 8, "{name}");
    }
}

#[test]
fn what_dashboards_and_rules_ask_is_answered_and_known() {
    if !has("prometheus") || !has("curl") {
        return;
    }
    let network = Network::start("shop");
    let prometheus = Prometheus::start(&network);
    traffic(&network);
    let dashboards = dashboards();
    let queries = dashboards.iter().flat_map(|(name, dashboard)| {
        queries(dashboard).into_iter().map(move |query| (name.as_str(), query))
    });
    let mut asked: BTreeSet<String> = BTreeSet::new();
    for (name, query) in queries {
        let answer = until("Prometheus to answer", || prometheus.ask("/api/v1/query", &query));
        assert_eq!(answer["status"], "success", "{name}: {query}: {answer}");
        asked.extend(metrics(&query));
    }
    let rules = until("the rules", || {
        let rules = prometheus.ask("/api/v1/rules", "")?;
        let groups = rules["data"]["groups"].as_array().cloned().unwrap_or_default();
        if groups.is_empty() { Err(rules.to_string()) } else { Ok(groups) }
    });
    for rule in rules.iter().filter_map(|group| group["rules"].as_array()).flatten() {
        asked.extend(metrics(rule["query"].as_str().expect("a query")));
    }
    assert!(asked.len() > 25, "{asked:?}");
    until("all that is asked to be known", || {
        let names = prometheus.ask("/api/v1/label/__name__/values", "")?;
        let known: BTreeSet<&str> =
            names["data"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let unknown: Vec<&String> = asked.iter().filter(|name| !known.contains(name.as_str())).collect();
        if unknown.is_empty() { Ok(()) } else { Err(format!("{unknown:?} are in no process's metrics")) }
    });
    // What is drawn of a network with traffic is something.
    for (name, dashboard) in &dashboards {
        let drawn = until(&format!("something to draw in {name}"), || {
            let answers = super::dashboards::queries(dashboard)
                .into_iter()
                .map(|query| prometheus.ask("/api/v1/query", &query));
            let answers = answers.collect::<Result<Vec<Value>, String>>()?;
            let has_some =
                |answer: &&Value| answer["data"]["result"].as_array().is_some_and(|all| !all.is_empty());
            let drawn = answers.iter().filter(has_some).count();
            traffic(&network);
            if 2 * drawn > answers.len() { Ok(drawn) } else { Err(format!("{drawn} of {}", answers.len())) }
        });
        assert!(drawn > 0);
    }
}
