//! What is counted: from the beginning of a call of [`counted`] to its end, and nothing else.

use std::io::Write;

/// The function of whose calls callgrind counts the cost, as it names it.
pub(crate) const COUNTED: &str = "micronet_guard::meter::counted";

/// How often a case is done before anything is counted, so that buffers have grown and caches are warm.
const BEFORE: u32 = 200;
/// How often it is done while it is counted.
const TIMES: u32 = 500;

/// Does what is to be counted, and says in which order, on its standard output.
pub(crate) struct Meter {
    only: String,
}

impl Meter {
    /// A meter of the cases whose names contain a text.
    pub(crate) fn of(only: &str) -> Self {
        Self { only: only.to_owned() }
    }

    /// Whether a case is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        name.contains(&self.only)
    }

    /// A case that is one piece of work at a time.
    pub(crate) fn case(&mut self, name: &str, mut work: impl FnMut()) {
        self.batches(name, |times| (0..times).for_each(|_| work()));
    }

    /// A case that does a number of pieces at once, as where a runtime goes round them.
    pub(crate) fn batches(&mut self, name: &str, mut work: impl FnMut(u32)) {
        if !self.wants(name) {
            return;
        }
        work(BEFORE);
        counted(&mut work, TIMES);
        println!("{TIMES} {name}");
        std::io::stdout().flush().expect("somebody reads");
    }
}

/// Callgrind counts while this is on the stack, so that the work must not take its place there.
#[inline(never)]
fn counted(work: &mut dyn FnMut(u32), times: u32) -> u32 {
    work(times);
    std::hint::black_box(times)
}
