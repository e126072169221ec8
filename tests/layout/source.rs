//! The files of the tree, and what of a Rust file is code.

use std::fs;
use std::path::{Path, PathBuf};

use micronet_tests::program::root;

/// Folders that are not the project's own.
const NOT_OURS: [&str; 4] = ["target", "micronet-data", "node_modules", "__pycache__"];

/// A Rust file.
pub(crate) struct Source {
    /// Its path from the root of the tree, with slashes.
    pub(crate) path: String,
    /// Its lines without comments and without what stands in string literals.
    pub(crate) code: String,
    /// As it is.
    pub(crate) text: String,
}

/// All files below a folder of the tree, as paths from the root.
pub(crate) fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_file() {
                found.push(from_root(&path));
            } else if !NOT_OURS.contains(&name.as_str()) && name != ".git" {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The names in a folder.
pub(crate) fn names(folder: &str) -> Vec<String> {
    let name = |path: PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries(&root().join(folder)).into_iter().map(name).collect();
    names.sort();
    names
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.expect("a folder can be read").path()).collect()
}

fn from_root(path: &Path) -> String {
    path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned()
}

/// The text of a file.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All Rust files below a folder.
pub(crate) fn sources(folder: &str) -> Vec<Source> {
    let rust = files(folder).into_iter().filter(|path| path.ends_with(".rs"));
    let sources: Vec<Source> = rust
        .map(|path| {
            let text = read(&path);
            Source { code: code(&text), path, text }
        })
        .collect();
    assert!(!sources.is_empty(), "there is no Rust file in {folder}");
    sources
}

/// A file's code: comments and the content of string literals are left out.
fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(quoted) = raw_string(rest) {
            quoted
        } else if first == '"' {
            code.push_str("\"\"");
            string(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            rest[1..].find('\'').map_or(rest.len(), |end| end + 2)
        } else {
            code.push(first);
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    code
}

/// The length of the string literal at the start of the text.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the raw string literal at the start of the text, if there is one.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let inside = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inside.find(&end)? + end.len();
    Some(1 + hashes + 1 + length)
}

/// Every path that the code names in full: what `use` imports, its braces expanded, and what stands in the code itself.
pub(crate) fn paths(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("use ") {
        let is_word = !rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        rest = &rest[at + 4..];
        if is_word && let Some(end) = rest.find(';') {
            expand("", &rest[..end].split_whitespace().collect::<Vec<_>>().join(" "), &mut paths);
        }
    }
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let in_code = code.split(|c: char| !is_path(c)).filter(|word| word.contains("::"));
    paths.extend(in_code.map(str::to_owned));
    paths
}

fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    match tree.find('{') {
        None => paths.push(format!("{prefix}{}", tree.split(" as ").next().unwrap_or(tree))),
        Some(open) => {
            let prefix = format!("{prefix}{}", &tree[..open]);
            let inside = tree[open + 1..].trim_end().strip_suffix('}').unwrap_or(&tree[open + 1..]);
            let mut depth = 0_i32;
            let mut start = 0;
            for (at, character) in inside.char_indices() {
                match character {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        expand(&prefix, &inside[start..at], paths);
                        start = at + 1;
                    }
                    _ => {}
                }
            }
            if !inside[start..].trim().is_empty() {
                expand(&prefix, &inside[start..], paths);
            }
        }
    }
}

#[test]
fn imports_are_expanded() {
    let code = code(
        "use std::{fs, io::{self as other, Read}, net::TcpStream};\nlet x = crate::a::b(\"use c::d;\"); // e::f\n",
    );
    let wanted = ["std::fs", "std::io::self", "std::io::Read", "std::net::TcpStream", "crate::a::b"];
    for path in wanted {
        assert!(paths(&code).iter().any(|found| found == path), "{path} is missing in {:?}", paths(&code));
    }
    assert!(!code.contains("c::d") && !code.contains("e::f"), "{code}");
}
