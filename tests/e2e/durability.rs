//! What durability costs: how often the disk is asked to hold on to what was bought, when many buy at once.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;

use micronet_tests::folder::Folder;
use micronet_tests::http_client::HttpClient;
use micronet_tests::patience::until;
use micronet_tests::server::Server;
use rustix::process::Signal;

use crate::external::has;

/// Clients at once.
const CLIENTS: usize = 64;
/// What each of them buys, one after the other.
const BUYS_EACH: usize = 25;
/// `fdatasync` and `fsync` of all processes together, for each acknowledged buy. An order is three writes of the order service and
/// two of the product service, each acknowledged only when it is on the disk, so without groups it would be 5.
const SYNCS_PER_BUY_MAX: f64 = 0.3;

#[test]
fn buys_that_come_together_share_their_commits() {
    if !has("strace") {
        return;
    }
    let folder = Folder::new();
    let data = folder.path();
    Server::start(data, "product-1", &["service", "product", "--demo", "toystore"]).process().kill();
    let trace = |instance: &str| data.join(format!("{instance}.strace"));
    let start = |instance: &str, arguments: &[&str]| {
        Server::start_under(&strace(&trace(instance)), data, instance, arguments)
    };
    // As many of each as a network has by default.
    let products = ["product-1", "product-2"].map(|instance| start(instance, &["service", "product"]));
    let [first, second] = products.each_ref().map(Server::address);
    let at_product = format!("product={first},{second}");
    let user = start("user-1", &["service", "user"]);
    let at_user = format!("user={}", user.address());
    let order = start("order-1", &["service", "order", "--peer", &at_product, "--peer", &at_user]);
    let at_order = format!("order={}", order.address());
    let gateway = Server::start(data, "gateway-1", &["gateway", "--peer", &at_product, "--peer", &at_order]);

    let buys = buy(gateway.address(), data);
    for mut server in [order, user].into_iter().chain(products) {
        server.process().signal(Signal::TERM);
        server.process().wait();
    }
    let syncs: u64 =
        ["user-1", "product-1", "product-2", "order-1"].iter().map(|instance| syncs(&trace(instance))).sum();
    let per_buy = syncs as f64 / buys as f64;
    eprintln!("{syncs} fdatasync and fsync for {buys} buys of {CLIENTS} clients: {per_buy:.3} for each");
    assert!(syncs > 0, "nothing was counted");
    assert!(per_buy <= SYNCS_PER_BUY_MAX, "{syncs} for {buys} buys: {per_buy:.3}");
}

/// Counts these two system calls, stops the process at no others, and writes the counts when it has ended. It is the process's
/// child rather than its parent, so that signals reach whom they are meant for.
fn strace(trace: &Path) -> Vec<String> {
    let flags = ["strace", "-D", "-f", "--seccomp-bpf", "-c", "-e", "trace=fdatasync,fsync", "-o"];
    flags.into_iter().map(str::to_owned).chain([trace.display().to_string()]).collect()
}

/// All clients buy at once; returns how many buys were acknowledged.
fn buy(gateway: SocketAddr, data: &Path) -> usize {
    let mut first = HttpClient::connect(gateway);
    until("the shop to be open", || match first.get("/products/Tux") {
        answer if answer.status() == 200 => Ok(()),
        answer => Err(answer.shown()),
    });
    // The demonstration's stock would be sold out too soon.
    let token = fs::read_to_string(data.join("operator.token")).expect("the operator's token");
    let bearer = format!("Bearer {}", token.trim());
    let headers = [("Content-Type", "application/json"), ("Authorization", bearer.as_str())];
    let more = br#"{"quantity":1000000}"#;
    let _ = first.request("POST", "/api/v1/products/Tux/restock", &headers, more).check(200);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut http = HttpClient::connect(gateway);
                for _ in 0..BUYS_EACH {
                    let _ = http.post("/orders", r#"{"name":"Tux","quantity":1}"#).check(201);
                }
            });
        }
    });
    CLIENTS * BUYS_EACH
}

/// The calls that a process has made, from the table that strace has written.
fn syncs(trace: &Path) -> u64 {
    let table = until("strace to write what it has counted", || {
        let text = fs::read_to_string(trace).unwrap_or_default();
        if text.contains("total") { Ok(text) } else { Err(text) }
    });
    let of_ours = |line: &&str| line.ends_with("fdatasync") || line.ends_with("fsync");
    let calls = |line: &str| line.split_whitespace().nth(3)?.parse::<u64>().ok();
    table.lines().filter(of_ours).map(|line| calls(line).unwrap_or_else(|| panic!("{table}"))).sum()
}
