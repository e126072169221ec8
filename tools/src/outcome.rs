//! `micronet outcome`: what became of a write that bore an idempotency token.

use std::process::ExitCode;

use bytes::BytesMut;
use micronet_wire::builtin::BuiltinClient;
use micronet_wire::outcomes::OutcomeOf;
use micronet_wire::rest::put_outcome;
use micronet_wire::service::CallOptions;

use crate::call::{Reached, deadline_ns, failure, method_of, reach};
use crate::config::OutcomeConfig;
use crate::error::CommandError;
use crate::server_process;
use crate::terminal;

/// Asks, and prints the answer.
pub(crate) fn run(config: &OutcomeConfig) -> Result<ExitCode, CommandError> {
    server_process::runtime()?.block_on(ask(config))
}

async fn ask(config: &OutcomeConfig) -> Result<ExitCode, CommandError> {
    let Reached { address, client, schema, .. } = reach(&config.callee).await?;
    let schema = schema.schema();
    let method = method_of(schema, &config.method)?;
    let options = CallOptions { deadline_ns: deadline_ns(&config.callee), ..CallOptions::default() };
    let (token, principal) = (config.token.clone(), config.principal.clone());
    let of = OutcomeOf { method: method.id, token, principal };
    let outcome = BuiltinClient::new(client).outcome(&of, options).await;
    let outcome = outcome.map_err(|error| failure(&config.callee, address, &error))?;
    let mut json = BytesMut::new();
    put_outcome(schema, method, &outcome, &mut json)
        .map_err(|error| CommandError::new(format!("the answer can't be shown: {error}")))?;
    terminal::say(&String::from_utf8_lossy(&json));
    Ok(ExitCode::SUCCESS)
}
