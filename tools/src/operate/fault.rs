//! `micronet fault`: things that are broken on purpose, and what that came to.

use std::process::ExitCode;

use micronet_transport::clock;

use super::{Control, failure, json, options};
use crate::cli::fault::Which;
use crate::config::FaultCommand;
use crate::control::api::faults::{Fault, FaultId, Faults, Noticed};
use crate::control::api::{ControlMethods, Named};
use crate::error::CommandError;
use crate::table::{Align, Table};
use crate::terminal::{self, Style};

/// Does it.
pub(super) async fn run(control: &Control, command: FaultCommand) -> Result<ExitCode, CommandError> {
    match command {
        FaultCommand::Fail(request) => {
            begun(&control.fail(&request, options()).await.map_err(failure)?);
        }
        FaultCommand::Stall(request) => begun(&control.stall(&request, options()).await.map_err(failure)?),
        FaultCommand::Disturb(request) => {
            begun(&control.disturb(&request, options()).await.map_err(failure)?);
        }
        FaultCommand::Partition(request) => {
            begun(&control.partition(&request, options()).await.map_err(failure)?);
        }
        FaultCommand::Recover(name) => {
            ended(&control.recover(&Named { name }, options()).await.map_err(failure)?.past);
        }
        FaultCommand::Clear(Which::One(id)) => {
            ended(&[control.clear(&FaultId { id }, options()).await.map_err(failure)?]);
        }
        FaultCommand::Clear(Which::All) => {
            let mut cleared = Vec::new();
            for fault in control.faults(options()).await.map_err(failure)?.in_force {
                cleared.push(control.clear(&FaultId { id: fault.id }, options()).await.map_err(failure)?);
            }
            ended(&cleared);
        }
        FaultCommand::List { json: as_json } => {
            let faults = control.faults(options()).await.map_err(failure)?;
            terminal::say(&match as_json {
                true => json(ControlMethods::FAULTS, &faults)?,
                false => list(&faults).draw(Style::for_stdout()),
            });
        }
        FaultCommand::Report { id, json: as_json } => {
            let fault = match id {
                Some(id) => control.fault(&FaultId { id }, options()).await.map_err(failure)?,
                None => last(control.faults(options()).await.map_err(failure)?)?,
            };
            terminal::say(&match as_json {
                true => json(ControlMethods::FAULT, &fault)?,
                false => report(&fault),
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn begun(fault: &Fault) {
    terminal::say(&format!("fault {}: {}, for {}", fault.id, fault.what, left(fault)));
    terminal::note(&format!(
        "  end it before: micronet fault clear {0}; see it: micronet fault report {0}",
        fault.id
    ));
}

fn ended(faults: &[Fault]) {
    for fault in faults {
        terminal::say(&format!("fault {} is over: {}", fault.id, fault.what));
    }
    if faults.is_empty() {
        terminal::say("no fault was in force");
    }
}

fn last(faults: Faults) -> Result<Fault, CommandError> {
    let all = faults.past.into_iter().chain(faults.in_force);
    all.max_by_key(|fault| fault.id).ok_or_else(|| {
        CommandError::new("there was no fault yet").next("micronet fault --help shows how to make one")
    })
}

fn list(faults: &Faults) -> Table {
    let mut table = Table::new(&[
        ("FAULT", Align::Right),
        ("STATE", Align::Left),
        ("NOTICED", Align::Right),
        ("NO CALLS", Align::Right),
        ("FAILED", Align::Right),
        ("WELL AGAIN", Align::Right),
        ("WHAT", Align::Left),
    ]);
    for fault in faults.past.iter().chain(&faults.in_force) {
        let report = &fault.report;
        let after = |noticed: &Option<Noticed>| noticed.as_ref().map(|noticed| noticed.after_ms);
        table.row(vec![
            fault.id.to_string(),
            if fault.over { "over".into() } else { format!("{} left", left(fault)) },
            ms(after(&report.detected)),
            ms(after(&report.ejected)),
            report.failed.to_string(),
            ms(report.recovered_after_ms),
            fault.what.clone(),
        ]);
    }
    table
}

fn report(fault: &Fault) -> String {
    let report = &fault.report;
    let noticed = |noticed: &Option<Noticed>| match noticed {
        Some(Noticed { by, instance, after_ms, state, reason }) => {
            format!("after {after_ms} ms: {by} saw {instance} as {state} ({reason})")
        }
        None => "not so far".to_owned(),
    };
    let lasts = if fault.over { "over".to_owned() } else { format!("for {} more", left(fault)) };
    let took_ms = u64::try_from(fault.until.0 - fault.since.0).unwrap_or(0) / 1_000;
    let well = match report.recovered_after_ms {
        Some(ms) => format!("{ms} ms after its end"),
        None if fault.over && report.detected.is_none() => "it never was otherwise".into(),
        None => "not so far".into(),
    };
    format!(
        "fault {}: {} ({lasts})\n  lasts         {took_ms} ms, of {}\n  noticed       {}\n  no more calls {}\n  \
         calls         {} ended meanwhile, {} of them failed; {} were tried again\n  well again    {well}",
        fault.id,
        fault.what,
        fault.instances.join(", "),
        noticed(&report.detected),
        noticed(&report.ejected),
        report.calls,
        report.failed,
        report.tried_again,
    )
}

/// How long it still lasts.
fn left(fault: &Fault) -> String {
    let left_us = u64::try_from(fault.until.0 - clock::unix_us()).unwrap_or(0);
    format!("{:.1} s", f64::from(u32::try_from(left_us / 1_000).unwrap_or(u32::MAX)) / 1_000.0)
}

fn ms(ms: Option<u64>) -> String {
    ms.map_or_else(|| "-".into(), |ms| format!("{ms} ms"))
}

#[cfg(test)]
mod tests {
    use micronet_wire::schema::Timestamp;

    use super::*;
    use crate::control::api::faults::{FaultKind, Report};

    #[test]
    fn a_report_has_numbers() {
        let noticed = Noticed {
            by: "gateway-1".into(),
            instance: "product-2".into(),
            after_ms: 1_042,
            state: "suspect".into(),
            reason: "no answer to a heartbeat".into(),
        };
        let fault = Fault {
            id: 3,
            kind: FaultKind::Stall,
            what: "product-2 is stalled".into(),
            instances: vec!["product-2".into()],
            since: Timestamp(0),
            until: Timestamp(10_000_000),
            over: true,
            report: Report {
                detected: Some(noticed),
                ejected: None,
                calls: 100,
                failed: 7,
                tried_again: 6,
                recovered_after_ms: Some(212),
            },
        };
        let wanted = "\
fault 3: product-2 is stalled (over)
  lasts         10000 ms, of product-2
  noticed       after 1042 ms: gateway-1 saw product-2 as suspect (no answer to a heartbeat)
  no more calls not so far
  calls         100 ended meanwhile, 7 of them failed; 6 were tried again
  well again    212 ms after its end";
        assert_eq!(report(&fault), wanted);
        let table = list(&Faults { in_force: Vec::new(), past: vec![fault] }).draw(Style::PLAIN);
        assert!(
            table.ends_with("    3  over   1042 ms         -       7      212 ms  product-2 is stalled"),
            "{table}"
        );
    }
}
