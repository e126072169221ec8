//! The flags of `tasks`.

use clap::Args;

use super::certs::TlsFlags;

const TASKS_HELP: &str = "\
It asks a process of micronet what it is doing, and shows

  its runtime   how much of the time it was polling tasks, how often it slept,
                and how late timers were lately
  its tasks     how many there are for what, and how often they were polled: one
                that is polled far oftener than it has to do spins. Tasks of
                libraries (databases, name servers) have no name
  what is under way
                requests and calls that aren't over, the oldest first, and for
                which instance each waits: a handler that hangs is in its line

Rates are those between two looks, --seconds apart. Any build can tell this, and
it costs next to nothing. Only the operator may ask.

With --stacks, also where each task waits, by the functions that wait for each
other. To find out, all tasks are woken, and polled once with an eye on that. It
is possible on Linux, in a program that was built for it:

  RUSTFLAGS=\"--cfg tokio_unstable\" cargo build --release --features taskdump

The stacks of tasks that wait alike are shown once. A handler that waits is a
part of its connection's task, and its stack is among that one's. What waits for
something that isn't tokio's has no stack; nor have tasks of libraries, and
threads: for those, see `micronet profile`.

Examples:
  micronet tasks order                    the first instance of a service
  micronet tasks gateway-1 --seconds 5    rates of five seconds
  micronet tasks 4711                     a process of the network, by its id
  micronet tasks localhost:8002 --json    counts since it began, for programs
  micronet tasks order-1 --stacks         where its tasks wait";

/// The flags of `tasks`.
#[derive(Debug, Args)]
#[command(after_help = TASKS_HELP)]
pub(crate) struct TasksFlags {
    /// Which process: the name of an instance or a service of the running network, a process id of it, or HOST:PORT
    #[arg(value_name = "NAME|PID|HOST:PORT")]
    pub(crate) target: String,
    /// How long it is looked on, in seconds
    #[arg(short, long, value_name = "S", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) seconds: u32,
    /// Show where tasks wait, too: in a program that was built for it
    #[arg(long)]
    pub(crate) stacks: bool,
    /// Print JSON: one look, whose counts are since the process began
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) tls: TlsFlags,
}
