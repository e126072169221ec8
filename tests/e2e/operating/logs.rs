//! `micronet logs`.

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::process::{Process, micronet};
use rustix::process::Signal;

#[test]
fn the_last_lines_are_shown_by_instance() {
    let network = Network::start_in(Folder::new(), &["--profile", "shop"]);
    let said = network.command(&["logs", "-n", "1"]).check(0).stdout;
    let lines: Vec<&str> = said.lines().collect();
    let begins: Vec<&str> = lines.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(
        begins,
        ["auth-1:", "user-1:", "product-1:", "product-2:", "order-1:", "gateway-1:"],
        "{said}"
    );
    // To a pipe it has no colours.
    assert!(!said.contains('\x1b'), "{said}");
    let said = network.command(&["logs", "product", "-n", "1000"]).check(0).stdout;
    assert!(said.lines().all(|line| line.starts_with("product-")), "{said}");
    assert!(said.contains("product-1: ") && said.contains("starting service"), "{said}");
    assert_eq!(network.command(&["logs", "order-1", "-n", "0"]).check(0).stdout, "");
}

#[test]
fn a_log_is_followed_over_restarts() {
    let network = Network::start("toystore");
    let arguments = ["logs", "product", "-n", "1", "-f"];
    let mut logs = Process::start("logs", &mut micronet(network.folder().path(), &arguments));
    until("the last lines", || if logs.stdout().lines().count() >= 2 { Ok(()) } else { Err(logs.said()) });
    network.command(&["restart", "product-2"]).check(0);
    // One that comes later is followed too.
    network.command(&["scale", "product", "3"]).check(0);
    until("what was added", || {
        let said = logs.stdout();
        let again = said.contains("product-2: ---- product-2: start 2: restarted by the operator ----");
        if again && said.contains("product-3: ") { Ok(()) } else { Err(said) }
    });
    logs.signal(Signal::INT);
    assert_eq!(logs.wait().code(), Some(0), "{}", logs.said());
}
