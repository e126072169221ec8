//! The first account of a network without a demonstration.

use std::os::unix::fs::PermissionsExt as _;

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use serde_json::{Value, json};

use super::{ask, heard, login};

#[test]
fn the_code_that_up_prints_makes_the_first_account_and_is_gone() {
    let mut network = Network::start_in(Folder::new(), &["--demo", "none"]);
    let said = network.up().stdout();
    assert!(said.contains("There is no account yet") && !said.contains("demo.example"), "{said}");
    let file = network.folder().path().join("auth/setup.code");
    let code = std::fs::read_to_string(&file).expect("the code is in a file");
    assert!(said.contains(&format!("/#/setup/{code}\n")), "the link carries the code: {said}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    for (name, log) in network.folder().logs() {
        assert!(!log.contains(&code), "{name}: {log}");
    }
    let gateway = network.gateway();
    assert_eq!(ask(gateway, None, "GET /auth/setup", &Value::Null).check(200).at("/data/needed"), true);
    let setup = |code: &str| {
        json!({
            "code": code, "email": "ada@example.com", "password": "correct horse", "full_name": "Ada",
            "organization": "Engines",
        })
    };
    ask(gateway, None, "POST /auth/setup", &setup("0000")).check(401);
    let made = ask(gateway, None, "POST /auth/setup", &setup(&code)).check(201);
    assert_eq!(made.at("/data/account/is_superuser"), true);
    assert!(!file.exists(), "the code is good no more");
    ask(gateway, None, "POST /auth/setup", &setup(&code)).check(409);
    let ada = login(gateway, "ada@example.com", "correct horse");
    heard(gateway, &ada, "GET /users");

    let mut again = Network::start_in(network.stop(), &[]);
    let said = again.up().stdout();
    assert!(!said.contains("There is no account yet") && !said.contains("demo.example"), "{said}");
    let gateway = again.gateway();
    heard(gateway, &ada, "GET /users");
}
