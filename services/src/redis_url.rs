//! Where Redis is. The URL may hold a password: it is kept here, and what is shown of it leaves the password out.

use std::fmt;
use std::str::FromStr;

use redis::{ConnectionAddr, IntoConnectionInfo as _};

/// The URL of a Redis server: `redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]`, `rediss://…` for TLS where it is built in, or
/// `unix://…`.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    secret: String,
    shown: String,
}

impl RedisUrl {
    /// The URL with its password: for the connection, and for nothing else.
    #[must_use]
    pub fn secret_text(&self) -> &str {
        &self.secret
    }
}

impl FromStr for RedisUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // What the crate says of a bad URL doesn't repeat it.
        let info = text.into_connection_info().map_err(|_| "it is no URL of a Redis server".to_owned())?;
        let shown = match info.addr() {
            ConnectionAddr::Tcp(host, port) => format!("redis://{host}:{port}"),
            other => format!("{other}"),
        };
        Ok(Self { secret: text.to_owned(), shown })
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let url: RedisUrl = "redis://ann:sesame@cache:6380/2".parse().unwrap();
        assert_eq!(url.secret_text(), "redis://ann:sesame@cache:6380/2");
        assert_eq!(format!("{url} {url:?}"), "redis://cache:6380 RedisUrl(redis://cache:6380)");
        let refused = "http://ann:sesame@cache".parse::<RedisUrl>().unwrap_err();
        assert!(!refused.contains("sesame"), "{refused}");
    }
}
