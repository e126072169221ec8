//! Stacks as a tree of who was called by whom, and what each function takes.

use std::collections::{BTreeMap, BTreeSet};

use super::stacks::Stack;

/// A function as it was called from one place.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// The samples in which it was on the stack there.
    pub(super) samples: u64,
    /// What it called, by name.
    pub(super) called: BTreeMap<String, Node>,
}

impl Node {
    /// The tree of all stacks.
    pub(super) fn of(stacks: &[Stack]) -> Self {
        let mut root = Self::default();
        for Stack { frames, samples } in stacks {
            root.samples += samples;
            let mut node = &mut root;
            for frame in frames {
                node = node.called.entry(frame.clone()).or_default();
                node.samples += samples;
            }
        }
        root
    }

    /// How many functions stand above this one at most.
    pub(super) fn height(&self) -> usize {
        self.called.values().map(|node| 1 + node.height()).max().unwrap_or(0)
    }
}

/// What a function takes of all samples.
#[derive(Debug, PartialEq)]
pub(super) struct Share {
    pub(super) function: String,
    /// By itself.
    pub(super) own_percent: f64,
    /// With all that it called.
    pub(super) total_percent: f64,
}

/// The shares of all functions, those first that take most by themselves.
pub(super) fn shares(stacks: &[Stack]) -> Vec<Share> {
    let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for Stack { frames, samples } in stacks {
        // One that calls itself is on the stack twice, and takes its samples once.
        for frame in frames.iter().collect::<BTreeSet<_>>() {
            counts.entry(frame).or_default().1 += samples;
        }
        if let Some(last) = frames.last() {
            counts.entry(last).or_default().0 += samples;
        }
    }
    let all: u64 = stacks.iter().map(|stack| stack.samples).sum();
    let percent = |samples: u64| samples as f64 * 100.0 / all.max(1) as f64;
    let mut shares: Vec<Share> = counts
        .into_iter()
        .map(|(function, (own, total))| Share {
            function: function.to_owned(),
            own_percent: percent(own),
            total_percent: percent(total),
        })
        .collect();
    shares.sort_by(|a, b| b.own_percent.total_cmp(&a.own_percent));
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(frames: &[&str], samples: u64) -> Stack {
        Stack { frames: frames.iter().map(|&frame| frame.to_owned()).collect(), samples }
    }

    #[test]
    fn a_function_has_the_samples_of_what_it_calls() {
        let stacks = [stack(&["a", "b"], 3), stack(&["a", "c", "a"], 1)];
        let tree = Node::of(&stacks);
        assert_eq!((tree.samples, tree.called["a"].samples, tree.called["a"].called["b"].samples), (4, 4, 3));
        assert_eq!(tree.height(), 3);
        let shares: Vec<_> = shares(&stacks)
            .into_iter()
            .map(|share| (share.function, share.own_percent, share.total_percent))
            .collect();
        assert_eq!(shares, [("b".into(), 75.0, 75.0), ("a".into(), 25.0, 100.0), ("c".into(), 0.0, 25.0)]);
    }
}
