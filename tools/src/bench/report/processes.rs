//! The processes that took part in a run, by names that are the same in the next one.

use super::model::{Cpu, Repetition, Role, Run};

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    process: String,
    role: Role,
    /// What it does and what it is, as `server: bench-1`; with its id only where there are others of this name.
    pub(super) name: String,
}

impl Process {
    /// What it needed in a repetition.
    pub(super) fn of<'r>(&self, repetition: &'r Repetition) -> Option<&'r Cpu> {
        repetition.cpu.iter().find(|cpu| (&cpu.process, cpu.role) == (&self.process, self.role))
    }
}

/// All of them, clients first.
pub(super) fn processes(run: &Run) -> Vec<Process> {
    let mut known: Vec<(Role, &str)> = Vec::new();
    for cpu in run.repetitions.iter().flat_map(|each| &each.cpu) {
        if !known.contains(&(cpu.role, cpu.process.as_str())) {
            known.push((cpu.role, &cpu.process));
        }
    }
    known.sort_by_key(|(role, _)| *role);
    let is_alone = |(role, process): (Role, &str)| {
        known.iter().filter(|(other, name)| *other == role && without_id(name) == without_id(process)).count()
            == 1
    };
    let process = |&(role, process): &(Role, &str)| {
        let short = if is_alone((role, process)) { without_id(process) } else { process };
        let name = match role {
            Role::Client => format!("client: {short}"),
            Role::Gateway => format!("gateway: {short}"),
            Role::Server => format!("server: {short}"),
            Role::Other => short.to_owned(),
        };
        Process { process: process.to_owned(), role, name }
    };
    known.iter().map(process).collect()
}

/// `bench (pid 4711)` is `bench`: the next one has another id.
fn without_id(process: &str) -> &str {
    process.split_once(" (pid ").map_or(process, |(name, _)| name)
}
