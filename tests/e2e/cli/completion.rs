//! Completion, in a real bash.

use std::process::Command;

use micronet_tests::network::Network;
use micronet_tests::program;

use super::{ask, has, with_input};

#[test]
fn what_the_network_has_is_completed() {
    let network = Network::start("shop");
    let data = network.folder().path().display().to_string();
    let complete = |words: &[&str]| -> Vec<String> {
        let line = [&["--data", &data][..], words].concat();
        let mut command = Command::new(program::micronet());
        let said = with_input(command.arg("complete").arg("--").args(line), "").check(0).stdout;
        said.lines().filter_map(|line| line.split('\t').next()).map(str::to_owned).collect()
    };
    assert_eq!(complete(&["call", "prod"]), ["product."]);
    assert!(complete(&["call", "product.qu"]).contains(&"product.query".to_owned()));
    assert_eq!(complete(&["call", "product.query", ""]), ["name="]);
    assert_eq!(complete(&["call", "-v", "order.buy", "q"]), ["quantity="]);
    assert!(complete(&["schema", "show", ""]).contains(&"order".to_owned()));
    assert_eq!(complete(&["schema", "show", "product", "query"]), ["query"]);
    assert!(complete(&["restart", ""]).contains(&"product-2".to_owned()));
    assert_eq!(complete(&["call", "nothing.at", ""]), Vec::<String>::new());
}

#[test]
fn bash_completes() {
    let network = Network::start("shop");
    let micronet = program::micronet().display().to_string();
    // As Bash does it: the function is called with the words so far, and answers in COMPREPLY.
    let script = r#"
        eval "$("$1" completions bash)"
        complete -p micronet
        COMP_WORDS=("$1" --data "$2" call "$3"); COMP_CWORD=4
        compopt() { echo "compopt $*"; }
        _micronet
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let bash = |typed: &str| {
        let folder = network.folder().path().display().to_string();
        let mut command = Command::new("bash");
        with_input(command.args(["-c", script, "bash", &micronet, &folder, typed]), "").check(0)
    };
    let said = bash("prod");
    assert_eq!(said.stderr, "");
    has(&said.stdout, &["-F _micronet micronet", "compopt -o nospace", "product."]);
    has(&bash("product.q").stdout, &["product.query"]);
    for shell in ["zsh", "fish"] {
        has(&ask(&network, &["completions", shell], "").check(0).stdout, &["complete -", "micronet"]);
    }
}
