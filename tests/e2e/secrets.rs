//! The cluster's secret and the operator's token: for their owner's eyes only, and in no log.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::rpc::{Caller, try_call};
use micronet_wire::error::Code;
use micronet_wire::hello::Secret;

#[test]
fn the_files_are_for_their_owner_only() {
    let network = Network::start("shop");
    let check = |name: &str, wanted: u32| {
        let path = network.folder().path().join(name);
        let mode = fs::metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(mode.permissions().mode() & 0o777, wanted, "{name}");
    };
    for folder in ["", "databases", "logs"] {
        check(folder, 0o700);
    }
    for file in ["cluster.secret", "operator.token", "network.json", "logs/gateway-1.log", "logs/order-1.log"]
    {
        check(file, 0o600);
    }
}

#[test]
fn no_log_and_no_output_has_a_secret() {
    // Everything that there is to log is logged.
    let mut network = Network::start_in(Folder::new(), &["--demo", "shop", "--log", "trace"]);
    let token = network.folder().operator_token();
    let secret = network.folder().read("cluster.secret").trim_end().to_owned();
    let mut http = network.http();
    for given in [token.as_str(), "a-wrong-token-of-somebody"] {
        http.request("GET", "/orders/log", &[("Authorization", &format!("Bearer {given}"))], b"");
    }
    http.post("/orders", r#"{"name":"Whale","quantity":1}"#).check(201);
    let mut said = Vec::new();
    for arguments in
        [&["call", "product.inventory", "-v"][..], &["shop", "query", "Tux"], &["call", "product.query"]]
    {
        let finished = network.command(&[arguments, &["--log", "trace"]].concat());
        said.extend([("stdout", finished.stdout), ("stderr", finished.stderr)]);
    }
    said.extend([("up's stdout", network.up().stdout()), ("up's stderr", network.up().stderr())]);
    let mut said: Vec<(String, String)> =
        said.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
    said.push(("network.json".into(), network.folder().read("network.json")));
    said.extend(network.stop().logs());
    assert!(
        said.iter().any(|(name, text)| name == "gateway-1.log" && text.contains("DEBUG")),
        "too little was logged"
    );
    for (name, text) in said {
        for hidden in [token.as_str(), &secret, "a-wrong-token-of-somebody"] {
            assert!(!text.contains(hidden), "{name} holds a secret");
            // Nor as bytes in the form in which Rust shows them.
            let bytes: Vec<String> = hidden.bytes().take(8).map(|byte| byte.to_string()).collect();
            assert!(!text.contains(&bytes.join(", ")), "{name} holds a secret's bytes");
        }
    }
}

#[test]
fn only_who_proves_a_secret_is_believed() {
    let network = Network::start("shop");
    let product = network.address("product-1");
    for caller in [Caller::Stranger, Caller::Operator, Caller::Member("order")] {
        try_call(product, &caller.identity(network.folder()), async |_| ()).expect("it is let in");
    }
    let mut operator = Caller::Operator.identity(network.folder());
    operator.operator_token = Some(Secret::new("another token"));
    let mut member = Caller::Member("order").identity(network.folder());
    member.cluster_secret = Some(Secret::new([7; 32]));
    for liar in [operator, member] {
        let refused = try_call(product, &liar, async |client| client.closed().await);
        let error = refused.and_then(|closed| closed.and(Ok(()))).expect_err("a liar is refused");
        assert_eq!(error.code, Code::BadProof, "{error}");
    }
}
