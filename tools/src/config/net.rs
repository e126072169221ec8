//! The configuration of `net`: a plan that was read and is right, or what is asked of a running network.

use std::fs;
use std::path::Path;

use crate::cli::net::NetFlags;
use crate::error::CommandError;
use crate::network_plan::Plan;
use crate::registry::callers;

/// What `net` has to do with.
#[derive(Debug)]
pub(super) enum NetWork {
    /// A file.
    Offline(NetConfig),
    /// A running network.
    Running(NetCommand),
}

/// A plan to be shown.
#[derive(Debug)]
pub(crate) struct NetConfig {
    /// The plan.
    pub(crate) plan: Plan,
    /// Of what.
    pub(crate) show: ShowNet,
}

/// What is shown of a plan, and how.
#[derive(Debug)]
pub(crate) struct ShowNet {
    /// The instance whose links are shown, with its service; else the plan itself is.
    pub(crate) instance: Option<(String, String)>,
    /// As JSON.
    pub(crate) json: bool,
}

/// What is done about the plan of a running network, before it is shown.
#[derive(Debug)]
pub(crate) struct NetCommand {
    /// Whether it is changed.
    pub(crate) change: NetChange,
    /// What is shown.
    pub(crate) show: ShowNet,
}

/// A change of a running network's plan.
#[derive(Debug)]
pub(crate) enum NetChange {
    /// None.
    Keep,
    /// Another plan.
    Apply(Box<Plan>),
    /// No plan.
    Clear,
}

pub(super) fn net(flags: NetFlags) -> Result<NetWork, CommandError> {
    let instance = flags.instance.map(with_service).transpose()?;
    let show = ShowNet { instance, json: flags.json };
    let plan = flags.network.as_deref().map(plan).transpose()?;
    let change = match plan {
        Some(plan) if !flags.apply => return Ok(NetWork::Offline(NetConfig { plan, show })),
        Some(plan) => NetChange::Apply(Box::new(plan)),
        None if flags.clear => NetChange::Clear,
        None => NetChange::Keep,
    };
    Ok(NetWork::Running(NetCommand { change, show }))
}

/// The plan in a file.
pub(super) fn plan(file: &Path) -> Result<Plan, CommandError> {
    let shown = file.display();
    let text = fs::read_to_string(file)
        .map_err(|error| CommandError::usage(format!("the plan {shown} can't be read: {error}")))?;
    Plan::read(&text).map_err(|wrong| {
        CommandError::usage(format!("{shown}, {wrong}")).next("`micronet net --help` shows a plan")
    })
}

/// The service of an instance, and the instance.
fn with_service(name: String) -> Result<(String, String), CommandError> {
    let service = name.rsplit_once('-').map_or(&*name, |(service, _)| service);
    let known = callers();
    if !known.contains(&service) {
        return Err(CommandError::usage(format!("there is no service for an instance {name:?}"))
            .next(format!("write SERVICE-NUMBER, with one of {}", known.join(", "))));
    }
    Ok((service.to_owned(), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(file: Option<&Path>) -> NetFlags {
        let network = file.map(Path::to_owned);
        NetFlags { instance: None, network, apply: false, clear: false, json: false }
    }

    #[test]
    fn a_plan_that_is_wrong_is_refused_with_its_file_and_line() {
        let file = std::env::temp_dir().join(format!("micronet-plan-{}.toml", std::process::id()));
        let read = |text: &str| {
            fs::write(&file, text).unwrap();
            let read = net(flags(Some(&file)));
            fs::remove_file(&file).unwrap();
            read.map_err(|error| error.to_string())
        };
        let right = read("[segment.all]\nmembers = ['gateway', 'order']").unwrap();
        assert!(matches!(right, NetWork::Offline(_)), "{right:?}");
        let wrong = read("[segment.all]\nmembers = ['order', 'nobody']").unwrap_err();
        assert!(wrong.contains(&format!("{}, line 2: \"nobody\"", file.display())), "{wrong}");
        let missing = net(flags(Some(Path::new("no such file")))).unwrap_err().to_string();
        assert!(missing.contains("no such file"), "{missing}");
    }

    #[test]
    fn an_instance_is_one_of_a_service() {
        assert_eq!(with_service("order-2".into()).unwrap(), ("order".into(), "order-2".into()));
        assert!(with_service("nobody-1".into()).unwrap_err().to_string().contains("\"nobody-1\""));
        let running = net(flags(None)).unwrap();
        assert!(
            matches!(running, NetWork::Running(NetCommand { change: NetChange::Keep, .. })),
            "{running:?}"
        );
    }
}
