//! The configuration of `login`, `logout` and `whoami`.

use std::path::PathBuf;

use super::{Environment, front};
use crate::address::HostPort;
use crate::cli::logins::{AtFlags, LoginFlags, LogoutFlags, WhoamiFlags};
use crate::error::CommandError;
use crate::registry::BASE_PORT;

/// What is done about a login, and where.
#[derive(Debug)]
pub(crate) struct LoginConfig {
    /// What is done.
    pub(crate) work: LoginWork,
    /// The gateway, where it was named; else it is that of the network on the data folder, or the default.
    pub(crate) at: Option<HostPort>,
    /// The folder of those who have signed in.
    pub(crate) folder: PathBuf,
    /// The data folder.
    pub(crate) data: PathBuf,
}

/// What is done about a login.
#[derive(Debug)]
pub(crate) enum LoginWork {
    /// Somebody signs in.
    In {
        /// Whose account it is, where that was said.
        email: Option<String>,
    },
    /// Somebody signs out.
    Out {
        /// In all sessions.
        everywhere: bool,
    },
    /// It is told who has signed in.
    Who {
        /// As JSON.
        json: bool,
    },
}

pub(super) fn login(
    flags: LoginFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<LoginConfig, CommandError> {
    config(LoginWork::In { email: flags.email }, &flags.at, data, environment)
}

pub(super) fn logout(
    flags: &LogoutFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<LoginConfig, CommandError> {
    config(LoginWork::Out { everywhere: flags.everywhere }, &flags.at, data, environment)
}

pub(super) fn whoami(
    flags: &WhoamiFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<LoginConfig, CommandError> {
    config(LoginWork::Who { json: flags.json }, &flags.at, data, environment)
}

fn config(
    work: LoginWork,
    at: &AtFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<LoginConfig, CommandError> {
    let at = match &at.at {
        Some(text) => Some(HostPort::parse_url(text, BASE_PORT)?),
        None => front(environment)?,
    };
    let folder = folder(environment).ok_or_else(|| {
        CommandError::new("there is no folder for logins").next("set HOME, or XDG_CONFIG_HOME")
    })?;
    Ok(LoginConfig { work, at, folder, data })
}

/// Where logins are kept: as the XDG Base Directory Specification has it.
pub(super) fn folder(environment: Environment<'_>) -> Option<PathBuf> {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let own = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    Some(own.or_else(|| Some(set("HOME")?.join(".config")))?.join("micronet"))
}
