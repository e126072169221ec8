//! Giving back the pages of the program that only starting needed.
//!
//! Starting runs some 2,600 functions that are strewn over the program, and around each the kernel maps sixteen pages. At rest few of them run
//! again, but what is mapped stays so, and counts as the process's memory: in `ps`, in `top`, in whatever alarm reads those. The pages
//! themselves stay in the page cache, which all processes of the network share, so what is needed again is mapped again without reading a disk,
//! unless the kernel has needed the memory meanwhile. Decision record 6 has the figures.

use std::fs;
use std::ops::Range;
use std::ptr::with_exposed_provenance_mut;
use std::time::Duration;

use micronet_transport::tasks;
use rustix::mm::{Advice, madvise};

/// How long after a server is ready it counts as at rest, in milliseconds: it has its connections by then, and whatever it does each second it has
/// done.
const REST_MS: u64 = 3_000;

/// What is mapped into this process, and what of it is in memory: proc_pid_smaps(5).
const MAPPINGS: &str = "/proc/self/smaps";

/// Gives back, in a while, what starting has left. Within a runtime only; said when a server is ready.
pub(crate) fn give_back_after_start() {
    tasks::spawn("start pages", async {
        tokio::time::sleep(Duration::from_millis(REST_MS)).await;
        give_back();
    });
}

fn give_back() {
    let mappings = match fs::read_to_string(MAPPINGS) {
        Ok(mappings) => mappings,
        Err(error) => return tracing::debug!(%error, "the pages that starting needed stay mapped"),
    };
    for part in own_parts(&mappings) {
        // SAFETY: this is the program's code, or its constants: mapped privately from its file, for as long as the process lives. Nobody can
        // write there, and none of its pages differs from the file, so each that is given back is read as it was.
        #[expect(unsafe_code, reason = "that nothing is lost with the pages can't be shown to the compiler")]
        let given =
            unsafe { madvise(with_exposed_provenance_mut(part.start), part.len(), Advice::LinuxDontNeed) };
        if let Err(error) = given {
            tracing::debug!(%error, "the pages that starting needed stay mapped");
        }
    }
}

/// The mappings with this function's instructions and with the program's constants, where they hold nothing but what the file does.
fn own_parts(mappings: &str) -> Vec<Range<usize>> {
    let landmarks = [own_parts as *const () as usize, MAPPINGS.as_ptr() as usize];
    let mut parts = Vec::new();
    let mut part = None;
    for line in mappings.lines() {
        let mut words = line.split_ascii_whitespace();
        match (words.next(), words.next()) {
            // Pages that were written to before the mapping became read-only.
            (Some("Anonymous:" | "Swap:"), Some(kib)) if kib != "0" => part = None,
            (Some("VmFlags:"), _) => parts.extend(part.take()),
            (Some(addresses), Some("r-xp" | "r--p")) => {
                part = range(addresses)
                    .filter(|range| landmarks.iter().any(|landmark| range.contains(landmark)));
            }
            _ => {}
        }
    }
    parts
}

/// Addresses as `START-END`, in hexadecimal digits.
fn range(addresses: &str) -> Option<Range<usize>> {
    let (start, end) = addresses.split_once('-')?;
    Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mapping around an address, as the kernel tells of it.
    fn mapping(around: usize, rights: &str, [anonymous, swapped]: [u32; 2]) -> String {
        let start = around & !0xfff;
        format!(
            "{start:x}-{:x} {rights} 0001f000 fe:00 77   /bin/x\nRss:   4 kB\nAnonymous:  {anonymous} kB\nSwap:  {swapped} kB\nVmFlags: rd mr\n",
            start + 0x1000
        )
    }

    #[test]
    fn code_and_constants_are_found() {
        let [code, constants] = [own_parts as *const () as usize, MAPPINGS.as_ptr() as usize];
        let page = |at: usize| at & !0xfff..(at & !0xfff) + 0x1000;
        let all = [
            mapping(constants, "r--p", [0, 0]),
            mapping(code, "r-xp", [0, 0]),
            mapping(code + 0x1000, "r-xp", [0, 0]),
        ];
        assert_eq!(own_parts(&all.concat()), [page(constants), page(code)]);
    }

    #[test]
    fn what_differs_from_the_file_is_kept() {
        let code = own_parts as *const () as usize;
        for (rights, own) in
            [("rwxp", [0, 0]), ("r-xs", [0, 0]), ("rw-p", [0, 0]), ("r-xp", [4, 0]), ("r--p", [0, 8])]
        {
            assert!(own_parts(&mapping(code, rights, own)).is_empty(), "{rights} {own:?}");
        }
        assert!(own_parts("?\n\nVmFlags: rd\n").is_empty());
    }

    #[test]
    fn what_was_given_back_runs_again() {
        let mappings = fs::read_to_string(MAPPINGS).unwrap();
        assert_eq!(own_parts(&mappings).len(), 2, "{mappings}");
        for _ in 0..3 {
            give_back();
        }
    }
}
