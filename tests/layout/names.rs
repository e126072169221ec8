//! Names that say nothing, and words that must not be in the code.

use crate::source::{files, sources};

/// A file of such a name has no subject.
const EMPTY_NAMES: [&str; 10] =
    ["common", "util", "utils", "utilities", "helper", "helpers", "misc", "manager", "stuff", "shared"];

/// A file past so many lines has a second subject.
const LINES_MAX: usize = 500;

#[test]
fn file_names_say_what_is_in_them() {
    for path in files(".") {
        for part in path.split('/').map(|part| part.split('.').next().unwrap_or(part)) {
            assert!(!EMPTY_NAMES.contains(&part), "{path}: what is it about?");
        }
    }
}

#[test]
fn no_rust_file_has_two_subjects() {
    for source in sources(".") {
        let lines = source.text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines: what is its second subject?", source.path);
    }
}

/// The files that ask the compiler to trust them, once each: decision record 6.
const TRUSTED: [&str; 2] = ["wire/src/checksum.rs", "tools/src/start_pages.rs"];

#[test]
fn the_code_is_safe_and_no_test_is_left_out() {
    // Put together here, so that this file isn't found itself.
    let forbidden =
        [concat!("un", "safe"), concat!("#[ig", "nore"), concat!("to", "do!("), concat!("db", "g!(")];
    for source in sources(".") {
        let words: Vec<&str> = source.code.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let trusts = words.iter().filter(|word| **word == forbidden[0]).count();
        assert_eq!(
            trusts,
            usize::from(TRUSTED.contains(&source.path.as_str())),
            "{} holds {}",
            source.path,
            forbidden[0]
        );
        for word in &forbidden[1..] {
            assert!(!source.code.contains(word), "{} holds {word}", source.path);
        }
    }
}
