//! Where Redis is.

use micronet_gateway::rates::RedisAt;

use super::Environment;
use crate::cli::redis::RedisFlag;
use crate::error::CommandError;

/// The variable that says it, too.
const VARIABLE: &str = "REDIS_URL";

/// What the flag says, or else the environment.
pub(super) fn redis(flag: RedisFlag, environment: Environment<'_>) -> Result<Option<RedisAt>, CommandError> {
    let (said_by, url) = match flag.redis {
        Some(url) => ("--redis", url),
        None => match environment(VARIABLE) {
            Some(url) if !url.is_empty() => (VARIABLE, url),
            _ => return Ok(None),
        },
    };
    let refuse = |why: String| {
        CommandError::usage(format!("{said_by} is no URL of a Redis server: {why}"))
            .next("write it as redis://HOST:PORT, or redis://USER:PASSWORD@HOST:PORT")
    };
    url.parse().map(Some).map_err(refuse)
}
