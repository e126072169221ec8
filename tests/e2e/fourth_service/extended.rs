//! The program with one service more: the sources are copied, the service is added to the copy, and the copy is built.
//!
//! Copy and program stay in `target/fourth-service` from one run to the next, and what is compiled with what the tests are made of, so
//! that only what has changed is compiled again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use micronet_tests::patience::until_or;
use micronet_tests::process::Process;
use micronet_tests::program::{cargo_build, root, target};

/// How long the build may take: in a cold tree it compiles everything.
const BUILD_PATIENCE: Duration = Duration::from_secs(900);

/// What of the tree is not the project's source.
const NOT_SOURCES: [&str; 5] = ["target", ".git", "micronet-data", "node_modules", "__pycache__"];

/// The packages of the tree.
const OURS: [&str; 7] = [
    "micronet-wire",
    "micronet-wire-macros",
    "micronet-transport",
    "micronet-services",
    "micronet-gateway",
    "micronet",
    "micronet-tests",
];

/// Where the services are named.
const LIST: &str = "services/src/lib.rs";

/// The files of a tree, by their paths from its root.
type Tree = BTreeMap<PathBuf, Vec<u8>>;

/// The tree with the service, and what that has changed.
pub(super) struct Extended {
    /// The files that are new.
    pub(super) added: Vec<String>,
    /// The lines that are new in files that were there, with the files' paths.
    pub(super) lines: Vec<(String, String)>,
    /// The program.
    pub(super) program: PathBuf,
}

/// Adds the service in the folder `tests/e2e/fourth_service/NAME` to a copy of the tree, and builds that.
pub(super) fn with_service(name: &str) -> Extended {
    let folder = target().join("fourth-service");
    let copy = folder.join("source");
    fs::create_dir_all(&copy).expect("the folder of the copy");
    // Other tests of this tree may run at the same time.
    let lock = File::create(folder.join("lock")).expect("a file to lock");
    until_or("another build of the copy", BUILD_PATIENCE, || {
        lock.try_lock().map_err(|busy| busy.to_string())
    })
    .unwrap_or_else(|failure| panic!("{failure}"));
    let ours = read(root());
    write(&copy, &extended(&ours, name));
    let (added, lines) = difference(&ours, &read(&copy));
    Extended { added, lines, program: build(&copy, &folder) }
}

/// The tree with the service: its files, and its name in the list.
fn extended(ours: &Tree, name: &str) -> Tree {
    let mut tree = ours.clone();
    let fixture = Path::new("tests/e2e/fourth_service").join(name);
    for (path, text) in ours {
        if let Ok(file) = path.strip_prefix(&fixture) {
            tree.insert(Path::new("services/src").join(name).join(file), text.clone());
        }
    }
    let list = tree.get_mut(Path::new(LIST)).expect("the list of services");
    let text = String::from_utf8(list.clone()).expect("it is text");
    let (before, services) = text.split_once("\nservices! {\n").expect("the list of services");
    let (services, after) = services.split_once('}').expect("the list's end");
    *list = format!("{before}\nservices! {{\n{services}    {name},\n}}{after}").into_bytes();
    tree
}

/// What is in one tree more than in the other: files, and lines of files. Whatever is gone or moved fails the test.
fn difference(ours: &Tree, theirs: &Tree) -> (Vec<String>, Vec<(String, String)>) {
    let (mut added, mut lines) = (Vec::new(), Vec::new());
    let gone: Vec<_> = ours.keys().filter(|path| !theirs.contains_key(*path)).collect();
    assert!(gone.is_empty(), "the copy lacks {gone:?}");
    for (path, text) in theirs {
        let shown = path.to_string_lossy().into_owned();
        let Some(our_text) = ours.get(path) else {
            added.push(shown);
            continue;
        };
        let (our_text, text) = (String::from_utf8_lossy(our_text), String::from_utf8_lossy(text));
        let mut our_lines = our_text.split('\n').peekable();
        for line in text.split('\n') {
            if our_lines.next_if_eq(&line).is_none() {
                lines.push((shown.clone(), line.to_owned()));
            }
        }
        assert_eq!(our_lines.next(), None, "a line of {shown} was changed");
    }
    (added, lines)
}

/// All source files below a folder.
fn read(folder: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let entry = entry.expect("a folder can be read");
            let path = entry.path();
            if NOT_SOURCES.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            tree.insert(path.strip_prefix(folder).expect("below the folder").to_owned(), text);
        }
    }
    tree
}

/// Makes a folder hold this tree. Files that are as they should be aren't touched: cargo goes by their times.
fn write(folder: &Path, tree: &Tree) {
    let there = read(folder);
    for path in there.keys().filter(|path| !tree.contains_key(*path)) {
        fs::remove_file(folder.join(path)).expect("a file of the copy can be removed");
    }
    for (path, text) in tree.iter().filter(|(path, text)| there.get(*path) != Some(text)) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder of the copy");
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// Builds the program of the copy.
fn build(copy: &Path, folder: &Path) -> PathBuf {
    let mut command = cargo_build(true);
    // What others wrote is compiled already, with the features that all tests together ask for: a test beside the program has cargo
    // choose the same.
    command.env("CARGO_BUILD_BUILD_DIR", target());
    command.args(["--workspace", "--bin", "micronet", "--test", "layout", "--target-dir"]).arg(folder);
    // What is ours isn't shared: cargo takes a workspace and its copy for the same, unless their profiles differ. Nobody debugs the copy.
    for package in OURS {
        command.args(["--config", &format!("profile.dev.package.{package}.debug=false")]);
    }
    command.current_dir(copy);
    let mut cargo = Process::start("cargo", &mut command);
    let built = until_or("the build of the program with one service more", BUILD_PATIENCE, || {
        if cargo.is_running() { Err(cargo.said()) } else { Ok(()) }
    });
    built.unwrap_or_else(|failure| panic!("{failure}"));
    let status = cargo.wait();
    assert!(status.success(), "the program with one service more doesn't build: {status}\n{}", cargo.said());
    folder.join("debug/micronet")
}
