//! The flags of `schema`, and those by which other commands name a schema.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::certs::TlsFlags;

const SCHEMA_HELP: &str = "\
A schema comes from a service of the running network (product), from whoever
answers at an address (localhost:8002), or from a file that `schema export` has
written (./product.json: a name with a slash or a dot, or of a file that is
there).

Examples:
  micronet schema show product                all of it
  micronet schema show product query          one method
  micronet schema export product --output old.json
  micronet schema diff old.json product       what has changed since
  micronet schema diff localhost:8002 localhost:8012
  micronet schema openapi product order > openapi.json

`diff` compares by the rules by which calls are adapted between builds, and ends
with 1 where callers of the first one can't call instances of the second.";

/// The flags of `schema`.
#[derive(Debug, Args)]
#[command(after_help = SCHEMA_HELP)]
pub(crate) struct SchemaFlags {
    #[command(subcommand)]
    pub(crate) work: RawSchemaWork,
}

/// As whom an instance is asked for its schema.
#[derive(Debug, Args)]
pub(crate) struct AskingFlags {
    /// Ask without the operator's token, as a stranger
    #[arg(long, conflicts_with_all = ["mtls", "certs"])]
    pub(crate) anonymous: bool,
    #[command(flatten)]
    pub(crate) tls: TlsFlags,
}

/// What is done with schemas.
#[derive(Debug, Subcommand)]
pub(crate) enum RawSchemaWork {
    /// Show what can be called, with all fields and errors
    Show {
        /// A service, an address, or a file
        #[arg(value_name = "SOURCE")]
        source: String,
        /// Only this method
        #[arg(value_name = "METHOD")]
        method: Option<String>,
        /// Print the schema itself as JSON
        #[arg(long, conflicts_with = "method")]
        json: bool,
        #[command(flatten)]
        asking: AskingFlags,
    },
    /// Compare two schemas, and tell which calls still work
    Diff {
        /// The schema that callers were built with: a service, an address, or a file
        #[arg(value_name = "OLDER")]
        older: String,
        /// The schema that instances serve
        #[arg(value_name = "NEWER")]
        newer: String,
        /// Print the comparison as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        asking: AskingFlags,
    },
    /// Write a schema for other programs, or for later
    #[command(group = ArgGroup::new("form").args(["json", "binary", "lua"]))]
    Export {
        /// A service, an address, or a file
        #[arg(value_name = "SOURCE")]
        source: String,
        /// As JSON; this is the default
        #[arg(long)]
        json: bool,
        /// As it travels
        #[arg(long)]
        binary: bool,
        /// As Wireshark's dissector reads it, to show fields by name: see `micronet dissector`
        #[arg(long)]
        lua: bool,
        /// The file [default: stdout]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        asking: AskingFlags,
    },
    /// Print the OpenAPI document of what HTTP reaches
    Openapi {
        /// Services, addresses, or files
        #[arg(value_name = "SOURCE", required = true)]
        sources: Vec<String>,
        #[command(flatten)]
        asking: AskingFlags,
    },
}
