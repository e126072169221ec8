//! `micronet login`, `whoami`, `logout`, and calls of who has signed in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use micronet_tests::network::Network;
use micronet_tests::process::{Finished, micronet};
use serde_json::Value;

use super::{has, with_input};

const LOGINS: &str = "settings/micronet/logins.json";

/// A command of somebody whose settings are in the network's folder.
fn own(network: &Network, arguments: &[&str]) -> Command {
    let folder = network.folder().path();
    let mut command = micronet(folder, arguments);
    command.env("XDG_CONFIG_HOME", folder.join("settings"));
    command
}

fn told(network: &Network, arguments: &[&str], input: &str, code: i32) -> Finished {
    with_input(&mut own(network, arguments), input).check(code)
}

#[test]
fn who_signs_in_calls_as_that_account_until_signing_out() {
    let network = Network::start("shop");
    has(&told(&network, &["whoami"], "", 5).stderr, &["nobody has signed in", "micronet login"]);
    has(&told(&network, &["call", "auth.me", "--login"], "", 5).stderr, &["nobody has signed in"]);
    let refused = told(&network, &["login", "client@demo.example"], "wrong\n", 5);
    has(&refused.stderr, &["INVALID_CREDENTIALS"]);
    told(&network, &["login", "client@demo.example"], "", 2);
    has(&told(&network, &["login"], "x\n", 2).stderr, &["micronet login EMAIL"]);

    let said = told(&network, &["login", "client@demo.example"], "client-demo\n", 0);
    has(&said.stdout, &["signed in at", "client@demo.example"]);
    let file = network.folder().path().join(LOGINS);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    has(&told(&network, &["whoami"], "", 0).stdout, &["client@demo.example at", "Demo", "may"]);
    let who: Value = serde_json::from_str(&told(&network, &["whoami", "--json"], "", 0).stdout).unwrap();
    assert_eq!(who["account"]["email"], "client@demo.example");

    let me = told(&network, &["call", "auth.me", "--login"], "", 0).stdout;
    has(&me, &["\"email\":\"client@demo.example\""]);
    let bought = told(&network, &["call", "order.buy", "name=Whale", "quantity=1", "--login"], "", 0).stdout;
    assert_eq!(bought, "{\"order_num\":3}\n");
    has(&told(&network, &["call", "product.query", "name=Tux", "--login"], "", 0).stdout, &["25.99"]);
    has(
        &told(&network, &["call", "product.list", "per_page=2", "--login"], "", 0).stdout,
        &["\"pagination\""],
    );
    has(
        &told(&network, &["call", "product.qurey", "--login"], "", 2).stderr,
        &["did you mean \"product.query\"?"],
    );
    has(
        &told(&network, &["call", "product.query", "name=Nobody", "--login"], "", 3).stderr,
        &["PRODUCT_NOT_FOUND"],
    );
    // What the client may not do, the operator's token would have done.
    let forbidden = told(&network, &["call", "auth.list_accounts", "--login"], "", 5);
    has(&forbidden.stderr, &["INSUFFICIENT_PERMISSIONS"]);

    has(&told(&network, &["logout"], "", 0).stdout, &["signed out"]);
    told(&network, &["whoami"], "", 5);
    has(&told(&network, &["logout"], "", 0).stdout, &["nobody had signed in"]);
    assert!(!fs::read_to_string(file).unwrap().contains("client@demo"));
}

#[test]
fn a_token_is_renewed_when_it_ends_and_its_session_ends_with_the_account() {
    let network = Network::start("shop");
    told(&network, &["login", "manager@demo.example"], "manager-demo\n", 0);
    let file = network.folder().path().join(LOGINS);
    let read = || serde_json::from_str::<Value>(&fs::read_to_string(&file).unwrap()).unwrap();
    let at = format!("{}", network.gateway());
    let before = read();
    let expire = |mut logins: Value| {
        logins["logins"][&at]["expires"] = 1.into();
        fs::write(&file, logins.to_string()).unwrap();
    };
    expire(before.clone());
    told(&network, &["whoami"], "", 0);
    let after = read();
    for field in ["access_token", "refresh_token"] {
        assert_ne!(before["logins"][&at][field], after["logins"][&at][field], "{field}");
    }
    // A token of its own goes too, and needs no login.
    let token = after["logins"][&at]["access_token"].as_str().unwrap().to_owned();
    let mut bare = micronet(network.folder().path(), &["call", "auth.me"]);
    has(&with_input(bare.env("MICRONET_TOKEN", &token), "").check(0).stdout, &["manager@demo.example"]);
    told(&network, &["call", "auth.me", "--bearer", "nonsense"], "", 5);
    // An old refresh token ends the session, and that is said.
    expire(before);
    has(&told(&network, &["whoami"], "", 5).stderr, &["is over", "micronet login"]);
    has(&told(&network, &["whoami"], "", 5).stderr, &["nobody has signed in"]);
}
