//! The configurations of the commands that operate a running network.

use std::path::PathBuf;

use super::{DrillCommand, NetCommand};
use crate::cli::control::LogsFlags;
use crate::cli::fault::{FaultAction, FaultFlags, TargetFlags, Which};
use crate::cli::{DrainFlags, NameFlags, PsFlags, RestartFlags, ScaleFlags};
use crate::control::api::faults::{Break, Disturb, Partition};
use crate::error::CommandError;

/// What is done to the network that runs on a data folder.
#[derive(Debug)]
pub(crate) struct OperateConfig {
    /// The data folder.
    pub(crate) data: PathBuf,
    /// What is done.
    pub(crate) operation: Operation,
}

/// What can be done to a running network.
#[derive(Debug)]
pub(crate) enum Operation {
    /// Its processes are shown.
    Ps {
        /// A service's, or one; else all.
        name: Option<String>,
        /// As JSON.
        json: bool,
        /// Again and again.
        watch: bool,
    },
    /// Processes are started.
    Start(String),
    /// Processes are stopped.
    Stop(String),
    /// Processes are started anew, one by one.
    Restart(String),
    /// Processes read their settings again.
    Reload(String),
    /// A service gets another number of instances.
    Scale {
        /// The service.
        service: String,
        /// How many.
        count: u32,
    },
    /// Instances rest.
    Drain(String),
    /// They rest no longer.
    Undrain(String),
    /// Logs are shown.
    Logs {
        /// A service's, or an instance's; else all.
        name: Option<String>,
        /// How many lines of each.
        lines: u32,
        /// Whether it goes on.
        follow: bool,
    },
    /// It is told why a request went as it did.
    Why {
        /// Its id, or that of its trace.
        request_id: String,
        /// As JSON.
        json: bool,
    },
    /// The declared network is shown, or changed.
    Net(NetCommand),
    /// Something is broken, or mended.
    Fault(FaultCommand),
    /// A failure is rehearsed, or it is told what that came to.
    Drill(DrillCommand),
}

/// What is done about faults.
#[derive(Debug)]
pub(crate) enum FaultCommand {
    /// Nobody calls it.
    Fail(Break),
    /// All its faults are ended.
    Recover(String),
    /// Its process is stopped where it stands.
    Stall(Break),
    /// Its calls get worse.
    Disturb(Disturb),
    /// It is cut off.
    Partition(Partition),
    /// Faults are ended.
    Clear(Which),
    /// Faults are listed.
    List {
        /// As JSON.
        json: bool,
    },
    /// What a fault came to.
    Report {
        /// Which; else the last one.
        id: Option<u64>,
        /// As JSON.
        json: bool,
    },
}

pub(super) fn ps(flags: PsFlags) -> Result<Operation, CommandError> {
    if flags.watch && flags.json {
        return Err(CommandError::usage("--watch shows a table, and --json prints an object")
            .next("leave one of them out"));
    }
    let name = flags.name.map(process).transpose()?;
    Ok(Operation::Ps { name, json: flags.json, watch: flags.watch })
}

pub(super) fn start(flags: NameFlags) -> Result<Operation, CommandError> {
    process(flags.name).map(Operation::Start)
}

pub(super) fn stop(flags: NameFlags) -> Result<Operation, CommandError> {
    process(flags.name).map(Operation::Stop)
}

pub(super) fn restart(flags: RestartFlags) -> Result<Operation, CommandError> {
    process(flags.of.name).map(Operation::Restart)
}

pub(super) fn reload(flags: NameFlags) -> Result<Operation, CommandError> {
    process(flags.name).map(Operation::Reload)
}

pub(super) fn scale(flags: ScaleFlags) -> Result<Operation, CommandError> {
    Ok(Operation::Scale { service: process(flags.service)?, count: flags.count })
}

pub(super) fn drain(flags: DrainFlags) -> Result<Operation, CommandError> {
    process(flags.of.name).map(Operation::Drain)
}

pub(super) fn undrain(flags: DrainFlags) -> Result<Operation, CommandError> {
    process(flags.of.name).map(Operation::Undrain)
}

pub(super) fn logs(flags: LogsFlags) -> Result<Operation, CommandError> {
    let name = (flags.name != "all").then(|| process(flags.name)).transpose()?;
    Ok(Operation::Logs { name, lines: flags.lines, follow: flags.follow })
}

pub(super) fn fault(flags: FaultFlags) -> Result<Operation, CommandError> {
    let command = match flags.action {
        FaultAction::Fail(target) => FaultCommand::Fail(broken(target)?),
        FaultAction::Stall(target) => FaultCommand::Stall(broken(target)?),
        FaultAction::Recover { name } => FaultCommand::Recover(process(name)?),
        FaultAction::Latency { target, delay, jitter } => FaultCommand::Disturb(Disturb {
            delay_us: Some(delay * 1_000),
            jitter_us: Some(jitter * 1_000),
            ..disturbed(target)?
        }),
        FaultAction::Errors { target, rate } => {
            FaultCommand::Disturb(Disturb { errors_permille: Some(rate), ..disturbed(target)? })
        }
        FaultAction::Drop { target, rate } => {
            FaultCommand::Disturb(Disturb { drops_permille: Some(rate), ..disturbed(target)? })
        }
        FaultAction::Partition { target, from } => {
            let Break { name, for_ms, force } = broken(target)?;
            FaultCommand::Partition(Partition { name, from: from.map(process).transpose()?, for_ms, force })
        }
        FaultAction::Clear { which } => FaultCommand::Clear(which),
        FaultAction::List { json } => FaultCommand::List { json },
        FaultAction::Report { id, json } => FaultCommand::Report { id, json },
    };
    Ok(Operation::Fault(command))
}

fn broken(target: TargetFlags) -> Result<Break, CommandError> {
    if target.lasts == 0 {
        return Err(CommandError::usage("a fault lasts for some time").next("write --for 30s"));
    }
    Ok(Break { name: process(target.name)?, for_ms: Some(target.lasts), force: Some(target.force) })
}

fn disturbed(target: TargetFlags) -> Result<Disturb, CommandError> {
    let Break { name, for_ms, force } = broken(target)?;
    Ok(Disturb { name, for_ms, force, ..Disturb::default() })
}

fn process(text: String) -> Result<String, CommandError> {
    super::name("process", text)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Flags;
    use crate::config::{Command, command};

    fn parse(line: &str) -> Result<Operation, String> {
        let flags = Flags::try_parse_from(line.split_whitespace()).map_err(|error| error.to_string())?;
        match command(flags, &|_| None).map_err(|error| error.to_string())? {
            Command::Operate(config) => Ok(config.operation),
            other => panic!("{line} operates nothing: {other:?}"),
        }
    }

    #[test]
    fn faults_are_what_the_control_service_takes() {
        let Ok(Operation::Fault(FaultCommand::Disturb(latency))) =
            parse("micronet fault latency product-1 80ms --jitter 1s --for 2m --force")
        else {
            panic!("no latency")
        };
        let wanted = Disturb {
            name: "product-1".into(),
            for_ms: Some(120_000),
            force: Some(true),
            delay_us: Some(80_000),
            jitter_us: Some(1_000_000),
            ..Disturb::default()
        };
        assert_eq!(latency, wanted);
        let Ok(Operation::Fault(FaultCommand::Partition(partition))) =
            parse("micronet fault partition order --from product")
        else {
            panic!("no partition")
        };
        assert_eq!((partition.from.as_deref(), partition.for_ms), (Some("product"), Some(60_000)));
    }

    #[test]
    fn what_means_nothing_is_refused_in_words() {
        let check = |line: &str, word: &str| {
            let error = parse(line).unwrap_err();
            assert!(error.contains(word), "{line}: {error}");
        };
        check("micronet ps --watch --json", "--watch");
        check("micronet stop a/b", "can't be the name of the process");
        check("micronet scale product 0", "1..=16");
        check("micronet fault stall product-1 --for 0s", "--for 30s");
        check("micronet fault stall product-1 --for 2h", "an hour");
        check("micronet fault errors product-1 200%", "percentage");
        check("micronet fault clear soon", "number");
    }

    #[test]
    fn all_logs_are_shown_unless_one_is_named() {
        let name = |line: &str| match parse(line) {
            Ok(Operation::Logs { name, .. }) => name,
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!((name("micronet logs"), name("micronet logs all -f")), (None, None));
        assert_eq!(name("micronet logs order -n 5").as_deref(), Some("order"));
    }
}
