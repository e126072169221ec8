//! The flags of what may stand in Redis too.

use clap::Args;

const REDIS_HELP: &str = "\
A Redis that also knows who has signed in, and which tokens are revoked: redis://USER:PASSWORD@HOST:PORT/DATABASE. Nothing \
depends on it. A password is safer in REDIS_URL, which is taken where this is not given";

/// Where Redis is.
#[derive(Debug, Default, Args)]
pub(crate) struct RedisFlags {
    #[arg(long, value_name = "URL", help = REDIS_HELP)]
    pub(crate) redis: Option<String>,
}
