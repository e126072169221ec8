//! Where Redis is.

use std::str::FromStr;

use super::Environment;
use crate::cli::redis::RedisFlag;
use crate::error::CommandError;
use crate::registry::REDIS_ENVIRONMENT;

/// What the flag says, or else the environment. What is said of a bad URL doesn't repeat it: it may hold a password.
pub(super) fn redis<T: FromStr<Err = String>>(
    flag: RedisFlag,
    environment: Environment<'_>,
) -> Result<Option<T>, CommandError> {
    let (said_by, url) = match flag.redis {
        Some(url) => ("--redis", url),
        None => match environment(REDIS_ENVIRONMENT) {
            Some(url) if !url.is_empty() => (REDIS_ENVIRONMENT, url),
            _ => return Ok(None),
        },
    };
    let refuse = |why: String| {
        CommandError::usage(format!("{said_by} is no URL of a Redis server: {why}"))
            .next("write it as redis://HOST:PORT, or redis://USER:PASSWORD@HOST:PORT")
    };
    url.parse().map(Some).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use micronet_services::redis_url::RedisUrl;

    use super::*;

    #[test]
    fn the_flag_comes_before_the_environment_and_no_password_is_repeated() {
        let flag = |text: &str| RedisFlag { redis: Some(text.to_owned()) };
        let environment = |_: &str| Some("redis://there:1".to_owned());
        let found = |flag, environment| {
            redis::<RedisUrl>(flag, environment).map(|url| url.map(|url| url.to_string()))
        };
        assert_eq!(
            found(flag("redis://:sesame@here:2"), &environment).unwrap(),
            Some("redis://here:2".into())
        );
        assert_eq!(found(RedisFlag::default(), &environment).unwrap(), Some("redis://there:1".into()));
        assert_eq!(found(RedisFlag::default(), &|_: &str| None).unwrap(), None);
        let refused = found(flag("http://:sesame@here"), &environment).unwrap_err().to_string();
        assert!(refused.contains("--redis") && !refused.contains("sesame"), "{refused}");
    }
}
