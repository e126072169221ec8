//! `micronet certs`, and the flags of mTLS.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::process::{Finished, micronet, run};
use micronet_tests::server::Server;

fn certs(folder: &Folder, arguments: &[&str]) -> Finished {
    run(micronet(folder.path(), &[&["certs"], arguments].concat()))
}

#[track_caller]
fn check_refused(folder: &Folder, arguments: &[&str], code: i32, words: &[&str]) {
    let said = certs(folder, arguments).check(code).stderr;
    for word in words {
        assert!(said.contains(word), "{word:?} is missing in what {arguments:?} says: {said}");
    }
}

#[test]
fn a_ca_is_made_once_and_issues_for_a_day() {
    let folder = Folder::new();
    check_refused(&folder, &["show"], 1, &["there is no CA", "micronet certs init"]);
    check_refused(&folder, &["issue", "order"], 1, &["there is no CA", "micronet certs init"]);
    certs(&folder, &["init", "--cluster", "lab"]).check(0);
    let ca = folder.read("certs/ca.pem");
    check_refused(&folder, &["init"], 1, &["there is a CA already", "--force"]);
    assert_eq!(folder.read("certs/ca.pem"), ca);

    certs(&folder, &["issue", "order"]).check(0);
    certs(&folder, &["issue", "product", "--instance", "product-2", "--dns", "shop.example"]).check(0);
    certs(&folder, &["issue", "operator", "--lifetime", "15m"]).check(0);
    check_refused(&folder, &["issue", "order"], 1, &["is there already", "certs rotate order-1", "--force"]);
    certs(&folder, &["issue", "order", "--force"]).check(0);
    for file in fs::read_dir(folder.path().join("certs")).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
    let table = certs(&folder, &["show"]).check(0).stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 5, "{table}");
    let columns = ["NAME", "SUBJECT", "SPIFFE ID", "EXPIRES", "STATUS", "SHA-256"];
    let places: Vec<usize> = columns.iter().map(|name| lines[0].find(name).expect("a column")).collect();
    for line in &lines[1..] {
        // Aligned: before each column there are two blanks.
        assert!(places[1..].iter().all(|&at| &line[at - 2..at] == "  "), "{table}");
        assert!(line.contains("good"), "{table}");
    }
    assert!(lines[1].starts_with("ca ") && lines[1].contains("spiffe://lab "), "{table}");
    assert!(lines[4].contains("spiffe://lab/service/product/product-2"), "{table}");

    let before = folder.read("certs/order-1.pem");
    let said = certs(&folder, &["rotate"]).check(0).stdout;
    assert_eq!(said.lines().count(), 3, "{said}");
    assert_ne!(folder.read("certs/order-1.pem"), before);

    // Whatever the former CA has issued counts for nothing.
    certs(&folder, &["init", "--cluster", "lab", "--force"]).check(0);
    let table = certs(&folder, &["show"]).check(0).stdout;
    assert_eq!(table.matches("of another CA").count(), 3, "{table}");
    certs(&folder, &["rotate", "order-1"]).check(0);
    let table = certs(&folder, &["show"]).check(0).stdout;
    assert_eq!(table.matches("of another CA").count(), 2, "{table}");
}

#[test]
fn what_makes_no_sense_is_said() {
    let folder = Folder::new();
    check_refused(&folder, &["init", "--cluster", "Lab"], 2, &["\"Lab\"", "small letters"]);
    check_refused(&folder, &["init", "--cluster", "a b"], 2, &["\"a b\""]);
    certs(&folder, &["init"]).check(0);
    check_refused(&folder, &["issue", "oder"], 2, &["\"oder\" is no service", "order", "operator"]);
    check_refused(&folder, &["issue", "order", "--instance", "../x"], 2, &["can't be the name"]);
    check_refused(&folder, &["issue", "order", "--instance", "ca"], 2, &["no certificate can be for \"ca\""]);
    check_refused(&folder, &["issue", "operator", "--instance", "x"], 2, &["the operator has no instance"]);
    for lifetime in ["1", "h", "0h", "1w", "-1h", "99999d", "18446744073709551615d"] {
        check_refused(&folder, &["issue", "order", &format!("--lifetime={lifetime}")], 2, &["as 24h"]);
    }
    check_refused(&folder, &["rotate"], 1, &["there is no certificate", "certs issue"]);
    check_refused(&folder, &["rotate", "order-1"], 2, &["there is no certificate", "certs show"]);
    let path = folder.path().join("certs/ca.key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    check_refused(&folder, &["issue", "order"], 1, &["can be read by other users", "chmod 600"]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, "nonsense").unwrap();
    check_refused(&folder, &["issue", "order"], 1, &["ca.key holds no private key"]);
    fs::write(folder.path().join("certs/ca.pem"), "nonsense").unwrap();
    check_refused(&folder, &["show"], 1, &["holds no certificate"]);
}

#[test]
fn a_service_without_its_certificate_does_not_start() {
    let folder = Folder::new();
    let service = ["service", "product", "--listen", "127.0.0.1:0", "--mtls"];
    let start = || run(micronet(folder.path(), &service)).check(1).stderr;
    let said = start();
    assert!(said.contains("certs/ca.pem") && said.contains("micronet certs init"), "{said}");
    certs(&folder, &["init"]).check(0);
    let said = start();
    assert!(said.contains("micronet certs issue product --instance product-1"), "{said}");
    certs(&folder, &["issue", "product", "--instance", "product-2"]).check(0);
    fs::rename(folder.path().join("certs/product-2.pem"), folder.path().join("certs/product-1.pem")).unwrap();
    let said = start();
    assert!(said.contains("is for spiffe://micronet/service/product/product-2"), "{said}");
}

#[test]
fn only_mtls_opens_a_service_to_other_machines() {
    let folder = Folder::new();
    certs(&folder, &["init"]).check(0);
    certs(&folder, &["issue", "product"]).check(0);
    let open = ["service", "product", "--listen", "0.0.0.0:0"];
    let said = run(micronet(folder.path(), &open)).check(2).stderr;
    assert!(said.contains("without mTLS"), "{said}");
    let arguments = ["service", "product", "--demo", "shop", "--mtls"];
    let mut server = Server::start_on(folder.path(), "product-1", "0.0.0.0:0", &arguments, &[]);
    assert!(!server.process().stderr().contains("--insecure"), "{}", server.process().said());
    // A gateway's HTTP is plaintext all the same.
    for command in
        [&["gateway", "--listen", "0.0.0.0:0", "--mtls"][..], &["up", "--listen", "0.0.0.0", "--mtls"]]
    {
        let said = run(micronet(folder.path(), command)).check(2).stderr;
        assert!(said.contains("HTTP is plaintext") && said.contains("--insecure"), "{said}");
    }
}

#[test]
fn another_clusters_ca_is_not_taken() {
    let folder = Folder::new();
    certs(&folder, &["init", "--cluster", "lab"]).check(0);
    let said = run(micronet(folder.path(), &["up", "--mtls", "--base-port", "0"])).check(2).stderr;
    assert!(said.contains("another cluster: lab, and not micronet"), "{said}");
}

#[test]
fn secrets_of_tls_are_written_only_when_asked_for() {
    let keys = |folder: &Folder| folder.path().with_extension("keys");
    let start = |flags: &[&str]| {
        let folder = Folder::new();
        let file = keys(&folder);
        let file = file.to_str().expect("a path");
        let flags = [&["--demo", "shop", "--mtls"], flags].concat();
        let network = Network::start_with(folder, &flags, &[("SSLKEYLOGFILE", file)]);
        network.http().get("/products/Tux").check(200);
        network
    };
    let network = start(&[]);
    assert!(!keys(network.folder()).exists(), "nobody has asked for it");
    network.stop();
    let mut network = start(&["--tls-key-log"]);
    let file = keys(network.folder());
    let text = fs::read_to_string(&file).expect("it was asked for");
    assert!(text.contains("CLIENT_TRAFFIC_SECRET_0 "), "{text}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "for its owner only");
    let said = network.up().stderr();
    assert!(said.contains("--tls-key-log: whoever reads"), "{said}");
    network.stop();
    fs::remove_file(&file).unwrap();

    let folder = Folder::new();
    let mut command = micronet(folder.path(), &["up", "--mtls", "--tls-key-log"]);
    command.env_remove("SSLKEYLOGFILE");
    let said = run(command).check(2).stderr;
    assert!(said.contains("SSLKEYLOGFILE=keys.log"), "{said}");
    let said = run(micronet(folder.path(), &["up", "--tls-key-log"])).check(2).stderr;
    assert!(said.contains("of no use without --mtls"), "{said}");
}
