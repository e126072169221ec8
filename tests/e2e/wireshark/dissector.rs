//! `micronet dissector`, and that Wireshark finds what it has installed.

use std::process::Command;

use micronet_tests::folder::Folder;
use micronet_tests::process::run;
use micronet_tests::program;

#[test]
fn an_installed_dissector_is_found() {
    let home = Folder::new();
    let dissector = |arguments: &[&str]| {
        let mut command = Command::new(program::micronet());
        command.arg("dissector").args(arguments).env("HOME", home.path());
        run(command).check(0).stdout
    };
    let knows = || {
        let mut tshark = Command::new("tshark");
        tshark.args(["-G", "protocols"]).env("HOME", home.path());
        run(tshark).check(0).stdout.lines().any(|line| line.split('\t').any(|name| name == "micronet"))
    };
    assert!(dissector(&["path"]).contains("not installed"));
    assert!(!knows());
    let installed = dissector(&["install"]);
    let path = dissector(&["path"]);
    assert!(path.ends_with("installed\n") && !path.contains("not installed"), "{path}");
    assert_eq!(installed.lines().next(), path.lines().next());
    assert!(knows(), "{installed}");
    dissector(&["uninstall"]);
    assert!(dissector(&["path"]).contains("not installed") && !knows());
    // A folder of one's own.
    let to = home.path().join("of/my/own");
    dissector(&["install", "--to", to.to_str().expect("a path")]);
    assert!(to.join("micronet.lua").exists());
    let schemas =
        std::fs::read_to_string(to.join("micronet-schemas.lua")).expect("the schemas of all services");
    assert!(schemas.contains("[0xa45fa70a] = { name = \"query\""), "{schemas}");
}
