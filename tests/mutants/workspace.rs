//! A workspace of its own below target/mutants: a copy of the wire crate in which every mutant can be chosen (mutant schemata:
//! Untch, Offutt and Harrold, 1993), so that one build serves all of them, and a program that simulates it.

use std::fs;
use std::path::{Path, PathBuf};

use micronet_tests::program::{cargo_build, root, target};

use crate::list::{MUTANTS, Mutant};

/// What of the tests' support the program is made of.
const SUPPORT: [&str; 5] = ["application", "link", "plan", "scenarios", "simulator"];

/// What the copy of the wire crate has besides: which mutant is chosen.
const CHOICE: &str = r#"//! Which mutant is chosen.

use std::sync::atomic::{AtomicUsize, Ordering};

static CHOSEN: AtomicUsize = AtomicUsize::new(0);

/// Chooses a mutant, or none by 0.
pub fn choose(mutant: usize) {
    CHOSEN.store(mutant, Ordering::Relaxed);
}

/// Whether this one is chosen.
pub(crate) fn is(mutant: usize) -> bool {
    CHOSEN.load(Ordering::Relaxed) == mutant
}
"#;

const MANIFEST: &str = r#"[package]
name = "mutants"
version = "0.0.0"
edition = "2024"
publish = false

[dependencies]
bytes = { workspace = true }
micronet-wire = { workspace = true }
"#;

/// Writes the workspace and builds its program.
pub(crate) fn build() -> PathBuf {
    let folder = target().join("mutants");
    copy(&root().join("wire"), &folder.join("wire"));
    for name in SUPPORT {
        let from = root().join("tests/support").join(name);
        let to = folder.join("mutants/src").join(name);
        write(&to.with_extension("rs"), &read(&from.with_extension("rs")));
        if from.is_dir() {
            copy(&from, &to);
        }
    }
    // Of the transport they need its generator of chance alone.
    let random = read(&root().join("tests/support/random.rs")).replace("micronet_transport::", "crate::");
    write(&folder.join("mutants/src/random.rs"), &random);
    write(&folder.join("mutants/src/chance.rs"), &read(&root().join("transport/src/chance.rs")));
    write(&folder.join("mutants/src/main.rs"), include_str!("program.rs"));
    write(&folder.join("mutants/Cargo.toml"), MANIFEST);
    let members = |line: &str| match line.starts_with("members = ") {
        true => "members = [\"wire\", \"wire/macros\", \"mutants\"]\n".to_owned(),
        false => format!("{line}\n"),
    };
    write(
        &folder.join("Cargo.toml"),
        &read(&root().join("Cargo.toml")).lines().map(members).collect::<String>(),
    );
    // The same versions; cargo takes out what isn't needed, so a copy says whether they are still the same.
    let (lock, copy) = (read(&root().join("Cargo.lock")), folder.join("Cargo.lock.copied"));
    if fs::read_to_string(&copy).is_ok_and(|copied| copied != lock) || !copy.exists() {
        write(&folder.join("Cargo.lock"), &lock);
        write(&copy, &lock);
    }
    let mut command = cargo_build(false);
    command.args(["--offline", "--package", "mutants", "--target-dir"]).arg(target()).current_dir(&folder);
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "the mutants don't build: {status}");
    target().join("debug/mutants")
}

/// Copies a folder's sources, mutated.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let path = entry.expect("a folder can be read").path();
        let copy = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            self::copy(&path, &copy);
        } else {
            write(&copy, &mutated(&path, read(&path)));
        }
    }
}

/// A source file in which its mutants can be chosen.
fn mutated(path: &Path, mut text: String) -> String {
    let Ok(below) = path.strip_prefix(root().join("wire/src")) else { return text };
    if below == Path::new("lib.rs") {
        text.push_str("\npub mod mutants;\n");
    }
    for (number, Mutant { name, find, replace, .. }) in
        (1..).zip(MUTANTS).filter(|(_, mutant)| Path::new(mutant.file) == below)
    {
        assert_eq!(text.matches(find).count(), 1, "{name}: {find:?} in {}", path.display());
        text = text.replace(find, &replace.replace("MUTANT", &format!("crate::mutants::is({number})")));
    }
    text
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Writes a file unless it is there already, so that cargo finds it unchanged.
fn write(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return;
    }
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// The choice of a mutant, as a module of the copy.
pub(crate) fn write_choice() {
    write(&target().join("mutants/wire/src/mutants.rs"), CHOICE);
}
