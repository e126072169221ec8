//! Logs: structured lines on stderr, filtered by `--log` or `RUST_LOG`.

mod json;

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use self::json::Json;
use crate::cli::LogFormat;
use crate::error::CommandError;
use crate::terminal::Style;

/// What a filter may be, in words.
const POSSIBLE: &str = "give a level (error, warn, info, debug, trace, off) or TARGET=LEVEL pairs with commas between, such \
                        as warn,micronet_gateway=debug; targets are micronet, micronet_gateway, micronet_services, \
                        micronet_transport, micronet_wire and what they use";

/// Starts logging with this filter, or with the command's own level where none is given.
pub(crate) fn start(
    filter: Option<&str>,
    format: LogFormat,
    default_level: &str,
) -> Result<(), CommandError> {
    let directives = filter.filter(|text| !text.trim().is_empty()).unwrap_or(default_level);
    let filter = filter_of(directives).map_err(|why| {
        CommandError::usage(format!("the log filter {directives:?} means nothing: {why}"))
            .next(format!("{POSSIBLE} (--log or RUST_LOG)"))
    })?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(format == LogFormat::Text && Style::for_stderr().colours())
        // When stderr is gone there is nobody left to tell; the default would panic on it.
        .log_internal_errors(false);
    let set = match format {
        LogFormat::Text => tracing::subscriber::set_global_default(subscriber.finish()),
        LogFormat::Json => tracing::subscriber::set_global_default(subscriber.event_format(Json).finish()),
    };
    set.map_err(|error| CommandError::new(format!("logging could not start: {error}")))
}

/// Reads a filter. A word without a level would be taken for a target, of which everything is logged: a mistyped level.
fn filter_of(directives: &str) -> Result<EnvFilter, String> {
    let words = directives.split(',').map(str::trim).filter(|word| !word.is_empty());
    let is_word = |word: &&str| !word.contains(['=', '[', ']', '{', '}']);
    if let Some(word) = words.filter(is_word).find(|word| word.parse::<LevelFilter>().is_err()) {
        return Err(format!("{word:?} is no level"));
    }
    EnvFilter::try_new(directives).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_levels_and_targets_with_levels() {
        for filter in ["info", "WARN", "off", "warn,micronet_gateway=debug", "micronet[call{id=1}]=trace"] {
            assert!(filter_of(filter).is_ok(), "{filter}");
        }
        for filter in ["bogus", "debgu", "micronet_wire", "info,bogus", "micronet=bogus"] {
            assert!(filter_of(filter).is_err(), "{filter}");
        }
    }
}
