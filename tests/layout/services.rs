//! Every service has the same files, and knows of the others what their `api.rs` says.

use std::collections::BTreeSet;

use crate::source::{names, paths, sources};

/// What every service has.
const FILES: [&str; 3] = ["api.rs", "service.rs", "store.rs"];
/// What it may have beside.
const FOLDERS: [&str; 4] = ["api", "migrations", "service", "store"];

fn services() -> BTreeSet<String> {
    micronet_services::ALL.iter().map(|definition| definition.name.to_owned()).collect()
}

#[test]
fn every_service_has_the_same_files() {
    for service in services() {
        let found = names(&format!("services/src/{service}"));
        let files: Vec<&str> =
            found.iter().map(String::as_str).filter(|name| !FOLDERS.contains(name)).collect();
        assert_eq!(files, FILES, "services/src/{service}");
    }
}

#[test]
fn every_folder_with_an_api_is_a_service_that_runs() {
    let folders = names("services/src").into_iter().filter(|name| !name.contains('.'));
    let with_api: BTreeSet<String> = folders
        .filter(|name| names(&format!("services/src/{name}")).contains(&"api.rs".to_owned()))
        .collect();
    assert_eq!(with_api, services());
}

#[test]
fn a_service_knows_only_the_api_of_another() {
    for service in services() {
        for source in sources(&format!("services/src/{service}")) {
            for other in services().iter().filter(|other| **other != service) {
                let of_other = format!("crate::{other}::");
                for path in paths(&source.code).iter().filter(|path| path.starts_with(&of_other)) {
                    let part = path[of_other.len()..].split("::").next();
                    assert_eq!(part, Some("api"), "{} uses {path}", source.path);
                }
            }
        }
    }
}
