//! The gateway's HTTPS, its settings while it runs, and its sockets while it is started anew; with curl, openssl and sslscan, which
//! others have written.

mod clients;
mod load;
mod restart;
mod scan;
mod settings;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use micronet_tests::folder::Folder;
use micronet_tests::http_client::raw;
use micronet_tests::network::Network;
use micronet_tests::process::{Finished, run};

use crate::mtls::openssl;

/// A CA, the gateway's certificate and a file of settings, in a folder.
struct Edge {
    folder: Folder,
}

impl Edge {
    fn new() -> Self {
        let edge = Self { folder: Folder::new() };
        edge.certs(&["init"]);
        edge.certs(&["issue", "gateway", "--dns", "shop.example"]);
        edge
    }

    #[track_caller]
    fn certs(&self, arguments: &[&str]) {
        let arguments = [&["certs"], arguments].concat();
        run(micronet_tests::process::micronet(self.folder.path(), &arguments)).check(0);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn certificate(&self) -> PathBuf {
        self.path("certs/gateway-1.pem")
    }

    /// Writes the settings: these lines below `[tls]` and the certificate.
    fn write(&self, lines: &str) -> String {
        let text = format!("[tls]\ncertificate = \"{}\"\n{lines}\n", self.certificate().display());
        fs::write(self.path("edge.toml"), text).expect("the settings can be written");
        self.path("edge.toml").display().to_string()
    }

    /// A network whose gateway has these settings.
    fn start(self, lines: &str) -> Network {
        let file = self.write(lines);
        Network::start_in(self.folder, &["--demo", "shop", "--no-l4", "--gateway-config", &file])
    }
}

/// Runs curl with the cluster's CA.
fn curl(data: &Path, arguments: &[&str]) -> Finished {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "20", "--cacert"]).arg(data.join("certs/ca.pem"));
    command.args(arguments);
    run(command)
}

/// The first lines of what openssl says of a handshake.
fn handshake(server: SocketAddr, flags: &[&str]) -> String {
    let server = server.to_string();
    openssl::run(&[&["s_client", "-connect", &server], flags].concat(), b"").text
}

fn url(server: SocketAddr, path: &str) -> String {
    format!("https://localhost:{}{path}", server.port())
}

#[test]
fn a_gateway_speaks_https_with_the_clusters_own_certificate() {
    if !openssl::is_there() || !crate::external::has("curl") {
        return;
    }
    let network = Network::start_in(Folder::new(), &["--demo", "shop", "--no-l4", "--https"]);
    let (data, gateway) = (network.folder().path(), network.gateway());
    let answer = curl(data, &["--include", &url(gateway, "/products/Tux")]).check(0).stdout;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("25.99"), "{answer}");
    assert!(!answer.to_lowercase().contains("strict-transport-security"), "nobody asked for it: {answer}");
    let by_address = format!("https://127.0.0.1:{}/health", gateway.port());
    curl(data, &["--fail", &by_address]).check(0);
    // TLS 1.3 and nothing older, HTTP/1.1 and nothing else.
    let spoken = handshake(gateway, &["-alpn", "h2,http/1.1"]);
    assert!(spoken.contains("New, TLSv1.3") && spoken.contains("ALPN protocol: http/1.1"), "{spoken}");
    let spoken = handshake(gateway, &["-alpn", "h2"]);
    assert!(spoken.contains("no application protocol"), "{spoken}");
    let spoken = handshake(gateway, &["-tls1_2"]);
    assert!(spoken.contains("alert protocol version"), "{spoken}");
    let answer = raw(gateway, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("this port speaks HTTPS"), "{answer}");
    // It is counted as what it is, and found as what it is.
    let stats = curl(data, &[&url(gateway, "/stats")]).check(0).stdout;
    let stats: serde_json::Value = serde_json::from_str(&stats).expect("JSON");
    let protocols = stats["data"]["protocols"].as_array().expect("a list");
    let requests = |name: &str| {
        let found =
            protocols.iter().find(|protocol| protocol["protocol"] == name || protocol["name"] == name);
        found.map(|found| found["since_start"]["requests"].to_string()).unwrap_or_else(|| stats.to_string())
    };
    assert_eq!((requests("http"), requests("https")), ("0".into(), "1".into()));
    let targets = curl(data, &[&url(gateway, "/api/v1/targets")]).check(0).stdout;
    assert!(targets.contains("\"__scheme__\":\"https\""), "{targets}");
    network.stop();
}

#[test]
fn other_machines_may_reach_it_when_all_is_protected() {
    let starts = |flags: &[&str]| {
        let folder = Folder::new();
        let arguments = [&["gateway", "--listen", "0.0.0.0:0", "--rpc", "127.0.0.1:0"], flags].concat();
        let mut gateway = micronet_tests::process::Process::start(
            "gateway",
            &mut micronet_tests::process::micronet(folder.path(), &arguments),
        );
        micronet_tests::patience::until("the gateway to listen or end", || {
            match gateway.stdout().contains("listening on") {
                true => Ok(true),
                false if gateway.is_running() => Err(gateway.said()),
                false => Ok(false),
            }
        })
    };
    assert!(!starts(&[]), "in plaintext");
    let edge = Edge::new();
    let file = edge.write("");
    assert!(starts(&["--config", &file]), "in TLS");
}
