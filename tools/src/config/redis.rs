//! Which Redis is told of sessions, if one is.

use micronet_services::redis_url::RedisUrl;

use super::Environment;
use crate::cli::RedisFlags;
use crate::error::CommandError;
use crate::registry::REDIS_ENVIRONMENT;

/// The Redis that is named, by the flag or by the environment. What is said of a bad URL doesn't repeat it: it may hold a password.
pub(super) fn redis(
    flags: RedisFlags,
    environment: Environment<'_>,
) -> Result<Option<RedisUrl>, CommandError> {
    let (text, place) = match flags.redis {
        Some(text) => (text, "--redis"),
        None => match environment(REDIS_ENVIRONMENT).filter(|text| !text.trim().is_empty()) {
            Some(text) => (text, REDIS_ENVIRONMENT),
            None => return Ok(None),
        },
    };
    text.trim().parse().map(Some).map_err(|error| {
        CommandError::usage(format!("{place} names no Redis: {error}"))
            .next("write redis://USER:PASSWORD@HOST:PORT/DATABASE, or leave it out")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_comes_before_the_environment_and_no_password_is_repeated() {
        let flags = |text: &str| RedisFlags { redis: Some(text.to_owned()) };
        let environment = |_: &str| Some("redis://there:1".to_owned());
        let shown = |found: Option<RedisUrl>| found.map(|url| url.to_string());
        assert_eq!(
            shown(redis(flags("redis://:sesame@here:2"), &environment).unwrap()).unwrap(),
            "redis://here:2"
        );
        assert_eq!(shown(redis(RedisFlags::default(), &environment).unwrap()).unwrap(), "redis://there:1");
        assert_eq!(shown(redis(RedisFlags::default(), &|_: &str| None).unwrap()), None);
        let refused = redis(flags("http://:sesame@here"), &environment).unwrap_err().to_string();
        assert!(refused.contains("--redis") && !refused.contains("sesame"), "{refused}");
    }
}
