//! The independent decoder: over the vectors, and over connections that Rust has just made.
//!
//! Without python3 these tests fail; `MICRONET_SKIP_PYTHON=1` skips them, and says so.

use std::path::PathBuf;
use std::process::Output;

use micronet_tests::application::End;
use micronet_tests::plan::{Fault, Plan};
use micronet_tests::python::script as script_of;
use micronet_tests::simulator::{Report, run};
use micronet_tests::spec::{folder, hex};
use micronet_wire::error::Code;
use micronet_wire::hello::Credential;
use serde_json::{Value, json};

use crate::registry::rows;

/// Runs a script of proto-spec; `None` when Python is to be skipped.
fn python(script: &str, arguments: &[PathBuf]) -> Option<Output> {
    let mut command = script_of(script)?;
    command.args(arguments);
    let output = command.output().unwrap_or_else(|error| {
        panic!("python3 {script}: {error}. Install Python 3.11 or later, or set MICRONET_SKIP_PYTHON=1")
    });
    Some(output)
}

/// A folder of this test's own, removed when it is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("micronet-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The client in Python, against an acceptor of its own.
#[test]
fn the_client() {
    for tests in ["test_connection.py", "test_client.py"] {
        let Some(output) = python(&format!("examples/client/{tests}"), &[]) else { return };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("\nRan ") && !said.contains("\nRan 0 "), "{said}");
    }
}

/// The client's tables are the registry's.
#[test]
fn the_client_knows_all_codes_and_kinds() {
    let frames = std::fs::read_to_string(folder().join("examples/client/frames.py")).unwrap();
    for list in ["error", "kind"] {
        for row in rows(list, &["name", "number"]) {
            let known = frames.contains(&format!("\"{}\": {}", row[0], row[1]));
            assert!(known, "{row:?}");
        }
    }
}

#[test]
fn vectors() {
    let Some(output) = python("examples/run_vectors.py", &[]) else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let sum = said.lines().last().unwrap();
    assert!(sum.ends_with(" passed, 0 failed") && !sum.starts_with("0 "), "{said}");
}

/// The vectors are what generate.py writes, so that a change of theirs can be reviewed there.
#[test]
fn vectors_are_generated() {
    let scratch = Scratch::new("generated");
    let Some(output) = python("vectors/generate.py", std::slice::from_ref(&scratch.0)) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut compared = 0;
    for entry in std::fs::read_dir(&scratch.0).unwrap() {
        let path = entry.unwrap().path();
        let kept = folder().join("vectors").join(path.file_name().unwrap());
        let same = std::fs::read(&kept).unwrap() == std::fs::read(&path).unwrap();
        assert!(same, "{} isn't what generate.py writes: run it", kept.display());
        compared += 1;
    }
    assert!(compared >= 10, "{compared} files");
}

#[test]
fn a_wrong_vector_is_noticed() {
    let scratch = Scratch::new("vectors");
    for entry in std::fs::read_dir(folder().join("vectors")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = std::fs::read_to_string(&path).unwrap();
            // One word of one meaning.
            let changed = text.replacen("\"DRAINING\"", "\"SERVING\"", 1);
            std::fs::write(scratch.0.join(path.file_name().unwrap()), changed).unwrap();
        }
    }
    let Some(output) = python("examples/run_vectors.py", std::slice::from_ref(&scratch.0)) else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("frames.json: 77 passed, 1 failed"), "{said}");
}

/// Connections between two Rust state machines on the simulated network; Python must see what Rust did.
#[test]
fn fresh_connections() {
    let scratch = Scratch::new("transcripts");
    let (mut worlds, mut paths) = (Vec::new(), Vec::new());
    for plan in (0..60).map(Plan::of_short_calls) {
        if matches!(plan.fault, Fault::Corrupt(..)) {
            continue; // What is sent is right, but what happens then isn't.
        }
        let (seed, credential) = (plan.seed, plan.credential);
        let report = run(plan).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
        let path = scratch.0.join(format!("{seed}.json"));
        std::fs::write(&path, transcript(&report).to_string()).unwrap();
        worlds.push((seed, credential, report));
        paths.push(path);
    }
    let Some(output) = python("examples/session.py", &paths) else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().count(), worlds.len());
    let (mut replies, mut errors, mut proofs) = (0, 0, 0);
    for ((seed, credential, report), line) in worlds.iter().zip(said.lines()) {
        let seen: Value = serde_json::from_str(line).unwrap();
        let (in_replies, in_errors) = compare(*seed, report, &seen);
        (replies, errors) = (replies + in_replies, errors + in_errors);
        if in_replies > 0 {
            let standing = match credential {
                None => "ANONYMOUS",
                Some(Credential::Cluster) => "CLUSTER",
                Some(Credential::Operator) => "OPERATOR",
            };
            assert_eq!(seen["standing"], standing, "seed {seed}");
            proofs += u32::from(credential.is_some());
        }
    }
    assert!(replies > 40 && errors > 20 && proofs > 5, "{replies} replies, {errors} errors, {proofs} proofs");
}

fn transcript(report: &Report) -> Value {
    let mut steps: Vec<(usize, Vec<u8>)> = Vec::new();
    for (side, bytes) in &report.sent {
        match steps.last_mut() {
            Some((last, together)) if last == side => together.extend_from_slice(bytes),
            _ => steps.push((*side, bytes.clone())),
        }
    }
    let step = |(side, bytes): &(usize, Vec<u8>)| {
        let by = ["dialler", "acceptor"][*side];
        json!({"by": by, "hex": hex(bytes)})
    };
    json!({"secret": hex(b"an example"), "steps": steps.iter().map(step).collect::<Vec<_>>()})
}

/// Holds the calls as Python saw them against the calls as Rust's caller did; how many replies and errors agreed.
fn compare(seed: u64, report: &Report, seen: &Value) -> (u32, u32) {
    let (mut replies, mut errors) = (0, 0);
    for (stream, id) in &report.caller.sent {
        let seen = &seen["notices"][stream.to_string()];
        if let Some(message) = seen["message"].as_str() {
            assert!(message.starts_with(&format!("{id:016x}")), "seed {seed}, stream {stream}: {seen}");
        }
    }
    for (stream, call) in &report.caller.calls {
        let seen = &seen["calls"][stream.to_string()];
        let within = format!("seed {seed}, stream {stream}: {seen}");
        if let Some(message) = seen["message"].as_str() {
            assert!(message.starts_with(&format!("{:016x}", call.id)), "{within}");
        }
        match call.end.as_ref() {
            Some(End::Reply(reply)) => {
                assert_eq!(seen["end"], "REPLY", "{within}");
                assert_eq!(seen["reply"], hex(reply), "{within}");
                replies += 1;
            }
            // These come from the acceptor only.
            Some(End::Failed(code @ (Code::Internal | Code::MessageTooLarge | Code::Unauthenticated))) => {
                assert_eq!(seen["end"], *code as u16, "{within}");
                errors += 1;
            }
            _ => {}
        }
    }
    (replies, errors)
}
