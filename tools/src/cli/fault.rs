//! The flags of `micronet fault`: breaking things on purpose.

use clap::{Args, Subcommand};

const FAULT_EXAMPLES: &str = "\
Examples:
  micronet fault fail user                     nobody calls it
  micronet fault recover user                  all its faults are over
  micronet fault latency product-1 80ms --jitter 40ms --for 2m
  micronet fault errors product-1 25%          every fourth call fails
  micronet fault stall product-2 --for 10s     as kill -STOP, and -CONT in time
  micronet fault partition order --from product
  micronet fault list                          what is in force, what was
  micronet fault report                        what the last one came to

Each fault ends by itself: after a minute, unless --for says otherwise, and
after an hour at most; the processes keep that time themselves. One that would
leave a service without a healthy instance is refused, unless --force is given.
A report says when the gateway noticed, when it gave the instance no more calls,
how many calls failed, and how long after its end all was well.";

/// The flags of `fault`.
#[derive(Debug, Args)]
#[command(after_help = FAULT_EXAMPLES)]
pub(crate) struct FaultFlags {
    #[command(subcommand)]
    pub(crate) action: FaultAction,
}

/// What is done about faults.
#[derive(Debug, Subcommand)]
pub(crate) enum FaultAction {
    /// Nobody calls it: it is blocked by the operator's word
    Fail(TargetFlags),
    /// End all faults of an instance or a service
    Recover {
        /// An instance, or a service
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Calls to it take longer
    Latency {
        #[command(flatten)]
        target: TargetFlags,
        /// How much longer: 80ms, 1s
        #[arg(value_name = "DELAY", value_parser = duration_ms)]
        delay: u64,
        /// And by chance up to so much longer than that
        #[arg(long, value_name = "TIME", value_parser = duration_ms, default_value = "0ms")]
        jitter: u64,
    },
    /// Calls to it fail
    Errors {
        #[command(flatten)]
        target: TargetFlags,
        /// How many: 25%
        #[arg(value_name = "PERCENT", value_parser = permille)]
        rate: u32,
    },
    /// Calls to it get no answer
    Drop {
        #[command(flatten)]
        target: TargetFlags,
        /// How many: 10%
        #[arg(value_name = "PERCENT", value_parser = permille)]
        rate: u32,
    },
    /// Its process is stopped where it stands (SIGSTOP), and goes on in time
    Stall(TargetFlags),
    /// It is cut off: nothing passes, and nobody is told
    Partition {
        #[command(flatten)]
        target: TargetFlags,
        /// From which instance or service [default: from all others]
        #[arg(long, value_name = "OTHER")]
        from: Option<String>,
    },
    /// End a fault by its number, or all
    Clear {
        /// The number, as `fault list` shows it, or all
        #[arg(value_name = "ID|all", value_parser = which)]
        which: Which,
    },
    /// Show the faults that are in force, and those that are over
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what a fault came to
    Report {
        /// The fault's number [default: the last one]
        #[arg(value_name = "ID")]
        id: Option<u64>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// What is broken, and for how long.
#[derive(Debug, Args)]
pub(crate) struct TargetFlags {
    /// An instance, as product-1, or a service, for all of its instances
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// For how long: 500ms, 30s, 2m, up to 1h
    #[arg(long = "for", value_name = "TIME", value_parser = duration_ms, default_value = "60s")]
    pub(crate) lasts: u64,
    /// Also where a service is left without a healthy instance
    #[arg(long)]
    pub(crate) force: bool,
}

/// Which faults are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// The one of this number.
    One(u64),
    /// All that are in force.
    All,
}

fn which(text: &str) -> Result<Which, String> {
    match text {
        "all" => Ok(Which::All),
        _ => text.parse().map(Which::One).map_err(|_| "write the fault's number, or all".to_owned()),
    }
}

/// Reads a time in milliseconds, an hour at most.
pub(super) fn duration_ms(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let read = UNITS.into_iter().find_map(|(unit, ms)| {
        let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        number.checked_mul(ms)
    });
    match read {
        Some(ms @ 0..=3_600_000) => Ok(ms),
        Some(_) => Err("an hour is the most".to_owned()),
        None => Err("write a number and ms, s, m or h, as 30s".to_owned()),
    }
}

/// Reads a share, in thousandths.
fn permille(text: &str) -> Result<u32, String> {
    let refuse = || "write a percentage from 0% to 100%, as 25% or 0.5%".to_owned();
    let percent: f64 = text.strip_suffix('%').unwrap_or(text).trim().parse().map_err(|_| refuse())?;
    let permille = (percent * 10.0).round();
    // Every whole number up to 1000 is a thousandth that was meant.
    (0..=1_000_u32).find(|each| f64::from(*each) == permille).ok_or_else(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_shares_are_read_as_people_write_them() {
        for (text, wanted) in [("500ms", 500), ("30s", 30_000), ("2m", 120_000), ("1h", 3_600_000)] {
            assert_eq!(duration_ms(text), Ok(wanted), "{text}");
        }
        for text in ["", "30", "s", "2h", "61m", "-1s", "99999999999999999999s"] {
            assert!(duration_ms(text).is_err(), "{text}");
        }
        for (text, wanted) in [("25%", 250), ("0.5%", 5), ("100", 1_000), ("0%", 0)] {
            assert_eq!(permille(text), Ok(wanted), "{text}");
        }
        for text in ["", "%", "101%", "-1%", "NaN"] {
            assert!(permille(text).is_err(), "{text}");
        }
        assert_eq!((which("7"), which("all")), (Ok(Which::One(7)), Ok(Which::All)));
        assert!(which("last").is_err());
    }
}
