//! The configuration of `chat`.

use std::path::PathBuf;

use super::{Environment, TlsConfig, front};
use crate::address::HostPort;
use crate::cli::chat::ChatFlags;
use crate::error::CommandError;
use crate::registry::BASE_PORT;

/// As whom it is talked, and how that is shown.
#[derive(Debug)]
pub(crate) struct ChatConfig {
    /// As whom.
    pub(crate) way: ChatWay,
    /// Whether messages are printed as JSON.
    pub(crate) json: bool,
    /// The data folder.
    pub(crate) data: PathBuf,
}

/// As whom it is talked.
#[derive(Debug)]
pub(crate) enum ChatWay {
    /// As the operator, straight with the control service.
    Operator {
        /// How TLS is spoken, where that was asked for; a running network says so itself.
        tls: Option<TlsConfig>,
    },
    /// As who has signed in, through a gateway.
    Login {
        /// The gateway, where it was named; else it is that of the network on the data folder, or the default.
        at: Option<HostPort>,
        /// The folder of those who have signed in.
        folder: PathBuf,
    },
}

pub(super) fn chat(
    flags: ChatFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<ChatConfig, CommandError> {
    let way = if flags.login {
        let at = match &flags.at {
            Some(text) => Some(HostPort::parse_url(text, BASE_PORT)?),
            None => front(environment)?,
        };
        let folder = super::logins::folder(environment).ok_or_else(|| {
            CommandError::new("there is no folder for logins").next("set HOME, or XDG_CONFIG_HOME")
        })?;
        ChatWay::Login { at, folder }
    } else {
        ChatWay::Operator { tls: super::tls::tls(flags.tls, &data, environment)? }
    };
    Ok(ChatConfig { way, json: flags.json, data })
}
