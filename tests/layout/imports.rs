//! Imports go one way, and `wire` does no I/O.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{names, paths, read, sources};

/// Each crate of the workspace, and those of the others that it may depend on.
const MAY_IMPORT: [(&str, &[&str]); 8] = [
    ("wire/macros", &[]),
    ("wire", &["micronet-wire-macros"]),
    ("transport", &["micronet-wire"]),
    ("services", &["micronet-transport", "micronet-wire"]),
    ("gateway", &["micronet-transport", "micronet-wire"]),
    ("tools", &["micronet-gateway", "micronet-services", "micronet-transport", "micronet-wire"]),
    ("tests", &["micronet-gateway", "micronet-services", "micronet-transport", "micronet-wire"]),
    ("tests/guard", &["micronet-gateway", "micronet-transport", "micronet-wire"]),
];

/// What `wire` may build on: encoding, checksums and byte handling, but no runtime, no socket, no clock and no randomness.
const WIRE_BUILDS_ON: [&str; 8] =
    ["bincode", "bytes", "crc32c", "hmac", "micronet-wire-macros", "pin-project-lite", "sha2", "smol_str"];

/// What does I/O, reads a clock, or starts a thread.
const NOT_IN_WIRE: [&str; 16] = [
    "std::fs",
    "std::io",
    "std::net::Tcp",
    "std::net::Udp",
    "std::net::ToSocketAddrs",
    "std::os",
    "std::env",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime::now",
    "tokio",
    "mio",
    "futures_util",
];

fn manifest(folder: &str) -> toml::Table {
    read(&format!("{folder}/Cargo.toml"))
        .parse()
        .unwrap_or_else(|error| panic!("{folder}/Cargo.toml: {error}"))
}

/// The names of a manifest's dependencies of one kind.
fn dependencies(folder: &str, kind: &str) -> Vec<String> {
    let manifest = manifest(folder);
    let table = manifest.get(kind).and_then(|table| table.as_table());
    table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

#[test]
fn crates_depend_on_each_other_one_way() {
    let workspace: toml::Table = read("Cargo.toml").parse().expect("Cargo.toml");
    let members = workspace["workspace"]["members"].as_array().expect("members");
    let mut members: Vec<&str> = members.iter().filter_map(|member| member.as_str()).collect();
    members.sort_unstable();
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT.into_iter().collect();
    assert_eq!(members, allowed.keys().copied().collect::<Vec<_>>());
    for (folder, may) in MAY_IMPORT {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for name in dependencies(folder, kind).iter().filter(|name| name.starts_with("micronet")) {
                // The macros' own tests expand them, which is code for wire.
                let in_tests =
                    (folder, kind, name.as_str()) == ("wire/macros", "dev-dependencies", "micronet-wire");
                assert!(in_tests || may.contains(&name.as_str()), "{folder} imports {name} in its {kind}");
            }
        }
    }
}

#[test]
fn wire_builds_on_nothing_that_does_io() {
    for name in dependencies("wire", "dependencies") {
        assert!(WIRE_BUILDS_ON.contains(&name.as_str()), "wire depends on {name}");
    }
}

#[test]
fn wire_does_no_io_and_reads_no_clock() {
    for source in sources("wire/src") {
        for path in paths(&source.code) {
            for forbidden in NOT_IN_WIRE {
                let is_it = path.strip_prefix(forbidden).is_some_and(|rest| {
                    forbidden.ends_with("Tcp")
                        || forbidden.ends_with("Udp")
                        || rest.is_empty()
                        || rest.starts_with("::")
                });
                assert!(!is_it, "{} names {path}", source.path);
            }
        }
    }
}

#[test]
fn every_crate_keeps_the_lints_of_the_workspace() {
    for (folder, _) in MAY_IMPORT {
        let manifest = manifest(folder);
        let inherits = manifest.get("lints").and_then(|lints| lints.get("workspace")?.as_bool());
        assert_eq!(inherits, Some(true), "{folder}/Cargo.toml: [lints] workspace = true");
    }
}

#[test]
fn every_test_program_is_run() {
    let manifest = manifest("tests");
    let named: Vec<&str> = manifest["test"]
        .as_array()
        .expect("[[test]]")
        .iter()
        .filter_map(|test| test["path"].as_str())
        .collect();
    let folders = names("tests").into_iter().filter(|name| !name.contains('.'));
    let with_main = folders.filter(|name| {
        let is_folder = micronet_tests::program::root().join("tests").join(name).is_dir();
        is_folder && names(&format!("tests/{name}")).contains(&"main.rs".to_owned())
    });
    let with_main: Vec<String> = with_main.map(|name| format!("{name}/main.rs")).collect();
    for path in &with_main {
        assert!(named.contains(&path.as_str()), "tests/{path} is in no [[test]] of tests/Cargo.toml");
    }
    assert_eq!(named.len(), with_main.len(), "{named:?}");
}

#[test]
fn peers_are_built_as_it_is_and_by_nobody_else() {
    let ours = manifest(".");
    let excluded = ours["workspace"]["exclude"].as_array().expect("exclude");
    assert!(excluded.iter().any(|folder| folder.as_str() == Some("tests/peers")), "{excluded:?}");
    let peers = manifest("tests/peers");
    // Else the comparison would be one of compilers' options. What debuggers read changes no code.
    let options = |manifest: &toml::Table| {
        let mut options = manifest["profile"]["release"].as_table().expect("a profile").clone();
        options.retain(|option, _| option != "debug" && option != "package");
        options
    };
    assert_eq!(options(&peers), options(&ours));
    // What is said of some crates: as of our own on a request's way, so of every program beside them.
    let of_crate = |manifest: &toml::Table, name: &str| {
        let packages = manifest["profile"]["release"].get("package").and_then(toml::Value::as_table);
        packages.and_then(|packages| packages.get(name)).cloned()
    };
    let members = peers["workspace"]["members"].as_array().expect("members");
    for folder in members.iter().filter_map(toml::Value::as_str) {
        let member = manifest(&format!("tests/peers/{folder}"));
        let name = member["package"]["name"].as_str().expect("a name");
        assert_eq!(of_crate(&peers, name), of_crate(&ours, "micronet-wire"), "{name}");
    }
    for name in ["micronet-wire", "micronet-transport"] {
        assert_eq!(of_crate(&peers, name), of_crate(&ours, name), "{name}");
    }
}

/// What a crate depends on, as a lock file says.
fn locked(folder: &str, name: &str) -> BTreeSet<String> {
    let lock: toml::Table =
        toml::from_str(&read(&format!("{folder}/Cargo.lock"))).expect("a lock file is TOML");
    let packages = lock["package"].as_array().expect("packages");
    let found = packages.iter().find(|package| package["name"].as_str() == Some(name));
    let found = found.unwrap_or_else(|| panic!("{name} isn't in {folder}/Cargo.lock"));
    let depends = found["dependencies"].as_array().expect("dependencies");
    // A version stands behind a name of which there are several.
    depends.iter().filter_map(|each| Some(each.as_str()?.split(' ').next()?.to_owned())).collect()
}

#[test]
fn the_peers_lock_file_knows_what_ours_depend_on() {
    for folder in ["wire", "transport"] {
        let (name, manifest) = (format!("micronet-{folder}"), manifest(folder));
        let is_for_tests = |each: &str| {
            let has = |table: &str| manifest.get(table).is_some_and(|table| table.get(each).is_some());
            has("dev-dependencies") && !has("dependencies")
        };
        let mut ours = locked(".", &name);
        ours.retain(|each| !is_for_tests(each));
        assert_eq!(
            locked("tests/peers", &name),
            ours,
            "{name}: cargo metadata --manifest-path tests/peers/Cargo.toml writes the lock file anew"
        );
    }
}
