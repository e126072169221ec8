//! `micronet net`: shows a plan, or what it means for one instance.

use std::process::ExitCode;

use crate::config::NetConfig;
use crate::network_plan::show;
use crate::terminal::{Style, say};

/// Shows it.
pub(crate) fn run(config: &NetConfig) -> ExitCode {
    let NetConfig { plan, instance, json } = config;
    let shown = match instance {
        None if *json => plan.json().to_string(),
        None => plan.draw(Style::for_stdout()),
        Some((service, name)) => {
            let links = plan.links_of(service, name, plan.services().filter(|called| called != service));
            match json {
                true => show::links_json(name, &links).to_string(),
                false => show::links(name, &links, Style::for_stdout()),
            }
        }
    };
    say(&shown);
    ExitCode::SUCCESS
}
