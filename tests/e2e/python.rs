//! The client in Python, which was written from SPEC.md alone, against servers that it has never seen.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use micronet_tests::network::Network;
use micronet_tests::process::{Finished, run};
use micronet_tests::python::script;
use serde_json::{Value, json};

use crate::call_both_ways::doubler;

/// The client, to an address; `None` when Python is to be skipped.
fn client(to: SocketAddr, arguments: &[&str]) -> Option<Command> {
    let mut command = script("examples/client/client.py")?;
    command.arg(to.to_string()).args(arguments);
    Some(command)
}

/// The same for the operator of a network, and to the end.
fn operate(network: &Network, instance: &str, arguments: &[&str], stdin: &str) -> Option<Finished> {
    let mut command = client(network.address(instance), arguments)?;
    command.arg("--token-file").arg(network.folder().path().join("operator.token"));
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("python3 starts");
    child.stdin.take().expect("stdin").write_all(stdin.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Some(Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) })
}

fn parsed(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[test]
fn a_stranger_finds_out_what_there_is_and_calls_it() {
    let network = Network::start("shop");
    let product = network.address("product-1");
    let Some(listed) = client(product, &[]) else { return };
    let listed = run(listed).check(0).stdout;
    for words in
        ["product.query (Query) -> ProductInfo", "product.watch (Watch) -> stream ", "micronet.schema"]
    {
        assert!(listed.contains(words), "{words:?} is missing in {listed}");
    }

    let query = |request: &str| run(client(product, &["product.query", request]).expect("Python"));
    let tux = &parsed(&query(r#"{"name":"Tux"}"#).check(0).stdout)[0];
    assert_eq!((&tux["name"], &tux["price"], &tux["quantity"]), (&json!("Tux"), &json!(25.99), &json!(80)));
    for (request, code, words) in [
        (r#"{"name":"Nobody"}"#, 1, r#"detail: {"ProductNotFound":"#),
        (r#"{"name":""}"#, 1, "name: TOO_SHORT"),
        (r#"{"nome":"Tux"}"#, 2, "nome: UNKNOWN"),
    ] {
        let failed = query(request).check(code);
        assert!(failed.stderr.contains(words), "{}", failed.stderr);
    }
    let instance = run(client(product, &["micronet.instance"]).expect("Python")).check(0);
    assert!(instance.stdout.contains(r#""instance":"product-1""#), "{}", instance.stdout);
    let refused = run(client(product, &["product.inventory"]).expect("Python")).check(1);
    assert!(refused.stderr.contains("UNAUTHENTICATED (48)"), "{}", refused.stderr);
    let mut liar = client(product, &["--secret-file"]).expect("Python");
    let folder = network.folder().path();
    std::fs::write(folder.join("no.secret"), "00ff").expect("a file");
    liar.arg(folder.join("no.secret"));
    let refused = run(liar).check(1);
    assert!(refused.stderr.contains("BAD_PROOF"), "{}", refused.stderr);
}

#[test]
fn a_write_happens_once() {
    let network = Network::start("shop");
    let buy = |quantity: u32, token| {
        let request = format!(r#"{{"name":"Whale","quantity":{quantity}}}"#);
        operate(&network, "order-1", &["order.buy", &request, "--token", token], "")
    };
    let Some(first) = buy(1, "one") else { return };
    let first = first.check(0).stdout;
    assert_eq!(buy(1, "one").expect("Python").check(0).stdout, first);
    assert_ne!(buy(1, "two").expect("Python").check(0).stdout, first);
    let reused = buy(2, "one").expect("Python").check(1);
    assert!(reused.stderr.contains("TOKEN_REUSED (50)"), "{}", reused.stderr);
}

#[test]
fn streams_and_long_messages() {
    let network = Network::start("shop");
    // A request and a reply of more than a stream's first credit: announced, and in pieces.
    let name = |number| format!("{}{number}", "x".repeat(170));
    let products: Vec<Value> = (0..500).map(|number| json!({"name": name(number), "price": 1})).collect();
    let request = json!({"products": products}).to_string();
    let Some(imported) = operate(&network, "product-1", &["product.import", &request, "--token", "long"], "")
    else {
        return;
    };
    let imported = &parsed(&imported.check(0).stdout)[0];
    let imported = imported["products"].as_array().expect("products");
    assert_eq!(imported.len(), 500);
    assert!(imported.iter().enumerate().all(|(number, product)| product["name"] == name(number)));

    let lines: String =
        (0..1000).map(|number| format!("{{\"name\":\"Up {number}\",\"price\":2.50}}\n")).collect();
    let upload = ["product.upload", "--token", "up"];
    let uploaded = operate(&network, "product-1", &upload, &lines).expect("Python").check(0);
    assert_eq!(parsed(&uploaded.stdout)[0]["created"], 1000, "{}", uploaded.stdout);

    let watch = ["product.watch", r#"{"after":0}"#, "--count", "3"];
    let watched = operate(&network, "product-2", &watch, "").expect("Python").check(0);
    assert_eq!(parsed(&watched.stdout).len(), 3, "{}", watched.stdout);
    // More than a stream's credit, so that it has to be given back.
    let watch = ["product.watch", r#"{"after":0}"#, "--count", "1000"];
    let watched = operate(&network, "product-2", &watch, "").expect("Python").check(0);
    assert_eq!(parsed(&watched.stdout).len(), 1000);
    assert!(watched.stdout.len() > 2 * 65_536, "{} bytes", watched.stdout.len());
}

#[test]
fn both_ways_at_once() {
    let served = doubler();
    let address = served.address;
    let Some(mut talk) = client(address, &["doubler.double"]) else { return };
    let mut child = talk.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 starts");
    let mut stdin = child.stdin.take().expect("stdin");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    for number in [1, 2, 500] {
        // Each is answered before the next one is asked.
        writeln!(stdin, "{{\"number\":{number}}}").expect("it reads");
        let answer = lines.next().expect("an answer").expect("text");
        assert_eq!(answer, format!("{{\"number\":{}}}", 2 * number));
    }
    drop(stdin);
    assert!(lines.next().is_none());
    assert!(child.wait().expect("it ends").success());
}
