//! `micronet nc`, with a pipe at its stdin.

use std::process::{Command, Stdio};

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::process::micronet;

/// What it says for these lines, and its exit code.
#[track_caller]
fn talk(network: &Network, arguments: &[&str], lines: &str) -> (String, Option<i32>) {
    use std::io::Write;
    let mut command: Command = micronet(network.folder().path(), &[&["nc"], arguments].concat());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("micronet starts");
    // It may end without reading all.
    let _ = child.stdin.take().expect("a pipe").write_all(lines.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let text =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat();
    (text, output.status.code())
}

const CALL: &str = "CALL product.query {\"name\":\"Tux\"}\n";

#[test]
fn a_pipe_is_answered_and_the_exit_code_says_how_it_went() {
    let network = Network::start("shop");
    let address = network.address("product-1").to_string();
    for target in ["product-1", "product", &address] {
        let (said, code) = talk(&network, &[target], CALL);
        assert!(
            said.contains("+OK product.query ") && said.contains("25.99") && code == Some(0),
            "{target}: {said}"
        );
    }
    let (said, code) = talk(&network, &["product-1"], &format!("CALL nothing\n{CALL}QUIT\n"));
    assert!(said.contains("-ERR UNKNOWN_METHOD ") && said.contains("25.99") && code == Some(1), "{said}");
    let (said, code) = talk(&network, &["product-1", "--operator"], "CALL product.inventory {}\n");
    assert!(said.starts_with("+OK you are operator\n") && said.contains("+OK product.inventory "), "{said}");
    assert_eq!(code, Some(0));
    for nobody in ["localhost:1", "nowhere-7"] {
        let (said, code) = talk(&network, &[nobody], CALL);
        assert!(code == Some(2) && said.starts_with("micronet: "), "{said}");
    }
}

#[test]
fn in_tls_it_is_the_operator() {
    let network = Network::start_in(Folder::new(), &["--demo", "shop", "--mtls"]);
    let (said, code) = talk(&network, &["product-1"], "WHO\n");
    assert!(said.starts_with("+OK you are operator\n") && code == Some(0), "{said}");
    network.stop();
}
