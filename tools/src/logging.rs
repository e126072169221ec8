//! Logs: structured lines on stderr, filtered by `--log` or `RUST_LOG`.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::error::CommandError;
use crate::terminal::Style;

/// Starts logging with this filter, or with the command's own level where none is given.
pub(crate) fn start(filter: Option<&str>, default_level: &str) -> Result<(), CommandError> {
    let directives = filter.filter(|text| !text.trim().is_empty()).unwrap_or(default_level);
    let filter = EnvFilter::try_new(directives).map_err(|error| {
        CommandError::usage(format!("the log filter {directives:?} means nothing: {error}")).next(
            "give a level (error, warn, info, debug, trace) or TARGET=LEVEL pairs with --log or RUST_LOG",
        )
    })?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(Style::for_stderr().colours())
        // When stderr is gone there is nobody left to tell; the default would panic on it.
        .log_internal_errors(false)
        .finish();
    tracing::subscriber::set_global_default(subscriber)
        .map_err(|error| CommandError::new(format!("logging could not start: {error}")))
}
