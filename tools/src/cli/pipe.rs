//! The flags of `pipe`.

use clap::{Args, Subcommand};

const PIPE_HELP: &str = "\
Examples:
  micronet pipe serve                         in one terminal, and in another:
  micronet pipe send 'A message from CS361!'
  echo hello | nc -N localhost 3000           netcat in place of the one, or
  nc -l 3000                                  of the other
  micronet pipe serve --rpc                   the same by the protocol, so that
  micronet pipe send --rpc 'hello'            both can be seen in one capture

By TCP alone a message ends with its connection, and whoever has sent it learns
no more than that. With --rpc it is a call, `pipe.say`: there is a length, a
checksum and a deadline, and an answer says that it was heard.";

/// The flags of `pipe`.
#[derive(Debug, Args)]
#[command(after_help = PIPE_HELP)]
pub(crate) struct PipeFlags {
    #[command(subcommand)]
    pub(crate) work: RawPipeWork,
    /// Where it listens, or where to send: HOST, HOST:PORT
    #[arg(long, global = true, value_name = "ADDR", default_value = "localhost:3000")]
    pub(crate) at: String,
    /// Speak the protocol instead of TCP alone
    #[arg(long, global = true)]
    pub(crate) rpc: bool,
}

/// Which end.
#[derive(Debug, Subcommand)]
pub(crate) enum RawPipeWork {
    /// Serve a connection, show what comes, and end
    Serve {
        /// Serve so many connections, one after another
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
        count: u64,
        /// Serve until Ctrl-C
        #[arg(long, conflicts_with = "count")]
        forever: bool,
    },
    /// Send a message
    Send {
        /// The message; - for stdin
        #[arg(value_name = "MESSAGE", default_value = "A message from CS361!")]
        message: String,
    },
}
