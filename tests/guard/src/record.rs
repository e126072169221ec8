//! The record: what each case cost when somebody meant it to, and with which toolchain that was counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use serde::Deserialize;

/// By how many percent more instructions may be executed than the record says.
pub(crate) const DEARER_PERCENT_MAX: f64 = 5.0;
/// What more allocations than recorded are: those of a request that others don't make, as where a buffer grows, are fractions, and so are those that a
/// runtime makes each second, of which there are more to a request where the machine is slow.
const ALLOCATIONS_MORE: f64 = 0.05;

/// What a request costs.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(crate) struct Cost {
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
}

/// What decides how much is executed, besides our code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Machine {
    rustc: String,
    glibc: String,
    valgrind: String,
    processor: String,
}

impl Machine {
    /// This one.
    pub(crate) fn here() -> Result<Self, String> {
        Ok(Self {
            rustc: first_line("rustc", &["--version"])?,
            glibc: first_line("getconf", &["GNU_LIBC_VERSION"])?,
            valgrind: first_line("valgrind", &["--version"])?,
            processor: processor(),
        })
    }

    fn parts(&self) -> [(&'static str, &str); 4] {
        [
            ("rustc", &self.rustc),
            ("glibc", &self.glibc),
            ("valgrind", &self.valgrind),
            ("processor", &self.processor),
        ]
    }
}

fn first_line(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(said.lines().next().unwrap_or_default().trim().to_owned())
}

/// What of the processor valgrind shows to a program.
fn processor() -> String {
    #[cfg(target_arch = "x86_64")]
    let vectors = if is_x86_feature_detected!("avx2") { " with AVX2" } else { " without AVX2" };
    #[cfg(not(target_arch = "x86_64"))]
    let vectors = "";
    format!("{}{vectors}", env::consts::ARCH)
}

/// What is on record.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Record {
    machine: Machine,
    cost: BTreeMap<String, Cost>,
}

/// A case, as recorded and as counted.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) before: Option<Cost>,
    pub(crate) now: Option<Cost>,
}

/// What is to be said of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    AsRecorded,
    /// So much cheaper that the record should say so.
    Cheaper,
    Dearer,
    AllocatesMore,
    NotOnRecord,
    NotCounted,
}

impl Verdict {
    pub(crate) fn is_failure(self) -> bool {
        !matches!(self, Self::AsRecorded | Self::Cheaper)
    }
}

impl Row {
    /// By how many percent more is executed.
    pub(crate) fn percent(&self) -> Option<f64> {
        let (before, now) = (self.before?, self.now?);
        Some((now.instructions / before.instructions - 1.0) * 100.0)
    }

    pub(crate) fn verdict(&self) -> Verdict {
        let (before, now) = match (self.before, self.now) {
            (Some(before), Some(now)) => (before, now),
            (None, _) => return Verdict::NotOnRecord,
            (_, None) => return Verdict::NotCounted,
        };
        // In hundredths, of whole instructions: no rounding decides.
        let (instructions, recorded) = (now.instructions * 100.0, before.instructions);
        if now.allocations > before.allocations + ALLOCATIONS_MORE {
            Verdict::AllocatesMore
        } else if instructions > recorded * (100.0 + DEARER_PERCENT_MAX) {
            Verdict::Dearer
        } else if instructions < recorded * (100.0 - DEARER_PERCENT_MAX)
            || now.allocations < before.allocations - ALLOCATIONS_MORE
        {
            Verdict::Cheaper
        } else {
            Verdict::AsRecorded
        }
    }
}

impl Record {
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        let mut text = String::from(
            "# What requests cost, by `tests/run guard --record`: instructions and allocations. A change of it is meant, and its commit says why.\n\n[machine]\n",
        );
        for (name, value) in self.machine.parts() {
            let _ = writeln!(text, "{name} = \"{value}\"");
        }
        text.push_str("\n[cost]\n");
        for (name, Cost { instructions, allocations }) in &self.cost {
            let _ = writeln!(
                text,
                "\"{name}\" = {{ instructions = {instructions:.1}, allocations = {allocations:.2} }}"
            );
        }
        fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Takes what was counted on record, instead of all that was there or beside the other cases.
    pub(crate) fn take(&mut self, machine: Machine, counted: BTreeMap<String, Cost>, all: bool) {
        if all {
            self.cost.clear();
        }
        self.machine = machine;
        self.cost.extend(counted);
    }

    /// What is different from where it was recorded, in words.
    pub(crate) fn differences(&self, machine: &Machine) -> Vec<String> {
        let differ = self.machine.parts().into_iter().zip(machine.parts());
        let differ = differ.filter(|((_, recorded), (_, here))| recorded != here);
        differ
            .map(|((name, recorded), (_, here))| {
                format!("NOTE: recorded with {name} {recorded:?}, and this is {here:?}: differences may come from that.")
            })
            .collect()
    }

    /// Every case of the record whose name contains a text, and every one that was counted.
    pub(crate) fn compare(&self, counted: &BTreeMap<String, Cost>, only: &str) -> Vec<Row> {
        let recorded = self.cost.keys().filter(|name| name.contains(only));
        let mut names: Vec<&String> = recorded.chain(counted.keys()).collect();
        names.sort();
        names.dedup();
        let row = |name: &String| Row {
            name: name.clone(),
            before: self.cost.get(name).copied(),
            now: counted.get(name).copied(),
        };
        names.into_iter().map(row).collect()
    }
}

/// The medians of what was counted several times.
pub(crate) fn medians(runs: &[BTreeMap<String, Cost>]) -> BTreeMap<String, Cost> {
    let median = |name: &String, part: fn(&Cost) -> f64| {
        let mut values: Vec<f64> = runs.iter().filter_map(|run| run.get(name)).map(part).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let names = runs.first().into_iter().flat_map(BTreeMap::keys);
    names
        .map(|name| {
            let instructions = median(name, |cost| cost.instructions);
            (name.clone(), Cost { instructions, allocations: median(name, |cost| cost.allocations) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_percent_more_is_dearer_and_any_allocation_is_too_much() {
        let before = Cost { instructions: 1000.0, allocations: 4.0 };
        let cases = [
            (1000.0, 4.0, Verdict::AsRecorded),
            (1050.0, 4.0, Verdict::AsRecorded),
            (1051.0, 4.0, Verdict::Dearer),
            (500.0, 5.0, Verdict::AllocatesMore),
            (1000.0, 4.1, Verdict::AllocatesMore),
            (950.0, 4.0, Verdict::AsRecorded),
            (949.0, 4.0, Verdict::Cheaper),
            (1000.0, 3.0, Verdict::Cheaper),
        ];
        for (instructions, allocations, verdict) in cases {
            let now = Some(Cost { instructions, allocations });
            let row = Row { name: "a case".into(), before: Some(before), now };
            assert_eq!(row.verdict(), verdict, "{row:?}");
        }
        let row = |before, now| Row { name: "a case".into(), before, now };
        assert!(row(None, Some(before)).verdict().is_failure(), "a new case has to be recorded");
        assert!(row(Some(before), None).verdict().is_failure(), "a case that is gone has to be, too");
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let path = env::temp_dir().join(format!("micronet-guard-record-{}.toml", std::process::id()));
        let cost = Cost { instructions: 12.5, allocations: 3.0 };
        let mut record = Record::default();
        let machine = Machine { rustc: "rustc 1".into(), ..Machine::default() };
        record.take(machine.clone(), [("a case".to_owned(), cost)].into(), true);
        record.write(&path).unwrap();
        let read = Record::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!((&read.machine, read.cost["a case"]), (&machine, cost));
        let other = Machine { rustc: "rustc 2".into(), ..machine };
        assert_eq!(read.differences(&other).len(), 1, "another toolchain is said");
        assert!(read.compare(&BTreeMap::new(), "").iter().all(|row| row.verdict() == Verdict::NotCounted));
    }
}
