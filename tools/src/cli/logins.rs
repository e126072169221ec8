//! The flags of `login`, `logout` and `whoami`.

use clap::Args;

const LOGIN_HELP: &str = "\
Examples:
  micronet login manager@demo.example         asks for the password
  micronet login ada@shop.example --at shop.example:8000
  micronet whoami
  micronet call auth.me --login               as who has signed in
  micronet logout

The password is read from the terminal and not shown, or from stdin: never from
an argument. What comes of it stands in ~/.config/micronet/logins.json, which
nobody else can read: for each gateway an access token, and the refresh token by
which a new one is got when it ends. XDG_CONFIG_HOME moves the folder.";

/// Which gateway.
#[derive(Debug, Args)]
pub(crate) struct AtFlags {
    /// The gateway: HOST, HOST:PORT or http://HOST:PORT [default: FRONT, else the running network's, else localhost:8000]
    #[arg(long, value_name = "URL")]
    pub(crate) at: Option<String>,
}

/// The flags of `login`.
#[derive(Debug, Args)]
#[command(after_help = LOGIN_HELP)]
pub(crate) struct LoginFlags {
    /// The account's e-mail address [default: it is asked for]
    #[arg(value_name = "EMAIL")]
    pub(crate) email: Option<String>,
    #[command(flatten)]
    pub(crate) at: AtFlags,
}

/// The flags of `logout`.
#[derive(Debug, Args)]
pub(crate) struct LogoutFlags {
    /// End all sessions of the account, and not only this one
    #[arg(long)]
    pub(crate) everywhere: bool,
    #[command(flatten)]
    pub(crate) at: AtFlags,
}

/// The flags of `whoami`.
#[derive(Debug, Args)]
pub(crate) struct WhoamiFlags {
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) at: AtFlags,
}
