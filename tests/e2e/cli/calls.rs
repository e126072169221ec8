//! `micronet call`: requests in every form, frames in words, repeats, exit codes, and what was meant.

use std::fs;

use micronet_tests::network::Network;
use serde_json::Value;

use super::{ask, has};

#[test]
fn requests_come_in_every_form() {
    let network = Network::start("shop");
    let folder = network.folder().path().to_owned();
    fs::write(folder.join("tux.json"), "{\"name\":\n \"Tux\"}\n").unwrap();
    let file = format!("@{}", folder.join("tux.json").display());
    let forms: [(&[&str], &str); 5] = [
        (&[r#"{"name":"Tux"}"#], ""),
        (&["name=Tux"], ""),
        (&[r#"name:="Tux""#], ""),
        (&[&file], ""),
        (&["-"], "{\"name\":\"Tux\"}\n"),
    ];
    for (form, input) in forms {
        let said = ask(&network, &[&["call", "product.query"], form].concat(), input).check(0);
        has(&said.stdout, &["\"name\":\"Tux\"", "25.99"]);
    }
    let bought = ask(&network, &["call", "order.buy", "name=Whale", "quantity=2"], "").check(0);
    assert_eq!(bought.stdout, "{\"order_num\":3}\n");
    ask(&network, &["call", "order.buy", "name=Whale", "quantity=two"], "").check(2);
    ask(&network, &["call", "product.query", "{}", "name=Tux"], "").check(2);
    ask(&network, &["call", "product.query", "@/nowhere/at/all"], "").check(2);
    // Many requests, a line each, from a file and from stdin; and many replies.
    let foxes =
        "{\"name\":\"Fox\",\"price\":1.50,\"quantity\":3}\n{\"name\":\"Yak\",\"price\":2,\"quantity\":1}\n";
    fs::write(folder.join("foxes.json"), foxes).unwrap();
    let file = format!("@{}", folder.join("foxes.json").display());
    has(&ask(&network, &["call", "product.upload", &file], "").check(0).stdout, &["\"created\":2"]);
    has(&ask(&network, &["call", "product.upload", "-"], foxes).check(0).stdout, &["\"unchanged\":2"]);
    let watched = ask(&network, &["call", "product.watch", "after=0", "--count", "2"], "").check(0);
    assert_eq!(watched.stdout.lines().count(), 2, "{}", watched.stdout);
}

#[test]
fn failures_have_an_exit_code_for_each_kind() {
    let network = Network::start("shop");
    let check = |arguments: &[&str], code: i32, words: &[&str]| {
        let said = ask(&network, &[&["call"], arguments].concat(), "").check(code);
        has(&said.stderr, words);
    };
    check(&["order.buy", "name=Whale", "quantity=1000"], 3, &["OUT_OF_STOCK", "\"available\":"]);
    let order = |quantity: &'static str| ["order.buy", "name=Whale", quantity, "--token", "one"];
    ask(&network, &[&["call"], &order("quantity=1")[..]].concat(), "").check(0);
    check(&order("quantity=2"), 4, &["TOKEN_REUSED"]);
    check(&["product.list", "sort=nonsense"], 2, &["sort", "--describe"]);
    check(&["product.inventory", "--anonymous"], 5, &["UNAUTHENTICATED"]);
    check(&["product.query", "name=Tux", "--to", "127.0.0.1:1"], 6, &["SERVICE_UNAVAILABLE"]);
    check(&["product.query", "name=Tux", "--deadline", "500us"], 2, &["500us"]);
    check(&["--deadline", "0ms", "product.query"], 2, &["deadline"]);
    // Each names the request, and its way can be asked for.
    let refused = ask(&network, &["call", "product.query", "name=Nobody"], "").check(3);
    let (_, id) = refused.stderr.trim().rsplit_once("micronet why ").expect("an id");
    has(&ask(&network, &["why", id], "").check(0).stdout, &["product.query", "there is no product named"]);
    let refused = ask(&network, &["call", "product.query", "name=Nobody", "--json"], "").check(3);
    let answer: Value = serde_json::from_str(&refused.stdout).unwrap();
    let id = answer["meta"]["request_id"].as_str().unwrap();
    has(&ask(&network, &["why", id], "").check(0).stdout, &["product.query"]);
    // A service that is stopped answers nothing.
    network.command(&["fault", "latency", "product", "2s", "--for", "30s"]).check(0);
    check(&["product.query", "name=Tux", "--deadline", "300ms"], 7, &["DEADLINE_EXCEEDED"]);
}

#[test]
fn what_was_meant_is_said() {
    let network = Network::start("shop");
    let check = |arguments: &[&str], words: &[&str]| {
        has(&ask(&network, &[&["call"], arguments].concat(), "").check(2).stderr, words);
    };
    check(&["prodct.query"], &["no service \"prodct\"", "did you mean \"product\"?"]);
    check(&["product.qurey"], &["no method \"qurey\"", "did you mean \"query\"?"]);
    check(&["product.query", "nmae=Tux"], &["nmae", "did you mean \"name\"?"]);
}

#[test]
fn frames_are_shown_and_secrets_are_not() {
    let network = Network::start("shop");
    let said = ask(&network, &["call", "product.query", "name=Tux", "-v"], "").check(0);
    has(&said.stdout, &["25.99"]);
    let expected = [
        "→ PREFACE",
        "→ HELLO",
        "← HELLO of product-",
        "OPERATOR: it knows the operator's token",
        "→ REQUEST product.query, stream 2",
        "03 54 75 78                name                \"Tux\"",
        "← REPLY product.query, stream 2",
        "price               25.99",
        "on the server, in us: receive queue",
        "→ CLOSE a plain end",
    ];
    has(&said.stderr, &expected);
    let login = ["call", "auth.login", "email=client@demo.example", "password=client-demo", "-v"];
    let said = ask(&network, &login, "").check(0);
    has(&said.stderr, &["→ REQUEST auth.login", "\"client@demo.example\"", "(secret)", "** **"]);
    // The reply is what was asked for; the frames are for anybody's eyes.
    let reply: Value = serde_json::from_str(&said.stdout).unwrap();
    for secret in [&reply["access_token"], &reply["refresh_token"]] {
        assert!(!said.stderr.contains(secret.as_str().unwrap()), "{}", said.stderr);
    }
    let hex_of_password = "63 6c 69 65 6e 74 2d 64";
    assert!(
        !said.stderr.contains("client-demo") && !said.stderr.contains(hex_of_password),
        "{}",
        said.stderr
    );
}

#[test]
fn calls_are_repeated_and_summed_up() {
    let network = Network::start("shop");
    let call = ["call", "product.query", "name=Tux", "--repeat", "20"];
    let said = ask(&network, &call, "").check(0);
    has(&said.stdout, &["product.query: 20 calls, 20 answered", "min ", "median ", "p99 "]);
    let json = ask(&network, &[&call[..], &["--json", "--interval", "1ms"]].concat(), "").check(0);
    let summary: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&summary["calls"], &summary["answered"]), (&20.into(), &20.into()));
    assert!(summary["min_us"].as_u64() <= summary["p99_us"].as_u64(), "{summary}");
    let refused = ask(&network, &["call", "product.query", "name=Nobody", "--repeat", "3"], "").check(3);
    has(&refused.stdout, &["3 calls, 0 answered", "3 failed: APPLICATION"]);
    ask(&network, &["call", "product.watch", "--repeat", "3"], "").check(2);
}
