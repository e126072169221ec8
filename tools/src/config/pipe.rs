//! The configuration of `pipe`.

use crate::address::HostPort;
use crate::cli::pipe::{PipeFlags, RawPipeWork};
use crate::error::CommandError;

/// The port where there is none in the address.
const PORT: u16 = 3000;

/// Which end of the pipe this is.
#[derive(Debug)]
pub(crate) struct PipeConfig {
    pub(crate) work: PipeWork,
    /// Where it listens, or where to send.
    pub(crate) at: HostPort,
    /// Whether the protocol is spoken.
    pub(crate) rpc: bool,
}

/// Which end of the pipe this is.
#[derive(Debug)]
pub(crate) enum PipeWork {
    /// Serve so many connections, or until it is stopped.
    Serve { connections: Option<u64> },
    /// Send a message.
    Send { message: String },
}

pub(super) fn pipe(flags: PipeFlags) -> Result<PipeConfig, CommandError> {
    let work = match flags.work {
        RawPipeWork::Serve { count, forever } => PipeWork::Serve { connections: (!forever).then_some(count) },
        RawPipeWork::Send { message } => PipeWork::Send { message },
    };
    Ok(PipeConfig { work, at: HostPort::parse(&flags.at, Some(PORT))?, rpc: flags.rpc })
}
