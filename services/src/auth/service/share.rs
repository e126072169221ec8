//! Sessions and revoked tokens in Redis, for whoever else wants to know them.
//!
//! - `session:{id}`: a hash of `user_id`, `organization_id`, `expires_at` (RFC 3339) and `permissions` (JSON), for as long as the session;
//! - `blacklist:token:{jti}`: a token that is revoked, until it has expired.
//!
//! They follow the feed: written after the database has committed, in order, and again until Redis has taken them. Nothing is ever
//! decided by what stands there: the database is the truth, verifiers hear of revocations from `auth` itself, and Redis may be away
//! for as long as it likes. What it has missed it is told when it is back.

use std::time::Duration;

use micronet_transport::clock::unix_us;
use micronet_wire::transcode::put_timestamp;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Pipeline, RedisError};
use tokio::sync::Mutex;

use crate::auth::store::{AuthChange, AuthStore};
use crate::events::{Recorded, Relay};
use crate::redis_url::RedisUrl;
use crate::store::Store as _;

/// The name under which the database knows how far Redis has been told.
pub(super) const CONSUMER: &str = "redis";

/// How long Redis may take to be reached, and to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is shared, and where.
#[derive(Debug)]
pub(super) struct Share {
    store: AuthStore,
    client: Client,
    connection: Mutex<Option<MultiplexedConnection>>,
    relay: Relay,
}

impl Share {
    pub(super) fn new(store: AuthStore, url: &RedisUrl) -> Result<Self, RedisError> {
        let relay = Relay::new(store.database(), CONSUMER);
        Ok(Self { client: Client::open(url.secret_text())?, connection: Mutex::default(), relay, store })
    }

    /// There may be something to tell.
    pub(super) fn wake(&self) {
        self.relay.wake();
    }

    /// Tells what there is to tell, for ever.
    pub(super) async fn run(&self) {
        self.relay.run(async |events: &[Recorded<AuthChange>]| self.tell(events).await).await;
    }

    /// Tells a few events in one go; the first of them if Redis is away.
    async fn tell(&self, events: &[Recorded<AuthChange>]) -> Option<i64> {
        let first = events.first()?.id;
        let told = async {
            let mut commands = redis::pipe();
            for event in events {
                self.add(&mut commands, &event.change).await?;
            }
            if commands.cmd_iter().next().is_some() {
                self.send(&commands).await.map_err(|error| error.to_string())?;
            }
            Ok::<_, String>(())
        };
        match told.await {
            Ok(()) => None,
            Err(error) => {
                if !self.relay.is_failing() {
                    tracing::warn!(error, "Redis couldn't be told yet who has signed in or out");
                }
                Some(first)
            }
        }
    }

    async fn add(&self, commands: &mut Pipeline, change: &AuthChange) -> Result<(), String> {
        let now_us = unix_us();
        match change {
            AuthChange::SessionStarted { session } => self.add_session(commands, session, now_us).await?,
            AuthChange::AccountRevoked { account, .. } => {
                // It may do something else now.
                let account = i64::try_from(*account).unwrap_or_default();
                let sessions =
                    self.store.sessions(account, now_us).await.map_err(|error| error.to_string())?;
                for session in sessions {
                    self.add_session(commands, &session.id, now_us).await?;
                }
            }
            AuthChange::SessionEnded { session, tokens, until } => {
                commands.del(format!("session:{session}")).ignore();
                let left_s = (until.0 - now_us).div_euclid(1_000_000);
                for jti in tokens.iter().filter(|_| left_s > 0) {
                    commands
                        .set_ex(format!("blacklist:token:{jti}"), "revoked", left_s.unsigned_abs())
                        .ignore();
                }
            }
        }
        Ok(())
    }

    /// A session as it is now; one that is over meanwhile is told with its end.
    async fn add_session(&self, commands: &mut Pipeline, id: &str, now_us: i64) -> Result<(), String> {
        let found = self.store.session(id.to_owned(), now_us).await.map_err(|error| error.to_string())?;
        let Some((account, session)) = found else { return Ok(()) };
        let permissions: Vec<String> =
            account.permissions().iter().map(|permission| format!("\"{permission}\"")).collect();
        let key = format!("session:{id}");
        let fields = [
            ("user_id", account.id.to_string()),
            ("organization_id", account.organization_id.to_string()),
            ("expires_at", rfc3339(session.expires_at)),
            ("permissions", format!("[{}]", permissions.join(","))),
        ];
        commands.hset_multiple(&key, &fields).ignore();
        commands.expire_at(&key, session.expires_at.div_euclid(1_000_000)).ignore();
        Ok(())
    }

    async fn send(&self, commands: &Pipeline) -> Result<(), RedisError> {
        let mut slot = self.connection.lock().await;
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(PATIENCE))
                    .set_response_timeout(Some(PATIENCE));
                self.client.get_multiplexed_async_connection_with_config(&config).await?
            }
        };
        commands.exec_async(&mut connection).await?;
        // One that has failed is not used again.
        *slot = Some(connection);
        Ok(())
    }
}

/// A time as people write it.
fn rfc3339(at_us: i64) -> String {
    let mut json = bytes::BytesMut::new();
    put_timestamp(&mut json, at_us);
    String::from_utf8_lossy(&json).trim_matches('"').to_owned()
}
