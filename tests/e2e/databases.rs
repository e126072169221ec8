//! Where a network's data is: in the data folder, or on a PostgreSQL server whose password nobody gets to see.

use std::fs;

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::postgres::PostgresServer;
use micronet_tests::process::{micronet, run};
use micronet_tests::server::Server;

const WHALE: &str = r#"{"name":"Whale","quantity":1}"#;

/// The arguments of a process, as everybody on the machine may see them.
fn arguments(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).expect("it runs");
    String::from_utf8_lossy(&line).replace('\0', " ")
}

#[test]
fn a_network_keeps_its_data_on_a_server_and_its_password_to_itself() {
    let Some(postgres) = PostgresServer::start() else { return };
    let url = postgres.new_database("network");
    let password = url.split([':', '@']).nth(2).expect("a password").to_owned();
    let shown = url.replace(&format!(":{password}"), "");
    let environment = [("DATABASE_URL", url.as_str())];
    let flags = ["--demo", "toystore", "--log", "trace"];

    let mut network = Network::start_with(Folder::new(), &flags, &environment);
    assert!(network.up().stdout().contains(&shown), "{}", network.up().said());
    let _ = network.http().post("/orders", WHALE).check(201);
    let mut said = network.up().said();
    said.extend(network.pids().into_iter().map(arguments));
    let folder = network.stop();
    said.extend(folder.logs().into_iter().map(|(_, log)| log));
    assert!(!said.contains(&password), "the password is shown");
    let files: Vec<String> = fs::read_dir(folder.path().join("databases"))
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
        .collect();
    assert!(!files.iter().any(|name| name.ends_with(".db")), "{files:?}");

    // It is all there again with the flag, and in another data folder.
    let again = Network::start_in(Folder::new(), &["--demo", "toystore", "--database", &url]);
    let order = again.http().get("/orders/1").check(200);
    assert_eq!(order.at("/data/name"), "Whale");
}

#[test]
fn a_database_that_cannot_be_used_is_refused_in_words() {
    let folder = Folder::new();
    let refused = |flags: &[&str], url: &str, code: i32, words: &[&str]| {
        let mut command = micronet(folder.path(), flags);
        command.env("DATABASE_URL", url);
        let said = run(command).check(code).stderr;
        for word in words {
            assert!(said.contains(word), "{word:?} is missing in {said}");
        }
        assert!(!said.contains("sesame"), "{said}");
    };
    refused(&["up"], "mysql://u:sesame@localhost/shop", 2, &["DATABASE_URL", "postgres://"]);
    refused(&["service", "order"], "sesame", 2, &["DATABASE_URL", "postgres://"]);
    refused(&["up", "--fresh"], "postgres://u:sesame@localhost/shop", 2, &["--fresh", "u@localhost:5432"]);
    // Nobody listens on this port.
    let nobody = format!("postgres://u:sesame@127.0.0.1:{}/shop", micronet_tests::ports::free());
    let flags = ["up", "--base-port", "0"];
    refused(&flags, &nobody, 1, &["cannot open the database postgres://u@127.0.0.1", "refused"]);
}

#[test]
fn an_instance_has_no_twin() {
    let folder = Folder::new();
    let mut product = Server::start(folder.path(), "product-1", &["service", "product"]);
    let twin = ["service", "product", "--instance", "product-1", "--listen", "127.0.0.1:0"];
    let refused = run(micronet(folder.path(), &twin)).check(1).stderr;
    let holder = format!("product-1 already runs on the data folder {}", folder.path().display());
    assert!(refused.contains(&holder) && refused.contains("--instance"), "{refused}");
    assert!(refused.contains(&format!("process {}", product.process().id())), "{refused}");
    // Another name is welcome, and so is this one after a crash.
    let _other = Server::start(folder.path(), "product-2", &["service", "product"]);
    product.process().kill();
    product.restart(folder.path());
}
