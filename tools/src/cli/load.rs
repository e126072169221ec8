//! The flags of `micronet load`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

const TOYSTORE_EXAMPLES: &str = "\
Examples:
  micronet load toystore                       one to five clients
  micronet load toystore --clients 1,2,8 --gets 5000
  micronet load toystore --plot latency.svg    and a drawing of it
  micronet load toystore --to shop.example:6060 --json

For each number of clients, every client first asks for random products and then
orders one piece of a random product, one request after another, on a keep-alive
connection of its own. Where the service can restock and the data folder has the
operator's token, the stock is filled up first; else it sells out, and the table
says how many orders were placed. The gateway is found as `micronet shop` finds
it. The exit code is 0 when everything was answered, also with \"out of stock\", 1
when something failed, and 130 when Ctrl-C stopped it.";

/// The flags of `load`.
#[derive(Debug, Args)]
pub(crate) struct LoadFlags {
    #[command(subcommand)]
    pub(crate) scenario: LoadScenario,
}

/// What is measured.
#[derive(Debug, Subcommand)]
pub(crate) enum LoadScenario {
    /// The toy store's own measurement: 1000 GETs and 100 orders by each of 1 to 5 clients
    #[command(after_help = TOYSTORE_EXAMPLES)]
    Toystore(ToystoreFlags),
}

/// The flags of `load toystore`.
#[derive(Debug, Args)]
pub(crate) struct ToystoreFlags {
    /// How many clients there are at once, one number after the other: a range, or a list
    #[arg(long, value_name = "FROM..TO", default_value = "1..5")]
    pub(crate) clients: String,
    /// Products that each client asks for
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) gets: u64,
    /// Orders that each client places
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) posts: u64,
    /// The gateway [default: FRONT, else the running network's, else localhost:8000]
    #[arg(long, visible_alias = "url", value_name = "URL")]
    pub(crate) to: Option<String>,
    /// Draw the average latencies to this file
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
    /// Print the results as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
