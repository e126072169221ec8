//! `micronet schema`: shown, compared, written and read again.

use std::fs;

use micronet_tests::network::Network;
use serde_json::Value;

use super::{ask, has};

#[test]
fn schemas_are_shown_and_written_and_read_again() {
    let network = Network::start("shop");
    let folder = network.folder().path().to_owned();
    let file = |name: &str| folder.join(name).display().to_string();
    let whole = ask(&network, &["schema", "show", "product"], "").check(0).stdout;
    has(
        &whole,
        &["fingerprint", "product.query", "product.watch", "PRODUCT_NOT_FOUND", "bytes as it travels"],
    );
    let address = network.address("product-1").to_string();
    assert_eq!(ask(&network, &["schema", "show", &address], "").check(0).stdout, whole);
    has(
        &ask(&network, &["schema", "show", "product", "query"], "").check(0).stdout,
        &["Who may call it: anybody"],
    );
    has(
        &ask(&network, &["schema", "show", "product", "qurey"], "").check(2).stderr,
        &["did you mean \"query\""],
    );
    for (form, name) in [("--json", "product.json"), ("--binary", "product.schema")] {
        ask(&network, &["schema", "export", "product", form, "--output", &file(name)], "").check(0);
        assert_eq!(ask(&network, &["schema", "show", &file(name)], "").check(0).stdout, whole, "{name}");
        has(
            &ask(&network, &["schema", "diff", &file(name), "product"], "").check(0).stdout,
            &["the same schema"],
        );
    }
    let json: Value = serde_json::from_slice(&fs::read(folder.join("product.json")).unwrap()).unwrap();
    assert_eq!(json["name"], "product");
    let openapi = ask(&network, &["schema", "openapi", "product", "order"], "").check(0).stdout;
    let openapi: Value = serde_json::from_str(&openapi).unwrap();
    assert!(openapi["paths"]["/api/v1/products/{name}"]["get"].is_object(), "{openapi}");
    fs::write(folder.join("nonsense.json"), "{}").unwrap();
    has(&ask(&network, &["schema", "show", &file("nonsense.json")], "").check(2).stderr, &["is no schema"]);
    ask(&network, &["schema", "show", "nothing"], "").check(2);
}

#[test]
fn what_breaks_callers_ends_with_1() {
    let network = Network::start("shop");
    let folder = network.folder().path().to_owned();
    let file = |name: &str| folder.join(name).display().to_string();
    let exported = ask(&network, &["schema", "export", "product"], "").check(0).stdout;
    let write = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut schema: Value = serde_json::from_str(&exported).unwrap();
        change(&mut schema);
        fs::write(folder.join(name), schema.to_string()).unwrap();
    };
    // It knew a method that is gone, and lacked one that is there.
    write("older.json", &|schema| {
        let methods = schema["methods"].as_array_mut().unwrap();
        let query = methods.iter().position(|method| method["name"] == "query").unwrap();
        let mut lost = methods[query].clone();
        lost["name"] = "ask".into();
        // FNV-1a of product.ask.
        lost["id"] = fnv("product.ask").into();
        lost["http"] = Value::Array(Vec::new());
        methods[query] = lost;
    });
    let said = ask(&network, &["schema", "diff", &file("older.json"), "product"], "").check(1).stdout;
    has(&said, &["- method ask", "+ method query", "1 methods can't be called", "product.ask"]);
    let json =
        ask(&network, &["schema", "diff", &file("older.json"), "product", "--json"], "").check(1).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["same"], &json["compatible"]), (&false.into(), &false.into()));
    // What people read makes no difference to callers.
    write("docs.json", &|schema| schema["doc"] = "Other words.".into());
    has(
        &ask(&network, &["schema", "diff", &file("docs.json"), "product"], "").check(0).stdout,
        &["every call works"],
    );
}

/// SPEC 10.5.
fn fnv(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
