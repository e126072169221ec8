//! A Prometheus that reads a network of the tests.

use std::fs;
use std::process::Command;

use micronet_tests::network::Network;
use micronet_tests::ports;
use micronet_tests::process::{Process, run};
use micronet_tests::program::root;
use serde_json::Value;

/// A Prometheus of the example's configuration, on a free port.
pub(super) struct Prometheus {
    _process: Process,
    port: u16,
}

impl Prometheus {
    /// Starts it with the example's rules.
    pub(super) fn start(network: &Network) -> Self {
        Self::start_with(network, str::to_owned)
    }

    /// Starts it with the example's rules as `change` makes them.
    pub(super) fn start_with(network: &Network, change: impl Fn(&str) -> String) -> Self {
        let example = |name: &str| {
            let path = root().join("tools/deploy/prometheus").join(name);
            fs::read_to_string(path).expect("an example")
        };
        let gateway = network.gateway().to_string();
        let config = example("prometheus.yml").replace("localhost:8000", &gateway).replace("5s", "1s");
        assert!(config.contains(&gateway), "the example names the gateway: {config}");
        let folder = network.folder().path();
        let file = folder.join("prometheus.yml");
        for (name, text) in [("prometheus.yml", &config), ("rules.yml", &change(&example("rules.yml")))] {
            fs::write(folder.join(name), text).expect("the folder can be written");
        }
        let mut check = Command::new("promtool");
        check.args(["check", "config"]).arg(&file);
        let _ = run(check).check(0);
        let port = ports::free();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        Self { _process: Process::start("prometheus", &mut command), port }
    }

    /// What its API answers.
    pub(super) fn ask(&self, path: &str, query: &str) -> Result<Value, String> {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-G", "--data-urlencode", &format!("query={query}")]);
        curl.arg(format!("http://127.0.0.1:{}{path}", self.port));
        let said = run(curl);
        serde_json::from_str(&said.stdout).map_err(|_| format!("{}{}", said.stdout, said.stderr))
    }

    /// The value of a query that has one.
    pub(super) fn value(&self, query: &str) -> Result<f64, String> {
        let answer = self.ask("/api/v1/query", query)?;
        let value = answer["data"]["result"][0]["value"][1].as_str().and_then(|value| value.parse().ok());
        value.ok_or_else(|| answer.to_string())
    }
}
