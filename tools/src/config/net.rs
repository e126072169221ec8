//! The configuration of `net`: a plan that was read and is right.

use std::fs;
use std::path::Path;

use crate::cli::net::NetFlags;
use crate::error::CommandError;
use crate::network_plan::Plan;
use crate::network_plan::read::read;
use crate::registry::{GATEWAY, SERVICES};

/// What is shown.
#[derive(Debug)]
pub(crate) struct NetConfig {
    /// The plan.
    pub(crate) plan: Plan,
    /// The instance whose links are shown, with its service; else the plan itself is.
    pub(crate) instance: Option<(String, String)>,
    /// As JSON.
    pub(crate) json: bool,
}

pub(super) fn net(flags: NetFlags) -> Result<NetConfig, CommandError> {
    let plan = plan(&flags.network)?;
    let instance = flags.instance.map(|name| {
        let known = services();
        let service = name.rsplit_once('-').map_or(&*name, |(service, _)| service);
        match known.contains(&service) {
            true => Ok((service.to_owned(), name.clone())),
            false => Err(CommandError::usage(format!("there is no service for an instance {name:?}"))
                .next(format!("write SERVICE-NUMBER, with one of {}", known.join(", ")))),
        }
    });
    Ok(NetConfig { plan, instance: instance.transpose()?, json: flags.json })
}

/// The plan in a file.
pub(super) fn plan(file: &Path) -> Result<Plan, CommandError> {
    let shown = file.display();
    let text = fs::read_to_string(file)
        .map_err(|error| CommandError::usage(format!("the plan {shown} can't be read: {error}")))?;
    read(&text, &services()).map_err(|wrong| {
        CommandError::usage(format!("{shown}, {wrong}")).next("`micronet net --help` shows a plan")
    })
}

/// All that can be a member of a segment.
fn services() -> Vec<&'static str> {
    [GATEWAY].into_iter().chain(SERVICES.iter().map(|service| service.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_is_wrong_is_refused_with_its_file_and_line() {
        let file = std::env::temp_dir().join(format!("micronet-plan-{}.toml", std::process::id()));
        let net = |text: &str, instance: Option<&str>| {
            fs::write(&file, text).unwrap();
            let flags =
                NetFlags { instance: instance.map(str::to_owned), network: file.clone(), json: false };
            let read = net(flags).map(|config| config.instance);
            fs::remove_file(&file).unwrap();
            read.map_err(|error| error.to_string())
        };
        let right = "[segment.all]\nmembers = ['gateway', 'order']";
        assert_eq!(net(right, None), Ok(None));
        assert_eq!(net(right, Some("order-2")), Ok(Some(("order".into(), "order-2".into()))));
        assert!(net(right, Some("nobody-1")).unwrap_err().contains("\"nobody-1\""));
        let wrong = net("[segment.all]\nmembers = ['order', 'nobody']", None).unwrap_err();
        assert!(wrong.contains(&format!("{}, line 2: \"nobody\"", file.display())), "{wrong}");
        let flags = NetFlags { instance: None, network: "no such file".into(), json: false };
        assert!(super::net(flags).unwrap_err().to_string().contains("no such file"));
    }
}
