//! `micronet net --network FILE`: shows a plan, or what it means for one instance.

use std::process::ExitCode;

use crate::config::{NetConfig, ShowNet};
use crate::network_plan::{Plan, show};
use crate::terminal::{Style, say};

/// Shows it.
pub(crate) fn run(config: &NetConfig) -> ExitCode {
    say(&shown(&config.plan, &config.show));
    ExitCode::SUCCESS
}

/// What is shown of a plan.
pub(crate) fn shown(plan: &Plan, what: &ShowNet) -> String {
    match &what.instance {
        None if what.json => plan.json().to_string(),
        None => plan.draw(Style::for_stdout()),
        Some((service, name)) => {
            let links = plan.links_of(service, name, plan.services().filter(|called| called != service));
            match what.json {
                true => show::links_json(name, &links).to_string(),
                false => show::links(name, &links, Style::for_stdout()),
            }
        }
    }
}
