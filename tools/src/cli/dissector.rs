//! The flags of `dissector`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

const DISSECTOR_HELP: &str = "\
Examples:
  micronet dissector install          Wireshark and tshark know the protocol from now on
  micronet dissector path             where it would be, or is
  micronet dissector install --to .   as a file, for tshark -X lua_script:micronet.lua

Where the folder is, Wireshark itself is asked (tshark -G folders), if it is installed.";

/// The flags of `dissector`.
#[derive(Debug, Args)]
#[command(after_help = DISSECTOR_HELP)]
pub(crate) struct DissectorFlags {
    #[command(subcommand)]
    pub(crate) what: RawDissector,
}

/// What is to be done with the dissector.
#[derive(Debug, Subcommand)]
pub(crate) enum RawDissector {
    /// Put it where Wireshark looks for plugins of this user; an older one is replaced
    Install(FolderFlags),
    /// Print the file that `install` writes, and whether it is there
    Path(FolderFlags),
    /// Take it away again
    Uninstall(FolderFlags),
}

/// Where the dissector is.
#[derive(Debug, Args)]
pub(crate) struct FolderFlags {
    /// The folder [default: Wireshark's personal folder of Lua plugins]
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
}
