//! The configuration of `profile`.

use std::path::PathBuf;

use crate::cli::flame::ProfileFlags;
use crate::error::CommandError;

/// Which process is watched, and what is made of it.
#[derive(Debug)]
pub(crate) struct FlameConfig {
    /// The process.
    pub(crate) target: FlameTarget,
    /// For how long, in seconds.
    pub(crate) seconds: u32,
    /// How often, each second of processor time.
    pub(crate) frequency: u32,
    /// Where the flame graph goes, unless it gets the process's name.
    pub(crate) svg: Option<PathBuf>,
    /// Where the stacks go as text.
    pub(crate) folded: Option<PathBuf>,
    /// The program perf.
    pub(crate) perf: PathBuf,
    /// The data folder.
    pub(crate) data: PathBuf,
}

/// A process.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FlameTarget {
    /// By its id.
    Pid(u32),
    /// An instance, or a service's first, of the network on the data folder.
    Name(String),
}

pub(super) fn profile(flags: ProfileFlags, data: PathBuf) -> Result<FlameConfig, CommandError> {
    let target = match flags.target.parse() {
        Ok(pid) => FlameTarget::Pid(pid),
        Err(_) => FlameTarget::Name(super::name("instance", flags.target)?),
    };
    let ProfileFlags { seconds, frequency, svg, folded, perf, .. } = flags;
    Ok(FlameConfig { target, seconds, frequency, svg, folded, perf, data })
}
