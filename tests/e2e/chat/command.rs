//! `micronet chat`, by its stdin.

use std::fs;

use micronet_tests::network::Network;
use micronet_tests::process::micronet;
use serde_json::Value;

use crate::cli::with_input;

#[test]
fn lines_of_a_pipe_are_commands_and_the_exit_code_says_what_came_of_them() {
    let network = Network::start("shop");
    let chat = |flags: &[&str], input: &str| {
        let arguments = [&["chat"], flags].concat();
        with_input(&mut micronet(network.folder().path(), &arguments), input)
    };
    let said = chat(&[], "status user\nweight product-1 60\nwhoami\n").check(0);
    for part in ["user: RUNNING, 1 of 1", "product-1 has the weight 60", "Role: manager | the operator"] {
        assert!(said.stdout.contains(part), "{part}: {}", said.stdout);
    }
    assert!(
        !said.stdout.contains("Connected to") && said.stderr.contains("Role: manager"),
        "{}",
        said.stderr
    );
    let said = chat(&[], "fail usr\nwhoami").check(1);
    assert!(
        said.stdout.contains("did you mean \"user\"?") && said.stdout.contains("the operator"),
        "{}",
        said.stdout
    );
    let said = chat(&[], "fail user\nyes\nrecover user\n").check(0);
    assert!(said.stdout.contains("user is failed"), "{}", said.stdout);
    let said = chat(&["--json"], "instances product\n").check(0);
    let last: Value = serde_json::from_str(said.stdout.lines().last().expect("a line")).expect("JSON");
    assert_eq!((&last["kind"], &last["from"]), (&"result".into(), &"chat".into()), "{last}");

    // As who has signed in, through the gateway.
    let logins = network.folder().path().join("config");
    fs::create_dir_all(&logins).expect("a folder");
    let as_client = |arguments: &[&str], input: &str| {
        let mut command = micronet(network.folder().path(), arguments);
        command.env("XDG_CONFIG_HOME", &logins);
        with_input(&mut command, input)
    };
    as_client(&["chat", "--login"], "whoami\n").check(2);
    as_client(&["login", "client@demo.example"], "client-demo\n").check(0);
    let said = as_client(&["chat", "--login"], "status product\nwhoami\n").check(0);
    assert!(said.stdout.contains("product: RUNNING, 2 of 2"), "{}", said.stdout);
    assert!(said.stdout.contains("Role: client | account 2 from 127.0.0.1"), "{}", said.stdout);
    let said = as_client(&["chat", "--login"], "fail user\n").check(1);
    assert!(said.stdout.contains("fail needs the permission control:write"), "{}", said.stdout);

    let folder = network.stop();
    let said = with_input(&mut micronet(folder.path(), &["chat"]), "whoami\n").check(2);
    assert!(said.stderr.contains("no network runs on"), "{}", said.stderr);
}
