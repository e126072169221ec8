//! The flags of `micronet drill` and `micronet drills`: failures that are rehearsed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::fault::duration_ms;

const DRILL_EXAMPLES: &str = "\
Examples:
  micronet drill kill-instance --service product
                               what it costs when an instance dies
  micronet drill stall --service product --load 500/s --duration 20s
  micronet drill slow --service node --delay 800ms
  micronet drill partition --service product-1 --html report.html
  micronet drill dependency-down --service product --force
                               what its callers do without it
  micronet drill stall --service order --route 'POST /orders {\"name\":\"Tux\",\"quantity\":1}'

A drill sends a steady load through the gateway, sees what is usual, breaks one
instance, mends it, and waits until all is well. The load is an open loop: what
is late counts as late. It asks reads of the service that its schema has
examples for, unless --route names others, which are asked without a credential.

It is refused where more would be lost than the network can spare: the last
healthy instance of a service, or more than half of them, unless --force is
given; and always while another drill or a fault is in force, or where something
isn't well. Ctrl-C, `micronet drills ID --abort` and the loss of this command
mend what is broken at once.

The exit code is 0 when all was well again, 1 when it was not or the drill was
refused, and 130 when Ctrl-C ended it.";

const DRILLS_EXAMPLES: &str = "\
Examples:
  micronet drills              the last ones, and the one under way
  micronet drills 3            what one came to
  micronet drills 3 --html report.html
  micronet drills 3 --abort    end it now, and mend what it broke

They are remembered while the network runs, 20 of them.";

/// The flags of `drill`.
#[derive(Debug, Args)]
#[command(after_help = DRILL_EXAMPLES)]
pub(crate) struct DrillFlags {
    /// What happens
    #[arg(value_name = "KIND")]
    pub(crate) kind: KindFlag,
    /// To one instance of this service, the last that is well, or to this instance
    #[arg(long, value_name = "NAME")]
    pub(crate) service: String,
    /// Requests a second, through the gateway
    #[arg(long, value_name = "RATE", default_value = "200/s", value_parser = per_second)]
    pub(crate) load: u32,
    /// How long the fault lasts: 10s, 2m; of kill-instance at most
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = seconds)]
    pub(crate) duration: u32,
    /// How long it is quiet before the fault, and after all is well
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = seconds)]
    pub(crate) quiet: u32,
    /// How much longer calls take, of slow
    #[arg(long, value_name = "TIME", default_value = "300ms", value_parser = duration_ms)]
    pub(crate) delay: u64,
    /// What is asked instead of the service's reads, as 'GET /path'; may be repeated
    #[arg(long = "route", value_name = "REQUEST")]
    pub(crate) routes: Vec<String>,
    /// Also where a service loses its last healthy instance, or more than half of them
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) output: DrillOutputFlags,
}

/// The flags of `drills`.
#[derive(Debug, Args)]
#[command(after_help = DRILLS_EXAMPLES)]
pub(crate) struct DrillsFlags {
    /// The drill's number [default: all are listed]
    #[arg(value_name = "ID")]
    pub(crate) id: Option<u64>,
    /// End it now, and mend what it broke
    #[arg(long, requires = "id")]
    pub(crate) abort: bool,
    #[command(flatten)]
    pub(crate) output: DrillOutputFlags,
}

/// How a report is given.
#[derive(Debug, Clone, Args)]
pub(crate) struct DrillOutputFlags {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the report with its plots to a file for browsers
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// What happens in a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindFlag {
    /// The process is killed (SIGKILL); its supervisor starts it again
    KillInstance,
    /// The process is stopped where it stands (SIGSTOP)
    Stall,
    /// Nothing passes between the instance and all others, and nobody is told
    Partition,
    /// Calls to it take longer
    Slow,
    /// A service that others call is cut off as a whole
    DependencyDown,
}

/// Reads a rate, as `200/s`.
fn per_second(text: &str) -> Result<u32, String> {
    let refuse = || "write a whole number of requests a second from 1/s to 2000/s, as 200/s".to_owned();
    let number = text.strip_suffix("/s").unwrap_or(text).trim();
    number.parse().ok().filter(|rate| (1..=2_000).contains(rate)).ok_or_else(refuse)
}

/// Reads a time of whole seconds.
fn seconds(text: &str) -> Result<u32, String> {
    let ms = duration_ms(text)?;
    let seconds =
        ms.is_multiple_of(1_000).then_some(ms / 1_000).filter(|seconds| (1..=300).contains(seconds));
    let seconds = seconds.ok_or_else(|| "write whole seconds from 1s to 5m, as 10s".to_owned())?;
    u32::try_from(seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_times_are_read_as_people_write_them() {
        for (text, wanted) in [("200/s", 200), ("50", 50), ("2000/s", 2_000)] {
            assert_eq!(per_second(text), Ok(wanted), "{text}");
        }
        for text in ["", "0/s", "2001/s", "1.5/s", "200/min"] {
            assert!(per_second(text).is_err(), "{text}");
        }
        assert_eq!((seconds("10s"), seconds("2m")), (Ok(10), Ok(120)));
        for text in ["0s", "1500ms", "6m", "x"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
