//! The limits beyond which something is worth an alert, by name: `up --alert NAME=NUMBER` sets others.

/// The limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Thresholds {
    /// An instance or a service that gets no calls for so long, in seconds.
    pub(crate) unhealthy_s: u64,
    /// A service whose P95 is above this, in milliseconds; it is well again below four fifths of it.
    pub(crate) response_time_ms: u64,
    /// A process that uses so much of one core, in per cent; it is well again below four fifths of it.
    pub(crate) cpu_percent: u64,
    /// A process that has so much in RAM, in MiB; it is well again below nine tenths of it.
    pub(crate) memory_mib: u64,
    /// A disk that is so full, in per cent; it is well again two per cent below it.
    pub(crate) disk_percent: u64,
    /// A service that gets so many times the requests that it got in the minute before; it is well again below two thirds of it.
    pub(crate) spike_times: u64,
    /// But only from so many requests a second on.
    pub(crate) spike_per_s: u64,
    /// A service of which Jain's index is below this, in per cent, where its algorithm should be even.
    pub(crate) fairness_percent: u64,
    /// A service whose P99 is so many times that of an instance that answers well.
    pub(crate) inefficiency_times: u64,
}

/// A limit that can be set.
struct Name {
    name: &'static str,
    get: fn(&mut Thresholds) -> &mut u64,
}

/// All of them.
const NAMES: [Name; 9] = [
    Name { name: "unhealthy_s", get: |all| &mut all.unhealthy_s },
    Name { name: "response_time_ms", get: |all| &mut all.response_time_ms },
    Name { name: "cpu_percent", get: |all| &mut all.cpu_percent },
    Name { name: "memory_mib", get: |all| &mut all.memory_mib },
    Name { name: "disk_percent", get: |all| &mut all.disk_percent },
    Name { name: "spike_times", get: |all| &mut all.spike_times },
    Name { name: "spike_per_s", get: |all| &mut all.spike_per_s },
    Name { name: "fairness_percent", get: |all| &mut all.fairness_percent },
    Name { name: "inefficiency_times", get: |all| &mut all.inefficiency_times },
];

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            unhealthy_s: 1,
            response_time_ms: 200,
            cpu_percent: 85,
            memory_mib: 512,
            disk_percent: 80,
            spike_times: 3,
            spike_per_s: 50,
            fairness_percent: 80,
            inefficiency_times: 3,
        }
    }
}

impl Thresholds {
    /// Sets one, as `response_time_ms=300`.
    ///
    /// # Errors
    /// What is wrong with it, and what there is.
    pub(crate) fn set(&mut self, text: &str) -> Result<(), String> {
        let (name, number) =
            text.split_once('=').ok_or_else(|| format!("{text:?} is not NAME=NUMBER; {}", known()))?;
        let found = NAMES.iter().find(|each| each.name == name.trim());
        let found = found.ok_or_else(|| format!("no alert has a limit {name:?}; {}", known()))?;
        let number = number.trim().parse().ok().filter(|number| (1..=1_000_000).contains(number));
        *(found.get)(self) =
            number.ok_or_else(|| format!("{text:?}: a number from 1 to 1000000 is needed"))?;
        Ok(())
    }
}

fn known() -> String {
    let names: Vec<&str> = NAMES.iter().map(|each| each.name).collect();
    format!("there are {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_set_by_name() {
        let mut thresholds = Thresholds::default();
        thresholds.set("response_time_ms=300").unwrap();
        thresholds.set(" cpu_percent = 50").unwrap();
        let wanted = Thresholds { response_time_ms: 300, cpu_percent: 50, ..Thresholds::default() };
        assert_eq!(thresholds, wanted);
        for (text, words) in [
            ("cpu_percent", "NAME=NUMBER"),
            ("cpu=5", "there are unhealthy_s, response_time_ms"),
            ("cpu_percent=much", "a number"),
            ("cpu_percent=0", "a number"),
        ] {
            let said = thresholds.set(text).unwrap_err();
            assert!(said.contains(words), "{said}");
        }
        assert_eq!(thresholds, wanted);
        // Each name is of another limit.
        for each in NAMES {
            let mut changed = Thresholds::default();
            *(each.get)(&mut changed) += 1;
            assert_ne!(changed, Thresholds::default(), "{}", each.name);
        }
    }
}
