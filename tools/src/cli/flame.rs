//! The flags of `profile`.

use std::path::PathBuf;

use clap::Args;

const PROFILE_HELP: &str = "\
It watches a process from outside, by the kernel's sampling (Linux perf), for a
while, and draws where its processor time went as a flame graph: each box is a
function, as wide as its part of the time, above those that called it. A box
tells its name and share where the pointer is, and takes the whole width when it
is clicked. The functions that take most are printed, too. An idle process shows
little; put load on it meanwhile (`micronet bench`, `micronet load`).

The process goes on as before, and pays a few percent while it is watched.
perf has to be installed: Debian has it in linux-perf, Ubuntu in linux-tools,
Fedora in perf. It may watch your own processes where
/proc/sys/kernel/perf_event_paranoid is 2 or less, of which the kernel's part is
seen at 1 or less; root may always.

Examples:
  micronet profile gateway                the gateway for ten seconds, as
                                          gateway-1.svg
  micronet profile order-1 --seconds 30 --svg order.svg
  micronet profile 4711 --folded out.txt  a process by its id, and its stacks as
                                          text, for speedscope and others";

/// The flags of `profile`.
#[derive(Debug, Args)]
#[command(after_help = PROFILE_HELP)]
pub(crate) struct ProfileFlags {
    /// Which process: the name of an instance or a service of the running network, or a process id
    #[arg(value_name = "NAME|PID")]
    pub(crate) target: String,
    /// For how long, in seconds
    #[arg(short, long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) seconds: u32,
    /// Where the flame graph goes [default: NAME.svg]
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Where the stacks go as text, a line each with the samples that had it
    #[arg(long, value_name = "FILE")]
    pub(crate) folded: Option<PathBuf>,
    /// How often it looks, each second of processor time
    #[arg(long, value_name = "HZ", default_value_t = 249, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub(crate) frequency: u32,
    /// The program perf
    #[arg(long, value_name = "PROGRAM", env = "PERF", default_value = "perf")]
    pub(crate) perf: PathBuf,
}
