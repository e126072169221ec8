//! Stacks out of what `perf script` prints: a line with the thread's name, then the frames, innermost first, then an empty line.

use std::collections::BTreeMap;
use std::fmt::Write;

/// A stack, outermost function first, and how many samples had it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stack {
    pub(super) frames: Vec<String>,
    pub(super) samples: u64,
}

/// What each sample has outermost and says nothing: how a thread and its runtime come to what they do. Where perf can't unwind a stack to its
/// beginning, some of it is missing, so that it is left out everywhere.
const PLUMBING: [&str; 11] = [
    "_start",
    "__libc_start",
    "main",
    "std::",
    "core::",
    "tokio::",
    "alloc::",
    "micronet::main",
    "micronet::server_process::",
    "clone3",
    "start_thread",
];

/// The stacks of all samples, those alike together.
pub(super) fn of_script(script: &str) -> Vec<Stack> {
    let mut counts: BTreeMap<Vec<String>, u64> = BTreeMap::new();
    for sample in script.split("\n\n") {
        let mut lines = sample.lines().filter(|line| !line.trim().is_empty());
        let Some(thread) = lines.next() else { continue };
        let mut frames: Vec<String> = lines.filter_map(frame).collect();
        if frames.is_empty() {
            continue;
        }
        frames.reverse();
        let plumbing = frames.iter().take_while(|frame| is_plumbing(frame)).count();
        // A thread that only waits does so in its runtime.
        frames.drain(..plumbing.min(frames.len() - 1));
        frames.insert(0, thread.trim().to_owned());
        *counts.entry(frames).or_default() += 1;
    }
    counts.into_iter().map(|(frames, samples)| Stack { frames, samples }).collect()
}

fn is_plumbing(frame: &str) -> bool {
    PLUMBING.iter().any(|beginning| frame.starts_with(beginning))
}

/// The function of a line `ADDRESS FUNCTION`.
fn frame(line: &str) -> Option<String> {
    let (address, function) = line.trim().split_once(' ')?;
    // Where unwinding has failed.
    let lost = address.bytes().all(|digit| digit == b'f');
    (!lost).then(|| function.trim().to_owned())
}

/// As text: frames with semicolons between them, a space, and the number of samples.
pub(super) fn folded(stacks: &[Stack]) -> String {
    let mut text = String::new();
    for Stack { frames, samples } in stacks {
        let frames: Vec<String> = frames.iter().map(|frame| frame.replace(';', ":")).collect();
        let _ = writeln!(text, "{} {samples}", frames.join(";"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "\
micronet
\tffffffff82099ff5 tcp_ack
\t           fde9d __GI___writev
\t          b7bf1d micronet_transport::driver::flush
\t         2177cfd tokio::runtime::park
\t          8c23a0 _start

micronet
\tffffffff82099ff5 tcp_ack
\t           fde9d __GI___writev
\t          b7bf1d micronet_transport::driver::flush
\tffffffffffffffff [unknown]

micronet
\t          108f36 epoll_wait
\t         2177cfd tokio::runtime::park
\t          8c23a0 _start

";

    #[test]
    fn samples_with_the_same_stack_are_one_wherever_unwinding_ended() {
        let text = folded(&of_script(SCRIPT));
        assert_eq!(
            text,
            "micronet;epoll_wait 1\nmicronet;micronet_transport::driver::flush;__GI___writev;tcp_ack 2\n"
        );
    }

    #[test]
    fn nothing_recorded_is_no_stack() {
        assert!(of_script("").is_empty());
    }
}
