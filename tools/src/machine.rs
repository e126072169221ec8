//! On what a measurement was made: numbers mean nothing without it.

use std::fmt;
use std::fs;
use std::thread;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A machine, and how the program on it was compiled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    kernel: String,
    build: String,
}

impl Machine {
    /// Looks at the machine that this process runs on, as Linux shows it in `/proc`.
    pub(crate) fn look() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
        let processor = processor.map(|rest| rest.trim_start_matches([' ', '\t', ':']));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cores: thread::available_parallelism().map_or(1, usize::from),
            processor: processor.unwrap_or(std::env::consts::ARCH).to_owned(),
            kernel: format!("Linux {}", kernel.trim()),
            build: build().to_owned(),
        }
    }

    /// Whether the program was compiled to be debugged, and not to be fast.
    pub(crate) fn is_debug_build(&self) -> bool {
        self.build == "debug"
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "cores": self.cores,
            "processor": self.processor,
            "kernel": self.kernel,
            "build": self.build,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, processor, kernel, build } = self;
        write!(f, "{cores} cores, {processor}, {kernel}; a {build} build")
    }
}

/// How this program was compiled.
fn build() -> &'static str {
    if cfg!(debug_assertions) { "debug" } else { "release" }
}
