//! How a service is, made of how its instances are. Pure.

use micronet_wire::network::InstanceState;

use crate::control::api::ProcessState;
use crate::control::api::live::LiveInstance;

/// The status of a service of which an instance is being started, and none gets calls.
pub(crate) const STARTING: &str = "STARTING";

/// How a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) running: bool,
    pub(crate) words: &'static str,
    pub(crate) reason: String,
}

/// Whether an instance gets calls, if only where no other can take them. Where the gateway doesn't say, it is enough that its process runs.
pub(crate) fn gets_calls(instance: &LiveInstance) -> bool {
    let by_health = instance.health.is_none_or(|health| {
        matches!(
            health,
            InstanceState::Up | InstanceState::Suspect | InstanceState::Probing | InstanceState::Draining
        )
    });
    instance.process == ProcessState::Running && by_health
}

/// The status of a service with these instances.
pub(crate) fn status(instances: &[&LiveInstance]) -> Status {
    let called = instances.iter().filter(|instance| gets_calls(instance)).count();
    let has = |is_so: &dyn Fn(&LiveInstance) -> bool| instances.iter().copied().any(is_so);
    let is_in = |states: &'static [ProcessState]| has(&move |instance| states.contains(&instance.process));
    let words = if called > 0 {
        "RUNNING"
    } else if has(&|instance| instance.health == Some(InstanceState::Blocked)) {
        "STOPPED (BLOCKED)"
    } else if is_in(&[ProcessState::BackingOff, ProcessState::CrashLoop]) {
        "STOPPED (CRASHED)"
    } else if is_in(&[ProcessState::Starting])
        || has(&|instance| {
            instance.process == ProcessState::Running && instance.health == Some(InstanceState::Joining)
        })
    {
        STARTING
    } else if is_in(&[ProcessState::Running]) {
        "STOPPED (UNREACHABLE)"
    } else {
        "STOPPED"
    };
    let out = instances.iter().find(|instance| !gets_calls(instance));
    let reason = match (out, instances.len()) {
        (None, 0) => "it has no instances".to_owned(),
        (None, 1) => "its instance gets calls".to_owned(),
        (None, count) => format!("all {count} instances get calls"),
        (Some(out), count) => {
            let count = if called == 0 {
                String::new()
            } else {
                format!("{called} of {count} instances get calls; ")
            };
            format!("{count}{}: {}", out.instance, out.reason)
        }
    };
    Status { running: called > 0, words, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(process: ProcessState, health: Option<InstanceState>) -> LiveInstance {
        LiveInstance {
            instance: "p-1".into(),
            process,
            health,
            reason: "why".into(),
            ..LiveInstance::default()
        }
    }

    #[test]
    fn a_service_is_as_its_instances_are() {
        use InstanceState::{Blocked, Down, Draining, Ejected, Joining, Suspect, Up};
        use ProcessState::{BackingOff, CrashLoop, Running, Starting, Stopped};
        for (instances, words, reason) in [
            (vec![(Running, Some(Up))], "RUNNING", "its instance gets calls"),
            (vec![(Running, Some(Up)), (Running, Some(Suspect))], "RUNNING", "all 2 instances get calls"),
            (
                vec![(Running, Some(Down)), (Running, Some(Draining))],
                "RUNNING",
                "1 of 2 instances get calls; p-1: why",
            ),
            (vec![(Running, None)], "RUNNING", "its instance gets calls"),
            (vec![(Running, Some(Blocked)), (Stopped, None)], "STOPPED (BLOCKED)", "p-1: why"),
            (vec![(BackingOff, Some(Down)), (Stopped, None)], "STOPPED (CRASHED)", "p-1: why"),
            (vec![(CrashLoop, None)], "STOPPED (CRASHED)", "p-1: why"),
            (vec![(Starting, Some(Down))], "STARTING", "p-1: why"),
            (vec![(Running, Some(Joining))], "STARTING", "p-1: why"),
            (vec![(Running, Some(Ejected))], "STOPPED (UNREACHABLE)", "p-1: why"),
            (vec![(Stopped, Some(Down))], "STOPPED", "p-1: why"),
            // What ran when it was last seen is no help when its process is gone.
            (vec![(Stopped, Some(Up))], "STOPPED", "p-1: why"),
            (vec![], "STOPPED", "it has no instances"),
        ] {
            let instances: Vec<LiveInstance> =
                instances.into_iter().map(|(process, health)| instance(process, health)).collect();
            let found = status(&instances.iter().collect::<Vec<_>>());
            assert_eq!((found.words, &*found.reason), (words, reason), "{instances:?}");
            assert_eq!(found.running, words == "RUNNING");
        }
    }
}
