//! The flags of `chat`.

use clap::Args;

use super::certs::TlsFlags;

const CHAT_HELP: &str = "\
Talks with the chat of those who operate the network: what is typed is done at
once, everybody there sees what a manager does, and what happens is announced.
`help` lists the commands; the Tab key completes them, services and instances.

Who has the network's data folder is its operator, and a manager. With --login it
is the account that `micronet login` has signed in to, through the gateway.

Where stdin is no terminal its lines are commands, one after another, and stdout
has what came of them; greetings and announcements go to stderr. Then the exit
code is 0 when everything was done, 1 when something was refused or failed, and
2 when there was nobody to talk with.

Examples:
  micronet chat
  micronet chat --login --at shop.example:8000
  echo status | micronet chat
  printf 'fail user\\nyes\\n' | micronet chat
  echo instances | micronet chat --json | jq .data";

/// The flags of `chat`.
#[derive(Debug, Args)]
#[command(after_help = CHAT_HELP)]
pub(crate) struct ChatFlags {
    /// As who has signed in by `micronet login`, and not as the operator
    #[arg(long)]
    pub(crate) login: bool,
    /// The gateway where that was: HOST, HOST:PORT or http://HOST:PORT [default: FRONT, else the running network's]
    #[arg(long, value_name = "URL", requires = "login")]
    pub(crate) at: Option<String>,
    /// Print each message as an object, a line each
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) tls: TlsFlags,
}
