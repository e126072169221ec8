//! The command line that explains the network: calls, schemas, bytes in words, logins, completion, and the pipe.

mod bearer;
mod calls;
mod completion;
mod decode;
mod pipe;
mod schemas;

use std::io::Write;
use std::process::{Command, Stdio};

use micronet_tests::network::Network;
use micronet_tests::process::{Finished, micronet};

/// Runs a command with this on its stdin.
pub(crate) fn with_input(command: &mut Command, input: &str) -> Finished {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    // One that refuses its command line doesn't read.
    let _ = child.stdin.take().expect("stdin").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The same of a `micronet` command on a network's folder.
fn ask(network: &Network, arguments: &[&str], input: &str) -> Finished {
    with_input(&mut micronet(network.folder().path(), arguments), input)
}

/// Checks that a text has all of these in it.
#[track_caller]
fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in: {text}");
    }
}
