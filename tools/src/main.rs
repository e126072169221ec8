//! The `micronet` command: starts the network or a part of it, and speaks to it.
//!
//! This file parses, runs and turns the outcome into an exit code. Each command has its own module; [`cli`] holds the
//! raw flags and [`config`] turns them into values that are ready to use, before any port is bound.

mod address;
mod bench;
mod call;
mod certs;
mod chat;
mod cli;
mod complete;
mod config;
mod control;
mod data_folder;
mod databases;
mod decode;
mod describe;
mod discovery;
mod dissector;
mod error;
mod flame;
mod gateway;
mod identity;
mod inherited;
mod instances;
mod lab;
mod load;
mod logging;
mod logins;
mod machine;
mod nc;
mod net;
mod network_file;
mod network_plan;
mod operate;
mod otlp;
mod outcome;
mod page;
mod ping;
mod pipe;
mod plot;
mod proc_stat;
mod process_limits;
mod profile;
mod registration;
mod registry;
mod schema;
mod server_process;
mod service;
mod shop;
mod start_pages;
mod stop_signal;
mod suggest;
mod table;
mod tap;
mod tasks;
mod terminal;
mod toystore;
mod traffic;
mod up;
mod websocket;

use std::process::ExitCode;

use clap::Parser;

use crate::config::Command;
use crate::error::CommandError;

/// Gives back what a rush of clients has made it take; the C library's allocator keeps most of that for ever, and a little more each
/// time.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match run(cli::Flags::parse()) {
        Ok(code) => code,
        Err(error) => {
            terminal::warn(&format!("{error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(flags: cli::Flags) -> Result<ExitCode, CommandError> {
    let (log, format) = (flags.log.clone(), flags.log_format);
    let command = config::command(flags, &|name| std::env::var(name).ok())?;
    logging::start(log.as_deref(), format, command.default_log_level())?;
    match command {
        Command::Up(config) => up::run(config),
        Command::Service(config) => service::run(config).map(|()| ExitCode::SUCCESS),
        Command::Gateway(config) => gateway::run(config).map(|()| ExitCode::SUCCESS),
        Command::Bench(command) => bench::run(command),
        Command::Call(config) => call::run(&config),
        Command::Chat(config) => chat::run(&config),
        Command::Nc(config) => nc::run(&config),
        Command::Login(config) => logins::run(&config),
        Command::Ping(config) => ping::run(&config),
        Command::Profile(config) => flame::run(&config),
        Command::Tasks(config) => tasks::run(&config),
        Command::Tap(config) => tap::run(&config),
        Command::Dissector(config) => dissector::run(&config),
        Command::Net(config) => Ok(net::run(&config)),
        Command::Outcome(config) => outcome::run(&config),
        Command::Instances(config) => instances::run(&config),
        Command::Decode(config) => decode::run(&config),
        Command::Pipe(config) => pipe::run(&config),
        Command::Complete(words, data) => complete::candidates(&words, data),
        Command::Completions(shell) => Ok(complete::script(shell)),
        Command::Schema(config) => schema::run(&config),
        Command::Shop(config) => shop::run(&config),
        Command::Lab(config) => lab::run(&config),
        Command::Operate(config) => operate::run(config),
        Command::Certs(config) => certs::run(&config),
        Command::Load(config) => traffic::run(&config),
        Command::LoadInstance(config) => traffic::instance::run(&config),
        Command::LoadToystore(config) => toystore::run(&config),
    }
}
