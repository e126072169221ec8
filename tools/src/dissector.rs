//! `micronet dissector`: puts the dissector of Wireshark, which is a part of this program, where Wireshark finds it, and beside it the
//! schemas of the services that this program has, so that their methods have names whatever a capture lacks.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use micronet_gateway::api::gateway_schema;
use micronet_services::auth::api::auth_schema;
use micronet_services::node::api::node_schema;
use micronet_services::order::api::order_schema;
use micronet_services::product::api::product_schema;
use micronet_services::user::api::user_schema;
use micronet_wire::network::operation_schema;
use micronet_wire::schema::EncodedSchema;

use crate::config::{DissectorConfig, DissectorWork};
use crate::control::api::control_schema;
use crate::error::CommandError;
use crate::terminal::say;

/// The dissector, as it stands in the repository.
const DISSECTOR: &str = include_str!("../../proto-spec/micronet.lua");
/// Its file.
const FILE: &str = "micronet.lua";
/// The file of the schemas.
const SCHEMAS_FILE: &str = "micronet-schemas.lua";
/// What Wireshark calls the folder of its user's scripts, and before version 4.0 the one of all of their plugins.
const FOLDERS: [&str; 2] = ["Personal Lua Plugins:", "Personal Plugins:"];

/// Does what is to be done.
pub(crate) fn run(config: &DissectorConfig) -> Result<ExitCode, CommandError> {
    let folder = match &config.to {
        Some(to) => to.clone(),
        None => ["tshark", "wireshark"].into_iter().find_map(asked).unwrap_or_else(|| config.usual.clone()),
    };
    let file = folder.join(FILE);
    let said = match config.work {
        DissectorWork::Install => install(&folder),
        DissectorWork::Path => Ok(path(&file)),
        DissectorWork::Uninstall => uninstall(&folder),
    };
    let said = said.map_err(|error| {
        CommandError::new(format!("{}: {error}", file.display())).next("another folder is named by --to DIR")
    })?;
    say(&said);
    Ok(ExitCode::SUCCESS)
}

/// The folder of personal plugins as Wireshark's own program says it.
fn asked(program: &str) -> Option<PathBuf> {
    let mut command = Command::new(program);
    command.args(["-G", "folders"]).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    personal_folder(&String::from_utf8_lossy(&output.stdout))
}

fn personal_folder(folders: &str) -> Option<PathBuf> {
    let named = |name: &str| folders.lines().find_map(|line| line.strip_prefix(name));
    FOLDERS.into_iter().find_map(named).map(str::trim).filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn install(folder: &Path) -> io::Result<String> {
    fs::create_dir_all(folder)?;
    for (name, text) in [(FILE, DISSECTOR), (SCHEMAS_FILE, &schemas())] {
        // Wireshark may be starting: it finds the old one or the new one, and never a half.
        let fresh = folder.join(name).with_extension("new");
        fs::write(&fresh, text)?;
        fs::rename(&fresh, folder.join(name))?;
    }
    Ok(format!(
        "{}\nWireshark and tshark know micronet when they are started the next time, or by Ctrl+Shift+L.",
        folder.join(FILE).display()
    ))
}

/// The schemas of all services of this program, as Lua.
fn schemas() -> String {
    let all = [
        auth_schema(),
        control_schema(),
        gateway_schema(),
        operation_schema(),
        node_schema(),
        order_schema(),
        product_schema(),
        user_schema(),
    ];
    // Those that break a rule would serve nowhere: a test holds that there are none.
    all.into_iter()
        .filter_map(|schema| EncodedSchema::new(schema).ok())
        .map(|schema| schema.to_lua())
        .collect()
}

fn path(file: &Path) -> String {
    let state = match fs::read(file) {
        Ok(bytes) if bytes == DISSECTOR.as_bytes() => "installed",
        Ok(_) => "another version is installed: `micronet dissector install` replaces it",
        Err(_) => "not installed: `micronet dissector install` puts it there",
    };
    format!("{}\n{state}", file.display())
}

fn uninstall(folder: &Path) -> io::Result<String> {
    let mut said = Vec::new();
    for file in [FILE, SCHEMAS_FILE].map(|name| folder.join(name)) {
        match fs::remove_file(&file) {
            Ok(()) => said.push(format!("{} is gone", file.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                said.push(format!("there is no {}", file.display()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(said.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wireshark_says_where_plugins_are() {
        let check =
            |said, expected: Option<&str>| assert_eq!(personal_folder(said), expected.map(PathBuf::from));
        check(
            "Personal Plugins:    \t/r/plugins/4.0\nPersonal Lua Plugins:\t/r/plugins\nExtcap path:\t/x\n",
            Some("/r/plugins"),
        );
        check("Temp:\t/tmp\nPersonal Plugins:\t/r/plugins\n", Some("/r/plugins"));
        check("Temp:\t/tmp\n", None);
    }

    #[test]
    fn all_schemas_are_there() {
        let schemas = schemas();
        for service in ["auth", "control", "gateway", "network", "node", "order", "product", "user"] {
            assert!(schemas.contains(&format!("    name = \"{service}\",\n")), "{service}");
        }
    }
}
