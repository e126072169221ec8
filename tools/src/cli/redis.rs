//! The flag that names a Redis server.

use clap::Args;

/// The flag of `up`, `gateway` and `service`.
#[derive(Default, Args)]
pub(crate) struct RedisFlag {
    /// A Redis server, as redis://HOST:PORT: by it gateways share their rate limits, and the service auth tells who has signed in and
    /// which tokens are revoked. Nothing waits for it: while it is away each gateway goes by its own, and auth tells it later
    /// [default: the environment's REDIS_URL, which others can't read from the list of processes; else none]
    #[arg(long, value_name = "URL")]
    pub(crate) redis: Option<String>,
}

/// Without the URL, which may hold a password.
impl std::fmt::Debug for RedisFlag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisFlag").field("redis", &self.redis.is_some()).finish()
    }
}
